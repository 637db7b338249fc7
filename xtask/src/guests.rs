//! `cargo xtask guests`: every action as a component with its manifest inside; and what
//! means harm in the tests, which puts a manifest into it for each of its pranks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use surety_kit::rust::{Package, check_names, read_core, workspace};
use surety_kit::{MANIFEST, Project, component, rust};

use crate::guest_std;
use crate::paths::{root, target_dir};

/// The crate that means harm, from the root, and its folder below that of the guests.
const HOSTILE: (&str, &str) = ("tests/hostile/rust", "hostile");

/// An action, ready to be deployed.
pub(crate) struct Built {
    /// Its name, as in its manifest.
    pub(crate) name: String,
    /// Its version, as in its manifest.
    pub(crate) version: String,
    /// The component's file.
    pub(crate) path: PathBuf,
}

/// Builds all actions and prints what they became.
pub(crate) fn run() -> Result<()> {
    for built in build_all()? {
        let bytes = fs::read(&built.path)?;
        println!(
            "{:<8} {:<8} {:>7} bytes  imports {}  {}",
            built.name,
            built.version,
            bytes.len(),
            component::interfaces(&bytes)?.imports.join(", "),
            built.path.display(),
        );
    }
    Ok(())
}

/// Builds every action in `actions/` into `<target>/guests/<name>.wasm`.
pub(crate) fn build_all() -> Result<Vec<Built>> {
    let actions = root().join("actions");
    let folder = target_dir()?.join("guests");
    fs::create_dir_all(&folder)?;
    let packages = workspace(&actions)?;
    let built: Vec<Built> = packages
        .iter()
        // The others are libraries.
        .filter(|package| package.folder.join(MANIFEST).is_file())
        .map(|package| {
            build(package, &folder)
                .with_context(|| format!("failed to build the action {:?}", package.name))
        })
        .collect::<Result<_>>()?;
    hostile(&packages, &folder.join(HOSTILE.1)).context("failed to build what means harm")?;
    ensure!(!built.is_empty(), "no action in {}", actions.display());
    Ok(built)
}

/// Compiles an action by itself: built together they would share the SDK's
/// features, and each would carry what only another exports. Gives the folder with
/// the core module.
fn compile(package: &Package) -> Result<PathBuf> {
    // The SDK lies outside of the workspace.
    let mut flags = vec![format!("--remap-path-prefix={}=/surety", root().display())];
    if let Some(sysroot) = guest_std::sysroot()? {
        flags.push(format!("--sysroot={}", sysroot.display()));
    }
    Ok(rust::compile(&package.folder, &guest_std::build_dir()?, &["--locked"], flags)?)
}

/// Core module and manifest → component, written to `folder`.
fn build(package: &Package, folder: &Path) -> Result<Built> {
    let project = Project::open(&package.folder)?;
    check_names(package, &project)?;
    let component = component::of_core(&read_core(&compile(package)?, &package.name)?)?;
    let component = component::with_manifest(component, &project.manifest);

    let path = write(folder, &package.name, &component)?;
    Ok(Built { name: project.name, version: project.version, path })
}

/// The hostile component, without a manifest.
fn hostile(packages: &[Package], folder: &Path) -> Result<()> {
    let source = root().join(HOSTILE.0).canonicalize()?;
    let package = packages.iter().find(|package| package.folder == source);
    let package = package.with_context(|| format!("no crate in {}", source.display()))?;
    let component = component::of_core(&read_core(&compile(package)?, &package.name)?)?;
    fs::create_dir_all(folder)?;
    write(folder, "rust", &component)?;
    Ok(())
}

/// Renamed into place: a host that reads it meanwhile sees the old or the new.
fn write(folder: &Path, name: &str, component: &[u8]) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.wasm"));
    let staged = folder.join(format!("{name}.wasm.{}", std::process::id()));
    fs::write(&staged, component)?;
    fs::rename(&staged, &path)?;
    Ok(path)
}
