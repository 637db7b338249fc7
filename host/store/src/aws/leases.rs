//! Tickets in the hands of this process, each with the version of its message that
//! is kept from others meanwhile. Both are hints: what is committed is decided by
//! the row alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use surety_core::machine::Loaded;
use surety_core::ports::Ticket;
use surety_core::types::{MsgId, Seq};

use super::row::Open;
use super::versions::Cid;

/// How long a lease is said again at most. No turn takes as long; one that hangs
/// must not keep its message for ever.
const AGE_MAX: Duration = Duration::from_secs(3_600);

/// The queue of a ticket, and the receipt by which it is kept.
pub(super) type InQueue = (String, String);

/// A message, and the handles by which its version is kept.
pub(super) type OfMessage = (MsgId, Vec<String>);

/// A ticket in hand.
pub(super) struct InHand {
    pub(super) ticket: Ticket,
    /// The feeder queue that it came from.
    pub(super) queue: String,
    pub(super) receipt: String,
    since: Instant,
    version: Option<Taken>,
    /// Whether its message has moved on to a revision that must have a ticket, and
    /// may never have got it.
    pub(super) follow: Option<Seq>,
    /// Whether its message was read at its very revision, with a row by which it moves,
    /// and was not moved since. Done with so, the ticket leaves a message that rests.
    pub(super) unmoved: bool,
}

/// A version that is kept from others.
struct Taken {
    rev: Seq,
    cid: Cid,
    loaded: Loaded,
    handles: Vec<String>,
}

/// All tickets in hand.
#[derive(Default)]
pub(super) struct Leases {
    last: AtomicU64,
    held: Mutex<HashMap<u64, InHand>>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, InHand>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a ticket in hand; gives the name of its lease.
    pub(super) fn take(&self, ticket: Ticket, queue: String, receipt: String) -> u64 {
        let handle = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let since = Instant::now();
        let (version, follow, unmoved) = (None, None, false);
        let in_hand = InHand { ticket, queue, receipt, since, version, follow, unmoved };
        self.lock().insert(handle, in_hand);
        handle
    }

    /// Gives a ticket out of hand, with what deletes or gives back its version.
    pub(super) fn end(&self, handle: u64) -> Option<(InHand, Vec<String>)> {
        let mut in_hand = self.lock().remove(&handle)?;
        let handles = in_hand.version.take().map_or(Vec::new(), |taken| taken.handles);
        Some((in_hand, handles))
    }

    /// Gives everything out of hand: tickets, and versions that were kept with them.
    pub(super) fn end_all(&self) -> (Vec<InQueue>, Vec<OfMessage>) {
        let (mut tickets, mut versions) = (Vec::new(), Vec::new());
        for (_, held) in self.lock().drain() {
            tickets.push((held.queue, held.receipt));
            versions.extend(held.version.map(|taken| (held.ticket.msg_id, taken.handles)));
        }
        (tickets, versions)
    }

    /// Whether a ticket of the message is in hand.
    pub(super) fn is_held(&self, id: MsgId) -> bool {
        self.lock().values().any(|held| held.ticket.msg_id == id)
    }

    /// Whether this very ticket is in hand.
    pub(super) fn holds(&self, ticket: Ticket) -> bool {
        self.lock().values().any(|held| held.ticket == ticket)
    }

    /// Whether a ticket for this revision is in hand, whose version is not.
    pub(super) fn wants(&self, id: MsgId, rev: Seq) -> bool {
        let ticket = Ticket { msg_id: id, seq: rev };
        self.lock().values().any(|held| held.ticket == ticket && held.version.is_none())
    }

    /// Notes what the row said when the message of a ticket was read. The one commit
    /// whose ticket may be missing is the last, when it was made on this very ticket.
    pub(super) fn saw(&self, id: MsgId, open: &Open) {
        let rev = open.current.rev;
        let timed = open.due.is_some();
        for held in self.lock().values_mut().filter(|held| held.ticket.msg_id == id) {
            let seq = held.ticket.seq;
            let missing = open.moves && !timed && seq != rev && open.prev == Some(seq);
            held.follow = missing.then_some(rev);
            held.unmoved = seq == rev && (open.moves || timed);
        }
    }

    /// Keeps a version with its ticket.
    pub(super) fn took(&self, rev: Seq, cid: Cid, loaded: Loaded, handles: Vec<String>) {
        let ticket = Ticket { msg_id: loaded.message.msg_id, seq: rev };
        let mut held = self.lock();
        let mut free = held.values_mut().filter(|h| h.ticket == ticket && h.version.is_none());
        if let Some(held) = free.next() {
            held.version = Some(Taken { rev, cid, loaded, handles });
        }
    }

    /// The version that is in hand, if it is this one. Without records and journal.
    pub(super) fn version(&self, id: MsgId, cid: Cid) -> Option<Loaded> {
        let held = self.lock();
        let of = held.values().filter(|held| held.ticket.msg_id == id);
        let taken = of.filter_map(|held| held.version.as_ref()).find(|taken| taken.cid == cid)?;
        Some(taken.loaded.clone())
    }

    /// Takes versions up to this revision out of hand, because a later one has replaced
    /// them; gives what deletes them. The later one may be in hand already, of another
    /// worker that got its ticket, and stays there.
    pub(super) fn replaced(&self, id: MsgId, rev: Seq) -> Vec<String> {
        let mut handles = Vec::new();
        for held in self.lock().values_mut().filter(|held| held.ticket.msg_id == id) {
            held.unmoved &= held.ticket.seq > rev;
            let past = held.version.take_if(|taken| taken.rev <= rev);
            handles.extend(past.into_iter().flat_map(|taken| taken.handles));
        }
        handles
    }

    /// What has to be said again, so that nobody else gets it: queues with receipts
    /// of tickets, and messages with the handles of versions.
    pub(super) fn to_extend(&self) -> (Vec<InQueue>, Vec<OfMessage>) {
        let held = self.lock();
        let young = held.values().filter(|held| {
            let young = held.since.elapsed() < AGE_MAX;
            if !young {
                tracing::error!(msg_id = %held.ticket.msg_id, "a turn hangs; its lease ends");
            }
            young
        });
        let (mut tickets, mut versions) = (Vec::new(), Vec::new());
        for held in young {
            tickets.push((held.queue.clone(), held.receipt.clone()));
            if let Some(taken) = &held.version {
                versions.push((held.ticket.msg_id, taken.handles.clone()));
            }
        }
        (tickets, versions)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use surety_core::crypto::PrivateKey;
    use surety_core::ext::MsgExt;
    use surety_core::machine::{Head, Phase};
    use surety_core::message::Message;
    use surety_core::receipt::Receipt;
    use surety_core::types::{Digest, Time};

    use super::*;

    fn loaded(id: MsgId) -> Loaded {
        let key: PrivateKey =
            "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80".parse().unwrap();
        let text = format!(
            r#"{{"msg_id":"{id}","msg_type":"t","client_id":"c","creation_date":"2026-11-23T10:00:00Z","payload":{{}}}}"#
        );
        let stored = surety_core::codec::Writer::new()
            .text("eip191")
            .text(&text)
            .bytes(key.sign_text(&text).as_bytes())
            .bytes(&key.address().0)
            .text("")
            .finish();
        let message = Message::decode(&stored).unwrap();
        let state: surety_core::types::MsgState = "begin".parse().unwrap();
        let now = Time::from_millis(1);
        let receipt = Receipt::sign(&key, id, state.clone(), message.content_hash, now);
        let head = Head {
            seq: 1,
            state,
            phase: Phase::Running,
            step: 1,
            attempt: 1,
            due: now,
            ext: MsgExt::empty(),
            workflow: Digest::of(b""),
            link: Digest::of(b""),
            updated_at: now,
            last_error: None,
            given: Vec::new(),
        };
        let (message, receipt) = (Arc::new(message), Arc::new(receipt));
        Loaded { message, receipt, head, records: Vec::new(), journal: Vec::new() }
    }

    #[test]
    fn a_commit_takes_no_later_version_out_of_another_workers_hand() {
        let id = MsgId::from_bytes([7; 16]);
        // In whatever order they are kept.
        for _ in 0..32 {
            let leases = Leases::default();
            for seq in [1, 2] {
                let ticket = Ticket { msg_id: id, seq };
                leases.take(ticket, "queue".into(), "receipt".into());
                leases.took(seq, Cid([seq as u8; 10]), loaded(id), vec![format!("v{seq}")]);
            }
            assert_eq!(leases.replaced(id, 1), ["v1"]);
            assert!(leases.version(id, Cid([2; 10])).is_some(), "it was taken away");
            assert_eq!(leases.replaced(id, 2), ["v2"]);
        }
    }
}
