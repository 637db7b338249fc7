//! `surety aws apply`

use clap::Args;
use serde_json::json;
use surety_store::AwsChange;

use super::Deployment;
use crate::cli::Common;
use crate::cli::exit::Failed;

/// Makes what is missing and sets what is set otherwise, then waits until it can be
/// used. May be run again at any time, and by two at once. Never takes anything away.
#[derive(Debug, Args)]
pub(in crate::cli) struct Apply {
    #[command(flatten)]
    deployment: Deployment,
}

impl Apply {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let admin = self.deployment.admin(common)?;
        let output = common.output();
        let mut broken = None;
        let mut told = |change: &AwsChange| {
            let told = output.value(&json!({ "change": change }), |_| format!("+ {change}"));
            broken = broken.take().or(told.err());
        };
        let plan = tokio::runtime::Runtime::new()?.block_on(admin.apply(&mut told))?;
        if let Some(e) = broken {
            return Err(e.into());
        }
        let count = plan.changes.len();
        output.value(&json!({ "changes": count }), |_| match count {
            0 => "Nothing was to be changed.".to_owned(),
            _ => "All of it is made, and can be used.".to_owned(),
        })?;
        Ok(())
    }
}
