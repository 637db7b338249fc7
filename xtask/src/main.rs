//! `cargo xtask <command>`: what a developer of this repository runs.
//!
//! One file a command; adding one touches `Command` and its match below.
//!
//! ```text
//! demo ─┐
//! test ─┼─▶ guests ── builds the actions ──▶ guest_std ── finds or builds the std for their target
//! bench ┘─▶ host ──── builds the binary
//! test ─┬─▶ toolchains ── what projects in other languages are built with
//!       ├─▶ registry ──── an OCI registry
//!       └─▶ emulators ─── what stands in for AWS
//! ```

#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod bench;
mod debian;
mod demo;
mod emulators;
mod guest_std;
mod guests;
mod host;
mod paths;
mod registry;
mod test;
mod toolchains;

use clap::Parser;

/// The repository's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Run the main job: build everything, deploy it, submit messages, follow them
    Demo(demo::Demo),
    /// Run every check and test
    Test(test::Test),
    /// Measure, and write a table and a JSON file
    Bench,
    /// Build every action into a component with its manifest
    Guests,
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Demo(demo) => demo.run(),
        Command::Test(test) => test.run(),
        Command::Bench => bench::run(),
        Command::Guests => guests::run(),
    }
}
