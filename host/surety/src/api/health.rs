//! For those who watch over the host.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::ports::Reference as _;
use surety_core::refusal::Code;
use surety_core::types::{MsgState, MsgType};
use surety_sandbox::Confined;
use utoipa::ToSchema;

use super::App;
use super::auth::Read;
use super::problem::Problem;

/// How long the store may take to answer a probe: less than the second or two
/// after which probes give up by themselves.
const READY_MS_MAX: u64 = 900;

/// What the host does.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusView {
    /// In each state of each type.
    pub states: Vec<CountView>,
    /// How components are compiled.
    pub compiling: CompilingView,
}

/// What the kernel holds the process by that compiles a component, beside limits of
/// memory and time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Compiling)]
pub struct CompilingView {
    /// It can ask the kernel for nothing but memory, its input and its output.
    pub seccomp: bool,
    /// It can open no file and no connection.
    pub landlock: bool,
}

/// How many messages there are in a state.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Count)]
pub struct CountView {
    /// Of this type.
    #[schema(value_type = String)]
    pub msg_type: MsgType,
    /// In this state.
    #[schema(value_type = String)]
    pub msg_state: MsgState,
    /// So many.
    pub count: u64,
}

/// That a probe was answered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthView {
    /// `ok`
    pub status: String,
}

impl HealthView {
    fn ok() -> Answer<Self> {
        Answer(Self { status: "ok".to_owned() })
    }
}

/// Count messages by type and state, and say what the host relies on
#[utoipa::path(
    get,
    path = "/v1/status",
    operation_id = "get_status",
    tag = "operations",
    responses((status = 200, description = "The counts", body = StatusView)),
    security(("token" = [])),
)]
pub(super) async fn status(
    State(app): State<Arc<App>>,
    _: Read,
) -> Result<Answer<StatusView>, Problem> {
    let view = |((msg_type, msg_state), count)| CountView { msg_type, msg_state, count };
    let states = app.watched.counts().await?.into_iter().map(view).collect();
    let Confined { seccomp, landlock } = app.sandbox.confined();
    Ok(Answer(StatusView { states, compiling: CompilingView { seccomp, landlock } }))
}

/// Whether the process lives
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operations",
    responses((status = 200, description = "It does", body = HealthView)),
)]
pub(super) async fn healthz() -> Answer<HealthView> {
    HealthView::ok()
}

/// Whether the host can take messages
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses((status = 200, description = "The store answers", body = HealthView)),
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Answer<HealthView>, Problem> {
    if app.stop.is_stopped() {
        return Err(Problem::new(Code::Unavailable, "the host is stopping"));
    }
    let probe = app.guarantee.open(None, 1);
    match tokio::time::timeout(Duration::from_millis(READY_MS_MAX), probe).await {
        Ok(answer) => answer.map(|_| HealthView::ok()).map_err(Problem::from),
        Err(_) => Err(Problem::new(Code::Unavailable, "the store does not answer in time")),
    }
}
