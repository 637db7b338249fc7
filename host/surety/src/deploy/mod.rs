//! Modules and workflows, between the catalog that keeps them and the routes
//! and the registry that run them.
//!
//! ```text
//!  push ─→ signed? ─→ reviewed? ─→ compiled ─→ fits? ─→ catalog ─→ routes
//!  rollback, remove, promote, stop ────────────→ fits? ─→ catalog ─→ routes
//!  revoke ──────────────────────────────────────────────→ catalog ─→ routes
//! ```

mod canary;
mod follow;
mod missing;
mod modules;
mod push;
mod removal;
mod revoke;

use std::sync::Arc;

use surety_core::policy::Policy;
use surety_core::ports::{Catalog, Clock, DeployError, Fault, Guarantee};
use surety_core::refusal::{Code, Refusal};
use surety_core::types::Digest;
use surety_core::workflow::Workflow;
use surety_core::workflows::Workflows;
use surety_sandbox::NotReady;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::check;
use crate::routes::Routes;
pub use canary::End;
pub use push::Push;

/// Why nothing was deployed. What runs is what ran before.
#[derive(Debug)]
pub enum NotDeployed {
    /// It was refused.
    Refused(Refusal),
    /// The host failed.
    Fault(Fault),
}

impl From<Refusal> for NotDeployed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<NotReady> for NotDeployed {
    fn from(not_ready: NotReady) -> Self {
        match not_ready {
            NotReady::Refused(refusal) => Self::Refused(refusal),
            NotReady::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<Fault> for NotDeployed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Deploys.
pub struct Deployer {
    catalog: Arc<dyn Catalog>,
    guarantee: Arc<dyn Guarantee>,
    routes: Arc<Routes>,
    workflows: Arc<Workflows>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    /// Other hosts deploy to the same catalog.
    shared: bool,
    turn: Arc<Semaphore>,
}

/// Who may deploy what.
pub struct Rules {
    /// The policy.
    pub policy: Policy,
    /// Whether modules that no `[[publish]]` is for may be deployed by anybody.
    pub development: bool,
}

impl Deployer {
    /// A deployer over these.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn Catalog>,
        guarantee: Arc<dyn Guarantee>,
        routes: Arc<Routes>,
        workflows: Arc<Workflows>,
        clock: Arc<dyn Clock>,
        rules: Rules,
        shared: bool,
    ) -> Arc<Self> {
        // One at a time: the order in the catalog is the order of taking effect, and
        // only one component is compiled at a time.
        let turn = Arc::new(Semaphore::new(1));
        Arc::new(Self { catalog, guarantee, routes, workflows, clock, rules, shared, turn })
    }

    /// The turn to deploy, or none while another deployment is under way.
    #[must_use]
    pub fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).try_acquire_owned().ok()
    }

    /// Deploys a workflow's text. Whether the caller is still there or not, it
    /// is done whole.
    ///
    /// # Errors
    /// See [`NotDeployed`].
    pub async fn push_workflow(
        self: &Arc<Self>,
        text: String,
        turn: OwnedSemaphorePermit,
    ) -> Result<Digest, NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            this.deploy_workflow(&text).await
        })
        .await
    }

    async fn deploy_workflow(&self, text: &str) -> Result<Digest, NotDeployed> {
        let (routes, text) = (Arc::clone(&self.routes), text.to_owned());
        let workflow = aside(move || {
            let workflow = Workflow::parse(&text)?;
            check::holds(&*routes, &workflow)?;
            Ok::<_, Refusal>(workflow)
        });
        let workflow = workflow.await??;
        let (msg_type, version) = (workflow.msg_type.clone(), workflow.version);
        let kept = self.catalog.put_workflow(msg_type.clone(), version, Arc::clone(&workflow.text));
        kept.await.map_err(|e| match e {
            DeployError::AlreadyExists(digest) => {
                let detail = format!("version {version} of the workflow `{msg_type}` is deployed with the digest {digest}; raise the version");
                Refusal::new(Code::WorkflowVersionUsed, detail).at("/version", "is taken").into()
            }
            DeployError::Fault(fault) => NotDeployed::Fault(fault),
        })?;
        let digest = workflow.digest;
        self.workflows.add(workflow.into());
        tracing::info!(%msg_type, version, %digest, "workflow deployed");
        Ok(digest)
    }
}

/// Computes beside the threads that answer requests.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let ended_early = |e| Fault::Unavailable(format!("the deployment ended early: {e}"));
    tokio::task::spawn_blocking(work).await.map_err(ended_early)
}

/// Runs to the end, also when the caller goes away.
async fn finish<T: Send + 'static>(
    work: impl Future<Output = Result<T, NotDeployed>> + Send + 'static,
) -> Result<T, NotDeployed> {
    let ended_early = |e| Fault::Unavailable(format!("the deployment ended early: {e}"));
    tokio::spawn(work).await.map_err(ended_early)?
}

/// What to call a workflow that does not parse.
fn workflow_name(text: &str, digest: Digest) -> String {
    let value = serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
    match (value["msg_type"].as_str(), value["version"].as_u64()) {
        (Some(msg_type), Some(version)) => format!("`{msg_type}` version {version} ({digest})"),
        _ => digest.to_string(),
    }
}
