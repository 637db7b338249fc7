//! C: compiled by the clang in zig, which is one package that holds compiler,
//! linker and C library, the same on every machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{made, scratch};
use crate::tools::{Tool, run};
use crate::{Error, Project, python};

const ZIG: Tool =
    Tool { why: "compiles C", install: "remove .venv from the project's folder and build again" };

/// The stack, inside the instance's memory. zig's own is 16 MiB, of which each
/// call would have a fresh one.
const STACK_BYTES: u32 = 256 << 10;

/// Source files that are looked for; a project has few.
const SOURCES_MAX: usize = 1_000;

/// Compiles and links everything in `src` with the contract's bindings.
pub(crate) fn core_module(project: &Project) -> Result<Vec<u8>, Error> {
    let python = python::installed(project, "python")?;
    let out = scratch(project)?.join("core.wasm");
    let mut cc = Command::new(python);
    cc.current_dir(&project.folder).args(["-m", "ziglang", "cc"]);
    // The target is for the C library; what the action uses of it calls nothing
    // outside, and what would is refused when the component is made.
    cc.args(["-target", "wasm32-wasi", "-mexec-model=reactor", "-std=c17", "-O2", "-Wall"]);
    cc.args(["-Wextra", "-Wl,--strip-debug", "-Ibindings", "-Isrc"]);
    cc.arg(format!("-Wl,-z,stack-size={STACK_BYTES}"));
    cc.args(sources(&project.folder.join("src"))?);
    cc.args(["bindings/action.c", "bindings/action_component_type.o", "-o"]).arg(&out);
    run(&mut cc, "compile the action", &ZIG)?;
    made(&out)
}

/// The C files of a folder, in the order of their names.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::read(folder))?;
    let paths =
        entries.take(SOURCES_MAX).map(|entry| Ok(entry.map_err(Error::read(folder))?.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, Error>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    paths.sort();
    Ok(paths)
}
