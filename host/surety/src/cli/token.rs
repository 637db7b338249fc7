//! `surety token`

use clap::Subcommand;
use serde_json::json;

use super::Common;
use super::exit::Failed;
use crate::tokens::{Role, generate, hash};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make a token, and the lines that let a host know it
    New {
        /// What it may do: reader, auditor, deployer, operator
        #[arg(long)]
        role: Role,
        /// Whose it is [default: the role]
        #[arg(long)]
        name: Option<String>,
    },
}

impl Token {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Self::New { role, name } = self;
        let name = name.unwrap_or_else(|| role.as_str().to_owned());
        let token = generate();
        let hash = hash(&token);
        let value = json!({ "token": token, "name": name, "role": role, "hash": hash });
        common.output().value(&value, |_| {
            let (name, role) = (toml::Value::from(name.as_str()), role.as_str());
            format!(
                "The token, shown only now:\n\n{token}\n\nFor the host's configuration, in place of `tokens = []`:\n\n[[tokens]]\nname = {name}\nrole = \"{role}\"\nhash = \"{hash}\""
            )
        })?;
        Ok(())
    }
}
