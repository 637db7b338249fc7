//! A module's grant: the intersection of what it asks for and what a policy gives.

use std::collections::{BTreeMap, BTreeSet};

use core::net::IpAddr;

use thiserror::Error;

use super::{PolicyGrant, PolicyLine, PolicyRule};
use crate::capability::{
    AddressRange, Capabilities, HostName, HostPattern, HttpRule, Method, denied_as,
};
use crate::module::ManifestLimits;
use crate::refusal::Finding;
use crate::types::SecretName;

/// Requests that a module may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedHttp {
    /// To these hosts.
    pub hosts: Vec<HostPattern>,
    /// With these methods.
    pub methods: BTreeSet<Method>,
    /// At these ports.
    pub ports: BTreeSet<u16>,
    /// Also where the hosts have these addresses.
    pub private_addresses: Vec<AddressRange>,
    /// Also without TLS.
    pub plain_http: bool,
    /// Secrets that may go into them.
    pub secrets: BTreeSet<SecretName>,
    /// Which line of the policy says so.
    pub by: PolicyLine,
}

/// What a module may have.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// Requests.
    pub http: Vec<GrantedHttp>,
    /// Secrets, each with the lines that grant it.
    pub secrets: BTreeMap<SecretName, Vec<PolicyLine>>,
    /// The lowest limits of all lines that are for the module.
    pub limits: ManifestLimits,
}

/// Something that a module asks for and gets nothing of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ungranted {
    /// The place in the manifest, as a JSON Pointer.
    pub pointer: String,
    /// What it is.
    pub detail: String,
}

impl From<Ungranted> for Finding {
    fn from(ungranted: Ungranted) -> Self {
        let Ungranted { pointer, detail } = ungranted;
        Self { pointer, detail }
    }
}

/// Why a request may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// Nothing grants host, port and method together.
    #[error("no grant covers {method} to {host} at port {port}")]
    Request {
        /// The method.
        method: &'static str,
        /// The host.
        host: HostName,
        /// The port.
        port: u16,
    },
    /// It would not be encrypted.
    #[error("no grant lets requests to {0} go without TLS")]
    Plain(HostName),
    /// The host has an address that nothing grants.
    #[error("{host} has the address {address}, which is {why}")]
    Address {
        /// The host.
        host: HostName,
        /// The address.
        address: IpAddr,
        /// What it is.
        why: &'static str,
    },
}

/// The leave to send one request.
#[derive(Debug, Clone)]
pub struct Permit<'a> {
    host: &'a HostName,
    rules: Vec<&'a GrantedHttp>,
}

impl Permit<'_> {
    /// Whether the request may go to this address of its host.
    ///
    /// # Errors
    /// When the address is a special one and no rule names it.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Denied> {
        let Some(why) = denied_as(address) else { return Ok(()) };
        let mut ranges = self.rules.iter().flat_map(|rule| &rule.private_addresses);
        if ranges.any(|range| range.grants(address)) {
            return Ok(());
        }
        Err(Denied::Address { host: self.host.clone(), address, why })
    }

    /// Whether the secret may go into the request.
    #[must_use]
    pub fn admits_secret(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.secrets.contains(name))
    }
}

impl Grant {
    pub(super) fn of<'a>(
        asked: &Capabilities,
        grants: impl Iterator<Item = &'a PolicyGrant>,
    ) -> Self {
        let mut all = Self::default();
        for grant in grants {
            all.limits = all.limits.lowest(grant.limits);
            let secrets: BTreeSet<_> =
                grant.secrets.intersection(&asked.secrets).cloned().collect();
            let before = all.http.len();
            for (asked, given) in
                asked.http.iter().flat_map(|a| grant.http.iter().map(move |g| (a, g)))
            {
                all.http.extend(both(asked, given, &secrets, &grant.line));
            }
            // A secret without a request that it may go into is none.
            if all.http.len() > before {
                for secret in secrets {
                    all.secrets.entry(secret).or_default().push(grant.line.clone());
                }
            }
        }
        all
    }

    /// The leave for a request, by all rules that cover it.
    ///
    /// # Errors
    /// When none does, or none without TLS.
    pub fn permit<'a>(
        &'a self,
        tls: bool,
        host: &'a HostName,
        port: u16,
        method: Method,
    ) -> Result<Permit<'a>, Denied> {
        let covers = |rule: &&GrantedHttp| {
            rule.methods.contains(&method)
                && rule.ports.contains(&port)
                && rule.hosts.iter().any(|pattern| pattern.admits(host))
        };
        let mut rules: Vec<_> = self.http.iter().filter(covers).collect();
        if rules.is_empty() {
            let method = method.as_str();
            return Err(Denied::Request { method, host: host.clone(), port });
        }
        if !tls {
            rules.retain(|rule| rule.plain_http);
            if rules.is_empty() {
                return Err(Denied::Plain(host.clone()));
            }
        }
        Ok(Permit { host, rules })
    }

    /// What was asked for and is granted in no part.
    #[must_use]
    pub fn ungranted(&self, asked: &Capabilities) -> Vec<Ungranted> {
        let some = |rule: &HttpRule| {
            self.http.iter().any(|granted| {
                granted.hosts.iter().any(|g| rule.hosts.iter().any(|a| a.and(g).is_some()))
                    && !granted.methods.is_disjoint(&rule.methods)
                    && !granted.ports.is_disjoint(&rule.ports)
            })
        };
        let http =
            asked.http.iter().enumerate().filter(|(_, rule)| !some(rule)).map(|(i, rule)| {
                let hosts: Vec<_> = rule.hosts.iter().map(ToString::to_string).collect();
                let detail =
                    format!("no grant of the policy covers requests to {}", hosts.join(", "));
                Ungranted { pointer: format!("/capabilities/http/{i}"), detail }
            });
        let secrets = asked.secrets.iter().enumerate();
        let secrets =
            secrets.filter(|(_, name)| !self.secrets.contains_key(*name)).map(|(i, name)| {
                let detail = format!("no grant of the policy covers the secret `{name}`");
                Ungranted { pointer: format!("/capabilities/secrets/{i}"), detail }
            });
        http.chain(secrets).collect()
    }
}

/// What is in both rules, if there is anything.
fn both(
    asked: &HttpRule,
    given: &PolicyRule,
    secrets: &BTreeSet<SecretName>,
    by: &PolicyLine,
) -> Option<GrantedHttp> {
    let pairs = asked.hosts.iter().flat_map(|a| given.hosts.iter().map(move |g| (a, g)));
    let hosts: BTreeSet<_> = pairs.filter_map(|(a, g)| a.and(g)).collect();
    let methods: BTreeSet<_> = asked.methods.intersection(&given.methods).copied().collect();
    let ports: BTreeSet<_> = asked.ports.intersection(&given.ports).copied().collect();
    if hosts.is_empty() || methods.is_empty() || ports.is_empty() {
        return None;
    }
    Some(GrantedHttp {
        hosts: hosts.into_iter().collect(),
        methods,
        ports,
        private_addresses: given.private_addresses.clone(),
        plain_http: given.plain_http,
        secrets: secrets.clone(),
        by: by.clone(),
    })
}
