//! The compiler by itself, for the tests of this crate. The host's is a hidden
//! subcommand of its own binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let job = std::env::args().nth(1).unwrap_or_default();
    surety_sandbox::compile_apart(&job)
}
