//! Modules and workflows, between the catalog that keeps them and the sandbox
//! and the registry that run them.

mod missing;
mod removal;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use surety_core::module::Module;
use surety_core::ports::{Catalog, Clock, DeployError, Deployment, Fault, Guarantee};
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::types::Digest;
use surety_core::workflow::Workflow;
use surety_core::workflows::Workflows;
use surety_sandbox::{Inspected, NotReady, Prepared, Sandbox};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::check;

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
    sandbox: Arc<Sandbox>,
    workflows: Arc<Workflows>,
    clock: Arc<dyn Clock>,
    turn: Arc<Semaphore>,
}

impl Deployer {
    /// A deployer over these.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn Catalog>,
        guarantee: Arc<dyn Guarantee>,
        sandbox: Arc<Sandbox>,
        workflows: Arc<Workflows>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        // One at a time: the order in the catalog is the order of taking effect, and
        // only one component is compiled at a time.
        let turn = Arc::new(Semaphore::new(1));
        Arc::new(Self { catalog, guarantee, sandbox, workflows, clock, turn })
    }

    /// The turn to deploy, or none while another deployment is under way.
    #[must_use]
    pub fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).try_acquire_owned().ok()
    }

    /// At a start: makes everything run that the catalog has. What has to be compiled
    /// again is compiled afterwards, while the host serves.
    ///
    /// # Errors
    /// Which module or workflow cannot run here any more. The messages that are
    /// pinned to it would park one by one, so a person should see it first.
    pub async fn load(self: &Arc<Self>) -> anyhow::Result<()> {
        let mut missing = BTreeSet::new();
        for deployment in self.catalog.modules().await? {
            let name = format!("{}@{}", deployment.name, deployment.version);
            let digest = deployment.digest;
            let restored = self.restore(deployment).await;
            if !restored.with_context(|| format!("the deployed module {name} is refused"))? {
                missing.insert(digest);
            }
        }
        for text in self.catalog.workflows().await? {
            let digest = Digest::of(text.as_bytes());
            let workflow = Workflow::parse(&text).with_context(|| {
                format!("the deployed workflow {} is refused", workflow_name(&text, digest))
            })?;
            self.workflows.add(workflow.into());
        }
        if !missing.is_empty() {
            tokio::spawn(Arc::clone(self).compile_missing(missing));
        }
        Ok(())
    }

    /// Installs a deployment; gives whether it can run already.
    async fn restore(&self, deployment: Deployment) -> anyhow::Result<bool> {
        let (sandbox, of) = (Arc::clone(&self.sandbox), deployment.clone());
        if let Some(prepared) = aside(move || sandbox.restore(&of)).await?? {
            say_ungranted(&self.sandbox.install(prepared));
            return Ok(true);
        }
        let component = self.component(deployment.digest).await?;
        let read = self.inspect(component).await??;
        say_ungranted(&*self.sandbox.announce(&deployment, read)?);
        Ok(false)
    }

    async fn component(&self, digest: Digest) -> anyhow::Result<Vec<u8>> {
        let component = self.catalog.component(digest).await?;
        component.ok_or_else(|| anyhow!("its component {digest} is gone"))
    }

    /// Deploys a component with its settings. Whether the caller is still there
    /// or not, it is done whole.
    ///
    /// # Errors
    /// See [`NotDeployed`].
    pub async fn push_module(
        self: &Arc<Self>,
        component: Vec<u8>,
        settings: String,
        turn: OwnedSemaphorePermit,
    ) -> Result<(Arc<Module>, Deployment), NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            this.deploy_module(component, settings.into()).await
        })
        .await
    }

    async fn deploy_module(
        &self,
        component: Vec<u8>,
        settings: Arc<str>,
    ) -> Result<(Arc<Module>, Deployment), NotDeployed> {
        let inspected = self.inspect(component.clone()).await??;
        let (name, version) = (inspected.manifest.name, inspected.manifest.version);
        let used = self
            .catalog
            .modules()
            .await?
            .into_iter()
            .find(|d| d.name == name && d.version == version && d.digest != inspected.digest);
        if let Some(used) = used {
            return Err(version_used(&format!("{name}@{version}"), used.digest).into());
        }
        let (digest, deployed_at) = (inspected.digest, self.clock.now());
        let deployment = Deployment { name, version, digest, settings, deployed_at };
        // Compiled before it is kept: what the catalog has must run at a start.
        // Kept before it runs: what runs must be there after a crash.
        let prepared = self.prepare(deployment.clone(), component.clone()).await??;
        let (sandbox, workflows) = (Arc::clone(&self.sandbox), Arc::clone(&self.workflows));
        let module = Arc::clone(prepared.module());
        granted(&module)?;
        aside(move || check::fits(&sandbox, &workflows, &module)).await??;
        let kept = self.catalog.put_module(deployment.clone(), component).await;
        kept.map_err(|e| match e {
            DeployError::AlreadyExists(digest) => {
                version_used(&format!("{}@{}", deployment.name, deployment.version), digest).into()
            }
            DeployError::Fault(fault) => NotDeployed::Fault(fault),
        })?;
        let module = self.sandbox.install(prepared);
        tracing::info!(module = ?module, "module deployed");
        Ok((module, deployment))
    }

    /// Reads a component.
    async fn inspect(&self, component: Vec<u8>) -> Result<Result<Inspected, NotReady>, Fault> {
        let sandbox = Arc::clone(&self.sandbox);
        aside(move || sandbox.inspect(&component)).await
    }

    /// Compiles, if need be.
    async fn prepare(
        &self,
        deployment: Deployment,
        component: Vec<u8>,
    ) -> Result<Result<Prepared, NotReady>, Fault> {
        let sandbox = Arc::clone(&self.sandbox);
        aside(move || sandbox.prepare(deployment, &component)).await
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
        let (sandbox, text) = (Arc::clone(&self.sandbox), text.to_owned());
        let workflow = aside(move || {
            let workflow = Workflow::parse(&text)?;
            check::holds(&sandbox, &workflow)?;
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

/// A module that lacks what it asks for would fail message by message.
fn granted(module: &Module) -> Result<(), Refusal> {
    let errors: Vec<_> = module.ungranted().into_iter().map(Finding::from).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let detail = "the policy does not grant what the module asks for; whoever keeps the host's policy file can add a `[[grant]]`";
    Err(Refusal { errors, ..Refusal::new(Code::ModuleNotGranted, detail) })
}

fn version_used(name: &str, digest: Digest) -> Refusal {
    let detail = format!("{name} is deployed with the digest {digest}; raise the version");
    Refusal::new(Code::ModuleVersionUsed, detail)
}

/// What to call a workflow that does not parse.
fn workflow_name(text: &str, digest: Digest) -> String {
    let value = serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
    match (value["msg_type"].as_str(), value["version"].as_u64()) {
        (Some(msg_type), Some(version)) => format!("`{msg_type}` version {version} ({digest})"),
        _ => digest.to_string(),
    }
}

/// A module that was deployed runs without what the policy no longer grants.
fn say_ungranted(module: &Module) {
    for ungranted in module.ungranted() {
        tracing::warn!(
            ?module,
            pointer = ungranted.pointer,
            detail = ungranted.detail,
            "a deployed module lacks what it asks for"
        );
    }
}
