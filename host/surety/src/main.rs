//! The binary `surety`: see `surety --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    surety::cli::run()
}
