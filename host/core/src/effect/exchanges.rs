//! The exchanges of one call: those of an earlier run of it, in their order, and
//! then new ones, each durable before the guest sees its outcome.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{
    Budget, Effect, Entry, Outcome, Outside, Request, Stopped, Unsent, UnsentKind, secret,
};
use crate::machine::Loaded;
use crate::module::Module;
use crate::ports::{CommitError, Egress, Fault, Guarantee, Order};
use crate::record::{Failure, FailureKind};
use crate::types::{MsgId, Seq};

/// Whose exchanges they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The message.
    pub msg_id: MsgId,
    /// The revision that the attempt starts from: a new attempt has another one.
    pub seq: Seq,
    /// The revision at which the message entered its state: the same over attempts.
    pub step: Seq,
}

impl Place {
    /// What a remote tells two requests apart by: the same for the call's n-th
    /// request in every attempt and every re-run.
    #[must_use]
    pub fn idempotency_key(&self, n: usize) -> String {
        format!("{}-{}-{n}", self.msg_id, self.step)
    }
}

/// Whether strangers wrote a placeholder for a secret, so that one in a request may
/// be theirs.
#[derive(Debug, Clone, Copy)]
pub struct Taint(bool);

impl Taint {
    /// That of a call of `module` for the message as it is.
    #[must_use]
    pub fn of(loaded: &Loaded, module: &Module) -> Self {
        let Loaded { message, head, .. } = loaded;
        let written = || secret::is_in(&message.value) || secret::is_in(head.ext.value());
        Self(!module.grant.secrets.is_empty() && written())
    }

    /// Whether the request may be sent with its placeholders.
    ///
    /// # Errors
    /// When it has one, and strangers wrote one.
    pub fn check(self, request: &Request) -> Result<(), Unsent> {
        if self.0 && request.has_placeholder() {
            let detail = "the message itself holds a placeholder for a secret, so none is put in";
            return Err(Unsent::new(UnsentKind::Denied, detail));
        }
        Ok(())
    }
}

/// The outside of one call.
pub struct Exchanges {
    guarantee: Arc<dyn Guarantee>,
    egress: Arc<dyn Egress>,
    place: Place,
    module: Arc<Module>,
    taint: Taint,
    recorded: Vec<Effect>,
    made: Mutex<Vec<Effect>>,
}

impl Exchanges {
    /// The outside of a call of `module` for the message as it is.
    #[must_use]
    pub fn new(
        guarantee: Arc<dyn Guarantee>,
        egress: Arc<dyn Egress>,
        loaded: &Loaded,
        module: Arc<Module>,
    ) -> Arc<Self> {
        let Loaded { message, head, journal, .. } = loaded;
        let place = Place { msg_id: message.msg_id, seq: head.seq, step: head.step };
        let taint = Taint::of(loaded, &module);
        let recorded = journal.iter().map(|entry| entry.effect.clone()).collect();
        let made = Mutex::default();
        Arc::new(Self { guarantee, egress, place, module, taint, recorded, made })
    }

    /// What the attempt did: in this run of the call, or in an earlier one that came
    /// further.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() < self.recorded.len() { self.recorded.clone() } else { made.clone() }
    }

    /// The outcome of an earlier run, if there was one at this place.
    fn replay(&self, n: usize, request: &Request) -> Result<Option<Outcome>, Stopped> {
        let Some(effect) = self.recorded.get(n) else { return Ok(None) };
        if effect.request == *request {
            return Ok(Some(effect.outcome.clone()));
        }
        let detail = format!(
            "the action sends {} {} as request {n} of this attempt, which was {} {} before a restart; it must do the same on the same call",
            request.method.as_str(),
            request.place(),
            effect.request.method.as_str(),
            effect.request.place(),
        );
        Err(Stopped::Failed(Failure::new(FailureKind::Diverged, detail)))
    }

    async fn send(&self, n: usize, request: &Request, budget: Budget) -> Outcome {
        self.taint.check(request)?;
        let order = Order {
            module: self.module.manifest.name.clone(),
            grant: Arc::clone(&self.module.grant),
            idempotency_key: self.place.idempotency_key(n),
            request: request.clone(),
            budget,
        };
        self.egress.send(order).await
    }

    /// Makes the effect durable. On return the guest may see it.
    async fn keep(&self, n: usize, effect: Effect) -> Result<(), Stopped> {
        let Place { msg_id, seq, .. } = self.place;
        let entry = Entry { module: self.module.reference(), effect };
        let fault = match self.guarantee.journal(msg_id, seq, n, entry).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict(_)) => {
                let detail = format!("the message {msg_id} was moved, or run twice, at {seq}");
                Fault::Unavailable(detail)
            }
            Err(CommitError::Id(e)) => Fault::Corrupt(e.to_string()),
            Err(CommitError::Fault(fault)) => fault,
        };
        Err(Stopped::Fault(fault))
    }
}

#[async_trait]
impl Outside for Exchanges {
    async fn exchange(&self, request: Request, budget: Budget) -> Result<Outcome, Stopped> {
        let n = self.made.lock().unwrap_or_else(PoisonError::into_inner).len();
        let outcome = match self.replay(n, &request)? {
            Some(outcome) => outcome,
            None => {
                let outcome = self.send(n, &request, budget).await;
                let effect = Effect { request: request.clone(), outcome: outcome.clone() };
                self.keep(n, effect).await?;
                outcome
            }
        };
        let effect = Effect { request, outcome: outcome.clone() };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(effect);
        Ok(outcome)
    }
}
