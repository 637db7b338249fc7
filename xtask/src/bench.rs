//! `cargo xtask bench`: the release build, measured. Not part of the tests.

use anyhow::Result;

use crate::guests;
use crate::host::{self, Profile};
use crate::paths::{cargo, root, run as run_command, target_dir};

/// Builds everything for release, measures, prints a table, writes `bench.json`.
pub(crate) fn run() -> Result<()> {
    guests::build_all()?;
    let binary = host::build(Profile::Release)?;
    let mut bench = cargo();
    bench.current_dir(root()).env("SURETY_BIN", binary);
    bench.env("SURETY_GUESTS", target_dir()?.join("guests"));
    bench.args(["run", "--release", "--locked", "--quiet", "--package", "surety-tests"]);
    bench.args(["--bin", "bench", "--"]).arg(target_dir()?.join("bench.json"));
    run_command(&mut bench, "measure")
}
