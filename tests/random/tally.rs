//! What the cases came to.

use std::collections::BTreeMap;

use super::reference::Message;

/// What happened in the runs: they say something only if much did.
#[derive(Default)]
pub struct Tally(pub BTreeMap<String, usize>);

impl Tally {
    pub fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// Counts what a message went through.
    pub fn message(&mut self, message: &Message) {
        self.count(format!("phase {}", message.phase));
        for record in &message.records {
            self.count(format!("cause {}", record.cause));
            if let Some(kind) = &record.failure {
                self.count(format!("failure {kind}"));
            }
        }
        for pair in message.records.windows(2) {
            let stays = pair[1].from.as_ref() == Some(&pair[1].to);
            match pair[1].cause {
                "action" if stays && pair[1].failure.is_some() => self.count("retry"),
                "signal" if pair[0].cause == "signal" => self.count("quorum of several"),
                "signal" if stays => self.count("given one of several"),
                _ => {}
            }
        }
    }
}
