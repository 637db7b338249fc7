//! How this binary compiles components: by itself, in another process.

use std::ffi::OsString;
use std::path::PathBuf;

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

/// The command with which this binary, if it is `surety`, compiles.
///
/// # Errors
/// When the system does not say where the binary is.
pub fn by_this_binary() -> std::io::Result<Vec<OsString>> {
    Ok(vec![program()?.into(), SUBCOMMAND.into()])
}
