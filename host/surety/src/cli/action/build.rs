//! `surety action build`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use surety_kit::Project;
use surety_sandbox::Limits;

use super::check::{self, Report};
use crate::cli::Common;
use crate::cli::exit::Failed;

/// Builds a project: compiles it with its language's tools, makes a component
/// with the manifest in it, checks it, and writes NAME.wasm. What the project
/// pins and is not there yet is fetched first.
#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The host's configuration, for its limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Serialize)]
struct BuiltView {
    file: String,
    #[serde(flatten)]
    report: Report,
}

impl Build {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let limits = common.config(self.config.as_ref())?.sandbox;
        let project = Project::open(&self.folder)?;
        let (_, report) = build(&project, &limits)?;
        let file = project.component();
        let built = BuiltView { file: file.display().to_string(), report };
        common
            .output()
            .value(&built, |built| format!("{}\nfile     {}", built.report.text(), built.file))?;
        Ok(())
    }
}

/// Builds, checks and writes a component.
pub(super) fn build(project: &Project, limits: &Limits) -> Result<(Vec<u8>, Report), Failed> {
    let component = surety_kit::build(project)?;
    let report = check::report(&component, None, limits)?;
    write(&project.component(), &component)?;
    Ok((component, report))
}

/// Writes a file whole or not at all, so that a push meanwhile sends the old one
/// or the new.
fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written", file.display());
    let draft = file.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&draft, bytes).with_context(failed)?;
    std::fs::rename(&draft, file).with_context(failed)
}
