//! Modules: what runs after a start, and going from one set of deployments of a
//! name to another.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use semver::Version;
use surety_core::canary::{Canary, Course};
use surety_core::deployment::{Change, Deployed, in_effect, removed, undone, without};
use surety_core::endorse::Subject;
use surety_core::module::{Manifest, Module};
use surety_core::ports::{Actions as _, DeployError, Deployment, Fault};
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{Digest, ModuleName};
use surety_core::workflow::{ModuleSpec, Workflow};
use surety_sandbox::{Inspected, NotReady, Prepared};
use tokio::sync::OwnedSemaphorePermit;

use super::{Deployer, NotDeployed, aside, finish};
use crate::check;

/// How a module is signed.
pub(super) fn subject(deployment: &Deployment) -> Subject {
    let Deployment { name, version, digest, .. } = deployment;
    Subject { module: name.clone(), version: version.clone(), digest: *digest }
}

impl Deployer {
    /// At a start: makes a module run, unless it may not. One that lacks signatures
    /// by the policy of now is there, and gets no calls. Gives whether nothing is left
    /// to be compiled.
    pub(super) async fn load_module(&self, deployed: Deployed) -> anyhow::Result<bool> {
        let Deployed { deployment, endorsements, .. } = deployed;
        let name = format!("{}@{}", deployment.name, deployment.version);
        let digest = deployment.digest;
        let signers = endorsements.publishers(&subject(&deployment));
        let signed = signers.and_then(|signers| {
            let Self { rules, .. } = self;
            rules.policy.check_publishers(&deployment.name, &signers, rules.development)
        });
        let unsigned = signed.err().map(|refusal| {
            format!("was deployed without what the policy wants now: {}", refusal.detail)
        });
        self.routes.set_unsigned(digest, unsigned);
        let withheld = self.routes.withheld(digest);
        if let Some(why) = &withheld {
            tracing::warn!(module = name, why, "a deployed module gets no calls");
        }
        match self.restore(deployment).await {
            // One that gets no calls need not be compiled.
            Ok(ready) => Ok(ready || withheld.is_some()),
            Err(error) if withheld.is_some() => {
                tracing::warn!(module = name, %error, "it could not run either");
                Ok(true)
            }
            Err(error) => {
                Err(error).with_context(|| format!("the deployed module {name} is refused"))
            }
        }
    }

    /// Installs a deployment; gives whether it can run already.
    async fn restore(&self, deployment: Deployment) -> anyhow::Result<bool> {
        let sandbox = Arc::clone(self.routes.sandbox());
        let (restoring, of) = (Arc::clone(&sandbox), deployment.clone());
        if let Some(prepared) = aside(move || restoring.restore(&of)).await?? {
            say_ungranted(&sandbox.install(prepared));
            return Ok(true);
        }
        let component = self.component(deployment.digest).await?;
        let read = self.inspect(component).await??;
        say_ungranted(&*sandbox.announce(&deployment, read)?);
        Ok(false)
    }

    pub(super) async fn component(&self, digest: Digest) -> anyhow::Result<Vec<u8>> {
        let component = self.catalog.component(digest).await?;
        component.ok_or_else(|| anyhow!("its component {digest} is gone"))
    }

    /// Reads a component.
    pub(super) async fn inspect(
        &self,
        component: Vec<u8>,
    ) -> Result<Result<Inspected, NotReady>, Fault> {
        let sandbox = Arc::clone(self.routes.sandbox());
        aside(move || sandbox.inspect(&component)).await
    }

    /// Compiles, if need be.
    pub(super) async fn prepare(
        &self,
        deployment: Deployment,
        component: Vec<u8>,
    ) -> Result<Result<Prepared, NotReady>, Fault> {
        let sandbox = Arc::clone(self.routes.sandbox());
        aside(move || sandbox.prepare(deployment, &component)).await
    }

    /// Goes back to what was before the last deployment of a name, or to the last
    /// one of a version, with its settings.
    ///
    /// # Errors
    /// `not_found`, `rollback_none`; `module_pinned` with the workflows that would
    /// not hold.
    pub async fn rollback(
        self: &Arc<Self>,
        name: ModuleName,
        to: Option<Version>,
        turn: OwnedSemaphorePermit,
    ) -> Result<(), NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            let history = this.catalog.history(&name).await?;
            let ended = undone(&name, &history, to.as_ref())?;
            this.end(&name, &history, ended, "rolled back").await
        })
        .await
    }

    /// Takes a version out that no workflow needs which admits or holds messages.
    ///
    /// # Errors
    /// `not_found`; `module_pinned` with the workflows that would not hold.
    pub async fn remove_module(
        self: &Arc<Self>,
        name: ModuleName,
        version: Version,
        turn: OwnedSemaphorePermit,
    ) -> Result<(), NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            let history = this.catalog.history(&name).await?;
            let ended = removed(&name, &history, &version)?;
            this.end(&name, &history, ended, "removed").await
        })
        .await
    }

    /// Ends deployments, and a canary among them.
    async fn end(
        &self,
        name: &ModuleName,
        history: &[Deployed],
        ended: Vec<u64>,
        why: &str,
    ) -> Result<(), NotDeployed> {
        let at = self.clock.now();
        let after = without(history, &ended, at);
        let left: HashMap<_, _> =
            in_effect(&after).into_iter().map(|d| (&d.deployment.version, d)).collect();
        let detail = format!("workflows that admit or hold messages need what would be {why}");
        let pinned = Refusal::new(Code::ModulePinned, detail);
        self.check_without(name, &left, pinned).await?;
        let canary = self.routes.canaries().running(name);
        let canary = canary.filter(|canary| !left.contains_key(&canary.version));
        let canary = canary
            .map(|canary| Canary { course: Course::Stopped { at, why: why.to_owned() }, ..canary });
        let gone = in_effect(history).into_iter().map(|d| &d.deployment.version);
        let gone: Vec<_> = gone.filter(|version| !left.contains_key(version)).collect();
        let back = self.prepare_changed(history, &left).await?;
        self.change(Change { end: ended, canary: canary.clone(), ..Change::new(at) }).await?;
        for version in gone {
            self.routes.sandbox().remove(name, version);
            tracing::info!(%name, %version, "module {why}");
        }
        for prepared in back {
            let module = self.routes.sandbox().install(prepared);
            tracing::info!(?module, "module with the settings of before");
        }
        if let Some(canary) = canary {
            self.routes.canaries().put(canary);
        }
        Ok(())
    }

    /// The versions that stay and get other settings back.
    async fn prepare_changed(
        &self,
        history: &[Deployed],
        left: &HashMap<&Version, &Deployed>,
    ) -> Result<Vec<Prepared>, NotDeployed> {
        let mut back = Vec::new();
        for before in in_effect(history) {
            let Some(after) = left.get(&before.deployment.version) else { continue };
            if after.number != before.number {
                let digest = after.deployment.digest;
                let component = self.catalog.component(digest).await?;
                let component = component
                    .ok_or_else(|| Fault::Corrupt(format!("the component {digest} is gone")))?;
                back.push(self.prepare(after.deployment.clone(), component).await??);
            }
        }
        Ok(back)
    }

    /// Whether all workflows hold that admit or hold messages, when of a name only
    /// these versions are left.
    async fn check_without(
        &self,
        name: &ModuleName,
        left: &HashMap<&Version, &Deployed>,
        pinned: Refusal,
    ) -> Result<(), NotDeployed> {
        let workflows = self.in_use().await?;
        let digests: Vec<Digest> = left.values().map(|d| d.deployment.digest).collect();
        let routes = Arc::clone(&self.routes);
        let name = name.clone();
        let check = move || {
            let may = |spec: &ModuleSpec, module: &Module| {
                digests.contains(&module.digest)
                    && routes.withheld(module.digest).is_none()
                    && (spec.pins(module.digest) || !routes.canaries().is_one(module))
            };
            let then = |spec: &ModuleSpec| -> Option<Arc<Manifest>> {
                let module = if spec.name == name {
                    routes.sandbox().resolve_among(spec, &|module| may(spec, module))
                } else {
                    routes.resolve(spec)
                };
                Some(Arc::clone(&module?.manifest))
            };
            check::fits(&*routes, &workflows, &then, pinned)
        };
        Ok(aside(check).await??)
    }

    /// The workflows that admit or hold messages.
    pub(super) async fn in_use(&self) -> Result<Vec<Arc<Workflow>>, Fault> {
        let pins = self.guarantee.pins().await?;
        let mut all = check::admitting(&self.workflows);
        let holds = |workflow: &Arc<Workflow>| {
            pins.get(&workflow.digest).is_some_and(|count| *count > 0)
                && !all.iter().any(|admits| admits.digest == workflow.digest)
        };
        let more: Vec<_> = self.workflows.all().into_iter().filter(holds).collect();
        all.extend(more);
        Ok(all)
    }

    /// Makes a change durable that brings no version.
    pub(super) async fn change(&self, change: Change) -> Result<(), NotDeployed> {
        self.catalog.change_modules(change).await.map_err(|e| match e {
            DeployError::AlreadyExists(digest) => {
                NotDeployed::Fault(Fault::Corrupt(format!("{digest} is in the way of a change")))
            }
            DeployError::Fault(fault) => NotDeployed::Fault(fault),
        })
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
