//! Pushing a module: who signed it, who reviewed it, whether it fits.

use std::sync::Arc;

use surety_core::canary::{Canary, Course, Share, Tally};
use surety_core::deployment::{Change, Deployed, NewDeployment, in_effect};
use surety_core::endorse::{Endorsements, Subject};
use surety_core::module::{Manifest, Module};
use surety_core::policy::Powers;
use surety_core::ports::{DeployError, Deployment};
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::types::Digest;
use surety_sandbox::Inspected;
use tokio::sync::OwnedSemaphorePermit;

use super::modules::subject;
use super::{Deployer, NotDeployed, aside, finish};
use crate::check;

/// What is pushed.
#[derive(Debug)]
pub struct Push {
    /// The component.
    pub component: Vec<u8>,
    /// Its settings: JSON text.
    pub settings: String,
    /// Who signed and approved it.
    pub endorsements: Endorsements,
    /// The share of the calls that it gets at first; all if none.
    pub canary: Option<Share>,
}

impl Deployer {
    /// Deploys a component with its settings. Whether the caller is still there
    /// or not, it is done whole.
    ///
    /// # Errors
    /// See [`NotDeployed`].
    pub async fn push_module(
        self: &Arc<Self>,
        push: Push,
        turn: OwnedSemaphorePermit,
    ) -> Result<Digest, NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            this.deploy_module(push).await
        })
        .await
    }

    async fn deploy_module(&self, push: Push) -> Result<Digest, NotDeployed> {
        let Push { component, settings, endorsements, canary } = push;
        let Inspected { manifest, digest, .. } = self.inspect(component.clone()).await??;
        let (name, version) = (manifest.name.clone(), manifest.version.clone());
        let history = self.catalog.history(&name).await?;
        let deployed_at = self.clock.now();
        let settings = settings.into();
        let deployment = Deployment { name, version, digest, settings, deployed_at };
        let endorsements = self.check_people(&deployment, &manifest, &history, endorsements)?;
        let at = deployed_at;
        let canary = self.canary_of(&deployment, &history, canary)?;
        if canary.is_none() && is_there(&history, &deployment, &endorsements) {
            return Ok(digest);
        }
        // Compiled before it is kept: what the catalog has must run at a start.
        // Kept before it runs: what runs must be there after a crash.
        let prepared = self.prepare(deployment.clone(), component.clone()).await??;
        granted(prepared.module())?;
        self.check_fits(prepared.module()).await?;
        let label = format!("{}@{}", deployment.name, deployment.version);
        let put = Some(NewDeployment { deployment, endorsements, component });
        let change = Change { put, canary: canary.clone(), ..Change::new(at) };
        self.catalog.change_modules(change).await.map_err(|e| match e {
            DeployError::AlreadyExists(digest) => version_used(&label, digest).into(),
            DeployError::Fault(fault) => NotDeployed::Fault(fault),
        })?;
        if let Some(canary) = canary {
            self.routes.canaries().put(canary);
        }
        let module = self.routes.sandbox().install(prepared);
        self.routes.set_unsigned(digest, None);
        tracing::info!(module = ?module, "module deployed");
        Ok(digest)
    }

    /// Whether the right people signed and approved it. Gives the signatures that
    /// were looked at.
    fn check_people(
        &self,
        deployment: &Deployment,
        manifest: &Manifest,
        history: &[Deployed],
        mut endorsements: Endorsements,
    ) -> Result<Endorsements, Refusal> {
        let Deployment { name, version, digest, .. } = deployment;
        let (subject, policy) = (subject(deployment), &self.rules.policy);
        if let Some(why) = self.routes.withheld(*digest).filter(|_| self.routes.is_revoked(*digest))
        {
            let detail = format!("the component {digest} {why}");
            return Err(Refusal::new(Code::ModuleRevoked, detail));
        }
        let mut same = history.iter().map(|d| &d.deployment).filter(|d| d.version == *version);
        if let Some(used) = same.find(|d| d.digest != *digest) {
            return Err(version_used(&format!("{name}@{version}"), used.digest));
        }
        let signers = endorsements.publishers(&subject)?;
        policy.check_publishers(name, &signers, self.rules.development)?;
        if policy.wants_review(name) {
            self.check_review(&subject, manifest, history, &endorsements)?;
        } else {
            endorsements.approvals.clear();
        }
        Ok(endorsements)
    }

    /// Whether what it may do more than the version before it was approved.
    fn check_review(
        &self,
        subject: &Subject,
        manifest: &Manifest,
        history: &[Deployed],
        endorsements: &Endorsements,
    ) -> Result<(), Refusal> {
        let powers = self.powers(manifest, subject.digest)?;
        let before = in_effect(history).into_iter().rev();
        let before = before.map(|d| &d.deployment).find(|d| d.version <= subject.version);
        let running = self.routes.sandbox().deployed();
        let before = before.and_then(|d| running.iter().find(|m| m.digest == d.digest));
        let old = before.map(|m| self.powers(&m.manifest, m.digest)).transpose()?;
        let new = powers.beyond(&old.unwrap_or_default());
        let powers = powers.digest();
        let reviewers = endorsements.reviewers(subject, powers)?;
        self.rules.policy.check_reviewers(&subject.module, &new, powers, &reviewers)
    }

    fn powers(&self, manifest: &Manifest, digest: Digest) -> Result<Powers, Refusal> {
        let Manifest { name, version, capabilities, .. } = manifest;
        Powers::of(&self.rules.policy.grant(name, version, digest, capabilities))
    }

    /// The canary that the deployment begins, if it is one.
    fn canary_of(
        &self,
        deployment: &Deployment,
        history: &[Deployed],
        share: Option<Share>,
    ) -> Result<Option<Canary>, Refusal> {
        let Deployment { name, version, digest, deployed_at, .. } = deployment;
        if let Some(running) = self.routes.canaries().running(name) {
            let detail =
                format!("{name}@{} runs as a canary; promote or stop it first", running.version);
            return Err(Refusal::new(Code::CanaryRuns, detail));
        }
        let Some(share) = share else { return Ok(None) };
        let effective = in_effect(history);
        let newer = |d: &&Deployed| d.deployment.version >= *version;
        let refuse =
            |why: String| Refusal::new(Code::RequestInvalid, why).at("/canary", "cannot be");
        if effective.is_empty() {
            return Err(refuse(format!(
                "there is no deployment of `{name}` to compare a canary with"
            )));
        }
        if let Some(newer) = effective.into_iter().find(newer) {
            let newer = &newer.deployment.version;
            return Err(refuse(format!(
                "a canary is newer than all that is deployed, and {name}@{newer} is"
            )));
        }
        Ok(Some(Canary {
            name: name.clone(),
            version: version.clone(),
            digest: *digest,
            share,
            started_at: *deployed_at,
            course: Course::Runs,
            old: Tally::default(),
            new: Tally::default(),
        }))
    }

    /// Whether the workflows that admit or hold messages hold once the module is there.
    pub(super) async fn check_fits(&self, module: &Arc<Module>) -> Result<(), NotDeployed> {
        let (routes, module) = (Arc::clone(&self.routes), Arc::clone(module));
        let workflows = self.in_use().await?;
        let check = move || {
            let label = format!("{}@{}", module.manifest.name, module.manifest.version);
            let detail = format!("deployed workflows would not hold with `{label}`");
            let unfit = Refusal::new(Code::ModuleUnfit, detail);
            let then = |spec: &_| check::resolved_with(&*routes, spec, &module);
            check::fits(&*routes, &workflows, &then, unfit)
        };
        Ok(aside(check).await??)
    }
}

/// Whether it is in effect just so.
fn is_there(history: &[Deployed], new: &Deployment, endorsements: &Endorsements) -> bool {
    let mut effective = in_effect(history).into_iter();
    effective.any(|d| {
        let Deployment { version, digest, settings, .. } = &d.deployment;
        (version, digest, settings) == (&new.version, &new.digest, &new.settings)
            && d.endorsements == *endorsements
    })
}

fn version_used(name: &str, digest: Digest) -> Refusal {
    let detail = format!("{name} is or was deployed with the digest {digest}; raise the version");
    Refusal::new(Code::ModuleVersionUsed, detail)
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
