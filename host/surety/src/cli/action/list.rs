//! `surety action list`

use surety_core::types::MsgState;

use crate::api::modules::{ModuleView, ModulesView};
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
        [
            format!("{}@{}", view.name, view.version),
            view.returns.iter().map(MsgState::as_str).collect::<Vec<_>>().join(","),
            view.deployed_at.to_string(),
            view.digest.to_string(),
        ]
    };
    table(["ACTION", "RETURNS", "DEPLOYED", "DIGEST"], modules.iter().map(row).collect())
}
