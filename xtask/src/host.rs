//! The host's binary: built, and where it lies.

use std::path::PathBuf;

use anyhow::Result;

use crate::paths::{cargo, root, run, target_dir};

/// How it is built.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Quick to build; its dependencies are optimised all the same.
    Dev,
    /// For measuring.
    Release,
}

/// Builds the binary and gives its path.
pub(crate) fn build(profile: Profile) -> Result<PathBuf> {
    let mut build = cargo();
    build.current_dir(root()).args(["build", "--package", "surety", "--locked"]);
    if matches!(profile, Profile::Release) {
        build.arg("--release");
    }
    run(&mut build, "build the host")?;
    binary(profile)
}

/// Where the binary lies once it is built.
pub(crate) fn binary(profile: Profile) -> Result<PathBuf> {
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    Ok(target_dir()?.join(folder).join("surety"))
}
