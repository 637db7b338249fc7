//! Action modules: deploying them, and seeing which are.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use surety_core::canary::Share;
use surety_core::deployment::Deployed;
use surety_core::endorse::{Approval, Claim, Endorsements, SIGNATURES_MAX};
use surety_core::module::{Module, SETTINGS_BYTES_MAX};
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{Address, Digest, ModuleName, MsgState, MsgType, Time};
use utoipa::ToSchema;

use super::App;
use super::auth::{Deploy, Read};
use super::extract::{Path, parse, read};
use super::problem::Problem;
use crate::deploy::Push;

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
    /// The signatures of its publishers (EIP-191) over the lines `surety module v1`,
    /// name, version and digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<ClaimView>)]
    pub signatures: Vec<Claim>,
    /// Those of its reviewers over the lines `surety review v1`, name, version, digest,
    /// and the digest of what it may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<ApprovalView>)]
    pub approvals: Vec<Approval>,
    /// The share of the calls that it gets at first, such as `10%`; all if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub canary: Option<Share>,
}

/// A signature, and whose it is.
#[derive(Debug, ToSchema)]
#[schema(as = Claim)]
#[expect(dead_code, reason = "what the engine's own type looks like in JSON")]
pub struct ClaimView {
    /// The signer's address.
    signer: String,
    /// `0x` and 130 hex digits.
    signature: String,
}

/// An approval, and of what.
#[derive(Debug, ToSchema)]
#[schema(as = Approval)]
#[expect(dead_code, reason = "what the engine's own type looks like in JSON")]
pub struct ApprovalView {
    /// keccak256 of what the module may do, a line each.
    powers: String,
    /// The reviewer's address.
    signer: String,
    /// `0x` and 130 hex digits.
    signature: String,
}

/// A place in a deployed workflow that the module gets calls from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Use)]
pub struct UseView {
    /// The message type.
    #[schema(value_type = String)]
    pub msg_type: MsgType,
    /// The workflow's version.
    pub version: u32,
    /// The state; none where it is a validator.
    #[schema(value_type = Option<String>)]
    pub msg_state: Option<MsgState>,
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
    /// Who published it.
    #[schema(value_type = Vec<String>)]
    pub signers: Vec<Address>,
    /// Who approved what it may do.
    #[schema(value_type = Vec<String>)]
    pub reviewers: Vec<Address>,
    /// Where it is used.
    pub used_by: Vec<UseView>,
    /// Whether new calls come to it: it is used, and may run.
    pub takes_calls: bool,
    /// Why it may not run.
    pub withheld: Option<String>,
    /// Its share, while it is a canary.
    #[schema(value_type = Option<String>)]
    pub canary: Option<Share>,
}

impl ModuleView {
    fn of(
        app: &App,
        uses: &HashMap<Digest, Vec<UseView>>,
        deployed: Deployed,
        module: Option<&Module>,
    ) -> Self {
        let Deployed { deployment, endorsements, .. } = deployed;
        let digest = deployment.digest;
        let withheld = app.routes.withheld(digest);
        let canary = app.routes.canaries().running(&deployment.name);
        let canary = canary.filter(|canary| canary.digest == digest).map(|canary| canary.share);
        let used_by = uses.get(&digest).cloned().unwrap_or_default();
        let manifest = module.map(|module| &module.manifest);
        let distinct = |all: BTreeSet<Address>| all.into_iter().collect();
        Self {
            name: deployment.name,
            version: deployment.version,
            digest,
            settings_digest: Digest::of(deployment.settings.as_bytes()),
            deployed_at: deployment.deployed_at,
            description: manifest.map(|m| m.description.clone()).unwrap_or_default(),
            returns: manifest.map(|m| m.returns.keys().cloned().collect()).unwrap_or_default(),
            signers: distinct(endorsements.signatures.iter().map(|c| c.signer).collect()),
            reviewers: distinct(endorsements.approvals.iter().map(|a| a.signer).collect()),
            takes_calls: withheld.is_none() && !used_by.is_empty(),
            used_by,
            withheld,
            canary,
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
/// attempt of any message; as a canary, with its share of them. The same version can be deployed again with other
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
    let push = tokio::task::spawn_blocking(move || unwrap(&bytes))
        .await
        .map_err(|_| Problem::new(Code::Internal, "the host failed"))??;
    let digest = app.deployer.push_module(push, turn).await?;
    let shown = deployed(&app).await?.into_iter().find(|(view, _)| view.digest == digest);
    shown
        .map(|(view, _)| Answer(view))
        .ok_or_else(|| Problem::new(Code::Internal, "the host failed"))
}

fn request_bytes_max(component_bytes_max: usize) -> usize {
    // Settings may come with as much white space and as many escapes again; a
    // signature with its signer has some 300 bytes.
    let signed = 2 * SIGNATURES_MAX * 512;
    component_bytes_max.saturating_add(2) / 3 * 4 + 2 * SETTINGS_BYTES_MAX + signed + 4096
}

/// What a request pushes.
fn unwrap(bytes: &[u8]) -> Result<Push, Refusal> {
    let request: ModuleRequest = parse(bytes)?;
    let component = BASE64_STANDARD.decode(&request.component).map_err(|e| {
        let detail = "the request is not of its form";
        Refusal::new(Code::RequestInvalid, detail).at("/component", format!("is not base64: {e}"))
    })?;
    let ModuleRequest { settings, signatures, approvals, canary, .. } = request;
    let endorsements = Endorsements { signatures, approvals };
    let settings = Value::Object(settings).to_string();
    Ok(Push { component, settings, endorsements, canary })
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
    let modules = deployed(&app).await?.into_iter().map(|(view, _)| view).collect();
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
    let found = deployed(&app).await?.into_iter().find(|(view, _)| view.digest == digest);
    let found = found.and_then(|(view, module)| Some((view, module?)));
    let (view, module) = found.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("no module with the digest {digest} is deployed"))
    })?;
    let manifest = serde_json::to_value(&*module.manifest)
        .map_err(|_| Problem::new(Code::Internal, "the manifest cannot be shown"))?;
    Ok(Answer(ModuleDetailView { module: view, manifest }))
}

/// What is kept, together with what runs of it.
async fn deployed(app: &App) -> Result<Vec<(ModuleView, Option<Arc<Module>>)>, Problem> {
    let kept = app.catalog.modules().await?;
    let (running, uses) = (app.routes.sandbox().deployed(), uses(app));
    let with_module = |deployed: Deployed| {
        let digest = deployed.deployment.digest;
        let module = running.iter().find(|module| module.digest == digest).cloned();
        (ModuleView::of(app, &uses, deployed, module.as_deref()), module)
    };
    Ok(kept.into_iter().map(with_module).collect())
}

/// Where each component is used: by the workflows that resolve to it now.
fn uses(app: &App) -> HashMap<Digest, Vec<UseView>> {
    let mut uses: HashMap<Digest, Vec<UseView>> = HashMap::new();
    for workflow in app.workflows.all() {
        let states = workflow.invokes().map(|(state, invoke)| (Some(state), &invoke.module));
        let validators = workflow.validators.iter().map(|spec| (None, spec));
        for (state, spec) in states.chain(validators) {
            let stable = app.routes.stable(spec).map(|module| module.digest);
            let canary = app.routes.canaries().running(&spec.name);
            let canary =
                canary.filter(|c| state.is_some() && spec.admits(&c.name, &c.version, c.digest));
            let canary = canary.map(|canary| canary.digest).filter(|c| Some(*c) != stable);
            for digest in stable.into_iter().chain(canary) {
                uses.entry(digest).or_default().push(UseView {
                    msg_type: workflow.msg_type.clone(),
                    version: workflow.version,
                    msg_state: state.cloned(),
                });
            }
        }
    }
    uses
}
