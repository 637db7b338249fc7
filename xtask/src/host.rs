//! Binaries of the workspace: built, and where they lie.

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

/// Builds a binary of the workspace and gives its path.
///
/// Always with the features of the whole workspace, as the tests are built: a
/// package by itself would have others, and wasmtime would be built twice.
pub(crate) fn build(profile: Profile, name: &str) -> Result<PathBuf> {
    let mut build = cargo();
    build.current_dir(root()).args(["build", "--workspace", "--bin", name, "--locked"]);
    if matches!(profile, Profile::Release) {
        build.arg("--release");
    }
    run(&mut build, &format!("build {name}"))?;
    binary(profile, name)
}

/// Where a binary lies once it is built.
pub(crate) fn binary(profile: Profile, name: &str) -> Result<PathBuf> {
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    Ok(target_dir()?.join(folder).join(name))
}
