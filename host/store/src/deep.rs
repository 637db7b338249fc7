//! Whether every open message will move: what the doctors found of each, in findings.

use std::fmt::Display;

use surety_core::types::{Digest, Time};

use crate::findings::{Finding, Grade};

/// How long after its time a message may still be where it was while hosts are at
/// work: longer than a turn, and than what a flood of others takes.
pub(crate) const LATE_AFTER: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Messages that are named in one examination. Each is a line; who has more has one
/// cause for all of them.
const NAMED_MAX: usize = 10_000;

/// What will become of an open message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has a ticket, or a time at which it gets one.
    Moves,
    /// The same, and it should have moved at this time.
    Late(Time),
    /// It waits for a person.
    Rests,
    /// Nothing moves it.
    Stuck {
        /// What is missing.
        why: String,
        /// What to do.
        remedy: String,
    },
}

impl Fate {
    pub(crate) fn stuck(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Stuck { why: why.into(), remedy: remedy.into() }
    }

    /// Of a message that is pinned to a workflow which nobody knows.
    pub(crate) fn without_workflow(workflow: Digest) -> Self {
        let why = format!("its workflow {workflow} is not deployed");
        Self::stuck(why, "deploy the very file again with `surety workflow push`")
    }

    /// Of a message that is due at a time.
    pub(crate) fn due(at: Time, now: Time) -> Self {
        if at.after(LATE_AFTER) < now { Self::Late(at) } else { Self::Moves }
    }
}

/// The open messages of a backend.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    open: u64,
    rest: u64,
    late: u64,
    latest: Option<(Time, String)>,
    stuck: Vec<Finding>,
    more: u64,
}

impl Messages {
    /// Counts one. The Msg_ID may be whatever stands in its place.
    pub(crate) fn add(&mut self, id: impl Display, fate: Fate) {
        self.open += 1;
        match fate {
            Fate::Moves => {}
            Fate::Rests => self.rest += 1,
            Fate::Late(since) => {
                self.late += 1;
                let this = (since, id.to_string());
                self.latest = Some(match self.latest.take() {
                    Some(latest) => latest.min(this),
                    None => this,
                });
            }
            Fate::Stuck { .. } if self.stuck.len() == NAMED_MAX => self.more += 1,
            Fate::Stuck { why, remedy } => {
                let what = format!("the message {id}");
                self.stuck.push(Finding::new(Grade::Problem, what, why).remedy(remedy));
            }
        }
    }

    /// All of it, what is wrong first.
    pub(crate) fn findings(self) -> Vec<Finding> {
        let mut findings = self.stuck;
        let stuck = findings.len() as u64 + self.more;
        let what = "the open messages";
        if self.more > 0 {
            let found = format!("{} more will not move", self.more);
            let remedy = "mend those that are named, and ask again";
            findings.push(Finding::new(Grade::Problem, what, found).remedy(remedy));
        }
        if let Some((since, id)) = self.latest {
            let found =
                format!("{} are late, the first of them is {id}, due since {since}", self.late);
            let remedy = "see that a host is running, and what its log says of that message";
            findings.push(Finding::new(Grade::Note, what, found).remedy(remedy));
        }
        let moves = self.open - self.rest - stuck;
        let found = format!(
            "{} are open: {moves} have a ticket or a time, {} wait for a person, {stuck} will not move",
            self.open, self.rest
        );
        let grade = if stuck == 0 { Grade::Good } else { Grade::Problem };
        findings.push(Finding::new(grade, what, found));
        findings
    }
}

#[cfg(test)]
mod tests {
    use surety_core::types::MsgId;

    use super::*;

    #[test]
    fn every_message_that_will_not_move_is_named() {
        let (now, id) = (Time::from_millis(1_000_000_000), |n| MsgId::from_bytes([n; 16]));
        let before = |s: u64| Time::from_millis(1_000_000_000 - s * 1_000);
        let mut messages = Messages::default();
        messages.add(id(1), Fate::due(before(3_600), now));
        messages.add(id(2), Fate::due(before(3_601), now));
        messages.add(id(3), Fate::due(before(9_000), now));
        messages.add(id(4), Fate::Rests);
        messages.add(id(5), Fate::stuck("no ticket", "make one"));
        let findings = messages.findings();
        let text = |f: &Finding| format!("{}: {}", f.what, f.found);
        let texts: Vec<_> = findings.iter().map(text).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert_eq!(texts[0], format!("the message {}: no ticket", id(5)));
        assert!(texts[1].contains(&format!("2 are late, the first of them is {}", id(3))));
        assert!(texts[2].ends_with(
            "5 are open: 3 have a ticket or a time, 1 wait for a person, 1 will not move"
        ));
        assert_eq!(findings[2].grade, Grade::Problem);
    }
}
