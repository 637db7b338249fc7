//! A canary: a version that gets a share of the calls which another one would
//! have, and is compared with it. Pure; the host routes, counts and keeps.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::crypto::keccak256;
use crate::record::Record;
use crate::types::{Digest, Malformed, ModuleName, MsgId, Seq, Time};

/// The most different states that a tally tells apart; the rest is one. A module
/// returns a handful.
const STATES_MAX: usize = 64;

/// Where a tally counts what is beyond [`STATES_MAX`].
const OTHERS: &str = "(others)";

/// A share of calls, in hundredths of a percent: more than none, less than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u16);

/// The whole.
const WHOLE: u16 = 10_000;

impl Share {
    /// Whether the canary with this digest gets the calls of a message's step. The
    /// same for every attempt, after every crash.
    #[must_use]
    pub fn takes(self, canary: Digest, msg_id: MsgId, step: Seq) -> bool {
        let mut place = Vec::with_capacity(56);
        place.extend_from_slice(&canary.0);
        place.extend_from_slice(msg_id.as_bytes());
        place.extend_from_slice(&step.to_be_bytes());
        let chance = u64::from_be_bytes(*keccak256(&place).first_chunk().expect("32 bytes"));
        chance % u64::from(WHOLE) < u64::from(self.0)
    }
}

impl FromStr for Share {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || {
            let why = "is not a share such as `10%` or `0.5%`, between 0.01% and 99.99%";
            Malformed::new("share", text, why)
        };
        let number = text.strip_suffix('%').ok_or_else(malformed)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "00"));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let form = (1..=2).contains(&whole.len()) && (1..=2).contains(&part.len());
        if !form || !digits(whole) || !digits(part) {
            return Err(malformed());
        }
        let parse = |text: &str| text.parse::<u16>().map_err(|_| malformed());
        let part = parse(part)? * if part.len() == 1 { 10 } else { 1 };
        match parse(whole)? * 100 + part {
            0 => Err(malformed()),
            share => Ok(Self(share)),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// When a canary is stopped without anybody's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanaryLimits {
    /// The calls of the canary before it is judged.
    pub calls_min: u64,
    /// Percent of its calls that may fail beyond those of the version that it
    /// would replace.
    pub failures_above_percent_max: u64,
}

/// What became of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Calls whose end was committed.
    pub calls: u64,
    /// Of these, those that came to each state.
    pub states: BTreeMap<String, u64>,
    /// Of these, those that failed, by kind.
    pub failures: BTreeMap<String, u64>,
    /// Fuel of all of them.
    pub fuel: u64,
    /// Calls whose time was taken; those that a crash made run again too.
    pub timed: u64,
    /// Microseconds of all of those.
    pub micros: u64,
    /// Microseconds of the longest.
    pub micros_max: u64,
}

impl Tally {
    /// Counts a committed call.
    pub fn count(&mut self, record: &Record) {
        self.calls += 1;
        self.fuel = self.fuel.saturating_add(record.fuel);
        match &record.failure {
            Some(failure) => {
                *self.failures.entry(failure.kind.as_str().to_owned()).or_default() += 1;
            }
            None => self.count_state(record.to.as_str(), 1),
        }
    }

    /// Counts the time of a call.
    pub fn time(&mut self, micros: u64) {
        self.timed += 1;
        self.micros = self.micros.saturating_add(micros);
        self.micros_max = self.micros_max.max(micros);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        let Self { calls, states, failures, fuel, timed, micros, micros_max } = other;
        self.calls += calls;
        self.fuel = self.fuel.saturating_add(*fuel);
        self.timed += timed;
        self.micros = self.micros.saturating_add(*micros);
        self.micros_max = self.micros_max.max(*micros_max);
        for (kind, n) in failures {
            *self.failures.entry(kind.clone()).or_default() += n;
        }
        for (state, n) in states {
            self.count_state(state, *n);
        }
    }

    fn count_state(&mut self, state: &str, n: u64) {
        let known = self.states.contains_key(state);
        let state = if known || self.states.len() < STATES_MAX { state } else { OTHERS };
        *self.states.entry(state.to_owned()).or_default() += n;
    }

    /// Those that failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Percent of the calls that failed; 0 of none.
    fn failed_percent(&self) -> f64 {
        match self.calls {
            0 => 0.0,
            calls => self.failed() as f64 * 100.0 / calls as f64,
        }
    }
}

/// What became of calls while a canary ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of those that it would replace.
    pub old: Tally,
    /// Of its own.
    pub new: Tally,
}

impl Counts {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.old.add(&other.old);
        self.new.add(&other.new);
    }
}

/// How a canary is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// It gets its share.
    Runs,
    /// It took the place of the version before it.
    Promoted {
        /// When.
        at: Time,
    },
    /// It is not deployed any more.
    Stopped {
        /// When.
        at: Time,
        /// By whom or for what.
        why: String,
    },
}

/// A canary, running or the last one of its module. Stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The module's name.
    pub name: ModuleName,
    /// The version under trial.
    pub version: Version,
    /// The digest of its component.
    pub digest: Digest,
    /// Its share of the calls.
    pub share: Share,
    /// Since when.
    pub started_at: Time,
    /// How it is doing.
    pub course: Course,
    /// What became of the calls of those that it would replace, meanwhile.
    pub old: Tally,
    /// What became of its own.
    pub new: Tally,
}

impl Canary {
    /// Adds what was counted of it.
    pub fn add(&mut self, counts: &Counts) {
        self.old.add(&counts.old);
        self.new.add(&counts.new);
    }

    /// Whether it gets calls.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.course == Course::Runs
    }

    /// Whether it is the trial that began at this time, and runs.
    #[must_use]
    pub fn is_trial_of(&self, started_at: Time) -> bool {
        self.runs() && self.started_at == started_at
    }

    /// Why it must stop; none while it may go on.
    #[must_use]
    pub fn verdict(&self, limits: CanaryLimits) -> Option<String> {
        let CanaryLimits { calls_min, failures_above_percent_max: above_max } = limits;
        let (old, new) = (self.old.failed_percent(), self.new.failed_percent());
        if self.new.calls < calls_min || new - old <= above_max as f64 {
            return None;
        }
        let (failed, calls) = (self.new.failed(), self.new.calls);
        Some(format!(
            "{failed} of its {calls} calls failed, {new:.1}%, and {old:.1}% of the others: more apart than `failures_above_percent_max`, {above_max}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(old: (u64, u64), new: (u64, u64)) -> Canary {
        let tally = |(calls, failed): (u64, u64)| {
            let failures = [("trap".to_owned(), failed)].into();
            Tally { calls, failures, ..Tally::default() }
        };
        Canary {
            name: "screen".parse().unwrap(),
            version: Version::new(1, 1, 0),
            digest: Digest([1; 32]),
            share: "10%".parse().unwrap(),
            started_at: Time::from_millis(0),
            course: Course::Runs,
            old: tally(old),
            new: tally(new),
        }
    }

    #[test]
    fn a_canary_stops_when_it_fails_more_than_the_other_and_often_enough() {
        let limits = CanaryLimits { calls_min: 50, failures_above_percent_max: 5 };
        for (old, new, stops) in [
            ((0, 0), (0, 0), false),
            ((1000, 0), (49, 49), false),
            ((1000, 0), (50, 2), false),
            ((1000, 0), (100, 5), false),
            ((1000, 0), (100, 6), true),
            ((0, 0), (50, 50), true),
            // Both fail, because of something else.
            ((100, 50), (100, 55), false),
            ((100, 50), (100, 56), true),
            ((100, 50), (100, 1), false),
        ] {
            let verdict = canary(old, new).verdict(limits);
            assert_eq!(verdict.is_some(), stops, "{old:?} {new:?}: {verdict:?}");
        }
        let said = canary((100, 1), (50, 25)).verdict(limits).unwrap();
        assert!(said.contains("25 of its 50 calls failed, 50.0%, and 1.0%"), "{said}");
    }

    #[test]
    fn a_share_is_that_share_and_the_same_for_a_step() {
        let share: Share = "12.5%".parse().unwrap();
        let id = |n: u32| {
            let mut bytes = [7; 16];
            bytes[12..].copy_from_slice(&n.to_be_bytes());
            MsgId::from_bytes(bytes)
        };
        let taken = (0..4000).filter(|n| share.takes(Digest([1; 32]), id(*n), 3)).count();
        assert!((420..580).contains(&taken), "{taken} of 4000");
        for n in 0..50 {
            let first = share.takes(Digest([1; 32]), id(n), 3);
            assert_eq!(share.takes(Digest([1; 32]), id(n), 3), first);
        }
        // Another step and another canary draw anew.
        let differs = |other: &dyn Fn(u32) -> bool| {
            (0..500).any(|n| other(n) != share.takes(Digest([1; 32]), id(n), 3))
        };
        assert!(differs(&|n| share.takes(Digest([1; 32]), id(n), 4)));
        assert!(differs(&|n| share.takes(Digest([2; 32]), id(n), 3)));
    }

    #[test]
    fn shares_are_read_and_written() {
        for (text, shown) in [
            ("10%", Some("10%")),
            ("0.5%", Some("0.50%")),
            ("99.99%", Some("99.99%")),
            ("0.01%", Some("0.01%")),
            ("0%", None),
            ("100%", None),
            ("10", None),
            ("-1%", None),
            ("+1%", None),
            ("1.234%", None),
            (".5%", None),
            ("%", None),
        ] {
            let share = text.parse::<Share>().ok();
            assert_eq!(share.map(|share| share.to_string()).as_deref(), shown, "{text}");
        }
    }
}
