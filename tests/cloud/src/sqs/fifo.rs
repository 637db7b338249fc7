//! What is different in a FIFO queue: groups in order, and no message twice.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::message::Message;

/// How long a deduplication id is remembered.
const DEDUP_MS: u64 = 5 * 60 * 1_000;

/// What was sent in the last five minutes. Deleting a message does not forget it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dedup {
    sent: BTreeMap<(String, String), Sent>,
}

/// The message that a deduplication id stands for.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) serial: u64,
    sent_ms: u64,
}

impl Dedup {
    /// What was sent under this id. `scope` is the group, or empty for the queue.
    pub(crate) fn find(&mut self, now: u64, scope: &str, dedup: &str) -> Option<&Sent> {
        self.sent.retain(|_, sent| sent.sent_ms + DEDUP_MS > now);
        self.sent.get(&(scope.to_owned(), dedup.to_owned()))
    }

    /// Remembers what is sent.
    pub(crate) fn note(&mut self, now: u64, scope: &str, dedup: &str, id: &str, serial: u64) {
        let sent = Sent { id: id.to_owned(), serial, sent_ms: now };
        self.sent.insert((scope.to_owned(), dedup.to_owned()), sent);
    }
}

/// The deduplication id of a body, where the queue deduplicates by content.
pub(crate) fn content_id(body: &str) -> String {
    hex::encode(Sha256::digest(body.as_bytes()))
}

/// The messages that may be received now, in order: of a group that has one in
/// flight none, of the others all up to the first that is delayed.
pub(crate) fn receivable(now: u64, messages: &BTreeMap<u64, Message>) -> Vec<u64> {
    let group = |message: &Message| message.group.clone().unwrap_or_default();
    let mut blocked: BTreeSet<String> =
        messages.values().filter(|m| m.in_flight(now)).map(group).collect();
    let mut found = Vec::new();
    for (serial, message) in messages {
        if blocked.contains(&group(message)) {
            continue;
        }
        if message.visible_ms <= now {
            found.push(*serial);
        } else {
            blocked.insert(group(message));
        }
    }
    found
}
