//! `surety action`

mod audit;
mod build;
mod check;
mod list;
mod logs;
mod new;
mod push;
mod test;

use clap::Subcommand;

use super::Common;
use super::exit::Failed;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make a project with an action in it, which builds as it is
    New(new::New),
    /// Build a project into a component with its manifest
    Build(build::Build),
    /// Say what a push would say of a component, without a host
    Check(check::Check),
    /// Say what a module is made of, may do and is run by, without running it
    Audit(audit::Audit),
    /// Build a project and run it in the sandbox against its fixtures
    Test(test::Test),
    /// Deploy a component; its manifest says name and version
    Push(push::Push),
    /// List the deployed modules
    List,
    /// Show what modules wrote to their log, from a host's memory
    Logs(logs::Logs),
}

impl Action {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        match self {
            Self::New(new) => new.run(common),
            Self::Build(build) => build.run(common),
            Self::Check(check) => check.run(common),
            Self::Audit(audit) => audit.run(common),
            Self::Test(test) => test.run(common),
            Self::Push(push) => push.run(common),
            Self::List => list::run(common),
            Self::Logs(logs) => logs.run(common),
        }
    }
}
