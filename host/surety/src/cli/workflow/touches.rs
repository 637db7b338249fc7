//! `surety workflow touches`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use surety_audit::{Known, Touches, show_touches, touches};
use surety_core::workflow::{ModuleSpec, Workflow};

use super::check::{alone, best, deployed, given};
use super::{graph, inlined};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::policy;

/// Says what messages of a type can ever touch, over all states: the modules that
/// run, the hosts and secrets that they are granted, the ways into their states, and
/// whose signals move a message.
#[derive(Debug, Args)]
pub(in crate::cli) struct Touched {
    /// A workflow's file, or the message type of a deployed one: the version that
    /// admits, or TYPE@VERSION
    #[arg(value_name = "FILE|TYPE[@VERSION]")]
    workflow: String,
    /// Of a file: a component that may be run; may be given more than once [default:
    /// without this and --modules, what the host has deployed]
    #[arg(long, value_name = "FILE")]
    module: Vec<PathBuf>,
    /// Of a file: a folder of which every *.wasm may be run
    #[arg(long, value_name = "FOLDER")]
    modules: Option<PathBuf>,
    /// Of a file: the policy [default: the configuration's; without one nothing is
    /// granted]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Of a file: the host's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Touched {
    pub(in crate::cli) fn run(self, common: &Common) -> Result<(), Failed> {
        let file = Path::new(&self.workflow);
        let found: Touches = match self.workflow == "-" || (file.exists() && !file.is_dir()) {
            true => self.of_file(common, file)?,
            false => {
                let remote = common.remote()?;
                let path = graph::deployed(&remote, &self.workflow)?;
                remote.get(&format!("{path}/touches"))?.read()?
            }
        };
        Ok(common.output().value(&found, show_touches)?)
    }

    fn of_file(&self, common: &Common, file: &Path) -> Result<Touches, Failed> {
        let workflow = Workflow::parse(&inlined(file)?).map_err(Failed::refused)?;
        let modules = match given(&self.module, self.modules.as_deref())? {
            Some(modules) => modules,
            None => deployed(&common.remote()?, &workflow).map_err(alone)?,
        };
        let configured = common.config(self.config.as_ref())?.policy.file;
        let policy = policy::read(self.policy.as_ref().unwrap_or(&configured))?;
        let find = |spec: &ModuleSpec| {
            let (manifest, digest) = best(&modules, spec)?;
            Some(Known { manifest: Arc::clone(manifest), digest: *digest })
        };
        Ok(touches(&workflow, &find, &policy, &[]))
    }
}
