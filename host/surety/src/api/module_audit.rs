//! The audit of a deployed module.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use surety_audit::{Audit as AuditView, Deployed, reach};
use surety_core::endorse::Endorsements;
use surety_core::module::Module;
use surety_core::refusal::Code;
use surety_core::types::Digest;
use tokio::sync::Semaphore;

use super::App;
use super::auth::Audit;
use super::extract::Path;
use super::problem::Problem;
use crate::audit::audit;

/// Audits at once: each holds a component in memory, and some of them twice.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Audit a deployed module
///
/// What it is made of, what it may do and by which grant of the policy, what a
/// reviewer should look at, and which messages make it run. Nothing of it is
/// compiled or run for that.
#[utoipa::path(
    get,
    path = "/v1/modules/{digest}/audit",
    operation_id = "audit_module",
    tag = "deployment",
    params(("digest" = String, Path, description = "keccak256 of the component")),
    responses((status = 200, description = "The audit", body = AuditView)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Audit,
    Path(digest): Path<Digest>,
) -> Result<Answer<AuditView>, Problem> {
    let turn = TURNS.try_acquire().map_err(|_| Problem::busy("other audits are under way"))?;
    let deployed: Vec<Deployed> = app.routes.sandbox().deployed().iter().map(|m| name(m)).collect();
    let module = deployed.iter().find(|module| module.digest == digest).cloned();
    let component = match module.is_some() {
        true => app.catalog.component(digest).await?,
        false => None,
    };
    let (Some(module), Some(component)) = (module, component) else {
        let detail = format!("no module with the digest {digest} is deployed");
        return Err(Problem::new(Code::NotFound, detail));
    };
    let clients = app.clients.list().await?;
    let endorsements = app.catalog.modules().await?.into_iter();
    let endorsements = endorsements.filter(|deployed| deployed.deployment.digest == digest);
    let endorsements = endorsements.map(|deployed| deployed.endorsements).next_back();
    // A large one takes a while, and nobody else should wait for it.
    let audited = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let (limits, policy) = (&app.config.sandbox, app.routes.sandbox().policy());
        let endorsements = endorsements.unwrap_or(Endorsements::NONE);
        let mut view = audit(&component, limits, policy, None, &endorsements);
        view.reach = Some(reach(&module, &deployed, &app.workflows.all(), &clients));
        view
    });
    Ok(Answer(audited.await.map_err(|_| Problem::new(Code::Internal, "the host failed"))?))
}

fn name(module: &Module) -> Deployed {
    let (name, version) = (module.manifest.name.clone(), module.manifest.version.clone());
    Deployed { name, version, digest: module.digest }
}
