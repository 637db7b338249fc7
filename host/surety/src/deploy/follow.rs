//! Taking over what the catalog has: at a start, and when another host of the same
//! tables has changed it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use surety_core::types::Digest;
use surety_core::workflow::Workflow;

use super::{Deployer, workflow_name};
use crate::serve::Stop;

/// How often the catalog is asked whether it changed. What another host deploys takes
/// effect here that much later.
pub(super) const FOLLOW_EACH: Duration = Duration::from_secs(2);

impl Deployer {
    /// Makes everything run that the catalog has, and nothing else. What has to be
    /// compiled is compiled afterwards, while the host serves.
    ///
    /// # Errors
    /// Which module or workflow cannot run here. The messages that are pinned to it
    /// would park one by one, so a person should see it first.
    pub async fn load(self: &Arc<Self>) -> anyhow::Result<()> {
        self.load_revocations().await?;
        // Before the modules, so that none of them is a stable one for a moment.
        for canary in self.catalog.canaries().await? {
            // Of one that is known, what all hosts count is kept and read each second.
            let known = self.routes.canaries().of(&canary.name);
            let same = known.is_some_and(|known| {
                (known.started_at, &known.course) == (canary.started_at, &canary.course)
            });
            if !same {
                self.routes.canaries().put(canary);
            }
        }
        // Read before the modules: what a workflow needs was deployed before it.
        let workflows = self.catalog.workflows().await?;
        let missing = self.load_modules().await?;
        self.load_workflows(workflows)?;
        if !missing.is_empty() {
            tokio::spawn(Arc::clone(self).compile_missing(missing));
        }
        Ok(())
    }

    /// Gives the components that are still to be compiled.
    async fn load_modules(&self) -> anyhow::Result<BTreeSet<Digest>> {
        let sandbox = self.routes.sandbox();
        let mut here: BTreeMap<_, _> = sandbox
            .deployed()
            .into_iter()
            .map(|module| {
                let reference = module.reference();
                ((reference.name, reference.version), (reference.digest, reference.settings))
            })
            .collect();
        let mut missing = BTreeSet::new();
        for deployed in self.catalog.modules().await? {
            let deployment = &deployed.deployment;
            let (digest, settings) =
                (deployment.digest, Digest::of(deployment.settings.as_bytes()));
            let known = here.remove(&(deployment.name.clone(), deployment.version.clone()));
            if known == Some((digest, settings)) {
                continue;
            }
            if !self.load_module(deployed).await? {
                missing.insert(digest);
            }
        }
        for (name, version) in here.into_keys() {
            sandbox.remove(&name, &version);
            tracing::info!(%name, %version, "module removed elsewhere");
        }
        Ok(missing)
    }

    fn load_workflows(&self, texts: Vec<Arc<str>>) -> anyhow::Result<()> {
        let mut here: BTreeSet<_> =
            self.workflows.all().into_iter().map(|workflow| workflow.digest).collect();
        for text in texts {
            let digest = Digest::of(text.as_bytes());
            if here.remove(&digest) {
                continue;
            }
            let workflow = Workflow::parse(&text).with_context(|| {
                format!("the deployed workflow {} is refused", workflow_name(&text, digest))
            })?;
            self.workflows.add(workflow.into());
        }
        for digest in here {
            // The newest of a type stays: messages of it may be on their way in.
            if let Some(workflow) = self.workflows.remove(digest) {
                let (msg_type, version) = (&workflow.msg_type, workflow.version);
                tracing::info!(%msg_type, version, "workflow removed elsewhere");
            }
        }
        Ok(())
    }

    /// Follows the catalog until told to stop, if others change it.
    pub async fn follow(self: Arc<Self>, stop: Stop) {
        if !self.shared {
            return;
        }
        let mut seen = None;
        while !stop.is_stopped() {
            let revision = match self.catalog.revision().await {
                Ok(revision) => Some(revision),
                Err(fault) => {
                    tracing::warn!(%fault, "whether something was deployed elsewhere is not known");
                    seen
                }
            };
            // Also beside a deployment of this host's: it changes the catalog first, so that
            // both do the same, and a push need not wait for this.
            if revision != seen {
                match self.load().await {
                    Ok(()) => seen = revision,
                    Err(error) => {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "what was deployed elsewhere cannot run here"
                        );
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_EACH) => {}
                () = stop.stopped() => {}
            }
        }
    }
}
