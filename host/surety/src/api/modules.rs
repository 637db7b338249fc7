//! Action modules: deploying them, and seeing which are.

use std::sync::Arc;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use surety_core::module::{Module, SETTINGS_BYTES_MAX};
use surety_core::ports::Deployment;
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{Digest, ModuleName, MsgState, Time};
use utoipa::ToSchema;

use super::App;
use super::auth::{Deploy, Read};
use super::extract::{Path, parse, read};
use super::problem::Problem;

/// A component and its settings, deployed together.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleRequest {
    /// The component's bytes in base64 (RFC 4648, section 4).
    #[schema(content_encoding = "base64")]
    pub component: String,
    /// The settings of this deployment, of the manifest's settings schema. What
    /// is deployed and hashed is their compact JSON text with sorted keys.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
}

/// A deployed module.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Module)]
pub struct ModuleView {
    /// The name that workflows invoke it by.
    #[schema(value_type = String)]
    pub name: ModuleName,
    /// Its version.
    #[schema(value_type = String)]
    pub version: Version,
    /// keccak256 of the component.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// keccak256 of the settings' text, which itself may be private.
    #[schema(value_type = String)]
    pub settings_digest: Digest,
    /// When these settings were deployed.
    #[schema(value_type = String, format = DateTime)]
    pub deployed_at: Time,
    /// What it says of itself.
    pub description: String,
    /// The states that it may return.
    #[schema(value_type = Vec<String>)]
    pub returns: Vec<MsgState>,
}

impl ModuleView {
    fn of(module: &Module, deployment: Deployment) -> Self {
        Self {
            name: deployment.name,
            version: deployment.version,
            digest: deployment.digest,
            settings_digest: Digest::of(deployment.settings.as_bytes()),
            deployed_at: deployment.deployed_at,
            description: module.manifest.description.clone(),
            returns: module.manifest.returns.keys().cloned().collect(),
        }
    }
}

/// All deployed modules.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Modules)]
pub struct ModulesView {
    /// By name and version.
    pub modules: Vec<ModuleView>,
}

/// A deployed module with its manifest.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ModuleDetail)]
pub struct ModuleDetailView {
    /// The deployment.
    #[serde(flatten)]
    pub module: ModuleView,
    /// What the module says of itself: what it reads, writes and returns.
    #[schema(value_type = Object)]
    pub manifest: Value,
}

/// Deploy a module
///
/// Name and version are those of its manifest. It takes effect with the next
/// attempt of any message. The same version can be deployed again with other
/// settings, but not with other content.
#[utoipa::path(
    put,
    path = "/v1/modules",
    operation_id = "put_module",
    tag = "deployment",
    request_body = ModuleRequest,
    responses((status = 200, description = "The module is deployed", body = ModuleView)),
    security(("token" = [])),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    _: Deploy,
    body: Body,
) -> Result<Answer<ModuleView>, Problem> {
    // Before the body is read, so that memory holds one component at most.
    let turn =
        app.deployer.turn().ok_or_else(|| Problem::busy("another deployment is under way"))?;
    let limit = "the limit `component_bytes_max`, in base64 and with settings,";
    let max = request_bytes_max(app.config.sandbox.component_bytes_max);
    let bytes = read(&app, body, max, limit).await?;
    let (component, settings) = tokio::task::spawn_blocking(move || unwrap(&bytes))
        .await
        .map_err(|_| Problem::new(Code::Internal, "the host failed"))??;
    let (module, deployment) = app.deployer.push_module(component, settings, turn).await?;
    Ok(Answer(ModuleView::of(&module, deployment)))
}

fn request_bytes_max(component_bytes_max: usize) -> usize {
    // Settings may come with as much white space and as many escapes again.
    component_bytes_max.saturating_add(2) / 3 * 4 + 2 * SETTINGS_BYTES_MAX + 4096
}

/// Component and settings of a request.
fn unwrap(bytes: &[u8]) -> Result<(Vec<u8>, String), Refusal> {
    let request: ModuleRequest = parse(bytes)?;
    let component = BASE64_STANDARD.decode(&request.component).map_err(|e| {
        let detail = "the request is not of its form";
        Refusal::new(Code::RequestInvalid, detail).at("/component", format!("is not base64: {e}"))
    })?;
    Ok((component, Value::Object(request.settings).to_string()))
}

/// List deployed modules
#[utoipa::path(
    get,
    path = "/v1/modules",
    operation_id = "list_modules",
    tag = "deployment",
    responses((status = 200, description = "All deployed modules", body = ModulesView)),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Read,
) -> Result<Answer<ModulesView>, Problem> {
    let modules = deployed(&app).await?;
    let modules = modules.into_iter().map(|(module, d)| ModuleView::of(&module, d)).collect();
    Ok(Answer(ModulesView { modules }))
}

/// Get a deployed module by its digest, with its manifest
#[utoipa::path(
    get,
    path = "/v1/modules/{digest}",
    operation_id = "get_module",
    tag = "deployment",
    params(("digest" = String, Path, description = "keccak256 of the component")),
    responses((status = 200, description = "The module", body = ModuleDetailView)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Path(digest): Path<Digest>,
) -> Result<Answer<ModuleDetailView>, Problem> {
    let found = deployed(&app).await?.into_iter().find(|(module, _)| module.digest == digest);
    let (module, deployment) = found.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("no module with the digest {digest} is deployed"))
    })?;
    let manifest = serde_json::to_value(&*module.manifest)
        .map_err(|_| Problem::new(Code::Internal, "the manifest cannot be shown"))?;
    Ok(Answer(ModuleDetailView { module: ModuleView::of(&module, deployment), manifest }))
}

/// What is kept, together with what runs of it.
async fn deployed(app: &App) -> Result<Vec<(Arc<Module>, Deployment)>, Problem> {
    let running = app.sandbox.deployed();
    let mut kept = app.catalog.modules().await?;
    kept.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let with_module = |deployment: Deployment| {
        let module = running.iter().find(|module| module.digest == deployment.digest)?;
        Some((Arc::clone(module), deployment))
    };
    Ok(kept.into_iter().filter_map(with_module).collect())
}
