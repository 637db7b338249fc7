//! The deployments of a module's name: their history, and taking them back.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use semver::Version;
use serde::{Deserialize, Serialize};
use surety_core::deployment::{Deployed, in_effect};
use surety_core::types::{Address, Digest, ModuleName, Time};
use utoipa::ToSchema;

use super::App;
use super::auth::{Deploy, Read};
use super::extract::{Json, Path, Paths};
use super::problem::Problem;

/// A deployment, in effect or not.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Deployment)]
pub struct DeploymentView {
    /// Its place in the order of all deployments.
    pub number: u64,
    /// The version.
    #[schema(value_type = String)]
    pub version: Version,
    /// keccak256 of the component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// keccak256 of the settings' text.
    #[schema(value_type = String)]
    pub settings_digest: Digest,
    /// Who published it.
    #[schema(value_type = Vec<String>)]
    pub signers: Vec<Address>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub deployed_at: Time,
    /// When it was rolled back or removed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Time>,
    /// Whether it is the one of its version that runs.
    pub in_effect: bool,
}

/// The deployments of a name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = History)]
pub struct DeploymentsView {
    /// The last one first. Old ones that are not in effect are forgotten.
    pub deployments: Vec<DeploymentView>,
}

/// Where to go back to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rollback)]
pub struct RollbackRequest {
    /// To the last deployment of this version; to the one before the last if none.
    #[schema(value_type = Option<String>)]
    pub version: Option<Version>,
}

/// List the deployments of a module's name
#[utoipa::path(
    get,
    path = "/v1/deployments/{name}",
    operation_id = "list_deployments",
    tag = "deployment",
    params(("name" = String, Path, description = "The module's name")),
    responses((status = 200, description = "Its deployments", body = DeploymentsView)),
    security(("token" = [])),
)]
pub(super) async fn history(
    State(app): State<Arc<App>>,
    _: Read,
    Path(name): Path<ModuleName>,
) -> Result<Answer<DeploymentsView>, Problem> {
    view(&app, &name).await
}

/// Go back to a deployment before
///
/// With its settings. All deployments of the name behind it end together. It takes
/// effect with the next attempt of any message.
#[utoipa::path(
    post,
    path = "/v1/deployments/{name}/rollback",
    operation_id = "rollback_module",
    tag = "deployment",
    params(("name" = String, Path, description = "The module's name")),
    request_body = RollbackRequest,
    responses((status = 200, description = "Its deployments now", body = DeploymentsView)),
    security(("token" = [])),
)]
pub(super) async fn rollback(
    State(app): State<Arc<App>>,
    _: Deploy,
    Path(name): Path<ModuleName>,
    Json(request): Json<RollbackRequest>,
) -> Result<Answer<DeploymentsView>, Problem> {
    let turn =
        app.deployer.turn().ok_or_else(|| Problem::busy("another deployment is under way"))?;
    app.deployer.rollback(name.clone(), request.version, turn).await?;
    view(&app, &name).await
}

/// Remove a version of a module
///
/// Only one without which all workflows hold that admit or hold messages.
#[utoipa::path(
    delete,
    path = "/v1/deployments/{name}/{version}",
    operation_id = "remove_module",
    tag = "deployment",
    params(
        ("name" = String, Path, description = "The module's name"),
        ("version" = String, Path, description = "Version"),
    ),
    responses((status = 204, description = "The version is not there any more")),
    security(("token" = [])),
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    _: Deploy,
    Paths(name, version): Paths<ModuleName, Version>,
) -> Result<StatusCode, Problem> {
    let turn =
        app.deployer.turn().ok_or_else(|| Problem::busy("another deployment is under way"))?;
    app.deployer.remove_module(name, version, turn).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn view(app: &App, name: &ModuleName) -> Result<Answer<DeploymentsView>, Problem> {
    let history = app.catalog.history(name).await?;
    let effective: Vec<_> = in_effect(&history).into_iter().map(|d| d.number).collect();
    let show = |d: Deployed| DeploymentView {
        number: d.number,
        version: d.deployment.version,
        digest: d.deployment.digest,
        settings_digest: Digest::of(d.deployment.settings.as_bytes()),
        signers: d.endorsements.signatures.iter().map(|claim| claim.signer).collect(),
        deployed_at: d.deployment.deployed_at,
        ended_at: d.ended_at,
        in_effect: effective.contains(&d.number),
    };
    Ok(Answer(DeploymentsView { deployments: history.into_iter().map(show).collect() }))
}
