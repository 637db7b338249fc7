//! Redriving parked messages: one, or all that match.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::operator::OperateError;
use surety_core::ports::{Query, Reference as _};
use surety_core::refusal::Code;
use surety_core::types::{ClientId, MsgId, MsgState, MsgType};
use utoipa::ToSchema;

use super::MessageView;
use super::list::{read_cursor, write_cursor};
use crate::api::App;
use crate::api::auth::Operate;
use crate::api::extract::{Json, Path};
use crate::api::problem::Problem;

/// The most messages that one request redrives: each is a commit of its own, and
/// the answer should come within seconds.
pub const REDRIVE_MAX: usize = 500;

/// Where to, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Redrive)]
pub struct RedriveRequest {
    /// A state that the workflow declares for that; where the message came from,
    /// if it is not given.
    #[schema(value_type = Option<String>)]
    pub to: Option<MsgState>,
    /// The operator's reason, which the record keeps.
    pub reason: String,
}

/// Which, where to, and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RedriveMany)]
pub struct RedriveManyRequest {
    /// Of this client.
    #[schema(value_type = Option<String>)]
    pub client_id: Option<ClientId>,
    /// Of this type.
    #[schema(value_type = Option<String>)]
    pub msg_type: Option<MsgType>,
    /// In this state.
    #[schema(value_type = Option<String>)]
    pub msg_state: Option<MsgState>,
    /// As for one message.
    #[schema(value_type = Option<String>)]
    pub to: Option<MsgState>,
    /// As for one message.
    pub reason: String,
    /// Behind this place: the `cursor` of the answer before.
    pub cursor: Option<String>,
}

/// What was redriven.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Redriven)]
pub struct RedrivenView {
    /// Those that move again.
    #[schema(value_type = Vec<String>)]
    pub redriven: Vec<MsgId>,
    /// Those that do not.
    pub refused: Vec<NotRedrivenView>,
    /// Where to go on; none when all that match were looked at.
    pub cursor: Option<String>,
}

/// A message that was not redriven.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = NotRedriven)]
pub struct NotRedrivenView {
    /// Which.
    #[schema(value_type = String)]
    pub msg_id: MsgId,
    /// The stable code.
    pub code: String,
    /// Why.
    pub detail: String,
}

/// Redrive a parked message
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/redrive",
    operation_id = "redrive_message",
    tag = "operations",
    params(("id" = String, Path, description = "Msg_ID")),
    request_body = RedriveRequest,
    responses((status = 200, description = "The message as it is now", body = MessageView)),
    security(("token" = [])),
)]
pub(in crate::api) async fn one(
    State(app): State<Arc<App>>,
    Operate(by): Operate,
    Path(id): Path<MsgId>,
    Json(request): Json<RedriveRequest>,
) -> Result<Answer<MessageView>, Problem> {
    let RedriveRequest { to, reason } = request;
    Ok(Answer(app.operator.redrive(id, to.as_ref(), &by, &reason).await?.into()))
}

/// Redrive all parked messages that match
///
/// At most 500 a request; the answer's cursor goes on from there.
#[utoipa::path(
    post,
    path = "/v1/redrive",
    operation_id = "redrive_messages",
    tag = "operations",
    request_body = RedriveManyRequest,
    responses((status = 200, description = "What was redriven", body = RedrivenView)),
    security(("token" = [])),
)]
pub(in crate::api) async fn many(
    State(app): State<Arc<App>>,
    Operate(by): Operate,
    Json(request): Json<RedriveManyRequest>,
) -> Result<Answer<RedrivenView>, Problem> {
    let malformed = || Problem::new(Code::RequestInvalid, "the cursor is not one of this host");
    let after = request.cursor.as_deref();
    let after = after.map(|text| read_cursor(text).ok_or_else(malformed)).transpose()?;
    let query = Query {
        client_id: request.client_id,
        msg_type: request.msg_type,
        msg_state: request.msg_state,
        parked: Some(true),
        after,
        limit: REDRIVE_MAX,
        ..Query::default()
    };
    let page = app.watched.list(&query).await?;
    let mut done =
        RedrivenView { redriven: vec![], refused: vec![], cursor: page.cursor.map(write_cursor) };
    for parked in page.messages {
        let msg_id = parked.msg_id;
        match app.operator.redrive(msg_id, request.to.as_ref(), &by, &request.reason).await {
            Ok(_) => done.redriven.push(msg_id),
            // The request itself is wrong, and so for all of them.
            Err(OperateError::Refused(refusal)) if refusal.code == Code::RequestInvalid => {
                return Err(refusal.into());
            }
            Err(OperateError::Refused(refusal)) => {
                let (code, detail) = (refusal.code.to_string(), refusal.detail);
                done.refused.push(NotRedrivenView { msg_id, code, detail });
            }
            Err(OperateError::Fault(fault)) => return Err(fault.into()),
        }
    }
    Ok(Answer(done))
}
