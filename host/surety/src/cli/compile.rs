//! `surety compile-module`: what the host starts to compile a component apart. Not
//! for people, so it is in no help.

use std::process::ExitCode;

use clap::Args;

/// Compiles the component on stdin within the limits of the job.
#[derive(Debug, Args)]
pub(super) struct Compile {
    /// The host's own form; see `surety_sandbox`
    job: String,
}

impl Compile {
    pub(super) fn run(&self) -> ExitCode {
        surety_sandbox::compile_apart(&self.job)
    }
}
