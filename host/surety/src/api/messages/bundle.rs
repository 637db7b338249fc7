//! The proof of a finished message, as a file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use surety_core::machine::Phase;
use surety_core::ports::Found;
use surety_core::refusal::Code;
use surety_core::types::MsgId;

use super::{archived, unknown};
use crate::api::App;
use crate::api::auth::Audit;
use crate::api::extract::Path;
use crate::api::problem::Problem;

/// How long a final message may take to be archived; a host with free hands
/// needs milliseconds.
const ARCHIVE_WAIT: Duration = Duration::from_secs(5);

/// Get a finished message's bundle
///
/// What `surety verify` checks: the message, its records, the host's signatures.
/// 404 as long as the message is not archived.
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
    let mut waiter = app.watched.wait_for(id).ok_or_else(busy)?;
    let end = Instant::now() + ARCHIVE_WAIT;
    loop {
        let loaded = match app.guarantee.load(id).await? {
            Found::Archived => return Ok(()),
            Found::Nothing => return Err(unknown(id)),
            Found::Open(loaded) => loaded,
        };
        let late = Instant::now() > end || app.stop.is_stopped();
        if loaded.head.phase != Phase::Final || late {
            let state = &loaded.head.state;
            let detail = format!("the message is not archived yet: it is in the state `{state}`");
            return Err(Problem::new(Code::NotFound, detail));
        }
        waiter.change().await;
    }
}
