//! `surety action publish`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use surety_kit::component::interfaces;
use surety_oci::{Artifact, Pushed, Reference, push};

use super::sign;
use super::source::{Registry, SIGNATURES, Source, failed};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::fields;

/// Puts a component and its signatures into an OCI registry, where `surety action push`
/// and `wkg oci pull` find it. No host is asked.
///
/// From a registry to a registry it copies; with --signatures to the same name it adds
/// signatures.
#[derive(Debug, Args)]
pub(in crate::cli) struct Publish {
    /// The component, the folder of a project that was built, or oci://…
    #[arg(default_value = ".", value_parser = Source::parser())]
    file: Source,
    /// Where to: oci://HOST[:PORT]/NAME[:TAG] [default of the tag: the module's version]
    #[arg(long, value_name = "REFERENCE")]
    to: Reference,
    /// The file with its signatures [default: the component's name and
    /// .signatures.json, if that is there; of oci://, what is published with it]
    #[arg(long, value_name = "FILE")]
    signatures: Option<PathBuf>,
    /// The host's configuration, for its limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    registry: Registry,
}

impl Publish {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let limits = common.config(self.config.as_ref())?.sandbox;
        let opened = self.file.open(&self.registry, limits.component_bytes_max)?;
        let (subject, _) = sign::read(&opened.component, &limits)?;
        let endorsements = opened.endorsements(self.signatures.as_deref())?;
        // A host would refuse it; somebody built anew and did not sign anew.
        endorsements.publishers(&subject).map_err(Failed::refused)?;
        let version = subject.version.to_string();
        let to = match (self.to.tag(), self.to.digest()) {
            (None, None) => self.to.tagged(&version).map_err(failed)?,
            _ => self.to,
        };
        let interfaces = interfaces(&opened.component)?;
        let signatures = serde_json::to_string(&endorsements)?;
        let signed = endorsements.signatures.len() + endorsements.approvals.len();
        let annotations = (signed > 0).then(|| (SIGNATURES.to_owned(), signatures));
        let artifact = Artifact {
            component: &opened.component,
            name: subject.module.as_str(),
            version: &version,
            imports: &interfaces.imports,
            exports: &interfaces.exports,
            annotations: annotations.into_iter().collect(),
        };
        let Pushed { pinned } = push(&to, &self.registry.access()?, &artifact).map_err(failed)?;
        let value = json!({
            "module": subject, "reference": to.to_string(), "pinned": pinned.to_string(),
            "signatures": endorsements.signatures.len(), "approvals": endorsements.approvals.len(),
        });
        common.output().value(&value, |_| {
            fields(&[
                ("published", subject.to_string()),
                ("signatures", endorsements.signatures.len().to_string()),
                ("approvals", endorsements.approvals.len().to_string()),
                ("as", to.to_string()),
                ("for good as", pinned.to_string()),
            ])
        })?;
        Ok(())
    }
}
