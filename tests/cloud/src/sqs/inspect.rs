//! What a test sees and does past the protocol.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use super::Sqs;
use super::queue::Queue;
use super::state::State;

/// A message, as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `MessageId`.
    pub id: String,
    /// `Body`.
    pub body: String,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// When it was sent, in milliseconds.
    pub sent_at: u64,
    /// From when on it may be received, in milliseconds.
    pub visible_at: u64,
    /// Whether somebody received it and its visibility timeout runs.
    pub in_flight: bool,
    /// How often it was received.
    pub receive_count: u64,
    /// Whether somebody deleted it, and it comes back.
    pub zombie: bool,
}

impl Sqs {
    fn look(&self) -> (MutexGuard<'_, State>, u64) {
        let now = self.shared.clock.now_ms();
        let mut state = self.shared.state();
        state.queues.values_mut().for_each(|queue| queue.expire(now));
        (state, now)
    }

    /// How often each operation was called.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.state().calls.clone()
    }

    /// Counts from nothing again.
    pub fn reset_calls(&self) {
        self.shared.state().calls.clear();
    }

    /// The names of all queues.
    pub fn queues(&self) -> Vec<String> {
        self.shared.state().queues.keys().cloned().collect()
    }

    /// The messages of a queue, oldest first; none when there is no such queue.
    pub fn messages(&self, queue: &str) -> Vec<Seen> {
        let (state, now) = self.look();
        let Some(queue) = state.queues.get(queue) else { return Vec::new() };
        let seen = queue.messages.values().map(|message| Seen {
            id: message.id.clone(),
            body: message.body.clone(),
            group: message.group.clone(),
            sent_at: message.sent_ms,
            visible_at: message.visible_ms,
            in_flight: message.in_flight(now),
            receive_count: message.received,
            zombie: message.zombie,
        });
        seen.collect()
    }

    /// How many messages may be received now, in all queues whose names begin so.
    pub fn visible(&self, prefix: &str) -> usize {
        let (state, now) = self.look();
        of(&state, prefix).map(|queue| queue.receivable(now).len()).sum()
    }

    /// When the next message, that is not visible now, will be, in all queues whose
    /// names begin so; `None` when there is none.
    pub fn next_visible_at(&self, prefix: &str) -> Option<u64> {
        let (state, now) = self.look();
        of(&state, prefix).filter_map(|queue| queue.next_visible(now)).min()
    }

    /// Changes the body of every message of a queue, as a person with access may.
    /// Gives how many there are.
    pub fn edit(&self, queue: &str, mut change: impl FnMut(&str) -> String) -> usize {
        let (mut state, _) = self.look();
        let Some(queue) = state.queues.get_mut(queue) else { return 0 };
        for message in queue.messages.values_mut() {
            message.body = change(&message.body);
        }
        queue.messages.len()
    }

    /// Deletes a queue with all that is in it, as a person in the console may. Gives
    /// whether there was one.
    pub fn delete_by_hand(&self, queue: &str) -> bool {
        let gone = self.shared.state().queues.remove(queue).is_some();
        self.shared.changed.notify_waiters();
        gone
    }

    /// Lets all long polls look again. Whoever moves a clock that stands still says so
    /// by this; nothing else tells them.
    pub fn time_moved(&self) {
        self.shared.changed.notify_waiters();
    }

    /// Deletes all messages of a queue. Gives how many there were.
    pub fn purge(&self, queue: &str) -> usize {
        let mut state = self.shared.state();
        let messages = state.queues.get_mut(queue).map(|q| std::mem::take(&mut q.messages));
        messages.map_or(0, |m| m.len())
    }
}

fn of<'a>(state: &'a State, prefix: &str) -> impl Iterator<Item = &'a Queue> {
    state.queues.iter().filter(move |(name, _)| name.starts_with(prefix)).map(|(_, queue)| queue)
}
