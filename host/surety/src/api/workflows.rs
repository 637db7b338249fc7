//! Workflows: deploying them, and seeing which are.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{Digest, MsgState, MsgType};
use surety_core::workflow::{WORKFLOW_BYTES_MAX, Workflow};
use utoipa::ToSchema;

use super::App;
use super::auth::{Deploy, Read};
use super::extract::{Paths, read};
use super::problem::Problem;

/// A deployed workflow.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Workflow)]
pub struct WorkflowView {
    /// The message type that it is for.
    #[schema(value_type = String)]
    pub msg_type: MsgType,
    /// Its version.
    pub version: u32,
    /// keccak256 of its text.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// The state that a message starts in.
    #[schema(value_type = String)]
    pub initial: MsgState,
    /// The modules that it invokes, by state.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub invokes: BTreeMap<MsgState, String>,
    /// Whether it admits new messages: it is the highest version of its type.
    pub admits: bool,
    /// How many open messages are pinned to it.
    pub pinned: u64,
}

/// All deployed workflows.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Workflows)]
pub struct WorkflowsView {
    /// By type and version.
    pub workflows: Vec<WorkflowView>,
}

fn view(app: &App, pins: &BTreeMap<Digest, u64>, workflow: &Workflow) -> WorkflowView {
    let newest = app.workflows.newest(&workflow.msg_type);
    WorkflowView {
        msg_type: workflow.msg_type.clone(),
        version: workflow.version,
        digest: workflow.digest,
        initial: workflow.initial.clone(),
        invokes: workflow.invokes().map(|(s, i)| (s.clone(), i.module.to_string())).collect(),
        admits: newest.is_some_and(|newest| newest.digest == workflow.digest),
        pinned: pins.get(&workflow.digest).copied().unwrap_or(0),
    }
}

/// Deploy a workflow
///
/// The body is the workflow, with the message type's schema in it. The highest
/// version admits new messages; the others stay on the one that admitted them.
#[utoipa::path(
    put,
    path = "/v1/workflows",
    operation_id = "put_workflow",
    tag = "deployment",
    request_body(content = Object, description = "Of `workflow.schema.json`"),
    responses((status = 200, description = "The workflow is deployed", body = WorkflowView)),
    security(("token" = [])),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    _: Deploy,
    body: Body,
) -> Result<Answer<WorkflowView>, Problem> {
    let turn =
        app.deployer.turn().ok_or_else(|| Problem::busy("another deployment is under way"))?;
    let limit = "the limit `workflow_bytes_max`";
    let bytes = read(&app, body, WORKFLOW_BYTES_MAX, limit).await?;
    let text = String::from_utf8(bytes)
        .map_err(|e| Refusal::new(Code::JsonUtf8, format!("the workflow: {}", e.utf8_error())))?;
    let digest = app.deployer.push_workflow(text, turn).await?;
    let deployed = app.workflows.pinned(digest);
    let deployed = deployed.ok_or_else(|| Problem::new(Code::Internal, "the host failed"))?;
    Ok(Answer(view(&app, &app.guarantee.pins().await?, &deployed)))
}

/// List deployed workflows
#[utoipa::path(
    get,
    path = "/v1/workflows",
    operation_id = "list_workflows",
    tag = "deployment",
    responses((status = 200, description = "All deployed workflows", body = WorkflowsView)),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Read,
) -> Result<Answer<WorkflowsView>, Problem> {
    let pins = app.guarantee.pins().await?;
    let all = app.workflows.all();
    let workflows = all.iter().map(|workflow| view(&app, &pins, workflow)).collect();
    Ok(Answer(WorkflowsView { workflows }))
}

/// Get a workflow's text, exactly as it is deployed and hashed
#[utoipa::path(
    get,
    path = "/v1/workflows/{type}/{version}",
    operation_id = "get_workflow",
    tag = "deployment",
    params(
        ("type" = String, Path, description = "Message type"),
        ("version" = u32, Path, description = "Version"),
    ),
    responses((status = 200, description = "The workflow", body = Object)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Paths(msg_type, version): Paths<MsgType, u32>,
) -> Result<impl IntoResponse, Problem> {
    let workflow = app.workflows.version(&msg_type, version).ok_or_else(|| {
        let detail = format!("no workflow `{msg_type}` of the version {version} is deployed");
        Problem::new(Code::NotFound, detail)
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], workflow.text.to_string()))
}

/// Remove a version of a workflow
///
/// Only one that admits no new messages and to which no open message is pinned.
#[utoipa::path(
    delete,
    path = "/v1/workflows/{type}/{version}",
    operation_id = "remove_workflow",
    tag = "deployment",
    params(
        ("type" = String, Path, description = "Message type"),
        ("version" = u32, Path, description = "Version"),
    ),
    responses((status = 204, description = "The version is not there any more")),
    security(("token" = [])),
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    _: Deploy,
    Paths(msg_type, version): Paths<MsgType, u32>,
) -> Result<StatusCode, Problem> {
    let turn =
        app.deployer.turn().ok_or_else(|| Problem::busy("another deployment is under way"))?;
    app.deployer.remove_workflow(msg_type, version, turn).await?;
    Ok(StatusCode::NO_CONTENT)
}
