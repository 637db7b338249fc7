//! `surety action push`

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use surety_kit::Project;

use super::{check, list};
use crate::api::modules::{ModuleRequest, ModuleView};
use crate::cli::exit::Failed;
use crate::cli::{Common, input};

/// How long the host may take to compile: a scripting engine takes 20 s.
const COMPILE_MAX: Duration = Duration::from_secs(120);

/// The settings in a project.
const SETTINGS: &str = "settings.json";

#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    /// The component, or the folder of a project that was built
    #[arg(default_value = ".")]
    file: PathBuf,
    /// A file with the deployment's settings as JSON [default: the project's
    /// settings.json, else {}]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Push {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let (file, settings) = located(&self.file, self.settings)?;
        let settings = check::settings(settings.as_deref())?;
        let component = BASE64_STANDARD.encode(input::bytes(&file)?);
        let body = serde_json::to_vec(&ModuleRequest { component, settings })?;
        let answer = common.remote()?.put("/v1/modules", body, COMPILE_MAX)?;
        let view: ModuleView = answer.read()?;
        common.output().value(&view, |view| list::show(std::slice::from_ref(view)))?;
        Ok(())
    }
}

/// The component and the settings that are meant by a path.
pub(super) fn located(
    path: &Path,
    settings: Option<PathBuf>,
) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
    if !path.is_dir() {
        return Ok((path.to_owned(), settings));
    }
    let project = Project::open(path)?;
    let (component, own) = (project.component(), project.folder.join(SETTINGS));
    anyhow::ensure!(
        component.is_file(),
        "{} is not there; `surety action build` makes it",
        component.display()
    );
    Ok((component, settings.or_else(|| own.is_file().then_some(own))))
}
