//! `surety action push`

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use surety_core::canary::Share;
use surety_core::endorse::Endorsements;

use super::source::{Registry, Source};
use super::{check, list};
use crate::api::modules::{ModuleRequest, ModuleView};
use crate::cli::Common;
use crate::cli::exit::Failed;

/// How long the host may take to compile: a scripting engine takes 20 s.
const COMPILE_MAX: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    /// The component, the folder of a project that was built, or oci://… of a registry
    #[arg(default_value = ".", value_parser = Source::parser())]
    file: Source,
    /// A file with the deployment's settings as JSON [default: the project's
    /// settings.json, else {}]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The file with its signatures [default: the component's name and
    /// .signatures.json, if that is there; of oci://, what is published with it]
    #[arg(long, value_name = "FILE")]
    signatures: Option<PathBuf>,
    /// Give it a share of the calls at first, such as 10%
    #[arg(long, value_name = "SHARE")]
    canary: Option<Share>,
    /// Of oci://: the host's configuration, for the largest component that it takes
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    registry: Registry,
}

impl Push {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let limits = common.config(self.config.as_ref())?.sandbox;
        let opened = self.file.open(&self.registry, limits.component_bytes_max)?;
        let settings = check::settings(self.settings.as_deref().or(opened.settings.as_deref()))?;
        let Endorsements { signatures, approvals } =
            opened.endorsements(self.signatures.as_deref())?;
        let component = BASE64_STANDARD.encode(&opened.component);
        let canary = self.canary;
        let request = ModuleRequest { component, settings, signatures, approvals, canary };
        let body = serde_json::to_vec(&request)?;
        let answer = common.remote()?.put("/v1/modules", body, COMPILE_MAX)?;
        let view: ModuleView = answer.read()?;
        common.output().value(&view, |view| list::show(std::slice::from_ref(view)))?;
        Ok(())
    }
}
