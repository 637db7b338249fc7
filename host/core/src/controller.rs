//! The controller: takes a ticket, asks the machine, performs what it decides.
//!
//! ```text
//!  lease → load → decide ─ Run ──→ action → step → commit ─┐
//!                    ├─── Fire ─→ timer  → step → commit ──┤
//!                    ├─── Close → bundle → retire ─────────┤
//!                    ├─── Rest ────────────────────────────┴→ Reference → ack
//!                    └─── Later ────────────────────────────→ Reference → release
//! ```
//!
//! A crash anywhere leaves the ticket. It comes again and takes the same path:
//! either the message is still at the ticket's revision, and the turn is run
//! again, or it has moved on, and only Reference is made to say so.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::bundle::Bundle;
use crate::crypto::PrivateKey;
use crate::effect::{Closed, Entry, Exchanges};
use crate::machine::{self, Decision, Loaded, Ran, Step, Turn};
use crate::module::Module;
use crate::ports::{
    Actions, Archive, Busy, Clock, CommitError, Egress, Fault, Feeder, Found, Guarantee, Lease,
    Reference, Settled,
};
use crate::projection::Projection;
use crate::record::{Failure, FailureKind};
use crate::settle::settle;
use crate::types::{MsgId, Seq, Time};
use crate::workflow::{Invoke, ModuleSpec, Workflow};
use crate::workflows::Workflows;

/// How long a ticket rests after a backend was unavailable: long enough not to
/// hammer it, short enough not to be noticed after it is back.
const UNAVAILABLE_DELAY: Duration = Duration::from_millis(500);

/// How long a ticket rests when its message cannot be read: a person has to
/// act, and the log should name it once a minute and not more.
const CORRUPT_DELAY: Duration = Duration::from_secs(60);

/// Moves messages. Any number of tasks, processes and machines may.
pub struct Controller {
    /// The workflows that messages are pinned to.
    pub workflows: Arc<Workflows>,
    /// The truth.
    pub guarantee: Arc<dyn Guarantee>,
    /// Where work comes from.
    pub feeder: Arc<dyn Feeder>,
    /// Where messages are shown.
    pub reference: Arc<dyn Reference>,
    /// Where finished ones are.
    pub archive: Arc<dyn Archive>,
    /// What moves them.
    pub actions: Arc<dyn Actions>,
    /// Their way out.
    pub egress: Arc<dyn Egress>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The host's key, for closing chains.
    pub key: Arc<PrivateKey>,
}

/// What became of a turn that did not end in a commit.
enum Interrupted {
    /// Somebody else moved the message: read again.
    Overtaken,
    /// Nothing is to be done before this time.
    Later(Time),
    Fault(Fault),
}

impl From<Fault> for Interrupted {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<CommitError> for Interrupted {
    fn from(e: CommitError) -> Self {
        match e {
            CommitError::Conflict(_) => Self::Overtaken,
            CommitError::Fault(fault) => Self::Fault(fault),
            // Only signals use one up, and they have no ticket.
            CommitError::Id(e) => Self::Fault(Fault::Corrupt(e.to_string())),
        }
    }
}

impl Controller {
    /// Waits for one ticket and takes it to its end. Once it has the ticket, it
    /// should be left to finish; dropping it before loses nothing.
    ///
    /// # Errors
    /// When the feeder cannot lease, acknowledge or release.
    pub async fn turn(&self) -> Result<(), Fault> {
        let lease = self.feeder.lease().await?;
        self.handle(lease).await
    }

    /// Takes a leased ticket to its end: acknowledged or released.
    ///
    /// # Errors
    /// When the feeder cannot acknowledge or release.
    pub async fn handle(&self, mut lease: Lease) -> Result<(), Fault> {
        let ticket = lease.ticket;
        let loaded = lease.loaded.take();
        // A panic is a bug in the host. It must cost neither the worker nor the
        // ticket, and the message's neighbours nothing at all.
        let work = AssertUnwindSafe(self.work(ticket.msg_id, ticket.seq, loaded)).catch_unwind();
        let ended = work.await;
        let now = self.clock.now();
        let again = match ended {
            Ok(Ok(Settled::All)) => return Ok(()),
            Ok(Ok(Settled::Truth)) => return self.feeder.acknowledge(lease).await,
            Ok(Err(Interrupted::Overtaken)) => now,
            Ok(Err(Interrupted::Later(time))) => time,
            Ok(Err(Interrupted::Fault(fault @ Fault::Unavailable(_)))) => {
                tracing::warn!(msg_id = %ticket.msg_id, seq = ticket.seq, %fault, "turn put off");
                now.after(UNAVAILABLE_DELAY)
            }
            Ok(Err(Interrupted::Fault(Fault::Busy(Busy { why, after })))) => {
                tracing::debug!(msg_id = %ticket.msg_id, seq = ticket.seq, why, "turn put off");
                now.after(after)
            }
            Ok(Err(Interrupted::Fault(fault @ Fault::Corrupt(_)))) => {
                tracing::error!(msg_id = %ticket.msg_id, seq = ticket.seq, %fault, "message cannot be read");
                now.after(CORRUPT_DELAY)
            }
            Err(_) => {
                tracing::error!(msg_id = %ticket.msg_id, seq = ticket.seq, "turn panicked");
                now.after(CORRUPT_DELAY)
            }
        };
        self.feeder.release(lease, again).await
    }

    async fn work(
        &self,
        id: MsgId,
        seq: Seq,
        loaded: Option<Loaded>,
    ) -> Result<Settled, Interrupted> {
        let loaded = match loaded {
            Some(loaded) => loaded,
            None => match self.guarantee.load(id).await? {
                Found::Open(loaded) => *loaded,
                Found::Archived => return self.show_archived(id).await,
                Found::Nothing => {
                    tracing::warn!(msg_id = %id, "a ticket names no message");
                    return Ok(Settled::Truth);
                }
            },
        };
        if loaded.head.seq != seq {
            // A duplicate, or a crash between commit and acknowledgement.
            return self.show(&Projection::of(&loaded)).await;
        }
        let corrupt = |what: &str| Fault::Corrupt(format!("message {id} {what}"));
        let workflow = self.workflows.of(&loaded)?;
        let now = self.clock.now();
        match machine::decide(&workflow, &loaded.head, now) {
            Some(Decision::Run(invoke)) => self.run(&workflow, invoke, &loaded).await,
            Some(Decision::Fire) => {
                let step = machine::timer(&workflow, &loaded, now);
                let step = step.ok_or_else(|| corrupt("waits without a timer"))?;
                self.settle(step).await
            }
            Some(Decision::Later(time)) => {
                self.show(&Projection::of(&loaded)).await?;
                Err(Interrupted::Later(time))
            }
            Some(Decision::Close) => self.close(&loaded).await,
            Some(Decision::Rest) => self.show(&Projection::of(&loaded)).await,
            None => Err(corrupt("is in a state that its workflow does not have").into()),
        }
    }

    async fn run(
        &self,
        workflow: &Workflow,
        invoke: &Invoke,
        loaded: &Loaded,
    ) -> Result<Settled, Interrupted> {
        let module = self.resolve(invoke, loaded);
        let turn = Turn { workflow, loaded, invoke, module: module.as_deref().ok() };
        let recorded = || loaded.journal.iter().map(|entry| entry.effect.clone()).collect();
        let not_run = |failure| Ran {
            outcome: Err(failure),
            fuel: 0,
            engine: "".into(),
            effects: recorded(),
        };
        let ran = match &module {
            Err(missing) => not_run(missing.clone()),
            Ok(module) => match turn.check_input(module) {
                Err(failure) => not_run(failure),
                Ok(()) => self.call(module, loaded).await?,
            },
        };
        self.settle(turn.step(&ran, self.clock.now())).await
    }

    /// The module that an attempt runs: the best that is deployed when it starts,
    /// and the same when it is run again after it did something outside.
    fn resolve(&self, invoke: &Invoke, loaded: &Loaded) -> Result<Arc<Module>, Failure> {
        let missing = |detail| Failure::new(FailureKind::Missing, detail);
        let Some(Entry { module: begun, .. }) = loaded.journal.first() else {
            return self
                .actions
                .resolve(&invoke.module)
                .ok_or_else(|| missing(format!("no deployed module fits `{}`", invoke.module)));
        };
        let exactly = ModuleSpec::exactly(begun.name.clone(), begun.digest);
        let module = self.actions.resolve(&exactly).filter(|m| m.reference() == *begun);
        module.ok_or_else(|| {
            missing(format!("`{exactly}`, with which this attempt began, is not deployed with the same settings any more"))
        })
    }

    async fn call(&self, module: &Arc<Module>, loaded: &Loaded) -> Result<Ran, Fault> {
        if module.grant.http.is_empty() && loaded.journal.is_empty() {
            return self.actions.run(module, machine::call(loaded), Arc::new(Closed)).await;
        }
        let (guarantee, egress) = (Arc::clone(&self.guarantee), Arc::clone(&self.egress));
        let exchanges = Exchanges::new(guarantee, egress, loaded, Arc::clone(module));
        let ran =
            self.actions.run(module, machine::call(loaded), Arc::clone(&exchanges) as _).await?;
        Ok(Ran { effects: exchanges.effects(), ..ran })
    }

    async fn settle(&self, step: Step) -> Result<Settled, Interrupted> {
        Ok(settle(&*self.guarantee, &*self.reference, step).await?)
    }

    async fn close(&self, loaded: &Loaded) -> Result<Settled, Interrupted> {
        let bundle = Bundle::close(loaded, &self.key).pack();
        let head = &loaded.head;
        match self.guarantee.retire(loaded.message.msg_id, head.seq, bundle).await? {
            Settled::All => Ok(Settled::All),
            Settled::Truth => self.show(&Projection::of(loaded)).await,
        }
    }

    /// Makes Reference show what is true; the ticket is then done with.
    async fn show(&self, projection: &Projection) -> Result<Settled, Interrupted> {
        self.reference.put(projection).await?;
        Ok(Settled::Truth)
    }

    async fn show_archived(&self, id: MsgId) -> Result<Settled, Interrupted> {
        let packed = self.archive.get(id).await?;
        let packed = packed.ok_or_else(|| Fault::Corrupt(format!("message {id} has no bundle")))?;
        let bundle = Bundle::unpack(&packed).map_err(Fault::from)?;
        let projection = Projection::of_bundle(&bundle).map_err(Fault::from)?;
        self.show(&projection).await
    }
}
