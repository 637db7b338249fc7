//! Modules and workflows, between the catalog that keeps them and the sandbox
//! and the registry that run them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use surety_core::module::Module;
use surety_core::ports::{Actions as _, Catalog, Clock, DeployError, Deployment, Fault, Guarantee};
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{Digest, MsgState, MsgType};
use surety_core::workflow::{Invoke, Workflow};
use surety_core::workflows::Workflows;
use surety_sandbox::{Prepared, Sandbox};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
        // One at a time: compiling takes gigabytes for the largest components,
        // and the order in the catalog is the order of taking effect.
        let turn = Arc::new(Semaphore::new(1));
        Arc::new(Self { catalog, guarantee, sandbox, workflows, clock, turn })
    }

    /// The turn to deploy, or none while another deployment is under way.
    #[must_use]
    pub fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).try_acquire_owned().ok()
    }

    /// At a start: makes everything run that the catalog has.
    ///
    /// # Errors
    /// Which module or workflow cannot run here any more. The messages that are
    /// pinned to it would park one by one, so a person should see it first.
    pub async fn load(&self) -> anyhow::Result<()> {
        for deployment in self.catalog.modules().await? {
            let name = format!("{}@{}", deployment.name, deployment.version);
            let digest = deployment.digest;
            let component = self.catalog.component(digest).await?;
            let component = component
                .ok_or_else(|| anyhow!("the component {digest} of the module {name} is gone"))?;
            let prepared = self.prepare(deployment, component).await?;
            let prepared =
                prepared.with_context(|| format!("the deployed module {name} is refused"))?;
            self.sandbox.install(prepared);
        }
        for text in self.catalog.workflows().await? {
            let digest = Digest::of(text.as_bytes());
            let workflow = Workflow::parse(&text).with_context(|| {
                format!("the deployed workflow {} is refused", workflow_name(&text, digest))
            })?;
            self.workflows.add(workflow.into());
        }
        Ok(())
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
        let inspected = self.sandbox.inspect(&component)?;
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

    /// Compiles, if need be.
    async fn prepare(
        &self,
        deployment: Deployment,
        component: Vec<u8>,
    ) -> Result<Result<Prepared, Refusal>, Fault> {
        let sandbox = Arc::clone(&self.sandbox);
        tokio::task::spawn_blocking(move || sandbox.prepare(deployment, &component))
            .await
            .map_err(|e| Fault::Unavailable(format!("compiling ended early: {e}")))
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
        let workflow = Workflow::parse(text)?;
        self.check_modules(&workflow)?;
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

    /// Takes a workflow out that admits nothing and to which no message is
    /// pinned.
    ///
    /// # Errors
    /// `workflow_unknown`, `workflow_pinned`.
    pub async fn remove_workflow(
        self: &Arc<Self>,
        msg_type: MsgType,
        version: u32,
        turn: OwnedSemaphorePermit,
    ) -> Result<(), NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            this.remove(&msg_type, version).await
        })
        .await
    }

    async fn remove(&self, msg_type: &MsgType, version: u32) -> Result<(), NotDeployed> {
        let all = self.workflows.all();
        let digest = all.iter().find(|w| w.msg_type == *msg_type && w.version == version);
        let digest = digest.map(|workflow| workflow.digest).ok_or_else(|| {
            let detail = format!("no version {version} of a workflow `{msg_type}` is deployed");
            Refusal::new(Code::WorkflowUnknown, detail)
        })?;
        drop(all);
        let pinned = |what: String| {
            let detail = format!("version {version} of the workflow `{msg_type}` {what}");
            Refusal::new(Code::WorkflowPinned, detail)
        };
        self.check_unpinned(digest).await.map_err(|e| e.refused(&pinned))?;
        let removed = self.workflows.remove(digest);
        let removed = removed.ok_or_else(|| pinned("admits new messages".to_owned()))?;
        // A submission may have found it before a newer version came, and still
        // be on its way; it holds it as long.
        let mut waits = 0;
        while Arc::strong_count(&removed) > 1 && waits < DRAIN_WAITS_MAX {
            tokio::time::sleep(DRAIN_WAIT).await;
            waits += 1;
        }
        let unpinned = match Arc::strong_count(&removed) {
            1 => self.check_unpinned(digest).await,
            _ => Err(Pinned::InUse),
        };
        if let Err(e) = unpinned {
            self.workflows.add(removed);
            return Err(e.refused(&pinned));
        }
        self.catalog.remove_workflow(msg_type, version).await?;
        tracing::info!(%msg_type, version, %digest, "workflow removed");
        Ok(())
    }

    async fn check_unpinned(&self, digest: Digest) -> Result<(), Pinned> {
        match self.guarantee.pins().await.map_err(Pinned::Fault)?.get(&digest) {
            None | Some(0) => Ok(()),
            Some(count) => Err(Pinned::By(*count)),
        }
    }

    /// Every module that is invoked is here, and can return something that the
    /// workflow allows.
    fn check_modules(&self, workflow: &Workflow) -> Result<(), Refusal> {
        let detail = "the workflow invokes modules that are not deployed";
        let mut unknown = Refusal::new(Code::ModuleUnknown, detail);
        let detail = "no state that an invoked module may return is one of its targets";
        let mut unfit = Refusal::new(Code::WorkflowInvalid, detail);
        for (state, Invoke { module: spec, targets, .. }) in workflow.invokes() {
            let Some(module) = self.sandbox.resolve(spec) else {
                let pointer = format!("/states/{state}/invoke");
                unknown = unknown.at(&pointer, format!("no deployed module fits `{spec}`"));
                continue;
            };
            let returns = &module.manifest.returns;
            if targets.is_disjoint(returns) {
                let pointer = format!("/states/{state}/targets");
                let reference = module.reference();
                let (name, version) = (reference.name, reference.version);
                let returns = returns.iter().map(MsgState::as_str).collect::<Vec<_>>().join(", ");
                unfit = unfit.at(&pointer, format!("`{name}@{version}` returns only: {returns}"));
            }
        }
        match (unknown.errors.is_empty(), unfit.errors.is_empty()) {
            (false, _) => Err(unknown),
            (true, false) => Err(unfit),
            (true, true) => Ok(()),
        }
    }
}

/// How often, and how long each time, a removal waits for submissions that hold
/// the workflow: half a minute, which no submission takes.
const DRAIN_WAITS_MAX: u32 = 300;
const DRAIN_WAIT: Duration = Duration::from_millis(100);

/// Why a workflow stays.
enum Pinned {
    By(u64),
    InUse,
    Fault(Fault),
}

impl Pinned {
    fn refused(self, pinned: &impl Fn(String) -> Refusal) -> NotDeployed {
        match self {
            Self::By(count) => {
                pinned(format!("has {count} open messages; migrate them first")).into()
            }
            Self::InUse => pinned("is in use by a submission".to_owned()).into(),
            Self::Fault(fault) => fault.into(),
        }
    }
}

/// Runs to the end, also when the caller goes away.
async fn finish<T: Send + 'static>(
    work: impl Future<Output = Result<T, NotDeployed>> + Send + 'static,
) -> Result<T, NotDeployed> {
    let ended_early = |e| Fault::Unavailable(format!("the deployment ended early: {e}"));
    tokio::spawn(work).await.map_err(ended_early)?
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
