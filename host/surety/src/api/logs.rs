//! What modules wrote lately.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::refusal::Code;
use surety_core::types::MsgId;
use tokio::time::{Instant, sleep_until};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::auth::Operate;
use super::extract::Query;
use super::messages::get::WAIT_S_MAX;
use super::problem::Problem;
use crate::guest_logs::{LineView, Page, Wanted};

/// Who may follow at once: some operators with some windows. A further one gets
/// `busy`.
pub const FOLLOWERS_MAX: usize = 16;

/// Which lines, and how long to wait for them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// Of this module: its name, or its name and version as `name@version`.
    module: Option<String>,
    /// Of calls for this message.
    #[param(value_type = Option<String>)]
    msg_id: Option<MsgId>,
    /// Lines behind this number: `next` of the answer before. Else all that are
    /// kept.
    after: Option<u64>,
    /// Seconds to wait until there is a line.
    #[param(maximum = 60)]
    wait: Option<u64>,
}

/// Lines of modules.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Logs)]
pub struct LogsView {
    /// In the order in which they were written.
    pub lines: Vec<LineView>,
    /// What to ask for next with `after`.
    pub next: u64,
    /// Lines, of any module, that were gone before they were asked for.
    pub missed: u64,
}

/// Read what modules wrote to their log
///
/// From the host's memory, which holds the last lines only and is empty after a
/// restart. With `wait` the answer comes when there is a line that is asked for,
/// or when the time is over.
#[utoipa::path(
    get,
    path = "/v1/logs",
    operation_id = "get_logs",
    tag = "operations",
    params(LogsQuery),
    responses((status = 200, description = "The lines", body = LogsView)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Operate,
    Query(query): Query<LogsQuery>,
) -> Result<Answer<LogsView>, Problem> {
    let LogsQuery { module, msg_id, after, wait } = query;
    let wait = wait.unwrap_or(0);
    if wait > WAIT_S_MAX {
        let detail = format!("wait is {wait}; it may be up to {WAIT_S_MAX} seconds");
        return Err(Problem::new(Code::RequestInvalid, detail));
    }
    let (wanted, after) = (Wanted { module, msg_id }, after.unwrap_or(0));
    let Page { lines, next, missed } = match wait {
        0 => app.guest_logs.after(after, &wanted),
        wait => followed(&app, after, &wanted, Duration::from_secs(wait)).await?,
    };
    Ok(Answer(LogsView { lines, next, missed }))
}

async fn followed(app: &App, after: u64, wanted: &Wanted, wait: Duration) -> Result<Page, Problem> {
    let place = app.log_followers.try_acquire();
    let _place = place.map_err(|_| Problem::busy("as many follow as may"))?;
    let end = Instant::now() + wait;
    let mut last = app.guest_logs.follow();
    let (mut after, mut missed) = (after, 0);
    loop {
        // Marked as seen before it is read, so that no line falls in between.
        last.mark_unchanged();
        let mut page = app.guest_logs.after(after, wanted);
        missed += page.missed;
        page.missed = missed;
        if !page.lines.is_empty() {
            return Ok(page);
        }
        // A full page of others' lines may have more behind it.
        let read_on = page.next != after;
        after = page.next;
        if read_on {
            continue;
        }
        tokio::select! {
            changed = last.changed() => if changed.is_err() { return Ok(page) },
            () = sleep_until(end) => return Ok(page),
            () = app.stop.stopped() => return Ok(page),
        }
    }
}
