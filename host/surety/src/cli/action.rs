//! `surety action`

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Subcommand;
use serde_json::{Map, Value};
use surety_core::json;
use surety_core::types::MsgState;

use super::exit::Failed;
use super::output::table;
use super::{Common, input};
use crate::api::modules::{ModuleRequest, ModuleView, ModulesView};

/// How long the host may take to compile: a scripting engine takes 20 s.
const COMPILE_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Deploy a component; its manifest says name and version
    Push {
        /// The component
        file: PathBuf,
        /// A file with the deployment's settings as JSON [default: {}]
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
    },
    /// List the deployed modules
    List,
}

impl Action {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        match self {
            Self::Push { file, settings } => {
                let settings = match settings {
                    Some(file) => {
                        match json::parse(&input::bytes(&file)?).map_err(Failed::refused)? {
                            Value::Object(settings) => settings,
                            _ => return Err(anyhow!("{} is no JSON object", file.display()).into()),
                        }
                    }
                    None => Map::new(),
                };
                let component = BASE64_STANDARD.encode(input::bytes(&file)?);
                let body = serde_json::to_vec(&ModuleRequest { component, settings })?;
                let answer = common.remote()?.put("/v1/modules", body, COMPILE_MAX)?;
                let view: ModuleView = answer.read()?;
                common.output().value(&view, |view| show(std::slice::from_ref(view)))?;
            }
            Self::List => {
                let view: ModulesView = common.remote()?.get("/v1/modules")?.read()?;
                common.output().value(&view, |view| show(&view.modules))?;
            }
        }
        Ok(())
    }
}

fn show(modules: &[ModuleView]) -> String {
    let row = |view: &ModuleView| {
        [
            format!("{}@{}", view.name, view.version),
            view.returns.iter().map(MsgState::as_str).collect::<Vec<_>>().join(","),
            view.deployed_at.to_string(),
            view.digest.to_string(),
        ]
    };
    table(["ACTION", "RETURNS", "DEPLOYED", "DIGEST"], modules.iter().map(row).collect())
}
