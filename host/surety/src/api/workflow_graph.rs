//! The picture of a workflow.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;
use surety_core::graph::{self, Format};
use surety_core::refusal::Code;
use surety_core::types::MsgType;
use utoipa::IntoParams;

use super::App;
use super::auth::Read;
use super::extract::{Paths, Query};
use super::problem::Problem;

/// The picture's words are those of whoever wrote the workflow. They are escaped;
/// and were one not, a browser would still run and fetch nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// What the picture is written in.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GraphQuery {
    /// `svg`, which it is without, or `mermaid`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    format: Format,
}

/// Draw a deployed workflow
#[utoipa::path(
    get,
    path = "/v1/workflows/{type}/{version}/graph",
    operation_id = "get_workflow_graph",
    tag = "deployment",
    params(
        ("type" = String, Path, description = "Message type"),
        ("version" = u32, Path, description = "The workflow's version"),
        GraphQuery,
    ),
    responses((
        status = 200,
        description = "The picture, as `image/svg+xml` or as `text/vnd.mermaid`",
        body = String,
        content_type = "image/svg+xml",
    )),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Paths(msg_type, version): Paths<MsgType, u32>,
    Query(GraphQuery { format }): Query<GraphQuery>,
) -> Result<impl IntoResponse, Problem> {
    let workflow = app.workflows.version(&msg_type, version).ok_or_else(|| {
        let detail = format!("no workflow `{msg_type}` of the version {version} is deployed");
        Problem::new(Code::NotFound, detail)
    })?;
    // A large one takes a while, and nobody else should wait for it.
    let drawn =
        tokio::task::spawn_blocking(move || graph::draw(&workflow, format, &BTreeMap::new()));
    let drawn = drawn.await.map_err(|_| Problem::new(Code::Internal, "the host failed"))?;
    let picture = drawn.map_err(|e| Problem::new(Code::WorkflowInvalid, e.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, picture))
}
