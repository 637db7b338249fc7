//! Deployments of modules: the history of each name, what of it is in effect, and
//! how one goes back. Pure; the catalog keeps it.
//!
//! ```text
//!   1  screen 1.0.0  settings {}     ┐ superseded by 2
//!   2  screen 1.0.0  settings {…}    ┘ in effect for 1.0.0
//!   3  screen 1.1.0                    in effect for 1.1.0;  rollback → ended
//! ```
//!
//! Each version of a name has at most one deployment in effect: its last one that
//! has not ended. Ending that one brings back the one before, with its settings.

use std::collections::BTreeSet;

use semver::Version;

use crate::canary::Canary;
use crate::endorse::Endorsements;
use crate::ports::Deployment;
use crate::refusal::{Code, Refusal};
use crate::types::{Digest, ModuleName, Time};

/// The most deployments of a name that are kept; older ones are forgotten, unless
/// they are in effect. More than anybody goes back.
pub const HISTORY_MAX: usize = 64;

/// The longest reason of a revocation, in bytes. It stands in records.
pub const REASON_BYTES_MAX: usize = 200;

/// A deployment as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its place in the order of all deployments.
    pub number: u64,
    /// What was deployed.
    pub deployment: Deployment,
    /// The signatures that it came with.
    pub endorsements: Endorsements,
    /// When it was rolled back or removed, if it was.
    pub ended_at: Option<Time>,
}

impl Deployed {
    fn is_of(&self, version: &Version) -> bool {
        self.deployment.version == *version
    }
}

/// A component that may not run any more, nor be deployed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The component.
    pub digest: Digest,
    /// Why, for records and people.
    pub reason: String,
    /// When.
    pub revoked_at: Time,
    /// The name of the token that did it.
    pub revoked_by: String,
}

/// A deployment that is to be kept.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    /// What is deployed.
    pub deployment: Deployment,
    /// The signatures that it comes with.
    pub endorsements: Endorsements,
    /// The component.
    pub component: Vec<u8>,
}

/// A change of what is deployed, of one module. All of it is made, or nothing.
#[derive(Debug, Clone)]
pub struct Change {
    /// When, by the host's clock.
    pub at: Time,
    /// The deployments that end, by their numbers.
    pub end: Vec<u64>,
    /// The deployment that comes.
    pub put: Option<NewDeployment>,
    /// The canary of its module, in place of what was known of it.
    pub canary: Option<Canary>,
}

impl Change {
    /// One that changes nothing yet.
    #[must_use]
    pub fn new(at: Time) -> Self {
        Self { at, end: Vec::new(), put: None, canary: None }
    }
}

/// Those of a history that are in effect. The history may be in any order and of
/// several names.
#[must_use]
pub fn in_effect(history: &[Deployed]) -> Vec<&Deployed> {
    let mut live: Vec<_> = history.iter().filter(|d| d.ended_at.is_none()).collect();
    live.sort_by_key(|d| std::cmp::Reverse(d.number));
    let mut seen = BTreeSet::new();
    live.retain(|d| seen.insert((&d.deployment.name, &d.deployment.version)));
    live.sort_by_key(|d| (&d.deployment.name, &d.deployment.version));
    live
}

/// Those of one name's history that may be forgotten.
#[must_use]
pub fn forgettable(history: &[Deployed]) -> Vec<u64> {
    let kept: BTreeSet<_> = in_effect(history).into_iter().map(|d| d.number).collect();
    let mut numbers: Vec<_> = history.iter().map(|d| d.number).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    numbers.into_iter().skip(HISTORY_MAX).filter(|number| !kept.contains(number)).collect()
}

/// The deployments of a name that end so that it is as before the last one, or as
/// it was when this version was deployed last.
///
/// # Errors
/// `not_found` when the name, or the version, has no deployment in the history;
/// `rollback_none` when there is nothing to go back to.
pub fn undone(
    name: &ModuleName,
    history: &[Deployed],
    to: Option<&Version>,
) -> Result<Vec<u64>, Refusal> {
    let mut live: Vec<_> = history.iter().filter(|d| d.ended_at.is_none()).collect();
    live.sort_by_key(|d| std::cmp::Reverse(d.number));
    if live.is_empty() {
        return Err(Refusal::new(Code::NotFound, format!("no module `{name}` is deployed")));
    }
    let numbers = |count: usize| live[..count].iter().map(|d| d.number).collect::<Vec<_>>();
    let none = |detail: String| Refusal::new(Code::RollbackNone, detail);
    match to {
        None if live.len() == 1 => Err(none(format!(
            "there is no deployment of `{name}` before this one; `surety action remove` takes it out"
        ))),
        None => Ok(numbers(1)),
        Some(version) => match live.iter().position(|d| d.is_of(version)) {
            None => {
                let detail =
                    format!("the history has no deployment of {name}@{version} to go back to");
                Err(Refusal::new(Code::NotFound, detail))
            }
            Some(0) => {
                Err(none(format!("{name}@{version} is the last deployment of `{name}` already")))
            }
            Some(count) => Ok(numbers(count)),
        },
    }
}

/// The deployments that end so that a version of the name is not there.
///
/// # Errors
/// `not_found` when it is not.
pub fn removed(
    name: &ModuleName,
    history: &[Deployed],
    version: &Version,
) -> Result<Vec<u64>, Refusal> {
    let of = history.iter().filter(|d| d.ended_at.is_none() && d.is_of(version));
    let numbers: Vec<_> = of.map(|d| d.number).collect();
    if numbers.is_empty() {
        let detail = format!("{name}@{version} is not deployed");
        return Err(Refusal::new(Code::NotFound, detail));
    }
    Ok(numbers)
}

/// The history once these have ended.
#[must_use]
pub fn without(history: &[Deployed], ended: &[u64], at: Time) -> Vec<Deployed> {
    let end = |d: &Deployed| {
        let ends = ended.contains(&d.number);
        Deployed { ended_at: d.ended_at.or(ends.then_some(at)), ..d.clone() }
    };
    history.iter().map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Time = Time::from_millis(9);

    fn history(deployments: &[(&str, &str)]) -> Vec<Deployed> {
        let deployed = |(i, (version, settings)): (usize, &(&str, &str))| Deployed {
            number: i as u64 + 1,
            deployment: Deployment {
                name: "screen".parse().unwrap(),
                version: version.parse().unwrap(),
                digest: Digest::of(version.as_bytes()),
                settings: (*settings).into(),
                deployed_at: Time::from_millis(i as u64),
            },
            endorsements: Endorsements::NONE,
            ended_at: None,
        };
        deployments.iter().enumerate().map(deployed).collect()
    }

    fn effective(history: &[Deployed]) -> Vec<String> {
        let show = |d: &Deployed| format!("{} {}", d.deployment.version, d.deployment.settings);
        in_effect(history).into_iter().map(show).collect()
    }

    fn back(history: &[Deployed], to: Option<&str>) -> Result<Vec<Deployed>, Code> {
        let to: Option<Version> = to.map(|to| to.parse().unwrap());
        let ended = undone(&"screen".parse().unwrap(), history, to.as_ref());
        Ok(without(history, &ended.map_err(|refusal| refusal.code)?, AT))
    }

    #[test]
    fn a_rollback_brings_back_what_was_before_with_its_settings() {
        let all = history(&[("1.0.0", "a"), ("1.0.0", "b"), ("1.1.0", "c"), ("1.1.0", "d")]);
        assert_eq!(effective(&all), ["1.0.0 b", "1.1.0 d"]);
        let one = back(&all, None).unwrap();
        assert_eq!(effective(&one), ["1.0.0 b", "1.1.0 c"]);
        let two = back(&one, None).unwrap();
        assert_eq!(effective(&two), ["1.0.0 b"]);
        let three = back(&two, None).unwrap();
        assert_eq!(effective(&three), ["1.0.0 a"]);
        assert_eq!(back(&three, None), Err(Code::RollbackNone));
        assert_eq!(effective(&back(&all, Some("1.0.0")).unwrap()), ["1.0.0 b"]);
        assert_eq!(back(&all, Some("1.1.0")), Err(Code::RollbackNone));
        assert_eq!(back(&all, Some("3.0.0")), Err(Code::NotFound));
        assert_eq!(back(&[], None), Err(Code::NotFound));
    }

    #[test]
    fn a_removed_version_is_gone_with_all_its_settings() {
        let all = history(&[("1.0.0", "a"), ("1.1.0", "c"), ("1.0.0", "b")]);
        let (name, version) = ("screen".parse().unwrap(), "1.0.0".parse().unwrap());
        let ended = removed(&name, &all, &version).unwrap();
        assert_eq!(ended, [1, 3]);
        let left = without(&all, &ended, AT);
        assert_eq!(effective(&left), ["1.1.0 c"]);
        assert_eq!(removed(&name, &left, &version).unwrap_err().code, Code::NotFound);
        assert_eq!(left[0].ended_at, Some(AT));
    }

    #[test]
    fn a_long_history_forgets_the_oldest_that_is_not_in_effect() {
        let many: Vec<_> = (0..HISTORY_MAX + 3)
            .map(|i| if i == 1 { ("0.9.0", "") } else { ("1.0.0", "") })
            .collect();
        let all = history(&many);
        assert_eq!(forgettable(&all), [3, 1]);
        assert_eq!(forgettable(&all[..HISTORY_MAX]), [0; 0]);
    }
}
