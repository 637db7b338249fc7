//! The OCI registry of the tests: Debian's `docker-registry`, the distribution
//! project's, in a folder of its own. The tests start and stop it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::debian::{Apt, mirror, suite};
use crate::paths::target_dir;

/// Names the program where it is there already.
const PROGRAM_ENV: &str = "SURETY_REGISTRY";

const PACKAGE: &str = "docker-registry";

/// The program; fetched once.
pub(crate) fn program() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM_ENV) {
        return Ok(program.into());
    }
    let ready = target_dir()?.join("registry");
    let program = ready.join("usr/bin").join(PACKAGE);
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(target_dir()?)?;
    let work = tempfile::tempdir_in(target_dir()?)?;
    let unpacked = work.path().join("unpacked");
    let fetch = || Apt::new(work.path(), &mirror()?, &suite()?)?.unpack(PACKAGE, &unpacked);
    fetch().with_context(|| {
        format!(
            "there is no registry for the tests. Let {PROGRAM_ENV} name the program of the \
             distribution project's registry 2.8, which Debian's package {PACKAGE} has"
        )
    })?;
    match fs::rename(&unpacked, &ready) {
        // Another process was faster, with the same result.
        Err(_) if program.is_file() => Ok(program),
        renamed => renamed.map(|()| program).context("failed to keep the registry"),
    }
}
