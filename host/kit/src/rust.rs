//! Rust: cargo, with the flags that make a guest the same wherever it is built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use crate::tools::{Tool, output, run};
use crate::{Error, Project};

/// The guests' target.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Flags of the caller's for the target, such as a standard library of its own.
const TARGET_FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

const CARGO: Tool =
    Tool { why: "compiles Rust", install: "install Rust with rustup, as https://rustup.rs says" };

/// A crate that is an action, as cargo knows it.
#[derive(Debug, Clone)]
pub struct Package {
    /// The crate's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// Compiles a project; gives its core module.
pub(crate) fn core_module(project: &Project) -> Result<Vec<u8>, Error> {
    let metadata = metadata(&project.folder)?;
    let folder = project.folder.as_path();
    let package = packages(&metadata)?.into_iter().find(|package| package.folder == folder);
    let package = package.ok_or_else(|| Error::NoProject {
        folder: project.folder.clone(),
        why: "its Cargo.toml has no package".to_owned(),
    })?;
    check_names(&package, project)?;
    let target_dir = metadata["target_directory"].as_str().map(PathBuf::from);
    let target_dir = target_dir.ok_or_else(|| unexpected("cargo metadata has no target folder"))?;
    let given = env::var(TARGET_FLAGS).unwrap_or_default();
    let given: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
    if !given.iter().any(|flag| flag.starts_with("--sysroot")) {
        check_target(folder)?;
    }
    let core = compile(folder, &target_dir, &[], given)?;
    read_core(&core, &package.name)
}

/// The packages of a workspace.
///
/// # Errors
/// When cargo fails, or says something else.
pub fn workspace(folder: &Path) -> Result<Vec<Package>, Error> {
    packages(&metadata(folder)?)
}

/// Compiles the package in `folder` for release, which has no other name that is
/// unique: a dependency may be called the same. Gives the folder with the core modules.
/// `flags` are for rustc.
///
/// # Errors
/// When cargo is missing or fails.
pub fn compile(
    folder: &Path,
    target_dir: &Path,
    arguments: &[&str],
    mut flags: Vec<String>,
) -> Result<PathBuf, Error> {
    // Panic messages carry file names: without the remaps a guest's digest would
    // depend on the machine that built it.
    let home = cargo_home()?;
    flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    flags.push(format!("--remap-path-prefix={}=/surety", folder.display()));
    let mut build = cargo(folder);
    build.args(["build", "--quiet", "--release", "--target", TARGET]).args(arguments);
    build.arg("--target-dir").arg(target_dir);
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    run(&mut build, "compile for WebAssembly", &CARGO)?;
    Ok(target_dir.join(TARGET).join("release"))
}

/// The core module of a crate, from the folder that [`compile`] gives.
///
/// # Errors
/// When it is not there.
pub fn read_core(folder: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let file = folder.join(format!("{}.wasm", name.replace('-', "_")));
    if !file.is_file() {
        let file = file.display();
        return Err(Error::Unexpected(format!(
            "cargo made no {file}; Cargo.toml needs `crate-type = [\"cdylib\", \"rlib\"]`"
        )));
    }
    fs::read(&file).map_err(Error::read(&file))
}

/// The manifest speaks of the same thing as Cargo.toml.
///
/// # Errors
/// With what each of them says.
pub fn check_names(package: &Package, project: &Project) -> Result<(), Error> {
    let pairs =
        [("name", &package.name, &project.name), ("version", &package.version, &project.version)];
    match pairs.into_iter().find(|(_, cargo, manifest)| cargo != manifest) {
        None => Ok(()),
        Some((member, cargo, manifest)) => Err(Error::Unexpected(format!(
            "manifest.json has the {member} {manifest:?}, and Cargo.toml {cargo:?}; they must be the same"
        ))),
    }
}

/// cargo, without flags that are for the host's own build: cargo takes flags
/// from one place only.
fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

fn metadata(folder: &Path) -> Result<Value, Error> {
    let mut cargo = cargo(folder);
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = output(&mut cargo, "read Cargo.toml", &CARGO)?;
    serde_json::from_str(&text).map_err(|e| unexpected(&format!("cargo metadata is not JSON: {e}")))
}

fn packages(metadata: &Value) -> Result<Vec<Package>, Error> {
    let none = || unexpected("cargo metadata has no packages");
    let package = |package: &Value| {
        let text = |member: &str| package[member].as_str().map(str::to_owned);
        let folder = Path::new(package["manifest_path"].as_str()?).parent()?.to_owned();
        Some(Package { name: text("name")?, version: text("version")?, folder })
    };
    let all = metadata["packages"].as_array().ok_or_else(none)?;
    all.iter().map(package).collect::<Option<_>>().ok_or_else(none)
}

/// Whether the toolchain of the folder has the target.
fn check_target(folder: &Path) -> Result<(), Error> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(folder).args(["--print", "target-libdir", "--target", TARGET]);
    let library = output(&mut rustc, "ask rustc for its library folder", &CARGO)?;
    let entries = fs::read_dir(library.trim()).into_iter().flatten().flatten();
    if entries.into_iter().any(|e| e.file_name().to_string_lossy().starts_with("libstd-")) {
        return Ok(());
    }
    Err(Error::Missing {
        tool: format!("Rust's standard library for {TARGET}"),
        why: "actions are linked with",
        install: format!("run `rustup target add {TARGET}` in the project's folder"),
    })
}

fn cargo_home() -> Result<PathBuf, Error> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    home.ok_or_else(|| unexpected("there is no home folder, and no CARGO_HOME"))
}

fn unexpected(text: &str) -> Error {
    Error::Unexpected(text.to_owned())
}
