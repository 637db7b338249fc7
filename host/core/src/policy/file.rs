//! The policy file's form.

use std::collections::{BTreeSet, HashSet};

use semver::VersionReq;
use serde::Deserialize;
use toml::Spanned;

use super::pattern::NamePattern;
use super::{GRANTS_MAX, Policy, PolicyError, PolicyGrant, PolicyLine, Quorum};
use crate::capability::{AddressRange, HostPattern, Method, ports_default};
use crate::module::ManifestLimits;
use crate::types::{Address, Digest, SecretName};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    revoked: BTreeSet<Digest>,
    #[serde(default)]
    grant: Vec<Spanned<GrantTable>>,
    #[serde(default)]
    publish: Vec<Spanned<PublishTable>>,
    #[serde(default)]
    review: Vec<Spanned<ReviewTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishTable {
    modules: Vec<NamePattern>,
    signers: Vec<Address>,
    needed: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewTable {
    modules: Vec<NamePattern>,
    reviewers: Vec<Address>,
    needed: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantTable {
    id: Option<String>,
    modules: Vec<NamePattern>,
    #[serde(default)]
    digests: Vec<Digest>,
    versions: Option<VersionReq>,
    #[serde(default)]
    http: Vec<PolicyRule>,
    #[serde(default)]
    secrets: BTreeSet<SecretName>,
    #[serde(default)]
    limits: ManifestLimits,
}

/// Requests that a grant lets modules send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// Names, `*.` and a name for all below it, or IP addresses.
    pub hosts: Vec<HostPattern>,
    /// Request methods.
    pub methods: BTreeSet<Method>,
    /// TCP ports.
    #[serde(default = "ports_default")]
    pub ports: BTreeSet<u16>,
    /// Addresses that the hosts may have though no request reaches them by itself.
    #[serde(default)]
    pub private_addresses: Vec<AddressRange>,
    /// Whether `http` without TLS will do.
    #[serde(default)]
    pub plain_http: bool,
}

pub(super) fn read(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(|e| PolicyError::Form(e.to_string()))?;
    let most = file.grant.len().max(file.publish.len()).max(file.review.len());
    if most > GRANTS_MAX {
        return Err(PolicyError::Many(most));
    }
    let mut ids = HashSet::new();
    let mut grants = Vec::with_capacity(file.grant.len());
    for (i, table) in file.grant.into_iter().enumerate() {
        let line = line_at(text, table.span().start);
        let table = table.into_inner();
        let id = table.id.clone().unwrap_or_else(|| format!("grant {}", i + 1));
        let line = PolicyLine { id: id.clone(), line };
        let refuse = |why: &str| PolicyError::Grant { line: line.clone(), why: why.to_owned() };
        if !ids.insert(id) {
            return Err(refuse("another grant has this id"));
        }
        check(&table).map_err(refuse)?;
        if let Some((name, least)) = table.limits.too_low() {
            return Err(refuse(&format!("the limit `{name}` must be {least} at least")));
        }
        let GrantTable { modules, digests, versions, http, secrets, limits, .. } = table;
        grants.push(PolicyGrant { line, modules, digests, versions, http, secrets, limits });
    }
    let publish = file.publish.into_iter().enumerate().map(|(i, table)| {
        let line = line_at(text, table.span().start);
        let PublishTable { modules, signers, needed } = table.into_inner();
        quorum(PolicyLine { id: format!("publish {}", i + 1), line }, modules, signers, needed)
    });
    let review = file.review.into_iter().enumerate().map(|(i, table)| {
        let line = line_at(text, table.span().start);
        let ReviewTable { modules, reviewers, needed } = table.into_inner();
        quorum(PolicyLine { id: format!("review {}", i + 1), line }, modules, reviewers, needed)
    });
    let (publish, review) = (publish.collect::<Result<_, _>>()?, review.collect::<Result<_, _>>()?);
    Ok(Policy { grants, publish, review, revoked: file.revoked })
}

fn line_at(text: &str, place: usize) -> usize {
    text.get(..place).unwrap_or_default().matches('\n').count() + 1
}

/// What nobody could fulfil, or everybody would, is a mistake, too.
fn quorum(
    line: PolicyLine,
    modules: Vec<NamePattern>,
    people: Vec<Address>,
    needed: usize,
) -> Result<Quorum, PolicyError> {
    let listed = people.len();
    let of: BTreeSet<_> = people.into_iter().collect();
    let why = match needed {
        _ if modules.is_empty() => "`modules` names none",
        _ if of.len() < listed => "somebody is named twice",
        0 => "`needed` is 0; it takes at least one",
        _ if needed > of.len() => "`needed` is more than there are people",
        _ => return Ok(Quorum { line, modules, of, needed }),
    };
    Err(PolicyError::Grant { line, why: why.to_owned() })
}

/// What would grant nothing is a mistake of whoever wrote it.
fn check(table: &GrantTable) -> Result<(), &'static str> {
    let empty = |rule: &PolicyRule| {
        rule.hosts.is_empty() || rule.methods.is_empty() || rule.ports.is_empty()
    };
    match table {
        GrantTable { id: Some(id), .. } if id.is_empty() || id.len() > 64 => {
            Err("`id` has 1 to 64 characters")
        }
        GrantTable { modules, .. } if modules.is_empty() => Err("`modules` names none"),
        GrantTable { http, .. } if http.iter().any(empty) => {
            Err("a rule in `http` needs hosts, methods and ports")
        }
        GrantTable { http, secrets, .. } if http.is_empty() && !secrets.is_empty() => Err(
            "`secrets` go only into requests to the hosts of the same grant, and `http` names none",
        ),
        _ => Ok(()),
    }
}
