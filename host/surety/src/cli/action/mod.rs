//! `surety action`

mod audit;
mod build;
mod canary;
mod check;
mod list;
mod logs;
mod new;
mod publish;
mod push;
mod revoke;
mod rollback;
mod sign;
mod source;
mod test;

use clap::Subcommand;

use super::Common;
use super::exit::Failed;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make a project with an action or a validator in it, which builds as it is
    New(new::New),
    /// Build a project into a component with its manifest
    Build(build::Build),
    /// Say what a push would say of a component, without a host
    Check(check::Check),
    /// Say what a module is made of, may do and is run by, without running it
    Audit(audit::Audit),
    /// Build a project and run it in the sandbox against its fixtures
    Test(test::Test),
    /// Put a component and its signatures into an OCI registry
    Publish(publish::Publish),
    /// Deploy a component; its manifest says name and version
    Push(push::Push),
    /// List the deployed modules
    List,
    /// Show what modules wrote to their log, from a host's memory
    Logs(logs::Logs),
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
            Self::New(new) => new.run(common),
            Self::Build(build) => build.run(common),
            Self::Check(check) => check.run(common),
            Self::Audit(audit) => audit.run(common),
            Self::Test(test) => test.run(common),
            Self::Publish(publish) => publish.run(common),
            Self::Push(push) => push.run(common),
            Self::List => list::run(common),
            Self::Logs(logs) => logs.run(common),
            Self::Sign(sign) => sign.run(common),
            Self::Approve(approve) => approve.run(common),
            Self::Revoke(revoke) => revoke.run(common),
            Self::Rollback(rollback) => rollback.run(common),
            Self::Remove(remove) => remove.run(common),
            Self::History(history) => history.run(common),
            Self::Canary(canary) => canary.run(common),
        }
    }
}
