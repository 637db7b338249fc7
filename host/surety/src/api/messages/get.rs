//! One message, and waiting for it to move.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use serde::Deserialize;
use surety_core::projection::Projection;
use surety_core::refusal::Code;
use surety_core::types::{MsgId, Seq};
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;

use super::{MessageView, current};
use crate::api::App;
use crate::api::auth::Read;
use crate::api::extract::{Path, Query};
use crate::api::problem::Problem;
use crate::watch::Until;

/// The longest long poll in seconds: less than what proxies and clients bear by
/// default.
pub const WAIT_S_MAX: u64 = 60;

/// How long to wait, and for what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GetQuery {
    /// Seconds to wait until the message is final or parked.
    #[param(maximum = 60)]
    wait: Option<u64>,
    /// Return as soon as the message is beyond this revision.
    #[param(value_type = Option<u64>)]
    seq: Option<Seq>,
}

/// Get a message
///
/// With `wait` the answer comes when the message is final or parked, when its
/// revision is beyond `seq`, or when the time is over.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    operation_id = "get_message",
    tag = "messages",
    params(("id" = String, Path, description = "Msg_ID"), GetQuery),
    responses((status = 200, description = "The message as it is now", body = MessageView)),
    security(("token" = [])),
)]
pub(in crate::api) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Path(id): Path<MsgId>,
    Query(query): Query<GetQuery>,
) -> Result<Answer<MessageView>, Problem> {
    let wait = query.wait.unwrap_or(0);
    if wait > WAIT_S_MAX {
        let detail = format!("wait is {wait}; it may be up to {WAIT_S_MAX} seconds");
        return Err(Problem::new(Code::RequestInvalid, detail));
    }
    let shown = match wait {
        0 => current(&app, id).await?,
        wait => moved(&app, id, Duration::from_secs(wait), query.seq).await?,
    };
    Ok(Answer(shown.into()))
}

async fn moved(
    app: &App,
    id: MsgId,
    wait: Duration,
    seq: Option<Seq>,
) -> Result<Projection, Problem> {
    let busy = || Problem::busy("as many wait as may");
    // The place before the reading, so that no change falls in between.
    let until = if seq.is_some() { Until::Moved } else { Until::Rest };
    let mut waiter = app.watched.wait_for(id, until).ok_or_else(busy)?;
    let end = Instant::now() + wait;
    let mut shown = current(app, id).await?;
    loop {
        if shown.is_final || shown.parked || seq.is_some_and(|seq| shown.seq > seq) {
            return Ok(shown);
        }
        let change = tokio::select! {
            change = waiter.change() => change,
            () = sleep_until(end) => return Ok(shown),
            () = app.stop.stopped() => return Ok(shown),
        };
        shown = match change {
            Some(change) if change.seq > shown.seq => change,
            _ => current(app, id).await?,
        };
    }
}
