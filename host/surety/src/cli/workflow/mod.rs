//! `surety workflow`

mod graph;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};
use surety_core::json;

use super::exit::Failed;
use super::output::table;
use super::{Common, input};
use crate::api::workflows::{WorkflowView, WorkflowsView};

#[derive(Debug, Subcommand)]
pub(super) enum Workflow {
    /// Deploy a workflow, with its message schema put in place of the path
    Push {
        /// The workflow
        file: PathBuf,
    },
    /// Check a workflow by itself, without a host and its modules
    Check {
        /// The workflow
        file: PathBuf,
    },
    /// Draw a workflow
    Graph(graph::Graph),
    /// List the deployed workflows
    List,
}

impl Workflow {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        match self {
            Self::Push { file } => {
                let text = inlined(&file)?;
                let answer = common.remote()?.put("/v1/workflows", text.into(), Duration::ZERO)?;
                let view: WorkflowView = answer.read()?;
                common.output().value(&view, |view| show(std::slice::from_ref(view)))?;
            }
            Self::Check { file } => {
                let text = inlined(&file)?;
                let workflow =
                    surety_core::workflow::Workflow::parse(&text).map_err(Failed::refused)?;
                let (msg_type, version) = (&workflow.msg_type, workflow.version);
                let value =
                    json!({ "msg_type": msg_type, "version": version, "digest": workflow.digest });
                common.output().value(&value, |_| {
                    format!("the workflow `{msg_type}` version {version} is fine by itself")
                })?;
            }
            Self::Graph(graph) => graph.run(common)?,
            Self::List => {
                let view: WorkflowsView = common.remote()?.get("/v1/workflows")?.read()?;
                common.output().value(&view, |view| show(&view.workflows))?;
            }
        }
        Ok(())
    }
}

/// The workflow as it is deployed: with the schema itself where the file names
/// a path relative to it.
fn inlined(file: &Path) -> Result<String, Failed> {
    let text = input::text(file)?;
    let mut workflow = json::parse(text.as_bytes()).map_err(Failed::refused)?;
    let path = workflow.get("schema").and_then(Value::as_str).map(str::to_owned);
    let Some(path) = path else { return Ok(text) };
    let path = file.parent().unwrap_or(Path::new("")).join(path);
    let schema = std::fs::read(&path)
        .with_context(|| format!("the message schema {} cannot be read", path.display()))?;
    workflow["schema"] = json::parse(&schema).map_err(Failed::refused)?;
    Ok(workflow.to_string())
}

fn show(workflows: &[WorkflowView]) -> String {
    let row = |view: &WorkflowView| {
        let admits = if view.admits { "yes" } else { "no" };
        let (msg_type, version) = (view.msg_type.to_string(), view.version.to_string());
        [msg_type, version, admits.to_owned(), view.digest.to_string()]
    };
    table(["TYPE", "VERSION", "ADMITS", "DIGEST"], workflows.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_put_in_place_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.json");
        std::fs::write(folder.path().join("s.json"), r#"{"type":"object"}"#).unwrap();
        std::fs::write(&file, r#"{"schema":"s.json","msg_type":"t"}"#).unwrap();
        assert_eq!(inlined(&file).unwrap(), r#"{"msg_type":"t","schema":{"type":"object"}}"#);
        // With the schema in it, it stays as it was written.
        std::fs::write(&file, r#"{ "schema": {} }"#).unwrap();
        assert_eq!(inlined(&file).unwrap(), r#"{ "schema": {} }"#);
    }
}
