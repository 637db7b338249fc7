//! Revoking components.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::deployment::Revocation;
use surety_core::types::{Digest, Time};
use utoipa::ToSchema;

use super::App;
use super::auth::{Operate, Read};
use super::extract::{Json, Path};
use super::problem::Problem;

/// Why a component is revoked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Revoke)]
pub struct RevokeRequest {
    /// The reason, which the records of messages that needed the component keep.
    pub reason: String,
}

/// A revoked component.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Revocation)]
pub struct RevocationView {
    /// keccak256 of the component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Why.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub revoked_at: Time,
    /// The name of the token that did it.
    pub revoked_by: String,
}

/// All revoked components, but for those that the policy file names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Revocations)]
pub struct RevocationsView {
    /// By digest.
    pub revocations: Vec<RevocationView>,
}

/// Revoke a component
///
/// For good, deployed or not: once this is answered, no call of it starts on this host
/// any more, and nobody can deploy it again. Calls that run go on to their end. Other
/// hosts on the same tables look for it each two seconds, and hear of it later while the
/// catalog does not answer them.
#[utoipa::path(
    post,
    path = "/v1/modules/{digest}/revoke",
    operation_id = "revoke_module",
    tag = "deployment",
    params(("digest" = String, Path, description = "keccak256 of the component")),
    request_body = RevokeRequest,
    responses((status = 200, description = "All revocations", body = RevocationsView)),
    security(("token" = [])),
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Operate(by): Operate,
    Path(digest): Path<Digest>,
    Json(request): Json<RevokeRequest>,
) -> Result<Answer<RevocationsView>, Problem> {
    app.deployer.revoke(digest, request.reason, by).await?;
    view(&app).await
}

/// List revoked components
#[utoipa::path(
    get,
    path = "/v1/revocations",
    operation_id = "list_revocations",
    tag = "deployment",
    responses((status = 200, description = "All revocations", body = RevocationsView)),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Read,
) -> Result<Answer<RevocationsView>, Problem> {
    view(&app).await
}

async fn view(app: &App) -> Result<Answer<RevocationsView>, Problem> {
    let show = |revocation: Revocation| {
        let Revocation { digest, reason, revoked_at, revoked_by } = revocation;
        RevocationView { digest, reason, revoked_at, revoked_by }
    };
    let revocations = app.catalog.revocations().await?.into_iter().map(show).collect();
    Ok(Answer(RevocationsView { revocations }))
}
