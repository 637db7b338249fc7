//! `surety action`

mod canary;
mod revoke;
mod rollback;
mod sign;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Subcommand;
use serde_json::{Map, Value};
use surety_core::canary::Share;
use surety_core::endorse::Endorsements;
use surety_core::json;
use surety_core::types::MsgState;

use super::exit::Failed;
use super::output::table;
use super::{Common, input};
use crate::api::modules::{ModuleRequest, ModuleView, ModulesView, UseView};

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
        /// The file with its signatures [default: the component's name and
        /// .signatures.json, if that is there]
        #[arg(long, value_name = "FILE")]
        signatures: Option<PathBuf>,
        /// Give it a share of the calls at first, such as 10%
        #[arg(long, value_name = "SHARE")]
        canary: Option<Share>,
    },
    /// List the deployed modules
    List,
    /// Sign a component as its publisher
    Sign(sign::Sign),
    /// Approve what a component may do as its reviewer
    Approve(sign::Approve),
    /// Stop a component for good
    Revoke(revoke::Revoke),
    /// Go back to the deployment before
    Rollback(rollback::Rollback),
    /// Take out a version that no workflow needs
    Remove(rollback::Remove),
    /// List the deployments of a module
    History(rollback::History),
    /// Compare, promote or stop a canary
    Canary(canary::Canary),
}

impl Action {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        match self {
            Self::Push { file, settings, signatures, canary } => {
                let settings = match settings {
                    Some(file) => {
                        match json::parse(&input::bytes(&file)?).map_err(Failed::refused)? {
                            Value::Object(settings) => settings,
                            _ => return Err(anyhow!("{} is no JSON object", file.display()).into()),
                        }
                    }
                    None => Map::new(),
                };
                let signed = match signatures {
                    // A file that was named must be there.
                    Some(named) => serde_json::from_str(&input::text(&named)?)?,
                    None => sign::kept(&sign::beside(&file))?,
                };
                let Endorsements { signatures, approvals } = signed;
                let component = BASE64_STANDARD.encode(input::bytes(&file)?);
                let request = ModuleRequest { component, settings, signatures, approvals, canary };
                let body = serde_json::to_vec(&request)?;
                let answer = common.remote()?.put("/v1/modules", body, COMPILE_MAX)?;
                let view: ModuleView = answer.read()?;
                common.output().value(&view, |view| show(std::slice::from_ref(view)))?;
            }
            Self::List => {
                let view: ModulesView = common.remote()?.get("/v1/modules")?.read()?;
                common.output().value(&view, |view| show(&view.modules))?;
            }
            Self::Sign(sign) => sign.run(common)?,
            Self::Approve(approve) => approve.run(common)?,
            Self::Revoke(revoke) => revoke.run(common)?,
            Self::Rollback(rollback) => rollback.run(common)?,
            Self::Remove(remove) => remove.run(common)?,
            Self::History(history) => history.run(common)?,
            Self::Canary(canary) => canary.run(common)?,
        }
        Ok(())
    }
}

fn show(modules: &[ModuleView]) -> String {
    let row = |view: &ModuleView| {
        let calls = match (&view.withheld, view.canary, view.takes_calls) {
            (Some(why), ..) => why.clone(),
            (None, Some(share), _) => format!("{share}, a canary"),
            (None, None, true) => "yes".to_owned(),
            (None, None, false) => "none come".to_owned(),
        };
        [
            format!("{}@{}", view.name, view.version),
            list(view.used_by.iter().map(place)),
            list(view.signers.iter().map(ToString::to_string)),
            view.deployed_at.to_string(),
            calls,
            view.digest.to_string(),
        ]
    };
    let headings = ["ACTION", "USED BY", "SIGNERS", "DEPLOYED", "TAKES CALLS", "DIGEST"];
    table(headings, modules.iter().map(row).collect())
}

fn place(at: &UseView) -> String {
    let state = at.msg_state.as_ref().map_or("(validator)", MsgState::as_str);
    format!("{} {} {state}", at.msg_type, at.version)
}

fn list(items: impl Iterator<Item = String>) -> String {
    let all: Vec<_> = items.collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}
