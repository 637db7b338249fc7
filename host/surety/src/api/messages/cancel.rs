//! Cancelling a message.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::types::MsgId;
use utoipa::ToSchema;

use super::MessageView;
use crate::api::App;
use crate::api::auth::Operate;
use crate::api::extract::{Json, Path};
use crate::api::problem::Problem;

/// Why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Cancel)]
pub struct CancelRequest {
    /// The operator's reason, which the record keeps.
    pub reason: String,
}

/// Cancel a message
///
/// Where the workflow declares that it can be, in the state in which it is.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/cancel",
    operation_id = "cancel_message",
    tag = "operations",
    params(("id" = String, Path, description = "Msg_ID")),
    request_body = CancelRequest,
    responses((status = 200, description = "The message as it is now", body = MessageView)),
    security(("token" = [])),
)]
pub(in crate::api) async fn cancel(
    State(app): State<Arc<App>>,
    Operate(by): Operate,
    Path(id): Path<MsgId>,
    Json(request): Json<CancelRequest>,
) -> Result<Answer<MessageView>, Problem> {
    Ok(Answer(app.operator.cancel(id, &by, &request.reason).await?.into()))
}
