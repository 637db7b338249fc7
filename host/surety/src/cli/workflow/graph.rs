//! `surety workflow graph`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::json;
use surety_core::graph::{self, Format};
use surety_core::types::MsgType;
use surety_core::workflow::Workflow;

use super::inlined;
use crate::api::workflows::WorkflowsView;
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::document;
use crate::cli::remote::Remote;

#[derive(Debug, Args)]
pub(in crate::cli) struct Graph {
    /// A workflow's file, or the message type of a deployed one: the version that
    /// admits, or TYPE@VERSION
    #[arg(value_name = "FILE|TYPE[@VERSION]")]
    workflow: String,
    /// What to write: svg or mermaid
    #[arg(long, default_value_t = Format::Svg)]
    format: Format,
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Graph {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Self { workflow, format, out } = self;
        let file = Path::new(&workflow);
        let picture = match workflow == "-" || (file.exists() && !file.is_dir()) {
            true => draw(file, format)?,
            false => fetch(common, &workflow, format)?,
        };
        let Some(out) = out.filter(|out| out.as_os_str() != "-") else {
            return Ok(document(&picture)?);
        };
        std::fs::write(&out, &picture)
            .with_context(|| format!("{} cannot be written", out.display()))?;
        let (file, bytes) = (out.display().to_string(), picture.len());
        let value = json!({ "file": file, "bytes": bytes });
        Ok(common.output().value(&value, |_| format!("{file}  {bytes} bytes"))?)
    }
}

fn draw(file: &Path, format: Format) -> Result<String, Failed> {
    let workflow = Workflow::parse(&inlined(file)?).map_err(Failed::refused)?;
    let picture = graph::draw(&workflow, format, &BTreeMap::new());
    picture.map_err(|e| Failed::Other(e.into()))
}

/// Asks the host for its picture of a deployed workflow.
fn fetch(common: &Common, workflow: &str, format: Format) -> Result<String, Failed> {
    let remote = common.remote()?;
    let path = format!("{}/graph?format={format}", deployed(&remote, workflow)?);
    let picture = remote.get(&path)?.bytes().to_vec();
    Ok(String::from_utf8(picture).context("the host's picture is not UTF-8")?)
}

/// The path of a deployed workflow: of the version that is named, or that admits.
pub(super) fn deployed(remote: &Remote, workflow: &str) -> Result<String, Failed> {
    let (name, version) = name_and_version(workflow)?;
    let version = match version {
        Some(version) => version,
        None => {
            let view: WorkflowsView = remote.get("/v1/workflows")?.read()?;
            let mut admitting = view.workflows.iter().filter(|w| w.msg_type == name && w.admits);
            let none = || anyhow!("there is no file and no deployed workflow `{name}`");
            admitting.next().ok_or_else(none)?.version
        }
    };
    Ok(format!("/v1/workflows/{name}/{version}"))
}

fn name_and_version(workflow: &str) -> anyhow::Result<(MsgType, Option<u32>)> {
    let (name, version) = match workflow.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (workflow, None),
    };
    let neither = || format!("{workflow:?} is no file that is there and no TYPE[@VERSION]");
    let version = version.map(str::parse).transpose().with_context(neither)?;
    Ok((name.parse().with_context(neither)?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployed_workflow_is_named_with_its_version_or_without() {
        let named = |text| name_and_version(text).map(|(name, v)| (name.to_string(), v)).ok();
        assert_eq!(named("payment"), Some(("payment".to_owned(), None)));
        assert_eq!(named("payment@3"), Some(("payment".to_owned(), Some(3))));
        for wrong in ["payment@", "payment@x", "lost/payment.json", "@1", ""] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_is_drawn_with_its_schema_beside_it() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/withdrawal.json");
        assert!(draw(&file, Format::Svg).unwrap().starts_with("<svg "));
        assert!(draw(&file, Format::Mermaid).unwrap().starts_with("flowchart "));
    }
}
