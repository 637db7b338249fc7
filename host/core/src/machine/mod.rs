//! The state machine: pure. It says what comes next for a message, and makes of
//! whatever moves it the step to commit. The controller performs both.
//!
//! ```text
//!  decide(workflow, head, now)        → Run(invoke) | Fire | Later(time) | Close | Rest
//!
//!  admitted(message)          ┐
//!  Turn::step(answer)         │
//!  timer(loaded)              ├─ walk: enter a state, follow its choices → Step
//!  signal(loaded, signal)     │
//!  redrive, cancel, migrate   ┘
//! ```
//!
//! A step is one commit. It has one record for each move, because choices are
//! followed at once.

mod operate;
mod signal;
mod turn;
mod walk;

use std::sync::Arc;

use crate::effect::{Effect, Entry};
use crate::ext::MsgExt;
use crate::message::Message;
use crate::receipt::Receipt;
use crate::record::{Failure, Sealed};
use crate::text::line;
use crate::types::{Address, ClientId, Digest, MsgId, MsgState, Seq, SignalName, Time};
use crate::workflow::{Invoke, Kind, Workflow};

pub use operate::{Order, cancel, migrate, redrive};
pub use signal::{Awaited, Signal, awaited, signal};
pub use turn::Turn;
pub use walk::{admitted, timer};

/// The largest Msg_Ext, in bytes of its text. It is copied with every step, and
/// a row of the scale-out store holds 400 KB.
pub const EXT_BYTES_MAX: usize = 256 << 10;

/// The longest note or failure reason that is kept, in bytes. The rest is cut, and
/// what is no printable character is escaped.
pub const NOTE_BYTES_MAX: usize = 1024;

/// The most transitions of one message. A workflow that goes in circles stops
/// here, parked.
pub const TRANSITIONS_MAX: Seq = 2_000;

/// How many bytes the records of one message may have before it is parked. They are in
/// memory with each step, and in the bundle, which is read as a whole: 100 attempts with
/// as many effects as one may have. A person can still move the message, to its end.
pub const RECORDS_BYTES_MAX: usize = 32 << 20;

/// What a message does until somebody moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// An action is due.
    Running,
    /// It waits for signals, until a time.
    Waiting,
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
    /// What it does there.
    pub phase: Phase,
    /// The revision at which it entered the state.
    pub step: Seq,
    /// The attempt that comes next, from 1.
    pub attempt: u32,
    /// When that attempt is due, which the action is given as now; or, of a
    /// message that waits, when its wait ends.
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
    /// The signals that were given in this step and are not complete.
    pub given: Vec<Given>,
}

impl Head {
    /// What follows for a message that stands here, and that nobody has in hand.
    #[must_use]
    pub fn next(&self) -> Next {
        match self.phase {
            Phase::Running | Phase::Waiting | Phase::Final => Next::Feed(self.due),
            Phase::Parked => Next::Rest,
        }
    }
}

/// A signal that counts towards its quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its name.
    pub name: SignalName,
    /// Who gave it.
    pub signer: Address,
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
    /// What the attempt that is under way did outside, in its order. Empty unless
    /// the attempt was begun before and did not come to its commit.
    pub journal: Vec<Entry>,
}

/// What is to be done for a message.
#[derive(Debug)]
pub enum Decision<'w> {
    /// Run the state's action.
    Run(&'w Invoke),
    /// Its wait is over: take the timer.
    Fire,
    /// Nothing before this time.
    Later(Time),
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
    /// What it did outside, in its order.
    pub effects: Vec<Effect>,
}

/// What follows a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A ticket, due then.
    Feed(Time),
    /// No ticket: somebody has to move it.
    Rest,
}

/// A Msg_ID that a step uses up: that of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedId {
    /// The id.
    pub msg_id: MsgId,
    /// To whom it must have been issued.
    pub client_id: ClientId,
    /// When it is used: it must not have expired before.
    pub at: Time,
}

/// What is committed together: one move, and the choices behind it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The message after it.
    pub loaded: Loaded,
    /// The revision that the message must have for the step to be committed.
    pub expect: Seq,
    /// What follows.
    pub next: Next,
    /// The Msg_ID that it uses up, if it does.
    pub uses: Option<UsedId>,
    /// Whether the revision that it ends has a journal, which is then done with.
    pub journaled: bool,
}

impl Step {
    /// Which message.
    #[must_use]
    pub fn msg_id(&self) -> MsgId {
        self.loaded.message.msg_id
    }

    /// The step's records, in their order.
    #[must_use]
    pub fn records(&self) -> &[Sealed] {
        // A message's records are numbered from 0.
        let new = usize::try_from(self.expect).map_or(usize::MAX, |expect| expect + 1);
        self.loaded.records.get(new..).unwrap_or_default()
    }
}

/// What is to be done for a message in this state, at this time. None when the
/// head is not one that this machine made.
#[must_use]
pub fn decide<'w>(workflow: &'w Workflow, head: &Head, now: Time) -> Option<Decision<'w>> {
    Some(match (head.phase, &workflow.state(&head.state)?.kind) {
        // Only an attempt that was put off is waited for. What was due when its record
        // was made is so for good, whatever the clock says since.
        (Phase::Running, Kind::Invoke(_)) if now < head.due && head.due > head.updated_at => {
            Decision::Later(head.due)
        }
        (Phase::Running, Kind::Invoke(invoke)) => Decision::Run(invoke),
        (Phase::Waiting, Kind::Wait(_)) if now < head.due => Decision::Later(head.due),
        (Phase::Waiting, Kind::Wait(_)) => Decision::Fire,
        (Phase::Final, Kind::Final) => Decision::Close,
        // A guard or a limit parks a message where it is.
        (Phase::Parked, kind) if !matches!(kind, Kind::Final) => Decision::Rest,
        _ => return None,
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

/// What somebody says, as a line that is kept.
fn cut(text: &str) -> String {
    line(text, NOTE_BYTES_MAX)
}
