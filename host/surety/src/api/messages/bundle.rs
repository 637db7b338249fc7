//! The proof of a finished message, as a file.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use surety_core::machine::Phase;
use surety_core::ports::Found;
use surety_core::refusal::Code;
use surety_core::types::{MsgId, MsgState};
use tokio::time::{Instant, sleep_until};

use super::{archived, unknown};
use crate::api::App;
use crate::api::auth::Audit;
use crate::api::extract::Path;
use crate::api::problem::Problem;
use crate::watch::Until;

/// How long a final message may take to be archived. It goes before all other
/// work, so what is beyond this is a store that does not answer.
const ARCHIVE_WAIT: Duration = Duration::from_secs(5);

/// Get a finished message's bundle
///
/// What `surety verify` checks: the message, its records, the host's signatures.
/// As long as the message is not archived: 409 with the code `not_archived`. A
/// message that is final is archived in a moment, and the answer waits for that.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/bundle",
    operation_id = "get_bundle",
    tag = "messages",
    params(("id" = String, Path, description = "Msg_ID")),
    responses((
        status = 200,
        description = "The bundle",
        body = Vec<u8>,
        content_type = "application/octet-stream",
    )),
    security(("token" = [])),
)]
pub(in crate::api) async fn bundle(
    State(app): State<Arc<App>>,
    _: Audit,
    Path(id): Path<MsgId>,
) -> Result<impl IntoResponse, Problem> {
    wait_for_archive(&app, id).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.surety\"")),
    ];
    Ok((headers, archived(&app, id).await?.encode()))
}

/// Returns when the message is archived. One that is final will be in a moment,
/// and whoever was just told that it is final need not ask twice.
async fn wait_for_archive(app: &App, id: MsgId) -> Result<(), Problem> {
    let busy = || Problem::busy("as many wait as may");
    let mut waiter = app.watched.wait_for(id, Until::Rest).ok_or_else(busy)?;
    let end = Instant::now() + ARCHIVE_WAIT;
    loop {
        // Looked at before the message, so that the last look is a late one.
        let late = Instant::now() >= end || app.stop.is_stopped();
        let loaded = match app.guarantee.load(id).await? {
            Found::Archived => return Ok(()),
            Found::Nothing => return Err(unknown(id)),
            Found::Open(loaded) => loaded,
        };
        if loaded.head.phase != Phase::Final || late {
            return Err(not_archived(&loaded.head.state));
        }
        tokio::select! {
            _ = waiter.change() => {}
            () = sleep_until(end) => {}
            () = app.stop.stopped() => {}
        }
    }
}

/// 409: the message is there, unlike one that is not found, and the host can
/// answer, unlike one that is busy; it is the message's state that must change.
fn not_archived(state: &MsgState) -> Problem {
    let detail = format!("the message is in the state `{state}` and is not archived yet");
    Problem::new(Code::NotArchived, detail)
}
