//! The exchanges of one call: those of an earlier run of it, in their order, and
//! then new ones, each durable before the guest sees its outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
/// be theirs. It follows from the message and from what is recorded, so it is the same
/// in a re-run.
#[derive(Debug, Clone, Copy)]
pub struct Taint {
    /// Whether the module has a secret that could be put in.
    at_stake: bool,
    by: Option<Stranger>,
}

/// Whose text holds a placeholder.
#[derive(Debug, Clone, Copy)]
enum Stranger {
    Message,
    Response,
}

impl Taint {
    /// That of a call of `module` for the message as it is, before its first request.
    #[must_use]
    pub fn of(loaded: &Loaded, module: &Module) -> Self {
        let Loaded { message, head, .. } = loaded;
        let written = || secret::is_in(&message.value) || secret::is_in(head.ext.value());
        let at_stake = !module.grant.secrets.is_empty();
        Self { at_stake, by: (at_stake && written()).then_some(Stranger::Message) }
    }

    /// The guest is given this outcome. From now on it may copy what is in it.
    pub fn see(&mut self, outcome: &Outcome) {
        if let (true, None, Ok(response)) = (self.at_stake, self.by, outcome)
            && secret::is_in_response(response)
        {
            self.by = Some(Stranger::Response);
        }
    }

    /// Whether the request may be sent with its placeholders.
    ///
    /// # Errors
    /// When it has one, and strangers wrote one.
    pub fn check(self, request: &Request) -> Result<(), Unsent> {
        let Some(stranger) = self.by.filter(|_| request.has_placeholder()) else { return Ok(()) };
        let whose = match stranger {
            Stranger::Message => "the message itself",
            Stranger::Response => "an earlier response to this call",
        };
        let detail = format!("{whose} holds a placeholder for a secret, so none is put in");
        Err(Unsent::new(UnsentKind::Denied, detail))
    }
}

/// The outside of one call.
pub struct Exchanges {
    guarantee: Arc<dyn Guarantee>,
    egress: Arc<dyn Egress>,
    place: Place,
    module: Arc<Module>,
    recorded: Vec<Effect>,
    made: Mutex<Made>,
}

/// What this run of the call did so far.
struct Made {
    effects: Vec<Effect>,
    taint: Taint,
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
        let recorded = journal.iter().map(|entry| entry.effect.clone()).collect();
        let made = Mutex::new(Made { effects: Vec::new(), taint: Taint::of(loaded, &module) });
        Arc::new(Self { guarantee, egress, place, module, recorded, made })
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the attempt did: in this run of the call, or in an earlier one that came
    /// further.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let made = &self.made().effects;
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
        let taint = self.made().taint;
        taint.check(request)?;
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
        let n = self.made().effects.len();
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
        let mut made = self.made();
        made.taint.see(&outcome);
        made.effects.push(effect);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Response;

    fn request(body: &str) -> Request {
        let body = body.as_bytes().to_vec();
        Request::new("POST", true, "a.example", "/", Vec::new(), body).unwrap()
    }

    fn answer(body: &str) -> Outcome {
        Ok(Response { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() })
    }

    #[test]
    fn a_placeholder_in_a_response_stays_with_the_call() {
        let (plain, secret) = (request("{}"), request("{{secret:a}}"));
        let mut taint = Taint { at_stake: true, by: None };
        taint.see(&answer("[secret:a]"));
        taint.see(&Err(Unsent::new(UnsentKind::Tls, "{{secret:a}}")));
        assert_eq!(taint.check(&secret), Ok(()), "no guest sees an error's detail");
        taint.see(&answer(r#"{"next": "\u007b{secret:a}}"}"#));
        taint.see(&answer("ok"));
        assert_eq!(taint.check(&plain), Ok(()));
        let denied = taint.check(&secret).unwrap_err();
        assert_eq!(denied.kind, UnsentKind::Denied);
        assert!(denied.detail.contains("an earlier response"), "{denied}");

        let mut without = Taint { at_stake: false, by: None };
        without.see(&answer("{{secret:a}}"));
        assert_eq!(without.check(&secret), Ok(()), "no grant has it; the egress says so");
    }
}
