//! `cargo xtask <command>`: what a developer of this repository runs.
//!
//! One file a command; adding one touches `Command` and its match below.
//!
//! ```text
//! guests ── builds the actions ──▶ guest_std ── finds or builds the std for their target
//! ```

#![allow(clippy::print_stdout, reason = "a command line tool prints")]

mod guest_std;
mod guests;
mod paths;

use clap::Parser;

/// The repository's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Build every action into a component with its manifest
    Guests,
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Guests => guests::run(),
    }
}
