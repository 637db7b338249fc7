//! `surety action check`

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use surety_core::module::{Manifest, Module, World};
use surety_core::refusal::{Code, Refusal};
use surety_core::schema::Schema;
use surety_core::types::{Digest, MsgState};
use surety_core::{json, module};
use surety_kit::component::interfaces;
use surety_sandbox::{Inspected, Limits, inspect};

use super::source::{Registry, Source};
use crate::cli::exit::Failed;
use crate::cli::output::fields;
use crate::cli::{Common, input};

/// Says what a push would say of a component, up to its compiling, and without
/// the workflows of a host.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The component, the folder of a project that was built, or oci://… of a registry
    #[arg(default_value = ".", value_parser = Source::parser())]
    file: Source,
    /// A file with the deployment's settings as JSON, to be checked too [default:
    /// the project's settings.json]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The host's configuration, for its limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    registry: Registry,
}

impl Check {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let limits = common.config(self.config.as_ref())?.sandbox;
        let opened = self.file.open(&self.registry, limits.component_bytes_max)?;
        let given = self.settings.or(opened.settings);
        let settings = given.as_deref().map(|file| settings(Some(file))).transpose()?;
        let report = report(&opened.component, settings, &limits)?;
        common.output().value(&report, Report::text)?;
        Ok(())
    }
}

/// What a component is, as a host sees it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    name: String,
    version: String,
    world: &'static str,
    digest: Digest,
    bytes: usize,
    bytes_max: usize,
    imports: Vec<String>,
    exports: Vec<String>,
    returns: Vec<MsgState>,
    limits: module::ManifestLimits,
}

impl Report {
    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { name, version, world, bytes, bytes_max, .. } = self;
        let returns = self.returns.iter().map(MsgState::as_str).collect::<Vec<_>>();
        let limits = serde_json::to_value(self.limits).unwrap_or_default();
        let lowered: Vec<String> = limits
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, limit)| !limit.is_null())
            .map(|(name, limit)| format!("{name} {limit}"))
            .collect();
        let lowered = if lowered.is_empty() { "the host's".to_owned() } else { lowered.join(", ") };
        fields(&[
            (world, format!("{name}@{version}")),
            ("digest", self.digest.to_string()),
            ("size", format!("{bytes} bytes of {bytes_max}")),
            ("imports", self.imports.join(", ")),
            ("exports", self.exports.join(", ")),
            ("returns", returns.join(", ")),
            ("limits", lowered),
        ])
    }
}

/// Checks a component as a push does.
pub(super) fn report(
    component: &[u8],
    settings: Option<Map<String, Value>>,
    limits: &Limits,
) -> Result<Report, Failed> {
    let Inspected { manifest, digest, .. } = inspect(component, limits).map_err(Failed::refused)?;
    check_schemas(&manifest).map_err(Failed::refused)?;
    let Manifest { name, version, world, returns, limits: lowered, .. } = manifest.clone();
    if let Some(settings) = settings {
        let settings = Value::Object(settings).to_string();
        Module::new(manifest, digest, &settings).map_err(Failed::refused)?;
    }
    let interfaces = interfaces(component)?;
    Ok(Report {
        name: name.to_string(),
        version: version.to_string(),
        world: World::as_str(world),
        digest,
        bytes: component.len(),
        bytes_max: limits.component_bytes_max,
        imports: interfaces.imports,
        exports: interfaces.exports,
        returns: returns.into_keys().collect(),
        limits: lowered,
    })
}

/// All schemas of a manifest compile, whatever the settings are.
pub(super) fn check_schemas(manifest: &Manifest) -> Result<(), Refusal> {
    let named =
        [("/reads".to_owned(), &manifest.reads), ("/settings".to_owned(), &manifest.settings)];
    let returns =
        manifest.returns.iter().map(|(state, schema)| (format!("/returns/{state}"), schema));
    for (place, schema) in named.into_iter().chain(returns) {
        Schema::compile(schema).map_err(|finding| {
            let detail = "a schema of the manifest does not compile";
            let pointer = format!("{place}{}", finding.pointer);
            Refusal::new(Code::ModuleInvalid, detail).at(&pointer, finding.detail)
        })?;
    }
    Ok(())
}

/// The settings in a file; none are `{}`.
pub(super) fn settings(file: Option<&Path>) -> Result<Map<String, Value>, Failed> {
    let Some(file) = file else { return Ok(Map::new()) };
    match json::parse(&input::bytes(file)?).map_err(Failed::refused)? {
        Value::Object(settings) => Ok(settings),
        _ => Err(anyhow!("{} is no JSON object", file.display()).into()),
    }
}
