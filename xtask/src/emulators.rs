//! What stands in for AWS in the tests, from PyPI, pinned by hash: each set in a venv of
//! its own in the build folder. The tests start and stop it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::{output, root, run, target_dir};

/// Names the folder with the venvs where they are there already.
const FOLDER_ENV: &str = "SURETY_EMULATORS";

/// ministack, SQS and DynamoDB, with microburst, a proxy that puts faults in between.
const MINISTACK: &str = "ministack";

/// LocalStack, the strictest SQS of all; for the slow lane, because of its size.
const LOCALSTACK: &str = "localstack";

/// Where they are: a folder a set.
pub(crate) fn folder() -> Result<PathBuf> {
    match std::env::var_os(FOLDER_ENV) {
        Some(folder) => Ok(folder.into()),
        None => Ok(target_dir()?.join("emulators")),
    }
}

/// Installs what is not there, or is pinned to something else now.
pub(crate) fn install(slow: bool) -> Result<()> {
    if std::env::var_os(FOLDER_ENV).is_some() {
        return Ok(());
    }
    set(MINISTACK)?;
    if slow {
        set(LOCALSTACK)?;
    }
    Ok(())
}

fn set(name: &str) -> Result<()> {
    let venv = folder()?.join(name);
    let requirements = root().join("tests/emulators").join(format!("{name}.txt"));
    let pinned = fs::read_to_string(&requirements)
        .with_context(|| format!("{} cannot be read", requirements.display()))?;
    // A venv belongs to its interpreter.
    let python = output(Command::new("python3").args(["-VV"]), "ask Python for its version")?;
    let wanted = format!("{python}{pinned}");
    let installed = venv.join(".installed");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if venv.exists() {
        fs::remove_dir_all(&venv)?;
    }
    println!("installing {name} into {}", venv.display());
    let made = run(
        Command::new("python3").args(["-m", "venv"]).arg(&venv),
        "make a venv (on Debian and Ubuntu it needs the package python3-venv)",
    );
    made.and_then(|()| pip(&venv, &requirements))
        .with_context(|| format!("{name} is not installed, which the tests run against"))?;
    fs::write(installed, wanted)?;
    Ok(())
}

/// Wheels only: what is built from source fetches tools that nobody pinned.
fn pip(venv: &Path, requirements: &Path) -> Result<()> {
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--require-hashes", "--only-binary=:all:", "-r"]).arg(requirements);
    run(&mut pip, "install from PyPI")
}
