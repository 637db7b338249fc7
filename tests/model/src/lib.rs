//! A model of the commit protocol that the backend `aws` follows: SQS messages are
//! the pages of a message, one DynamoDB row is the root pointer. All interleavings
//! of a few processes, with a few faults, are walked through; nothing of the real
//! backend runs here. Read it to learn the protocol, in this order:
//!
//! ```text
//! scope        how large a world is walked through, and which rule is broken
//! state        what is kept where: Q, L, H, F, the archive, a process's memory
//! calls        one remote call each: receive, send, delete; and what may befall it
//! step         the protocol: what a process does next. THE file to read
//! faults       the moves of the world: starts, fates of calls, crashes, weeks
//! properties   what must hold, and that what was begun comes to its end
//! ```
//!
//! # Modelled
//!
//! - Any process of any host does any work: it takes a submission, works on a
//!   ticket, or sweeps. Each remote call is one step; other processes do anything
//!   in between, for any time (a pause), and each call may be a process's last (a
//!   crash: it forgets all).
//! - **The lease is worth nothing**: a visibility timeout may run out at any moment,
//!   so any process may receive any page and any ticket that is not deleted, at any
//!   time. That permits every run that a lease permits, and those which it fails
//!   to prevent; the protocol may use it to save work, and must be right without.
//! - A receive yields any part of what is there, or nothing (sampling); pages come
//!   again after they were deleted (zombies); deletes and acknowledgements are
//!   ignored; a send whose reply is lost is repeated by the SDK; a conditional
//!   update whose reply is lost is repeated too and comes back as refused, although
//!   it was made. A new page's MessageId is above all of its equals, or below them.
//! - Retention: a page is forgotten two weeks after it was sent. A week ends only
//!   after the sweeper had its chance: one round that saw what there was to renew.
//!
//! # Not modelled
//!
//! - Reference (rebuildable), actions, ext's content, waits and timers, quotas.
//! - More than one ext a version; a revision that advances by more than one. A
//!   ticket "of the revision before the last commit" is one of `rev − 1` here.
//! - A second copy of a ticket: a ticket in F may be taken any number of times, and
//!   be there again after its acknowledgement, which is the same.
//! - The 60 seconds around DeleteQueue, but for what bites: sends to a queue that
//!   is gone succeed and vanish.
//! - Old age of a CREATING row: the sweeper may take any for old, which is worse.

pub mod calls;
pub mod faults;
pub mod properties;
pub mod scope;
pub mod state;
pub mod step;

pub use scope::{Flaw, Protocol, Scope};
