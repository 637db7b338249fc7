//! `surety aws plan`

use clap::Args;
use surety_store::AwsPlan;

use super::Deployment;
use crate::cli::Common;
use crate::cli::exit::Failed;

/// Compares what there is with what hosts need. Changes nothing.
#[derive(Debug, Args)]
pub(in crate::cli) struct Plan {
    /// Exit code 5 if anything is to be changed
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    deployment: Deployment,
}

impl Plan {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let admin = self.deployment.admin(common)?;
        let plan = tokio::runtime::Runtime::new()?.block_on(admin.plan())?;
        common.output().value(&plan, show)?;
        match (plan.refused.len(), plan.changes.len()) {
            (0, changes) if changes > 0 && self.check => {
                Err(Failed::Unproven("`surety aws apply` would change something".to_owned()))
            }
            (0, _) => Ok(()),
            (refused, _) => Err(Failed::Found(refused)),
        }
    }
}

fn show(plan: &AwsPlan) -> String {
    let mut lines: Vec<_> = plan.changes.iter().map(|change| format!("+ {change}")).collect();
    lines.extend(plan.refused.iter().map(|why| format!("! {why}")));
    if lines.is_empty() {
        lines.push("Nothing is to be changed.".to_owned());
    }
    lines.join("\n")
}
