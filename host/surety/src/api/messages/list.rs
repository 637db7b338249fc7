//! Messages by what they are.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::ports::{Cursor, Reference as _};
use surety_core::refusal::Code;
use surety_core::types::{ClientId, MsgState, MsgType, Time};
use utoipa::{IntoParams, ToSchema};

use super::MessageView;
use crate::api::App;
use crate::api::auth::Read;
use crate::api::extract::Query;
use crate::api::problem::Problem;

/// The most messages of one page: some hundred KB of JSON.
pub const LIMIT_MAX: usize = 500;

/// A page without a limit: a screenful.
const LIMIT_DEFAULT: usize = 50;

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Of this client.
    #[param(value_type = Option<String>)]
    client_id: Option<ClientId>,
    /// Of this type.
    #[param(value_type = Option<String>)]
    msg_type: Option<MsgType>,
    /// In this state.
    #[param(value_type = Option<String>)]
    msg_state: Option<MsgState>,
    /// Parked, or not.
    parked: Option<bool>,
    /// Created at or after this time (RFC 3339).
    #[param(value_type = Option<String>)]
    creation_date_from: Option<Time>,
    /// Created before this time.
    #[param(value_type = Option<String>)]
    creation_date_to: Option<Time>,
    /// Behind this place: the `cursor` of the page before.
    cursor: Option<String>,
    /// At most this many, 50 if it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// Some messages, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Messages)]
pub struct MessagesView {
    /// The messages.
    pub messages: Vec<MessageView>,
    /// Where the next page starts; none at the end.
    pub cursor: Option<String>,
}

/// List messages, newest first
#[utoipa::path(
    get,
    path = "/v1/messages",
    operation_id = "list_messages",
    tag = "messages",
    params(ListQuery),
    responses((status = 200, description = "A page of messages", body = MessagesView)),
    security(("token" = [])),
)]
pub(in crate::api) async fn list(
    State(app): State<Arc<App>>,
    _: Read,
    Query(query): Query<ListQuery>,
) -> Result<Answer<MessagesView>, Problem> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let detail = format!("limit is {limit}; it may be 1 to {LIMIT_MAX}");
        return Err(Problem::new(Code::RequestInvalid, detail));
    }
    let malformed = || Problem::new(Code::RequestInvalid, "the cursor is not one of this host");
    let after = query.cursor.map(|text| read_cursor(&text).ok_or_else(malformed)).transpose()?;
    let query = surety_core::ports::Query {
        client_id: query.client_id,
        msg_type: query.msg_type,
        msg_state: query.msg_state,
        parked: query.parked,
        created_from: query.creation_date_from,
        created_to: query.creation_date_to,
        after,
        limit,
    };
    let page = app.watched.list(&query).await?;
    let messages = page.messages.into_iter().map(MessageView::from).collect();
    Ok(Answer(MessagesView { messages, cursor: page.cursor.map(write_cursor) }))
}

pub(super) fn write_cursor((created, id): Cursor) -> String {
    format!("{}.{id}", created.as_millis())
}

pub(super) fn read_cursor(text: &str) -> Option<Cursor> {
    let (created, id) = text.split_once('.')?;
    Some((Time::from_millis(created.parse().ok()?), id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use surety_core::types::MsgId;

    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let cursor = (Time::from_millis(1_700_000_000_000), MsgId::from_bytes([7; 16]));
        assert_eq!(read_cursor(&write_cursor(cursor)), Some(cursor));
        for bad in ["", ".", "1", "x.y", "1.x"] {
            assert_eq!(read_cursor(bad), None, "{bad:?}");
        }
    }
}
