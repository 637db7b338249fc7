//! Message types: what a client has to write.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use surety_core::refusal::Code;
use surety_core::types::{Digest, MsgType};
use utoipa::ToSchema;

use super::App;
use super::auth::Read;
use super::extract::Path;
use super::problem::Problem;

/// A message type as new messages must be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = MessageType)]
pub struct MessageTypeView {
    /// Its name.
    #[schema(value_type = String)]
    pub msg_type: MsgType,
    /// The version of the workflow that admits.
    pub version: u32,
    /// keccak256 of that workflow's text.
    #[schema(value_type = String)]
    pub workflow: Digest,
    /// The JSON Schema (2020-12) of the message text.
    pub schema: Value,
}

/// Get a message type's schema
#[utoipa::path(
    get,
    path = "/v1/message-types/{type}",
    operation_id = "get_message_type",
    tag = "messages",
    params(("type" = String, Path, description = "Message type")),
    responses((status = 200, description = "The type", body = MessageTypeView)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Path(msg_type): Path<MsgType>,
) -> Result<Answer<MessageTypeView>, Problem> {
    let workflow = app.workflows.newest(&msg_type).ok_or_else(|| {
        Problem::new(Code::NotFound, format!("no workflow takes messages of the type `{msg_type}`"))
    })?;
    let mut text: Value = serde_json::from_str(&workflow.text)
        .map_err(|_| Problem::new(Code::Internal, "the workflow cannot be shown"))?;
    let (version, schema) = (workflow.version, text["schema"].take());
    Ok(Answer(MessageTypeView { msg_type, version, workflow: workflow.digest, schema }))
}
