//! Python: CPython and the project's modules in one component.

use std::path::PathBuf;
use std::process::Command;

use crate::build::{made, scratch};
use crate::tools::{Tool, run, say};
use crate::{Error, Project};

const PYTHON: Tool = Tool {
    why: "installs what requirements.txt pins",
    install: "install Python 3.10 or newer with venv (on Debian and Ubuntu: apt-get install python3-venv)",
};

const COMPONENTIZE: Tool = Tool {
    why: "makes components of Python",
    install: "remove .venv from the project's folder and build again",
};

/// Builds the component.
pub(crate) fn component(project: &Project) -> Result<Vec<u8>, Error> {
    let tool = installed(project, "componentize-py")?;
    let out = scratch(project)?.join("action.wasm");
    let mut build = Command::new(tool);
    build.current_dir(&project.folder);
    build.args(["--quiet", "--wit-path", "wit/action-1.0.0", "--world", "action"]);
    // Without `--stub-wasi` it would import a clock, files and an environment.
    build.args(["componentize", "--stub-wasi", "--python-path", "src", "app", "--output"]);
    build.arg(&out);
    run(&mut build, "build the component", &COMPONENTIZE)?;
    made(&out)
}

/// A program of the project's own environment, which is made when it is not there.
pub(crate) fn installed(project: &Project, program: &str) -> Result<PathBuf, Error> {
    let tool = project.folder.join(".venv/bin").join(program);
    if tool.exists() {
        return Ok(tool);
    }
    let to = "install the project's tools";
    say("pip install: installing the tools that requirements.txt pins into .venv");
    let mut venv = Command::new("python3");
    run(venv.args(["-m", "venv", ".venv"]).current_dir(&project.folder), to, &PYTHON)?;
    let mut pip = Command::new(project.folder.join(".venv/bin/python"));
    // Wheels only: what runs here is then what was pinned, and no build script.
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(["--require-hashes", "--only-binary=:all:", "--requirement", "requirements.txt"]);
    run(pip.current_dir(&project.folder), to, &PYTHON)?;
    Ok(tool)
}
