//! Where things lie, and how child processes are started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};

/// The repository's root folder. By what cargo says as it runs this: a build folder may
/// be shared by two checkouts, and hold what the other one built.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let here = here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        here.parent().expect("xtask lies in the repository's root").to_owned()
    });
    &ROOT
}

/// The build folder: `CARGO_TARGET_DIR`, or `target` in the repository.
pub(crate) fn target_dir() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => Ok(std::path::absolute(dir)?),
        None => Ok(root().join("target")),
    }
}

/// The cargo that runs this command, so that both use the same toolchain.
///
/// Flags for the host's build are taken away: cargo takes flags from one place
/// only, and a guest build brings its own.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

/// Where cargo keeps the sources of dependencies.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(std::path::absolute(home)?);
    }
    let home = std::env::home_dir().context("there is no home folder")?;
    Ok(home.join(".cargo"))
}

/// Runs `command` to its end; a failure names what it was `to`.
pub(crate) fn run(command: &mut Command, to: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("failed to {to}: cannot start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("failed to {to}: {:?}, {status}", command.get_program());
    }
    Ok(())
}

/// Like [`run`], and gives what the command printed.
pub(crate) fn output(command: &mut Command, to: &str) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to {to}: cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("failed to {to}: {:?}, {}", command.get_program(), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
