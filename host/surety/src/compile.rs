//! How this binary compiles components: by itself, in another process.

use std::path::PathBuf;

use surety_sandbox::{CompileLimits, Compiling};

/// The hidden subcommand that does it.
pub const SUBCOMMAND: &str = "compile-module";

/// Where a process finds its own binary, also when another one has been put in its
/// place since.
#[cfg(target_os = "linux")]
fn program() -> std::io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

#[cfg(not(target_os = "linux"))]
fn program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// Compiles with this binary, which must be `surety`.
///
/// # Errors
/// When the system does not say where it is.
pub fn by_this_binary(
    limits: CompileLimits,
    folder: PathBuf,
    secret: [u8; 32],
) -> std::io::Result<Compiling> {
    let command = vec![program()?.into(), SUBCOMMAND.into()];
    Ok(Compiling { command, limits, folder, secret })
}
