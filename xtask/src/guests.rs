//! `cargo xtask guests`: every action as a component with its manifest inside.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

use crate::guest_std::{self, TARGET};
use crate::paths::{cargo, cargo_home, output, root, run as run_command, target_dir};

/// The component's custom section that carries its manifest. It is part of the
/// component's bytes, so the module's digest covers it.
const MANIFEST_SECTION: &str = "surety:manifest";

/// An action, ready to be deployed.
pub(crate) struct Built {
    /// Its name, as in its manifest.
    pub(crate) name: String,
    /// The component's file.
    pub(crate) path: PathBuf,
    /// The manifest inside it.
    pub(crate) manifest: Value,
}

/// An action's crate in the actions' workspace.
struct Action {
    name: String,
    version: String,
    folder: PathBuf,
}

/// Builds all actions and prints what they became.
pub(crate) fn run() -> Result<()> {
    for built in build_all()? {
        let bytes = fs::read(&built.path)?;
        println!(
            "{:<8} {:<8} {:>7} bytes  imports {}  {}",
            built.name,
            built.manifest["version"].as_str().unwrap_or_default(),
            bytes.len(),
            imports(&bytes)?.join(", "),
            built.path.display(),
        );
    }
    Ok(())
}

/// Builds every action in `actions/` into `<target>/guests/<name>.wasm`.
pub(crate) fn build_all() -> Result<Vec<Built>> {
    let workspace = root().join("actions");
    let actions = actions(&workspace)?;
    let cores = compile(&actions)?;
    let folder = target_dir()?.join("guests");
    fs::create_dir_all(&folder)?;
    actions
        .iter()
        .map(|action| {
            package(action, &cores, &folder)
                .with_context(|| format!("failed to build the action {:?}", action.name))
        })
        .collect()
}

/// Compiles the actions; gives the folder with the core modules.
fn compile(actions: &[Action]) -> Result<PathBuf> {
    let build = guest_std::build_dir()?;
    let mut flags = vec![
        // Panic messages carry file names: without the remaps a guest's digest
        // would depend on the machine that built it.
        format!("--remap-path-prefix={}=/cargo", cargo_home()?.display()),
        format!("--remap-path-prefix={}=/surety", root().display()),
    ];
    if let Some(sysroot) = guest_std::sysroot()? {
        flags.push(format!("--sysroot={}", sysroot.display()));
    }
    let flags = flags.join("\u{1f}");
    for Action { name, folder, .. } in actions {
        // Each by itself: built together they would share the SDK's features, and
        // each would carry what only another exports.
        run_command(
            cargo()
                .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
                .arg("--manifest-path")
                .arg(folder.join("Cargo.toml"))
                .arg("--target-dir")
                .arg(&build)
                .env("CARGO_ENCODED_RUSTFLAGS", &flags),
            &format!("build the action {name:?}"),
        )?;
    }
    Ok(build.join(TARGET).join("release"))
}

/// The workspace's members that have a manifest; the others are libraries.
fn actions(workspace: &Path) -> Result<Vec<Action>> {
    let metadata = output(
        cargo()
            .args(["metadata", "--no-deps", "--locked", "--format-version", "1", "--manifest-path"])
            .arg(workspace.join("Cargo.toml")),
        "read the actions' workspace",
    )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let mut actions = Vec::new();
    for package in packages {
        let field = |name: &str| {
            package[name].as_str().with_context(|| format!("cargo metadata has no {name:?}"))
        };
        let folder = Path::new(field("manifest_path")?)
            .parent()
            .context("a crate without a folder")?
            .to_owned();
        if folder.join("manifest.json").is_file() {
            actions.push(Action {
                name: field("name")?.to_owned(),
                version: field("version")?.to_owned(),
                folder,
            });
        }
    }
    ensure!(!actions.is_empty(), "no action in {}", workspace.display());
    Ok(actions)
}

/// Core module and manifest → component, written to `folder`.
fn package(action: &Action, cores: &Path, folder: &Path) -> Result<Built> {
    let manifest: Value = serde_json::from_slice(&fs::read(action.folder.join("manifest.json"))?)
        .context("manifest.json is not JSON")?;
    for (member, expected) in [("name", &action.name), ("version", &action.version)] {
        if manifest[member].as_str() != Some(expected) {
            bail!("manifest.json says {member} {}, Cargo.toml says {expected:?}", manifest[member]);
        }
    }
    let core = fs::read(cores.join(format!("{}.wasm", action.name.replace('-', "_"))))?;
    let mut component = ComponentEncoder::default().module(&core)?.validate(true).encode()?;
    CustomSection { name: MANIFEST_SECTION.into(), data: serde_json::to_vec(&manifest)?.into() }
        .append_to_component(&mut component);

    let path = folder.join(format!("{}.wasm", action.name));
    // Renamed into place: a host that reads it meanwhile sees the old or the new.
    let staged = folder.join(format!("{}.wasm.{}", action.name, std::process::id()));
    fs::write(&staged, component)?;
    fs::rename(&staged, &path)?;
    Ok(Built { name: action.name.clone(), path, manifest })
}

/// The names of the interfaces that a component imports.
fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("not a component");
    };
    let names: BTreeSet<String> = resolve.worlds[world]
        .imports
        .iter()
        .filter(|(_, item)| matches!(item, WorldItem::Interface { .. }))
        .map(|(key, _)| resolve.name_world_key(key))
        .collect();
    Ok(names.into_iter().collect())
}
