//! Issuing Msg_IDs. Needs no token: a registered client and its cap are enough,
//! and an id is worth nothing without the client's signature.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use surety_core::types::{ClientId, MsgId, Time};
use utoipa::ToSchema;

use super::App;
use super::extract::Json;
use super::problem::Problem;

/// A request for Msg_IDs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    /// For which client.
    #[schema(value_type = String, example = "acme")]
    pub client_id: ClientId,
    /// How many.
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 1)]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// Issued Msg_IDs.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Issued)]
pub struct IssuedView {
    /// Each to be used for one message.
    #[schema(value_type = Vec<String>)]
    pub msg_ids: Vec<MsgId>,
    /// The last moment at which each may be used.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// Issue Msg_IDs
///
/// They are bound to the client, and expire if they are not used.
#[utoipa::path(
    post,
    path = "/v1/msg-ids",
    operation_id = "issue_msg_ids",
    tag = "messages",
    request_body = IssueRequest,
    responses((status = 201, description = "The ids, kept durably", body = IssuedView)),
)]
pub(super) async fn issue(
    State(app): State<Arc<App>>,
    Json(request): Json<IssueRequest>,
) -> Result<(StatusCode, Answer<IssuedView>), Problem> {
    let issued = app.intake.issue(&request.client_id, request.count).await?;
    let view = IssuedView { msg_ids: issued.msg_ids, expires_at: issued.expires_at };
    Ok((StatusCode::CREATED, Answer(view)))
}
