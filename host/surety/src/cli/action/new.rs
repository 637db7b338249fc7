//! `surety action new`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use surety_kit::{Kind, Lang, create};

use crate::cli::Common;
use crate::cli::exit::Failed;

#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// Its name; lowercase letters, digits and hyphens
    name: String,
    /// What it is written in: rust, js, python or c
    #[arg(long)]
    lang: Lang,
    /// What it is for: action, which moves messages, or validator, which checks what is
    /// submitted (in rust)
    #[arg(long, default_value_t)]
    kind: Kind,
    /// Where to make it [default: a folder of its name]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl New {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Self { name, lang, kind, folder } = self;
        let folder = folder.unwrap_or_else(|| PathBuf::from(&name));
        create(&folder, &name, lang, kind)?;
        let shown = folder.display();
        let value = json!({
            "name": name, "lang": lang.as_str(), "kind": kind.as_str(),
            "folder": folder.display().to_string(),
        });
        common.output().value(&value, |_| {
            format!(
                "{shown} is there; README.md in it says how to go on.\n\n  surety action test {shown}   builds it and runs its fixtures\n  surety action push {shown}   deploys it to a host"
            )
        })?;
        Ok(())
    }
}
