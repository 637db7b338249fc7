//! JavaScript: QuickJS and the project's modules in one component.

use std::process::Command;

use crate::build::{made, scratch};
use crate::tools::{Tool, run, say};
use crate::{Error, Project};

const NPM: Tool = Tool {
    why: "installs what package-lock.json pins",
    install: "install Node.js 20 or newer (on Debian and Ubuntu: apt-get install nodejs npm)",
};

const QJS: Tool =
    Tool { why: "makes components of JavaScript", install: "run `npm ci` in the project's folder" };

/// Builds the component.
pub(crate) fn component(project: &Project) -> Result<Vec<u8>, Error> {
    let tool = project.folder.join("node_modules/.bin/componentize-qjs");
    if !tool.exists() {
        say("npm ci: installing the tools that package-lock.json pins");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        run(npm.current_dir(&project.folder), "install the project's tools", &NPM)?;
    }
    let out = scratch(project)?.join("action.wasm");
    let mut build = Command::new(tool);
    build.current_dir(&project.folder);
    // Without `--sync` it would want asynchronous components of its host, and
    // without `--stub-wasi` a clock, files and an environment.
    build.args(["--sync", "--stub-wasi", "--wit", "wit/action-1.0.0", "--world", "action"]);
    build.args(["--js", "src/action.js", "--output"]).arg(&out);
    run(&mut build, "build the component", &QJS)?;
    made(&out)
}
