//! A canary's end, and keeping what was counted of it.

use std::sync::Arc;
use std::time::Duration;

use surety_core::canary::{Canary, Counts, Course};
use surety_core::deployment::{Change, removed};
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{ModuleName, Time};
use tokio::sync::OwnedSemaphorePermit;

use super::{Deployer, NotDeployed, finish};
use crate::canaries::Due;
use crate::serve::Stop;

/// How often counts are kept, and failing canaries taken out of the catalog: they
/// get no more calls from the moment in which they failed.
const KEEP_EACH: Duration = Duration::from_secs(1);

/// How a canary ends.
#[derive(Debug)]
pub enum End {
    /// It gets all calls.
    Promote,
    /// It is taken out, for this reason.
    Stop(String),
}

impl Deployer {
    /// Ends the running canary of a module.
    ///
    /// # Errors
    /// `canary_none`; `module_unfit` when workflows would not hold with it.
    pub async fn end_canary(
        self: &Arc<Self>,
        name: ModuleName,
        end: End,
        turn: OwnedSemaphorePermit,
    ) -> Result<Canary, NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            this.end_now(&name, end).await
        })
        .await
    }

    async fn end_now(&self, name: &ModuleName, end: End) -> Result<Canary, NotDeployed> {
        let running = self.routes.canaries().running(name);
        let canary = running
            .ok_or_else(|| Refusal::new(Code::CanaryNone, format!("no canary of `{name}` runs")))?;
        let at = self.clock.now();
        let (version, mut change) = (canary.version.clone(), Change::new(at));
        let course = match end {
            End::Promote => {
                let deployed = self.routes.sandbox().deployed();
                let module = deployed.iter().find(|module| module.digest == canary.digest);
                let module = module.ok_or_else(|| {
                    Refusal::new(Code::NotFound, format!("{name}@{version} is not deployed"))
                })?;
                self.check_fits(module).await?;
                Course::Promoted { at }
            }
            End::Stop(why) => {
                let history = self.catalog.history(name).await?;
                change.end = removed(name, &history, &version)?;
                Course::Stopped { at, why }
            }
        };
        let ended = Canary { course, ..canary };
        change.canary = Some(ended.clone());
        self.change(change).await?;
        if matches!(ended.course, Course::Stopped { .. }) {
            self.routes.sandbox().remove(name, &version);
        }
        self.routes.canaries().put(ended.clone());
        tracing::info!(%name, %version, course = ?ended.course, "canary ended");
        Ok(ended)
    }

    /// Keeps what canaries counted and stops those that failed, until the host
    /// stops; and once more then.
    pub async fn keep_canaries(self: Arc<Self>, stop: Stop) {
        while !stop.is_stopped() {
            tokio::select! {
                () = tokio::time::sleep(KEEP_EACH) => {}
                () = stop.stopped() => {}
            }
            self.keep_due().await;
        }
    }

    /// Does what is due, unless a deployment is under way: then the next time.
    pub async fn keep_due(self: &Arc<Self>) {
        let Some(turn) = self.turn() else { return };
        for (name, due) in self.routes.canaries().due() {
            let done = match due {
                Due::Stop(why) => self.end_now(&name, End::Stop(why)).await.map(|_| ()),
                Due::Keep(started_at, counts) => self.keep(&name, started_at, &counts).await,
            };
            if let Err(error) = done {
                tracing::warn!(%name, ?error, "a canary's counts are not kept");
            }
        }
        drop(turn);
    }

    /// Adds what was counted here to what is kept.
    async fn keep(
        &self,
        name: &ModuleName,
        started_at: Time,
        counts: &Counts,
    ) -> Result<(), NotDeployed> {
        match self.catalog.count_canary(name, started_at, counts).await {
            Ok(Some(canary)) => self.routes.canaries().kept(canary),
            // Another host ended it, which this one is about to hear.
            Ok(None) => {}
            Err(fault) => return Err(NotDeployed::Fault(fault)),
        }
        Ok(())
    }
}
