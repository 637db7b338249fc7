//! Moving open messages to another version of their workflow.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::operator::OperateError;
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{MsgId, MsgState, MsgType};
use surety_core::workflow::Workflow;
use utoipa::ToSchema;

use super::App;
use super::auth::Operate;
use super::extract::{Json, Paths};
use super::problem::{FindingView, Problem};

/// The most open messages that one request looks at: each is read, and maybe
/// moved by a commit of its own.
pub const MIGRATE_MAX: usize = 500;

/// How, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Migrate)]
pub struct MigrateRequest {
    /// Only say what would be done.
    pub dry_run: bool,
    /// The operator's reason, which the records keep.
    pub reason: String,
    /// Behind this Msg_ID: the `cursor` of the answer before.
    #[schema(value_type = Option<String>)]
    pub cursor: Option<MsgId>,
}

/// A verdict for each open message of the type that is on another version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Migrated)]
pub struct MigratedView {
    /// The verdicts.
    pub messages: Vec<VerdictView>,
    /// Where to go on; none when all open messages were looked at.
    #[schema(value_type = Option<String>)]
    pub cursor: Option<MsgId>,
}

/// Whether a message moves.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Verdict)]
pub struct VerdictView {
    /// Which message.
    #[schema(value_type = String)]
    pub msg_id: MsgId,
    /// The state that it is in.
    #[schema(value_type = String)]
    pub msg_state: MsgState,
    /// The version that it is, or was, pinned to.
    pub from_version: u32,
    /// Whether it can move, or has moved.
    pub moves: bool,
    /// Why it does not.
    pub detail: Option<String>,
    /// All findings, where there are several or their place matters.
    pub errors: Vec<FindingView>,
}

/// Move open messages to a version of their workflow
///
/// A new version never moves a message by itself. This looks at all open
/// messages of the type, 500 a request, and says of each that is on another
/// version whether it can move and why not; without `dry_run` it moves those that
/// can, each by a recorded transition.
#[utoipa::path(
    post,
    path = "/v1/workflows/{type}/{version}/migrate",
    operation_id = "migrate_messages",
    tag = "operations",
    params(
        ("type" = String, Path, description = "Message type"),
        ("version" = u32, Path, description = "The version to move to"),
    ),
    request_body = MigrateRequest,
    responses((status = 200, description = "The verdicts", body = MigratedView)),
    security(("token" = [])),
)]
pub(super) async fn migrate(
    State(app): State<Arc<App>>,
    Operate(by): Operate,
    Paths(msg_type, version): Paths<MsgType, u32>,
    Json(request): Json<MigrateRequest>,
) -> Result<Answer<MigratedView>, Problem> {
    let to = app.workflows.version(&msg_type, version).ok_or_else(|| {
        let detail = format!("no version {version} of a workflow `{msg_type}` is deployed");
        Problem::new(Code::WorkflowUnknown, detail)
    })?;
    let ids = app.guarantee.open(request.cursor, MIGRATE_MAX).await?;
    let cursor = ids.last().copied().filter(|_| ids.len() == MIGRATE_MAX);
    let mut messages = Vec::new();
    for id in ids {
        messages.extend(verdict(&app, id, &to, &by, &request).await?);
    }
    Ok(Answer(MigratedView { messages, cursor }))
}

async fn verdict(
    app: &App,
    id: MsgId,
    to: &Workflow,
    by: &str,
    request: &MigrateRequest,
) -> Result<Option<VerdictView>, Problem> {
    let Some(verdict) = app.operator.verdict(id, to).await? else { return Ok(None) };
    let mut refused = verdict.refused;
    if refused.is_none() && !request.dry_run {
        // It may have moved on since the verdict; then this one counts.
        match app.operator.migrate(id, to, by, &request.reason).await {
            Ok(_) => {}
            Err(OperateError::Refused(refusal)) if refusal.code == Code::RequestInvalid => {
                return Err(refusal.into());
            }
            Err(OperateError::Refused(refusal)) => refused = Some(refusal),
            Err(OperateError::Fault(fault)) => return Err(fault.into()),
        }
    }
    let finding =
        |f: surety_core::refusal::Finding| FindingView { pointer: f.pointer, detail: f.detail };
    let (detail, errors) = match refused {
        None => (None, Vec::new()),
        Some(Refusal { detail, errors, .. }) => {
            (Some(detail), errors.into_iter().map(finding).collect())
        }
    };
    Ok(Some(VerdictView {
        msg_id: id,
        msg_state: verdict.projection.msg_state,
        from_version: verdict.from_version,
        moves: detail.is_none(),
        detail,
        errors,
    }))
}
