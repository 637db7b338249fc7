//! `surety action list`

use surety_core::types::MsgState;

use crate::api::modules::{ModuleView, ModulesView, UseView};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::table;

pub(super) fn run(common: &Common) -> Result<(), Failed> {
    let view: ModulesView = common.remote()?.get("/v1/modules")?.read()?;
    common.output().value(&view, |view| show(&view.modules))?;
    Ok(())
}

/// Modules in a table.
pub(super) fn show(modules: &[ModuleView]) -> String {
    let row = |view: &ModuleView| {
        let calls = match (&view.withheld, view.canary, view.takes_calls) {
            (Some(why), ..) => format!("no: it {why}"),
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
