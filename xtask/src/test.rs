//! `cargo xtask test`: everything that must hold before a change lands.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::emulators;
use crate::guest_std;
use crate::guests;
use crate::host;
use crate::paths::{cargo, root, run as run_command, target_dir};
use crate::registry;
use crate::toolchains;

/// What is tested.
#[derive(Args)]
pub(crate) struct Test {
    /// Afterwards also what takes long: LocalStack, and hosts that are killed behind a
    /// proxy that loses replies
    #[arg(long)]
    slow: bool,
}

impl Test {
    /// Runs all checks and suites, the cheap ones first.
    pub(crate) fn run(self) -> Result<()> {
        run(self.slow)
    }
}

fn run(slow: bool) -> Result<()> {
    let actions = root().join("actions");
    step("formatting", || {
        let check = |folder: &Path| {
            let mut fmt = cargo();
            fmt.current_dir(folder).args(["fmt", "--all", "--check"]);
            run_command(&mut fmt, "check the formatting (`cargo fmt --all` mends it)")
        };
        check(root())?;
        check(&actions)
    })?;
    step("guests", || guests::build_all().map(|_| ()))?;
    step("lints", || {
        lint(root())?;
        lint(&actions)
    })?;
    step("documentation", || {
        let mut doc = cargo();
        doc.current_dir(root()).env("RUSTDOCFLAGS", "-D warnings");
        doc.args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
        run_command(&mut doc, "build the documentation")
    })?;
    step("wallet libraries", || {
        let mut install = Command::new(root().join("tests/interop/install"));
        install.arg(interop()?);
        run_command(&mut install, "install the wallet libraries of the interop tests")
    })?;
    step("toolchains", toolchains::install)?;
    step("registry", || registry::program().map(|_| ()))?;
    step("emulators", || emulators::install(slow))?;
    step("host", || host::build(host::Profile::Dev, "surety").map(|_| ()))?;
    step("tests of the actions", || test(&actions, &[]))?;
    step("tests", || test(root(), &[]))?;
    if slow {
        step("slow tests", || {
            test(root(), &["--test", "scale", "--", "--ignored", "--nocapture"])
        })?;
    }
    Ok(())
}

/// Where the wallet libraries are installed.
fn interop() -> Result<std::path::PathBuf> {
    Ok(target_dir()?.join("interop"))
}

fn lint(folder: &Path) -> Result<()> {
    let mut clippy = cargo();
    clippy.current_dir(folder).args(["clippy", "--workspace", "--all-targets", "--locked"]);
    if folder != root() {
        clippy.env("CARGO_TARGET_DIR", target_dir()?.join("actions"));
    }
    clippy.args(["--quiet", "--", "-D", "warnings"]);
    run_command(&mut clippy, "lint")
}

fn test(folder: &Path, more: &[&str]) -> Result<()> {
    let mut test = cargo();
    test.current_dir(folder).args(["test", "--workspace", "--locked", "--no-fail-fast"]).args(more);
    if folder == root() {
        test.env("SURETY_BIN", host::binary(host::Profile::Dev, "surety")?);
        test.env("SURETY_GUESTS", target_dir()?.join("guests"));
        test.env("SURETY_INTEROP", interop()?);
        test.env("SURETY_TOOLCHAINS", toolchains::folder()?);
        test.env("SURETY_REGISTRY", registry::program()?);
        test.env("SURETY_EMULATORS", emulators::folder()?);
        if let Some(sysroot) = guest_std::sysroot()? {
            // For the projects in Rust that the tests make.
            let flags = format!("--sysroot={}", sysroot.display());
            test.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags);
        }
    } else {
        test.env("CARGO_TARGET_DIR", target_dir()?.join("actions"));
    }
    run_command(&mut test, "pass the tests")
}

/// Runs one step and says how long it took.
fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("── {name}");
    let started = Instant::now();
    if let Err(e) = work() {
        bail!("{name}: {e:#}");
    }
    println!("── {name}: passed in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}
