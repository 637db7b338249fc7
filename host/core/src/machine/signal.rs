//! Signals: signed words of third parties to a message that waits for them.

use serde_json::{Value, json};

use super::walk::{Move, Walk, input};
use super::{Given, Head, Loaded, Phase, Step, UsedId};
use crate::guard::Scope;
use crate::message::{Message, Verified};
use crate::record::Cause;
use crate::refusal::{Code, Refusal};
use crate::types::{Address, Digest, Malformed, MsgId, MsgState, SignalName, Time};
use crate::workflow::{Kind, On, SIGNAL_TYPE, Wait, Workflow};

/// A signal that was verified, and read.
#[derive(Debug, Clone)]
pub struct Signal {
    /// The signed envelope's content.
    pub message: Verified<Message>,
    /// What it is called.
    pub name: SignalName,
    /// To which message it is given.
    pub to: MsgId,
    /// In which state of that message.
    pub msg_state: MsgState,
    /// What is approved: the hash of the record by which the message entered the
    /// state, and so of all that had happened to it.
    pub subject: Digest,
}

impl Signal {
    /// Reads a message of the type `signal`.
    ///
    /// # Errors
    /// `schema_invalid` with the member that is not of its form.
    pub fn read(message: Verified<Message>) -> Result<Self, Refusal> {
        let payload = &message.get().value["payload"];
        let member = |name: &str| payload[name].as_str().unwrap_or_default();
        let wrong = |name: &str, e: Malformed| {
            Refusal::new(Code::SchemaInvalid, "the signal cannot be read")
                .at(&format!("/payload/{name}"), e.to_string())
        };
        Ok(Self {
            name: member("signal").parse().map_err(|e| wrong("signal", e))?,
            to: member("msg_id").parse().map_err(|e| wrong("msg_id", e))?,
            msg_state: member("msg_state").parse().map_err(|e| wrong("msg_state", e))?,
            subject: member("subject").parse().map_err(|e| wrong("subject", e))?,
            message,
        })
    }

    /// Checks a signal as it is kept in a record: genuine, and about this
    /// message in this state. Gives its Msg_ID.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(
        stored: &[u8],
        to: MsgId,
        state: &MsgState,
        subject: Digest,
    ) -> Result<MsgId, String> {
        let message = Message::decode(stored).map_err(|e| e.to_string())?;
        message.verify().map_err(|e| e.to_string())?;
        if message.msg_type.as_str() != SIGNAL_TYPE {
            return Err("it is not of the type `signal`".to_owned());
        }
        let payload = &message.value["payload"];
        let is = |name: &str, wanted: String| payload[name].as_str() == Some(&*wanted);
        if !is("msg_id", to.to_string()) || !is("msg_state", state.to_string()) {
            return Err("it is for another message or another state".to_owned());
        }
        if !is("subject", subject.to_string()) {
            return Err("it approves something else".to_owned());
        }
        Ok(message.msg_id)
    }

    fn signer(&self) -> Address {
        self.message.get().signer
    }

    /// What a guard sees of it.
    fn value(&self) -> Value {
        let Message { client_id, signer, .. } = self.message.get();
        json!({"name": self.name, "signer": signer, "client_id": client_id})
    }
}

/// What a message waits for.
#[derive(Debug, Clone)]
pub struct Awaited<'w> {
    /// What a signal has to name as its subject.
    pub subject: Digest,
    /// When the wait ends.
    pub until: Time,
    /// The signals, and who has given each.
    pub signals: Vec<(&'w SignalName, &'w On, Vec<Address>)>,
}

/// What a message waits for; none if it does not wait.
#[must_use]
pub fn awaited<'w>(workflow: &'w Workflow, loaded: &Loaded) -> Option<Awaited<'w>> {
    let head = &loaded.head;
    let wait = waiting(workflow, head)?;
    let given = |name: &SignalName| {
        head.given.iter().filter(|g| g.name == *name).map(|g| g.signer).collect()
    };
    let signals = wait.on.iter().map(|(name, on)| (name, on, given(name))).collect();
    Some(Awaited { subject: subject(loaded)?, until: head.due, signals })
}

fn waiting<'w>(workflow: &'w Workflow, head: &Head) -> Option<&'w Wait> {
    match &workflow.state(&head.state)?.kind {
        Kind::Wait(wait) if head.phase == Phase::Waiting => Some(wait),
        _ => None,
    }
}

/// The hash of the record by which the message entered its state.
fn subject(loaded: &Loaded) -> Option<Digest> {
    let step = usize::try_from(loaded.head.step).ok()?;
    Some(loaded.records.get(step)?.hash)
}

/// The step that a signal makes: to its target, or one signer nearer to it.
///
/// # Errors
/// `signal_unknown`, `signal_early`, `signal_late`, `signal_subject`,
/// `signal_twice`, `signal_not_allowed`, `guard_failed`. A signal that is refused
/// changes nothing, a guard that fails on it neither: nobody can park another's
/// message.
pub fn signal(
    workflow: &Workflow,
    loaded: &Loaded,
    signal: &Signal,
    at: Time,
) -> Result<Step, Refusal> {
    let on = addressed(workflow, loaded, signal, at)?;
    let head = &loaded.head;
    let given = Given { name: signal.name.clone(), signer: signal.signer() };
    if head.given.contains(&given) {
        let detail = format!("{} has given the signal `{}` already", given.signer, given.name);
        return Err(Refusal::new(Code::SignalTwice, detail));
    }
    let value = signal.value();
    let scope = Scope {
        message: &loaded.message.value,
        ext: head.ext.value(),
        signal: Some(&value),
        now: at,
    };
    let allowed = on.guard.holds(&scope);
    if !allowed.map_err(|e| Refusal::new(Code::GuardFailed, e.to_string()))? {
        let detail = format!(
            "{} may not give the signal `{}` now: its guard is `{}`",
            given.signer,
            given.name,
            on.guard.text()
        );
        return Err(Refusal::new(Code::SignalNotAllowed, detail));
    }
    Ok(taken(workflow, loaded, signal, on, at))
}

/// The signal that the message waits for, if this is it.
fn addressed<'w>(
    workflow: &'w Workflow,
    loaded: &Loaded,
    signal: &Signal,
    at: Time,
) -> Result<&'w On, Refusal> {
    let (head, Signal { name, msg_state, .. }) = (&loaded.head, signal);
    let refuse = |code, detail: String| Err(Refusal::new(code, detail));
    let declared = match workflow.state(msg_state).map(|state| &state.kind) {
        Some(Kind::Wait(wait)) => wait.on.get(name.as_str()),
        _ => None,
    };
    let Some(on) = declared else {
        return refuse(
            Code::SignalUnknown,
            format!("no state `{msg_state}` of `{}` waits for `{name}`", workflow.msg_type),
        );
    };
    if head.state != *msg_state {
        let was_there = loaded.records.iter().filter_map(|r| r.record().ok());
        let was_there = was_there.into_iter().any(|record| record.to == *msg_state);
        return match was_there {
            true => refuse(Code::SignalLate, format!("the message has left `{msg_state}`")),
            false => refuse(Code::SignalEarly, format!("the message is not in `{msg_state}` yet")),
        };
    }
    if head.phase != Phase::Waiting {
        let detail = format!("the message is parked in `{msg_state}` until it is redriven");
        return refuse(Code::SignalEarly, detail);
    }
    if subject(loaded) != Some(signal.subject) {
        return match loaded.records.iter().any(|record| record.hash == signal.subject) {
            true => refuse(
                Code::SignalLate,
                format!("the message has been in `{msg_state}` again since"),
            ),
            false => refuse(
                Code::SignalSubject,
                "the subject is not what the message waits for an answer to".to_owned(),
            ),
        };
    }
    if at >= head.due {
        return refuse(Code::SignalLate, format!("the wait ended at {}", head.due));
    }
    Ok(on)
}

fn taken(workflow: &Workflow, loaded: &Loaded, signal: &Signal, on: &On, at: Time) -> Step {
    let message = signal.message.get();
    let head = &loaded.head;
    let given = Given { name: signal.name.clone(), signer: signal.signer() };
    let count = 1 + head.given.iter().filter(|g| g.name == given.name).count();
    let complete = count >= on.quorum as usize;
    let mut walk = Walk::new(workflow, loaded, at);
    let mut record = walk.record(Move {
        cause: Cause::Signal,
        to: if complete { on.target.clone() } else { head.state.clone() },
        now: at,
        note: format!("{} by {}, {count} of {}", given.name, given.signer, on.quorum),
        failure: None,
    });
    record.input = input(loaded, at, &message.content_hash.0);
    record.signal = message.encode();
    if complete {
        walk.go(record, head.ext.clone(), None);
    } else {
        walk.stay(record, |head| head.given.push(given));
    }
    let uses = UsedId { msg_id: message.msg_id, client_id: message.client_id.clone(), at };
    Step { uses: Some(uses), ..walk.finish_unasked() }
}
