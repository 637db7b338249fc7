//! `cargo xtask bench`: the release build, measured. Not part of the tests.

use std::process::Command;

use anyhow::Result;

use crate::guests;
use crate::host::{self, Profile};
use crate::paths::{run as run_command, target_dir};

/// Builds everything for release, measures, prints a table, writes `bench.json`.
pub(crate) fn run() -> Result<()> {
    guests::build_all()?;
    let surety = host::build(Profile::Release, "surety")?;
    let mut bench = Command::new(host::build(Profile::Release, "bench")?);
    bench.env("SURETY_BIN", surety).env("SURETY_GUESTS", target_dir()?.join("guests"));
    bench.arg(target_dir()?.join("bench.json"));
    run_command(&mut bench, "measure")
}
