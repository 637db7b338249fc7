//! A model of the commit protocol of the backend `aws`: SQS messages are
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
//! - The row before a submission (ISSUED).
//!
//! # Otherwise than built
//!
//! - **The sweeper finishes a CREATING row** whose version 0 it received, and gives up
//!   one without (`step::sweep`). The backend's finishes none: it ends one as EXPIRED
//!   once its Msg_ID has expired (`sweep.rs`, `give_up`), and only who submits again
//!   finishes it.
//! - **A step and a sweep receive Q and then read L.** The backend reads L, and then
//!   looks in Q for the version that L named (`guarantee.rs`, `load.rs`); it reads L
//!   again only when something of that is not there. So L may be the older of the two.
//! - **Admissions are not told apart**: whoever finds L CREATING may make it ACTIVE with
//!   the version that it sent. In the backend a submission writes its cid into the
//!   CREATING row, and activates under that cid alone (`admit.rs`): who was overtaken is
//!   refused, and looks again.
//! - **A renewal does not write L.** In the backend it says in L when it sent the copy,
//!   under the condition that L is at this version, between the send and the delete
//!   (`sweep.rs`, `renew`), and deletes nothing when that is refused.

pub mod calls;
pub mod faults;
pub mod properties;
pub mod scope;
pub mod state;
pub mod step;

pub use scope::{Flaw, Protocol, Scope};
