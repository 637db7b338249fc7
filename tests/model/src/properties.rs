//! What must hold.
//!
//! # Progress
//!
//! stateright's own `eventually` does not see circles, nor joins of ways, and this
//! state space is full of both: a process that finds nothing backs off, and the
//! world is as it was. So progress is a property of each state by itself: **from
//! here there is a way to the end without any further fault.** The way that is
//! tried is the dullest one: each ticket is worked on, and each message swept, by one
//! process after the other, nothing is missed in a receive, for a few rounds.
//!
//! That is sound: the way is made of the model's own moves, so where it ends, the
//! end can be reached. It suffices: a run in which faults cease visits states of
//! which each has such a way, so no state is a trap, and a run that takes every way
//! that stays open ends. And it may be tried only where all processes are idle: any
//! other state leads to such a one by calls that go well, because no process ever
//! goes in a circle by itself.

use stateright::Property;

use crate::calls::Fate;
use crate::faults::Move;
use crate::scope::Protocol;
use crate::state::{At, Message, State, Status};
use crate::step::is_complete;

/// The current version of what is ACTIVE is in Q with all its pages, or its bundle is
/// in the archive; the bundle of what is ARCHIVED is. So none of its pages was
/// deleted or forgotten of which there is no other copy.
pub const NO_LOSS: &str = "nothing is lost";
/// The records are of revisions 0, 1, … up to the row's, one each.
pub const ONE_COMMIT: &str = "one commit per revision";
/// What a client was told is admitted is ACTIVE or ARCHIVED.
pub const KEPT: &str = "acknowledged means kept";
/// A bundle is of the last revision, as the row has it; it is never written again.
pub const ARCHIVE: &str = "the archive has what was committed";
/// Every message can come to its end: archived, or refused and removed; nothing of
/// it is left in Q or F. Without a sweeper only of what was acknowledged.
pub const PROGRESS: &str = "never stuck";

/// All properties.
pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(NO_LOSS, |_, s: &State| s.messages.iter().all(is_not_lost)),
        Property::always(ONE_COMMIT, |_, s: &State| s.messages.iter().all(is_committed_once)),
        Property::always(KEPT, |_, s: &State| s.messages.iter().all(is_kept)),
        Property::always(ARCHIVE, |model, s: &State| {
            s.messages.iter().all(|m| is_archive_right(model, m))
        }),
        Property::always(PROGRESS, Protocol::can_end),
    ]
}

fn is_not_lost(m: &Message) -> bool {
    m.row.is_none_or(|row| match row.status {
        Status::Creating | Status::Removed => true,
        Status::Active => m.bundle.is_some() || is_complete(row.version, &m.pages),
        Status::Archived => m.bundle.is_some(),
    })
}

fn is_committed_once(m: &Message) -> bool {
    let in_order = (0..).zip(&m.records).all(|(rev, record)| record.rev == rev);
    let last = m.row.filter(|row| matches!(row.status, Status::Active | Status::Archived));
    in_order && last.map(|row| row.version) == m.records.last().copied()
}

fn is_kept(m: &Message) -> bool {
    let is_kept = |status| matches!(status, Status::Active | Status::Archived);
    !m.acknowledged || m.row.is_some_and(|row| is_kept(row.status))
}

fn is_archive_right(model: &Protocol, m: &Message) -> bool {
    let current = m.row.map(|row| row.version);
    m.bundle.is_none_or(|v| v.rev == model.scope.last_rev && Some(v) == current)
}

impl Protocol {
    fn can_end(&self, s: &State) -> bool {
        /// Two for each revision, and some to finish an admission and to close.
        const ROUNDS: u8 = 10;
        if s.processes.iter().any(|process| process.at != At::Idle) {
            return true;
        }
        let mut s = s.clone();
        (0..ROUNDS).any(|_| {
            self.round(&mut s);
            s.messages.iter().all(|m| self.is_at_end(m))
        })
    }

    /// Every message is swept, every ticket worked on, and all goes well.
    fn round(&self, s: &mut State) {
        for message in 0..s.messages.len() {
            let id = u8::try_from(message).expect("few messages");
            if self.scope.sweeper && s.messages[message].row.is_some() {
                self.run(s, |p| Move::Sweep(p, id));
            }
            let tickets = s.messages[message].tickets;
            for seq in (0..=self.scope.last_rev).filter(|seq| tickets >> seq & 1 == 1) {
                self.run(s, |p| Move::Take(p, id, seq));
            }
        }
    }

    fn run(&self, s: &mut State, start: impl Fn(usize) -> Move) {
        let busy = s.processes.len() - 1; // Idle sorts first.
        self.make(s, start(0));
        while s.processes[busy].at != At::Idle {
            self.make(s, Move::Call(busy, s.processes[busy].at, Fate::Fine));
        }
    }

    fn is_at_end(&self, m: &Message) -> bool {
        let is_clean = !m.queue && m.tickets == 0;
        match m.row.map(|row| row.status) {
            None => true,
            Some(Status::Archived) => is_clean,
            Some(Status::Removed) => is_clean && !m.acknowledged,
            Some(Status::Active | Status::Creating) => !self.scope.sweeper && !m.acknowledged,
        }
    }
}
