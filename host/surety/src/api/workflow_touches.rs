//! What messages of a type can ever touch.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use surety_audit::{Known, Touches, touches};
use surety_core::ports::Actions as _;
use surety_core::refusal::Code;
use surety_core::types::MsgType;
use surety_core::workflow::ModuleSpec;

use super::App;
use super::auth::Audit;
use super::extract::Paths;
use super::problem::Problem;

/// Say what messages of a type can touch
///
/// Over all states: the modules that run, the hosts and secrets that they are
/// granted, the ways into their states, and whose signals move a message.
#[utoipa::path(
    get,
    path = "/v1/workflows/{type}/{version}/touches",
    operation_id = "get_workflow_touches",
    tag = "deployment",
    params(
        ("type" = String, Path, description = "Message type"),
        ("version" = u32, Path, description = "The workflow's version"),
    ),
    responses((status = 200, description = "Everything that they can touch", body = Touches)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Audit,
    Paths(msg_type, version): Paths<MsgType, u32>,
) -> Result<Answer<Touches>, Problem> {
    let workflow = app.workflows.version(&msg_type, version).ok_or_else(|| {
        let detail = format!("no workflow `{msg_type}` of the version {version} is deployed");
        Problem::new(Code::NotFound, detail)
    })?;
    let clients = app.clients.list().await?;
    let find = |spec: &ModuleSpec| {
        let module = app.routes.resolve(spec)?;
        Some(Known { manifest: Arc::clone(&module.manifest), digest: module.digest })
    };
    Ok(Answer(touches(&workflow, &find, app.routes.sandbox().policy(), &clients)))
}
