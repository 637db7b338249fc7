//! `surety aws`: the resources of a deployment on AWS.

mod apply;
mod plan;
mod policy;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use surety_store::{AwsAdmin, AwsConfig};

use super::Common;
use super::exit::Failed;
use crate::clock::SystemClock;

#[derive(Debug, Subcommand)]
pub(super) enum Aws {
    /// Print what is to be changed so that hosts can work; changes nothing
    Plan(plan::Plan),
    /// Make tables, indexes and queues, and set them as they must be
    Apply(apply::Apply),
    /// Print an IAM policy with what is called and no more
    Policy(policy::Policy),
}

impl Aws {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        match self {
            Self::Plan(plan) => plan.run(common),
            Self::Apply(apply) => apply.run(common),
            Self::Policy(policy) => policy.run(common),
        }
    }
}

/// Which deployment.
#[derive(Debug, Args)]
struct Deployment {
    /// The hosts' configuration, with `[store.aws]`
    #[arg(long, env = "SURETY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Deployment {
    /// `[store.aws]`, also before `backend` says that it is used.
    fn config(&self, common: &Common) -> Result<AwsConfig, Failed> {
        let config = common.config(self.config.as_ref())?.store.aws;
        let checked = config.check().map_err(anyhow::Error::msg);
        checked.context("`[store.aws]` of the configuration; name the file with --config")?;
        Ok(config)
    }

    fn admin(&self, common: &Common) -> Result<AwsAdmin, Failed> {
        Ok(AwsAdmin::new(&self.config(common)?, Arc::new(SystemClock))?)
    }
}
