//! One queue: its messages by the order in which they came, and its receipts.

use std::collections::BTreeMap;

use super::errors::{Fault, HANDLE};
use super::fifo::{self, Dedup};
use super::message::Message;
use super::settings::Settings;

/// A queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) settings: Settings,
    pub(crate) tags: BTreeMap<String, String>,
    /// By serial, which no other message of the server has.
    pub(crate) messages: BTreeMap<u64, Message>,
    pub(crate) dedup: Dedup,
    pub(crate) created_ms: u64,
    pub(crate) changed_ms: u64,
    pub(crate) purged_ms: Option<u64>,
    /// From when on it is found.
    pub(crate) usable_ms: u64,
    /// Tells the queue from an earlier one of its name.
    pub(crate) incarnation: u64,
}

impl Queue {
    pub(crate) fn new(now: u64, settings: Settings, incarnation: u64) -> Self {
        Self {
            settings,
            tags: BTreeMap::new(),
            messages: BTreeMap::new(),
            dedup: Dedup::default(),
            created_ms: now,
            changed_ms: now,
            purged_ms: None,
            usable_ms: 0,
            incarnation,
        }
    }

    /// Forgets what is older than the retention period.
    pub(crate) fn expire(&mut self, now: u64) {
        let retention = self.settings.retention_ms();
        self.messages.retain(|_, m| m.sent_ms + retention > now);
    }

    /// The messages that may be received now, oldest first.
    pub(crate) fn receivable(&self, now: u64) -> Vec<u64> {
        if self.settings.fifo {
            return fifo::receivable(now, &self.messages);
        }
        self.messages.iter().filter(|(_, m)| m.visible(now)).map(|(s, _)| *s).collect()
    }

    /// When the next message, that is not visible now, will be.
    pub(crate) fn next_visible(&self, now: u64) -> Option<u64> {
        self.messages.values().map(|m| m.visible_ms).filter(|v| *v > now).min()
    }

    /// (visible, delayed, in flight).
    pub(crate) fn counts(&self, now: u64) -> (usize, usize, usize) {
        let mut counts = (0, 0, 0);
        for message in self.messages.values() {
            if message.visible(now) {
                counts.0 += 1;
            } else if message.received == 0 {
                counts.1 += 1;
            } else {
                counts.2 += 1;
            }
        }
        counts
    }

    /// The receipt handle of a message as it was received last.
    pub(crate) fn handle(&self, serial: u64, received: u64) -> String {
        Receipt { incarnation: self.incarnation, serial, received }.to_handle()
    }

    /// What a handle of this queue stands for.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn receipt(&self, handle: &str) -> Result<Receipt, Fault> {
        Receipt::parse(handle).filter(|r| r.incarnation == self.incarnation).ok_or_else(|| {
            HANDLE.because(format!(
                "The input receipt handle \"{handle}\" is not a valid receipt handle."
            ))
        })
    }
}

/// One receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    incarnation: u64,
    pub(crate) serial: u64,
    /// The how many-th receive.
    pub(crate) received: u64,
}

impl Receipt {
    fn to_handle(self) -> String {
        format!("AQEB{:016x}{:016x}{:016x}", self.incarnation, self.serial, self.received)
    }

    fn parse(handle: &str) -> Option<Self> {
        let digits = handle.strip_prefix("AQEB")?;
        let number = |at: usize| u64::from_str_radix(digits.get(at..at + 16)?, 16).ok();
        let receipt = Self { incarnation: number(0)?, serial: number(16)?, received: number(32)? };
        (digits.len() == 48).then_some(receipt)
    }
}
