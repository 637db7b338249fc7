//! `surety workflow`

mod check;
mod graph;
mod migrate;
mod touches;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};
use surety_core::json;
use surety_core::types::MsgType;

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
    /// Prove what can be proven of a workflow and its modules; deploys nothing
    Check(check::Check),
    /// Draw a workflow
    Graph(graph::Graph),
    /// Say what messages can ever touch: modules, hosts, secrets, over all states
    Touches(touches::Touched),
    /// List the deployed workflows, with the open messages pinned to each
    List,
    /// Move open messages to a version of their workflow
    Migrate(migrate::Migrate),
    /// Remove a version that admits nothing and to which nothing is pinned
    Remove {
        /// The message type
        msg_type: MsgType,
        /// The version
        version: u32,
    },
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
            Self::Check(check) => check.run(common)?,
            Self::Graph(graph) => graph.run(common)?,
            Self::Touches(touches) => touches.run(common)?,
            Self::List => {
                let view: WorkflowsView = common.remote()?.get("/v1/workflows")?.read()?;
                common.output().value(&view, |view| show(&view.workflows))?;
            }
            Self::Migrate(migrate) => migrate.run(common)?,
            Self::Remove { msg_type, version } => {
                common.remote()?.delete(&format!("/v1/workflows/{msg_type}/{version}"))?;
                let value = json!({ "msg_type": msg_type, "version": version });
                common
                    .output()
                    .value(&value, |_| format!("removed {msg_type} version {version}"))?;
            }
        }
        Ok(())
    }
}

/// The workflow as it is deployed: with the schema itself where the file names
/// a path relative to it.
pub(in crate::cli) fn inlined(file: &Path) -> Result<String, Failed> {
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
        let pinned = view.pinned.to_string();
        [msg_type, version, admits.to_owned(), pinned, view.digest.to_string()]
    };
    table(["TYPE", "VERSION", "ADMITS", "PINNED", "DIGEST"], workflows.iter().map(row).collect())
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
