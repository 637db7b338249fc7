//! The standard library for the guests' target.
//!
//! rustup brings it with `rust-toolchain.toml`. Where rustup cannot (no
//! network, a distribution's toolchain), it is built from the source of the
//! very same release, once, and kept in the build folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use surety_kit::rust::TARGET;

use crate::debian::{self, Apt};
use crate::paths::{cargo, cargo_home, output, run, target_dir};

/// Names an archive (anything `tar` reads) that contains rustc's `library` folder.
const SOURCE_ENV: &str = "SURETY_RUST_SRC";

/// Debian's suites that have a recent rustc, the one that moves least first.
const DEBIAN_SUITES: [&str; 3] = ["trixie-backports", "testing", "unstable"];

/// How deep below an archive's root `library` may lie
/// (`usr/src/rustc-1.95.0/library` in Debian's package).
const LIBRARY_DEPTH_MAX: usize = 4;

/// The active compiler.
struct Rustc {
    release: String,
    commit: String,
}

/// A sysroot with the guests' standard library; `None` means the toolchain's
/// own has it.
pub(crate) fn sysroot() -> Result<Option<PathBuf>> {
    if installed()? {
        return Ok(None);
    }
    let rustc = rustc_version()?;
    let folder = target_dir()?.join("guest-std");
    let ready = folder.join(format!("{}-{}", rustc.release, rustc.commit));
    if ready.is_dir() {
        return Ok(Some(ready));
    }
    fs::create_dir_all(&folder)?;
    let work = tempfile::tempdir_in(&folder)?;
    make(&rustc, work.path(), &ready)?;
    Ok(Some(ready))
}

/// Where guests are compiled.
pub(crate) fn build_dir() -> Result<PathBuf> {
    Ok(target_dir()?.join("guest-build"))
}

/// Whether the active toolchain has the target.
fn installed() -> Result<bool> {
    let dir = output(
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]),
        "ask rustc for its library folder",
    )?;
    let Ok(entries) = fs::read_dir(dir.trim()) else {
        return Ok(false);
    };
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn rustc_version() -> Result<Rustc> {
    let text = output(Command::new("rustc").arg("-vV"), "ask rustc for its version")?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::to_owned)
            .with_context(|| format!("rustc -vV has no {name:?}"))
    };
    Ok(Rustc { release: field("release")?, commit: field("commit-hash")? })
}

/// Builds the library in `work` and puts it at `ready`, whole or not at all.
fn make(rustc: &Rustc, work: &Path, ready: &Path) -> Result<()> {
    let source = work.join("source");
    fs::create_dir(&source)?;
    unpack_source(rustc, work, &source)?;
    let library = find_library(&source, LIBRARY_DEPTH_MAX).with_context(|| {
        format!("the source of rustc {} has no library/sysroot/Cargo.toml", rustc.release)
    })?;
    eprintln!("building the standard library of rustc {} for {TARGET}, once", rustc.release);
    let built = compile(rustc, &library, &work.join("build"))?;

    let staged = work.join("sysroot");
    let lib = staged.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&lib)?;
    for entry in fs::read_dir(&built)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rlib") {
            fs::copy(&path, lib.join(path.file_name().expect("a file has a name")))?;
        }
    }
    // What was compiled against an earlier library cannot be linked with this one.
    let stale = build_dir()?;
    if stale.exists() {
        fs::remove_dir_all(stale)?;
    }
    match fs::rename(&staged, ready) {
        // Another process was faster, with the same result.
        Err(_) if ready.is_dir() => Ok(()),
        other => other.with_context(|| format!("failed to create {}", ready.display())),
    }
}

/// From the archive that the environment names, else from Debian.
fn unpack_source(rustc: &Rustc, work: &Path, source: &Path) -> Result<()> {
    if let Some(archive) = std::env::var_os(SOURCE_ENV) {
        return run(
            Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(source),
            &format!("unpack {SOURCE_ENV}={}", Path::new(&archive).display()),
        );
    }
    debian_source(rustc, work, source).with_context(|| {
        format!(
            "the active toolchain has no standard library for {TARGET}, which the actions need.\n\
             Install it with `rustup target add {TARGET}`, or let {SOURCE_ENV} name an archive \
             with the `library` folder of rustc {}",
            rustc.release
        )
    })
}

/// Debian's `rust-src` for exactly this release of rustc.
fn debian_source(rustc: &Rustc, work: &Path, source: &Path) -> Result<()> {
    let mirror = debian::mirror()?;
    for suite in DEBIAN_SUITES {
        let apt = Apt::new(work, &mirror, suite)?;
        let is_release = |version: &&String| {
            let rest = version.strip_prefix(&rustc.release);
            rest.is_some_and(|rest| rest.starts_with(['+', '-']))
        };
        if let Some(version) = apt.versions("rust-src")?.iter().find(is_release) {
            return apt.unpack(&format!("rust-src={version}"), source);
        }
    }
    bail!("no Debian package either: none of {DEBIAN_SUITES:?} has rust-src {}", rustc.release)
}

/// rustc's `library` folder at or below `folder`.
fn find_library(folder: &Path, depth: usize) -> Option<PathBuf> {
    let library = folder.join("library");
    if library.join("sysroot/Cargo.toml").is_file() {
        return Some(library);
    }
    if depth == 0 {
        return None;
    }
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .find_map(|path| find_library(&path, depth - 1))
}

/// Compiles the library; gives the folder with its `.rlib` files.
fn compile(rustc: &Rustc, library: &Path, build: &Path) -> Result<PathBuf> {
    // Panic messages carry file names; without the remaps a guest would depend
    // on where its library was built.
    let from_library =
        format!("--remap-path-prefix={}=/rustc/{}/library", library.display(), rustc.commit);
    let from_cargo = format!("--remap-path-prefix={}=/cargo", cargo_home()?.display());
    // What rustc's own build sets: the library may use unstable features, and
    // guests link with LTO, which needs the bitcode.
    let flags = [
        "-Zforce-unstable-if-unmarked",
        "-Cembed-bitcode=yes",
        "-Copt-level=s",
        &from_library,
        &from_cargo,
    ];
    run(
        cargo()
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
            .arg("--manifest-path")
            .arg(library.join("sysroot/Cargo.toml"))
            .arg("--target-dir")
            .arg(build)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0"),
        "build the standard library",
    )?;
    Ok(build.join(TARGET).join("release/deps"))
}
