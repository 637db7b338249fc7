//! A message on its way: every move makes a record, and where it arrives at a
//! choice it goes on at once.

use std::sync::Arc;

use super::{Head, Loaded, Next, Phase, RECORDS_BYTES_MAX, Step, TRANSITIONS_MAX, cut};
use crate::codec::Writer;
use crate::effect::Effect;
use crate::ext::MsgExt;
use crate::guard::{GuardFailure, Scope};
use crate::message::Message;
use crate::receipt::Receipt;
use crate::record::{Cause, Failure, FailureKind, Record};
use crate::types::{Digest, MsgState, Seq, Time};
use crate::workflow::{Branch, Kind, Wait, Workflow};

/// A message that is being moved in one step.
pub(super) struct Walk<'w> {
    workflow: &'w Workflow,
    loaded: Loaded,
    expect: Seq,
    at: Time,
    /// What an attempt did that does not come to its own end: it goes into the
    /// record of whoever moves the message.
    pub(super) unfinished: Vec<Effect>,
    /// The revision that it starts from has a journal.
    pub(super) journaled: bool,
}

/// What is said of a move beside where it leads.
pub(super) struct Move {
    pub(super) cause: Cause,
    pub(super) to: MsgState,
    /// The time that whatever decided was given as now.
    pub(super) now: Time,
    pub(super) note: String,
    pub(super) failure: Option<Failure>,
}

impl<'w> Walk<'w> {
    /// Starts from where a message is. `at` is when it is moved.
    pub(super) fn new(workflow: &'w Workflow, loaded: &Loaded, at: Time) -> Self {
        let mut records = Vec::with_capacity(loaded.records.len() + 2);
        records.extend_from_slice(&loaded.records);
        let Loaded { message, receipt, head, journal, .. } = loaded;
        let unfinished: Vec<_> = journal.iter().map(|entry| entry.effect.clone()).collect();
        let journaled = !unfinished.is_empty();
        let (message, receipt) = (Arc::clone(message), Arc::clone(receipt));
        let loaded = Loaded { message, receipt, head: head.clone(), records, journal: Vec::new() };
        Self { workflow, expect: loaded.head.seq, loaded, at, unfinished, journaled }
    }

    pub(super) fn head(&self) -> &Head {
        &self.loaded.head
    }

    /// The record of the next move, as far as the message says it.
    pub(super) fn record(&self, by: Move) -> Record {
        let Loaded { message, head, .. } = &self.loaded;
        Record {
            msg_id: message.msg_id,
            seq: head.seq + 1,
            at: self.at,
            from: Some(head.state.clone()),
            to: by.to,
            cause: by.cause,
            step: head.step,
            attempt: head.attempt,
            now: by.now,
            workflow: head.workflow,
            module: None,
            input: input(&self.loaded, by.now, &[]),
            ext_before: head.ext.digest(),
            ext_patch: String::new(),
            note: by.note,
            failure: by.failure,
            fuel: 0,
            engine: String::new(),
            effects: Vec::new(),
            signal: Vec::new(),
            prev: head.link,
        }
    }

    /// Adds the record of a move within the state.
    pub(super) fn stay(&mut self, record: Record, change: impl FnOnce(&mut Head)) {
        change(&mut self.loaded.head);
        self.add(record);
    }

    /// Adds the record of a move into its target, with Msg_Ext as it is then,
    /// and follows the choices from there.
    pub(super) fn go(&mut self, record: Record, ext: MsgExt, last_error: Option<Arc<str>>) {
        let state = record.to.clone();
        let head = &mut self.loaded.head;
        head.ext = ext;
        head.last_error = last_error;
        self.arrive(state, record);
        while let Some(branches) = self.choice() {
            self.choose(branches);
        }
    }

    /// Makes the message be in a state, by this record.
    fn arrive(&mut self, state: MsgState, record: Record) {
        let kind = self.workflow.state(&state).map(|state| &state.kind);
        let head = &mut self.loaded.head;
        head.state = state;
        head.step = record.seq;
        head.attempt = 1;
        head.due = self.at;
        head.given.clear();
        head.phase = match kind {
            Some(Kind::Invoke(_) | Kind::Choose(_)) => Phase::Running,
            Some(Kind::Wait(_)) => Phase::Waiting,
            Some(Kind::Final) => Phase::Final,
            Some(Kind::Parked(_)) | None => Phase::Parked,
        };
        self.add(record);
        if let (Some(Kind::Wait(wait)), Phase::Waiting) = (kind, self.head().phase) {
            match due(wait, &self.loaded, self.at) {
                Ok((_, due)) => self.loaded.head.due = due,
                Err(failure) => self.park(Cause::Timer, &failure),
            }
        }
    }

    /// The branches before which the message stands, if it does.
    fn choice(&self) -> Option<&'w [Branch]> {
        let head = self.head();
        match &self.workflow.state(&head.state)?.kind {
            Kind::Choose(branches) if head.phase == Phase::Running => Some(branches),
            _ => None,
        }
    }

    fn choose(&mut self, branches: &[Branch]) {
        let scope = Scope {
            message: &self.loaded.message.value,
            ext: self.head().ext.value(),
            signal: None,
            now: self.at,
        };
        let chosen = branches.iter().find_map(|branch| {
            match branch.guard.as_ref().map_or(Ok(true), |guard| guard.holds(&scope)) {
                Ok(true) => Some(Ok(branch)),
                Ok(false) => None,
                Err(failure) => Some(Err(failure)),
            }
        });
        match chosen {
            Some(Ok(branch)) => {
                let note = branch.guard.as_ref().map_or("otherwise", |guard| guard.text());
                let record = self.record(Move {
                    cause: Cause::Choice,
                    to: branch.target.clone(),
                    now: self.at,
                    note: cut(note),
                    failure: None,
                });
                self.arrive(branch.target.clone(), record);
            }
            Some(Err(failure)) => self.park(Cause::Choice, &failure),
            // The reader lets no choice through whose last branch has a guard.
            None => unreachable!("the last branch is always taken"),
        }
    }

    /// Stops the message where it is, until a person redrives it.
    fn park(&mut self, cause: Cause, failure: &GuardFailure) {
        let failure = Failure::new(FailureKind::Guard, cut(&failure.to_string()));
        let last_error = Some(failure.to_string().into());
        let record = self.record(Move {
            cause,
            to: self.head().state.clone(),
            now: self.at,
            note: String::new(),
            failure: Some(failure),
        });
        self.stay(record, |head| {
            head.phase = Phase::Parked;
            head.last_error = last_error;
        });
    }

    fn add(&mut self, mut record: Record) {
        let over = self.over(record.seq);
        let head = &mut self.loaded.head;
        if let (Some(detail), Phase::Running | Phase::Waiting) = (over, head.phase) {
            let failure = Failure::new(FailureKind::Limit, detail);
            record.cause = Cause::Limit;
            head.phase = Phase::Parked;
            head.last_error = Some(failure.to_string().into());
            record.failure.get_or_insert(failure);
        }
        (head.seq, head.updated_at) = (record.seq, record.at);
        record.effects.append(&mut self.unfinished);
        let sealed = record.seal();
        head.link = sealed.hash;
        self.loaded.records.push(sealed);
    }

    /// Which limit of a message's history has been reached.
    fn over(&self, seq: Seq) -> Option<String> {
        let bytes: usize = self.loaded.records.iter().map(|record| record.bytes.len()).sum();
        let (name, limit) = match bytes {
            _ if seq >= TRANSITIONS_MAX => ("transitions_max", TRANSITIONS_MAX),
            RECORDS_BYTES_MAX.. => ("records_bytes_max", RECORDS_BYTES_MAX as u64),
            _ => return None,
        };
        Some(format!("the limit `{name}` of {limit} is reached"))
    }

    /// The step, by whoever holds the message's ticket: it is replaced by the
    /// next one, or done with.
    pub(super) fn finish(self) -> Step {
        let next = self.loaded.head.next();
        let Self { loaded, expect, journaled, .. } = self;
        Step { loaded, expect, next, uses: None, journaled }
    }

    /// The step, by somebody who holds no ticket. It is followed by one at once
    /// whatever the state, so that a crash behind the commit leaves one, and
    /// Reference is made to show the step.
    pub(super) fn finish_unasked(self) -> Step {
        let next = Next::Feed(self.at.min(self.loaded.head.due));
        Step { next, ..self.finish() }
    }
}

/// The digest of what a move was decided on; the message by its content hash,
/// Msg_Ext by its. `more` is the digest of settings or of a signal.
pub(super) fn input(loaded: &Loaded, now: Time, more: &[u8]) -> Digest {
    let Loaded { message, head, .. } = loaded;
    let value = Writer::new()
        .bytes(&message.content_hash.0)
        .bytes(&message.signer.0)
        .text(head.state.as_str())
        .number(head.seq)
        .number(head.step)
        .number(head.attempt.into())
        .number(now.as_millis())
        .bytes(&head.ext.digest().0)
        .bytes(more)
        .finish();
    Digest::of(&value)
}

/// Which timer of a wait that began at `entered` comes first, and when. Timers
/// whose guard does not hold do not come; message and Msg_Ext do not change
/// during a wait, so that can be said at its beginning.
pub(super) fn due(
    wait: &Wait,
    loaded: &Loaded,
    entered: Time,
) -> Result<(usize, Time), GuardFailure> {
    for (i, after) in wait.after.iter().enumerate() {
        let now = entered.after(after.delay);
        let scope = Scope {
            message: &loaded.message.value,
            ext: loaded.head.ext.value(),
            signal: None,
            now,
        };
        if after.guard.as_ref().map_or(Ok(true), |guard| guard.holds(&scope))? {
            return Ok((i, now));
        }
    }
    // The reader lets no wait through whose last timer has a guard.
    unreachable!("the last timer always comes")
}

/// When a message entered the state that it is in.
pub(super) fn entered(loaded: &Loaded) -> Option<Time> {
    let step = usize::try_from(loaded.head.step).ok()?;
    Some(loaded.records.get(step)?.record().ok()?.at)
}

/// A message whose wait is over, moved by its timer. None when it does not
/// wait, or not so long.
#[must_use]
pub fn timer(workflow: &Workflow, loaded: &Loaded, at: Time) -> Option<Step> {
    let Kind::Wait(wait) = &workflow.state(&loaded.head.state)?.kind else { return None };
    if loaded.head.phase != Phase::Waiting || at < loaded.head.due {
        return None;
    }
    let mut walk = Walk::new(workflow, loaded, at);
    match due(wait, loaded, entered(loaded)?) {
        Ok((i, now)) => {
            let after = &wait.after[i];
            let record = walk.record(Move {
                cause: Cause::Timer,
                to: after.target.clone(),
                now,
                note: String::new(),
                failure: None,
            });
            walk.go(record, loaded.head.ext.clone(), None);
        }
        // It gave an answer when the wait began, and sees the same now.
        Err(failure) => walk.park(Cause::Timer, &failure),
    }
    Some(walk.finish())
}

/// A message at its admission, and what follows.
#[must_use]
pub fn admitted(message: Message, receipt: Receipt, workflow: &Workflow) -> (Loaded, Next) {
    let at = receipt.accepted_at;
    let ext = MsgExt::empty();
    let content_hash = message.content_hash;
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
        input: content_hash,
        ext_before: ext.digest(),
        ext_patch: String::new(),
        note: String::new(),
        failure: None,
        fuel: 0,
        engine: String::new(),
        effects: Vec::new(),
        signal: Vec::new(),
        prev: content_hash,
    };
    let head = Head {
        seq: 0,
        state: workflow.initial.clone(),
        phase: Phase::Running,
        step: 0,
        attempt: 1,
        due: at,
        ext: ext.clone(),
        workflow: workflow.digest,
        link: content_hash,
        updated_at: at,
        last_error: None,
        given: Vec::new(),
    };
    let (message, receipt) = (message.into(), receipt.into());
    let loaded = Loaded { message, receipt, head, records: Vec::new(), journal: Vec::new() };
    let unfinished = Vec::new();
    let mut walk = Walk { workflow, loaded, expect: 0, at, unfinished, journaled: false };
    walk.go(record, ext, None);
    let Step { loaded, next, .. } = walk.finish_unasked();
    (loaded, next)
}
