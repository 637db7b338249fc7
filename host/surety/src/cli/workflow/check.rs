//! `surety workflow check`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use surety_core::check::{CheckFinding, check};
use surety_core::module::Manifest;
use surety_core::types::{Digest, MsgState, MsgType};
use surety_core::workflow::{ModuleSpec, Workflow};
use surety_sandbox::{Inspected, Limits, inspect};

use super::inlined;
use crate::api::modules::{ModuleDetailView, ModulesView};
use crate::cli::exit::Failed;
use crate::cli::remote::Remote;
use crate::cli::{Common, input};

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// The workflow
    file: PathBuf,
    /// A component that it is checked with; may be given more than once
    /// [default: without this and --modules, what the host has deployed]
    #[arg(long, value_name = "FILE")]
    module: Vec<PathBuf>,
    /// A folder: it is checked with every *.wasm in it
    #[arg(long, value_name = "FOLDER")]
    modules: Option<PathBuf>,
}

/// What was proven, or was not.
#[derive(Serialize)]
struct Checked {
    msg_type: MsgType,
    version: u32,
    digest: Digest,
    states: usize,
    /// The module that each state invokes, by name and version.
    modules: BTreeMap<MsgState, String>,
    findings: Vec<CheckFinding>,
}

impl Check {
    pub(in crate::cli) fn run(self, common: &Common) -> Result<(), Failed> {
        let text = inlined(&self.file)?;
        let workflow = Workflow::parse(&text).map_err(Failed::refused)?;
        let modules = match given(&self.module, self.modules.as_deref())? {
            Some(modules) => modules,
            None => deployed(&common.remote()?, &workflow).map_err(alone)?,
        };
        let find = |spec: &ModuleSpec| best(&modules, spec).map(|(m, _)| Arc::clone(m));
        let label = |m: &Arc<Manifest>| format!("{}@{}", m.name, m.version);
        let invoked = workflow.invokes();
        let checked = Checked {
            msg_type: workflow.msg_type.clone(),
            version: workflow.version,
            digest: workflow.digest,
            states: workflow.states().count(),
            modules: invoked
                .filter_map(|(s, i)| Some((s.clone(), label(&find(&i.module)?))))
                .collect(),
            findings: check(&workflow, &find),
        };
        common.output().value(&checked, show)?;
        match checked.findings.len() {
            0 => Ok(()),
            found => Err(Failed::Found(found)),
        }
    }
}

/// The modules of the command line, if it names any: files, and all of a folder.
pub(super) fn given(
    files: &[PathBuf],
    folder: Option<&Path>,
) -> Result<Option<Vec<Known>>, Failed> {
    let mut files = files.to_vec();
    if let Some(folder) = folder {
        files.extend(components(folder)?);
    } else if files.is_empty() {
        return Ok(None);
    }
    let read = |file: &PathBuf| {
        let Inspected { manifest, digest, .. } =
            inspect(&input::bytes(file)?, &Limits::default()).map_err(Failed::refused)?;
        Ok((Arc::new(manifest), digest))
    };
    files.iter().map(read).collect::<Result<_, Failed>>().map(Some)
}

/// A module's manifest, and the digest of its component.
pub(super) type Known = (Arc<Manifest>, Digest);

/// The highest version that fits.
pub(super) fn best<'m>(modules: &'m [Known], spec: &ModuleSpec) -> Option<&'m Known> {
    let fits = |(m, digest): &&Known| spec.admits(&m.name, &m.version, *digest);
    modules.iter().filter(fits).max_by(|(a, _), (b, _)| a.version.cmp(&b.version))
}

/// All components of a folder.
fn components(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("the folder {} cannot be read", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let file = entry.with_context(failed)?.path();
        if file.extension().is_some_and(|end| end == "wasm") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// What the host would run: of each module that is named, what it has.
pub(super) fn deployed(remote: &Remote, workflow: &Workflow) -> Result<Vec<Known>, Failed> {
    let ModulesView { modules } = remote.get("/v1/modules")?.read()?;
    let mut known = Vec::new();
    for module in modules {
        let (name, version, digest) = (&module.name, &module.version, module.digest);
        if workflow.modules().any(|spec| spec.admits(name, version, digest)) {
            let view: ModuleDetailView = remote.get(&format!("/v1/modules/{digest}"))?.read()?;
            known.push((Arc::new(manifest(view.manifest)?), digest));
        }
    }
    Ok(known)
}

fn manifest(value: Value) -> anyhow::Result<Manifest> {
    serde_json::from_value(value)
        .context("the host's manifest cannot be read; is it another version?")
}

/// Says how to do without a host.
pub(super) fn alone(failed: Failed) -> Failed {
    match failed {
        Failed::Unreachable(why) => Failed::Unreachable(format!(
            "{why}; nothing was checked against modules: name them by --module or --modules"
        )),
        other => other,
    }
}

fn show(checked: &Checked) -> String {
    let Checked { msg_type, version, states, modules, findings, .. } = checked;
    if findings.is_empty() {
        let mut names: Vec<_> = modules.values().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let with = if names.is_empty() { "no modules".to_owned() } else { names.join(", ") };
        return format!(
            "the workflow `{msg_type}` version {version} holds: {states} states, with {with}"
        );
    }
    findings.iter().map(CheckFinding::to_string).collect::<Vec<_>>().join("\n\n")
}
