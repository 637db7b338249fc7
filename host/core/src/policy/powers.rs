//! What a grant lets a module do, thing by thing, as a reviewer reads and signs it.

use std::collections::BTreeSet;
use std::fmt;

use super::grant::{Grant, GrantedHttp};
use crate::capability::{AddressRange, HostPattern, Method};
use crate::refusal::{Code, Refusal};
use crate::types::{Digest, SecretName};

/// The most things that a module under review may do: what nobody reads, nobody
/// reviewed; and each new one is looked for among all old ones.
pub const POWERS_MAX: usize = 2_000;

/// One thing: a request, and what goes with it. Things add up as a permit's rules do,
/// so who may send a secret and may reach an address may send the secret there. But
/// only rules that do without TLS add up without it: that is part of the thing, or a
/// secret in one rule and `plain_http` in another would read like both in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Power {
    host: HostPattern,
    port: u16,
    method: Method,
    plain: bool,
    with: With,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum With {
    Nothing,
    Secret(SecretName),
    Address(AddressRange),
}

impl Power {
    fn covers(&self, other: &Self) -> bool {
        let with = match (&self.with, &other.with) {
            (With::Address(one), With::Address(other)) => one.covers(other),
            (one, other) => one == other,
        };
        (self.port, self.method, self.plain) == (other.port, other.method, other.plain)
            && with
            && self.host.covers(&other.host)
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, method, plain, with } = self;
        write!(f, "{} {host} port {port}", method.as_str())?;
        match with {
            With::Nothing => {}
            With::Secret(name) => write!(f, " with the secret {name}")?,
            With::Address(range) => write!(f, " at the address {range}")?,
        }
        if *plain { f.write_str(" without TLS") } else { Ok(()) }
    }
}

/// All that a grant lets a module do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Powers(BTreeSet<Power>);

impl Powers {
    /// A grant, thing by thing.
    ///
    /// # Errors
    /// `review_needed` when there are more than [`POWERS_MAX`].
    pub fn of(grant: &Grant) -> Result<Self, Refusal> {
        let mut all = BTreeSet::new();
        for power in grant.http.iter().flat_map(of_rule) {
            all.insert(power);
            if all.len() > POWERS_MAX {
                let detail = format!(
                    "the module may do more single things than the limit `powers_max`, {POWERS_MAX}; nobody can review that, so ask for fewer hosts, methods and ports"
                );
                return Err(Refusal::new(Code::ReviewNeeded, detail));
            }
        }
        Ok(Self(all))
    }

    /// In words, a line each, in one order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// keccak256 of the lines, each with a line feed behind it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let text: String = self.0.iter().map(|power| format!("{power}\n")).collect();
        Digest::of(text.as_bytes())
    }

    /// What is here and not among the others, in words.
    #[must_use]
    pub fn beyond(&self, old: &Self) -> Vec<String> {
        let new = self.0.difference(&old.0);
        let new = new.filter(|power| !old.0.iter().any(|old| old.covers(power)));
        new.map(ToString::to_string).collect()
    }
}

fn of_rule(rule: &GrantedHttp) -> impl Iterator<Item = Power> {
    let mut with = vec![With::Nothing];
    with.extend(rule.secrets.iter().cloned().map(With::Secret));
    with.extend(rule.private_addresses.iter().cloned().map(With::Address));
    let ways = [(true, false), (rule.plain_http, true)];
    let ways = ways.into_iter().filter_map(|(granted, plain)| granted.then_some(plain));
    let with: Vec<_> =
        ways.flat_map(|plain| with.iter().map(move |with| (plain, with.clone()))).collect();
    let requests = rule.hosts.iter().flat_map(move |host| {
        let ports = rule.ports.iter().map(move |port| (host, *port));
        ports.flat_map(move |(host, port)| {
            rule.methods.iter().map(move |method| (host, port, *method))
        })
    });
    requests.flat_map(move |(host, port, method)| {
        let power = move |(plain, with)| Power { host: host.clone(), port, method, plain, with };
        with.clone().into_iter().map(power)
    })
}
