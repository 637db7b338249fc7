//! The state machine: pure. It says what comes next for a message, and makes of
//! an action's answer the step to commit. The controller performs both.
//!
//! ```text
//!  decide(workflow, head)             → Run(invoke) | Close | Rest
//!  call(loaded)                       → what the action is given
//!  step(turn, answer, at)             → record + head + what follows
//! ```

use std::sync::Arc;

use serde_json::Value;

use crate::codec::Writer;
use crate::ext::MsgExt;
use crate::json;
use crate::message::Message;
use crate::module::Module;
use crate::receipt::Receipt;
use crate::record::{Cause, Failure, FailureKind, Record, Sealed};
use crate::refusal::Finding;
use crate::text::line;
use crate::types::{Digest, MsgId, MsgState, Seq, Time};
use crate::workflow::{Invoke, Kind, Workflow};

/// The largest Msg_Ext, in bytes of its text. It is copied with every step, and
/// a row of the scale-out store holds 400 KB.
pub const EXT_BYTES_MAX: usize = 256 << 10;

/// The longest note or failure reason that is kept, in bytes. The rest is cut, and
/// what is no printable character is escaped.
pub const NOTE_BYTES_MAX: usize = 1024;

/// The most transitions of one message. A workflow that goes in circles stops
/// here, parked, and a bundle stays of a size that fits memory.
pub const TRANSITIONS_MAX: Seq = 2_000;

/// Whether a message moves, waits for a person, or is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// An action is due.
    Running,
    /// It waits for a person.
    Parked,
    /// It is in a final state.
    Final,
}

/// All of a message that changes.
#[derive(Debug, Clone)]
pub struct Head {
    /// The revision.
    pub seq: Seq,
    /// Msg_State.
    pub state: MsgState,
    /// Whether it moves.
    pub phase: Phase,
    /// The revision at which it entered the state.
    pub step: Seq,
    /// The attempt that comes next, from 1.
    pub attempt: u32,
    /// When that attempt is due; the action is given it as now.
    pub due: Time,
    /// Msg_Ext.
    pub ext: MsgExt,
    /// The pinned workflow's digest.
    pub workflow: Digest,
    /// The hash of the last record.
    pub link: Digest,
    /// When the last record was made.
    pub updated_at: Time,
    /// How the last attempt failed, if it did.
    pub last_error: Option<Arc<str>>,
}

/// An open message, whole.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The immutable part.
    pub message: Arc<Message>,
    /// The host's word that it keeps it.
    pub receipt: Arc<Receipt>,
    /// The part that changes.
    pub head: Head,
    /// Its chain so far, from revision 0.
    pub records: Vec<Sealed>,
}

/// What is to be done for a message.
#[derive(Debug)]
pub enum Decision<'w> {
    /// Run the state's action.
    Run(&'w Invoke),
    /// Archive it.
    Close,
    /// Nothing, until somebody moves it.
    Rest,
}

/// What an action is given.
#[derive(Debug, Clone)]
pub struct Call {
    /// The message.
    pub message: Arc<Message>,
    /// The state whose action runs.
    pub state: MsgState,
    /// The revision that it starts from.
    pub seq: Seq,
    /// The revision at which the message entered the state.
    pub step: Seq,
    /// From 1.
    pub attempt: u32,
    /// When the attempt became due.
    pub now: Time,
    /// Msg_Ext as text.
    pub ext: Arc<str>,
}

/// What an action answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The state it wants.
    pub state: String,
    /// The merge patch to Msg_Ext, as text.
    pub ext_patch: String,
    /// A line for the history.
    pub note: Option<String>,
}

/// A call that ended, one way or the other.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The answer.
    pub outcome: Result<Advance, Failure>,
    /// Fuel used.
    pub fuel: u64,
    /// The engine and its version.
    pub engine: Arc<str>,
}

/// What follows a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A ticket, due then.
    Feed(Time),
    /// No ticket: somebody has to move it.
    Rest,
}

/// One transition to commit.
#[derive(Debug, Clone)]
pub struct Step {
    /// The message after it.
    pub loaded: Loaded,
    /// What follows.
    pub next: Next,
}

impl Step {
    /// Which message.
    #[must_use]
    pub fn msg_id(&self) -> MsgId {
        self.loaded.message.msg_id
    }

    /// The revision that the message must have for the step to be committed.
    #[must_use]
    pub fn expect(&self) -> Seq {
        self.loaded.head.seq.saturating_sub(1)
    }

    /// The step's record.
    ///
    /// # Panics
    /// Never: a step is only made with its record.
    #[must_use]
    pub fn record(&self) -> &Sealed {
        self.loaded.records.last().expect("a step has its record")
    }
}

/// What is to be done for a message in this state.
#[must_use]
pub fn decide<'w>(workflow: &'w Workflow, head: &Head) -> Option<Decision<'w>> {
    Some(match (head.phase, &workflow.state(&head.state)?.kind) {
        (Phase::Running, Kind::Invoke(invoke)) => Decision::Run(invoke),
        (Phase::Final, Kind::Final) => Decision::Close,
        (Phase::Parked, Kind::Parked(_) | Kind::Invoke(_)) => Decision::Rest,
        _ => return None, // the head is not one that this machine made
    })
}

/// What the action of the message's state is given.
#[must_use]
pub fn call(loaded: &Loaded) -> Call {
    let Loaded { message, head, .. } = loaded;
    Call {
        message: Arc::clone(message),
        state: head.state.clone(),
        seq: head.seq,
        step: head.step,
        attempt: head.attempt,
        now: head.due,
        ext: Arc::clone(head.ext.text()),
    }
}

/// The digest of all that an action is given; the message by its content hash,
/// Msg_Ext and settings by theirs.
fn input(loaded: &Loaded, module: Option<&Module>) -> Digest {
    let Loaded { message, head, .. } = loaded;
    let settings = module.map_or(&[][..], |m| &m.settings_digest.0[..]);
    let value = Writer::new()
        .bytes(&message.content_hash.0)
        .bytes(&message.signer.0)
        .text(head.state.as_str())
        .number(head.seq)
        .number(head.step)
        .number(head.attempt.into())
        .number(head.due.as_millis())
        .bytes(&head.ext.digest().0)
        .bytes(settings)
        .finish();
    Digest::of(&value)
}

/// The head of a message at its admission.
#[must_use]
pub fn admitted(message: Message, receipt: Receipt, workflow: &Workflow) -> Loaded {
    let at = receipt.accepted_at;
    let ext = MsgExt::empty();
    let record = Record {
        msg_id: message.msg_id,
        seq: 0,
        at,
        from: None,
        to: workflow.initial.clone(),
        cause: Cause::Admission,
        step: 0,
        attempt: 1,
        now: at,
        workflow: workflow.digest,
        module: None,
        input: message.content_hash,
        ext_before: ext.digest(),
        ext_patch: String::new(),
        note: String::new(),
        failure: None,
        fuel: 0,
        engine: String::new(),
        prev: message.content_hash,
    }
    .seal();
    let head = Head {
        seq: 0,
        state: workflow.initial.clone(),
        phase: Phase::Running,
        step: 0,
        attempt: 1,
        due: at,
        ext,
        workflow: workflow.digest,
        link: record.hash,
        updated_at: at,
        last_error: None,
    };
    Loaded { message: message.into(), receipt: receipt.into(), head, records: vec![record] }
}

/// One turn of the machine: a message in a state with an action, and what is
/// known about the module.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The message's workflow.
    pub workflow: &'a Workflow,
    /// The message.
    pub loaded: &'a Loaded,
    /// Its state.
    pub invoke: &'a Invoke,
    /// The module that ran, or should have.
    pub module: Option<&'a Module>,
}

/// An answer that was found to be one of those declared.
struct Move {
    to: MsgState,
    patch: String,
    ext: MsgExt,
    note: String,
}

impl Turn<'_> {
    /// What the module needs of Msg_Ext is there.
    ///
    /// # Errors
    /// An `unreadable` failure that names every place.
    pub fn check_input(&self, module: &Module) -> Result<(), Failure> {
        let findings = module.reads().check(self.loaded.head.ext.value());
        if findings.is_empty() {
            return Ok(());
        }
        let detail =
            format!("msg_ext is not what `{}` reads: {}", module.manifest.name, list(&findings));
        Err(Failure::new(FailureKind::Unreadable, detail))
    }

    /// Makes of the call's end the step to commit.
    #[must_use]
    pub fn step(&self, ran: &Ran, at: Time) -> Step {
        let outcome = ran.outcome.clone().and_then(|advance| self.accept(advance));
        let head = &self.loaded.head;
        let mut record = self.record(ran, at);
        match outcome {
            Ok(step) => {
                record.to = step.to.clone();
                record.ext_patch = step.patch;
                record.note = step.note;
                let after = Head { ext: step.ext, last_error: None, ..self.entered(step.to, at) };
                self.finish(record, after)
            }
            Err(failure) => {
                let failure = Failure { detail: cut(&failure.detail), ..failure };
                let last_error = Some(failure.to_string().into());
                let kind = failure.kind;
                let retry = kind.may_heal() && head.attempt < self.invoke.retry.max_attempts;
                record.failure = Some(failure);
                let after = if retry {
                    let due = at.after(self.invoke.retry.delay(head.attempt, 0));
                    Head { attempt: head.attempt + 1, due, ..head.clone() }
                } else {
                    record.to = self.invoke.on_failure.target(kind).clone();
                    self.entered(record.to.clone(), at)
                };
                self.finish(record, Head { last_error, ..after })
            }
        }
    }

    /// Is the state a declared target, and the patch within the declared schema?
    fn accept(&self, advance: Advance) -> Result<Move, Failure> {
        let undeclared = |detail: String| Failure::new(FailureKind::Undeclared, detail);
        let to = self.invoke.targets.get(advance.state.as_str()).cloned().ok_or_else(|| {
            let state = cut(&advance.state);
            undeclared(format!(
                "the action returned the state {state:?}, which is no target of `{}`",
                self.loaded.head.state
            ))
        })?;
        let patch = json::parse(advance.ext_patch.as_bytes())
            .map_err(|e| undeclared(format!("the ext patch is not strict JSON: {e}")))?;
        if !matches!(patch, Value::Object(_)) {
            return Err(undeclared("the ext patch is not a JSON object".to_owned()));
        }
        if let Some(module) = self.module {
            let Some(writes) = module.writes(&to) else {
                return Err(undeclared(format!(
                    "the action returned the state `{to}`, which its manifest does not name"
                )));
            };
            let findings = writes.check(&patch);
            if !findings.is_empty() {
                return Err(undeclared(format!(
                    "the ext patch is outside the module's schema: {}",
                    list(&findings)
                )));
            }
        }
        let ext = self.loaded.head.ext.merged(&patch);
        if ext.text().len() > EXT_BYTES_MAX {
            let detail = format!(
                "msg_ext would have {} bytes; the limit `ext_bytes_max` is {EXT_BYTES_MAX}",
                ext.text().len()
            );
            return Err(Failure::new(FailureKind::Limit, detail));
        }
        let note = advance.note.as_deref().map(cut).unwrap_or_default();
        Ok(Move { to, patch: advance.ext_patch, ext, note })
    }

    /// The record of this turn, as far as it does not depend on the outcome.
    fn record(&self, ran: &Ran, at: Time) -> Record {
        let Loaded { message, head, .. } = self.loaded;
        Record {
            msg_id: message.msg_id,
            seq: head.seq + 1,
            at,
            from: Some(head.state.clone()),
            to: head.state.clone(),
            cause: Cause::Action,
            step: head.step,
            attempt: head.attempt,
            now: head.due,
            workflow: head.workflow,
            module: self.module.map(Module::reference),
            input: input(self.loaded, self.module),
            ext_before: head.ext.digest(),
            ext_patch: String::new(),
            note: String::new(),
            failure: None,
            fuel: ran.fuel,
            engine: ran.engine.as_ref().to_owned(),
            prev: head.link,
        }
    }

    /// The head after the message entered a state.
    fn entered(&self, state: MsgState, at: Time) -> Head {
        let phase = match self.workflow.state(&state).map(|state| &state.kind) {
            Some(Kind::Invoke(_)) => Phase::Running,
            Some(Kind::Final) => Phase::Final,
            _ => Phase::Parked,
        };
        let step = self.loaded.head.seq + 1;
        Head { state, phase, step, attempt: 1, due: at, ..self.loaded.head.clone() }
    }

    fn finish(&self, mut record: Record, mut head: Head) -> Step {
        if record.seq >= TRANSITIONS_MAX && head.phase == Phase::Running {
            let detail = format!("the limit `transitions_max` of {TRANSITIONS_MAX} is reached");
            let failure = Failure::new(FailureKind::Limit, detail);
            record.cause = Cause::Limit;
            head.phase = Phase::Parked;
            head.last_error = Some(failure.to_string().into());
            record.failure.get_or_insert(failure);
        }
        let (seq, updated_at) = (record.seq, record.at);
        let sealed = record.seal();
        let head = Head { seq, link: sealed.hash, updated_at, ..head };
        let next = match head.phase {
            Phase::Running | Phase::Final => Next::Feed(head.due),
            Phase::Parked => Next::Rest,
        };
        let mut records = Vec::with_capacity(self.loaded.records.len() + 1);
        records.extend_from_slice(&self.loaded.records);
        records.push(sealed);
        let Loaded { message, receipt, .. } = self.loaded;
        let (message, receipt) = (Arc::clone(message), Arc::clone(receipt));
        let loaded = Loaded { message, receipt, head, records };
        Step { loaded, next }
    }
}

/// What a module says, as a line that is kept.
fn cut(text: &str) -> String {
    line(text, NOTE_BYTES_MAX)
}

fn list(findings: &[Finding]) -> String {
    let line = |f: &Finding| format!("{:?} {}", f.pointer, f.detail);
    findings.iter().map(line).collect::<Vec<_>>().join("; ")
}
