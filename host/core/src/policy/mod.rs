//! The host's policy: what the platform team lets modules have. One TOML file,
//! pure data here; `policy.example.toml` says what each key means and why.
//!
//! A module has what its manifest asks for **and** the policy grants, and nothing
//! else. Several grants may fit one module: it has what any of them gives, and the
//! lowest of all limits.

mod file;
mod grant;
mod pattern;
mod powers;
mod quorum;

use std::collections::BTreeSet;

use semver::{Version, VersionReq};
use thiserror::Error;

use crate::capability::Capabilities;
use crate::module::ManifestLimits;
use crate::types::{Digest, ModuleName, SecretName};

pub use file::PolicyRule;
pub use grant::{Denied, Grant, GrantedHttp, Permit, Ungranted};
pub use pattern::NamePattern;
pub use powers::{POWERS_MAX, Powers};
pub use quorum::Quorum;

/// The most entries of a kind in a policy; each push looks at all of them.
pub const GRANTS_MAX: usize = 10_000;

/// A policy that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// It is not of its form.
    #[error("{0}")]
    Form(String),
    /// A grant, or who signs, contradicts itself or another one.
    #[error("{line}: {why}")]
    Grant {
        /// Which.
        line: PolicyLine,
        /// What is wrong with it.
        why: String,
    },
    /// There are more entries of a kind than [`GRANTS_MAX`].
    #[error("{0} entries of a kind are more than the limit `grants_max` of {GRANTS_MAX}")]
    Many(usize),
}

/// Where something stands in the policy, for who reads an audit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyLine {
    /// The grant's own name; else `grant 3` by its place.
    pub id: String,
    /// The line at which it starts, from 1.
    pub line: usize,
}

impl std::fmt::Display for PolicyLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (line {})", self.id, self.line)
    }
}

/// One `[[grant]]`.
#[derive(Debug, Clone)]
pub struct PolicyGrant {
    /// Where it stands.
    pub line: PolicyLine,
    /// The modules that it is for, by name.
    pub modules: Vec<NamePattern>,
    /// The components that it is for; any if none.
    pub digests: Vec<Digest>,
    /// The versions that it is for; any if none.
    pub versions: Option<VersionReq>,
    /// Requests that they may send.
    pub http: Vec<PolicyRule>,
    /// Secrets that they may put into those requests.
    pub secrets: BTreeSet<SecretName>,
    /// Limits below the host's.
    pub limits: ManifestLimits,
}

impl PolicyGrant {
    fn is_for(&self, name: &ModuleName, version: &Version, digest: Digest) -> bool {
        self.modules.iter().any(|pattern| pattern.admits(name.as_str()))
            && (self.digests.is_empty() || self.digests.contains(&digest))
            && self.versions.as_ref().is_none_or(|versions| versions.matches(version))
    }
}

/// A policy. The default one denies everything.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// In the order of the file.
    pub grants: Vec<PolicyGrant>,
    /// Who may publish which modules.
    pub publish: Vec<Quorum>,
    /// Who must approve what modules may do.
    pub review: Vec<Quorum>,
    /// Components that may not run.
    pub revoked: BTreeSet<Digest>,
}

impl Policy {
    /// Reads the text of a policy file.
    ///
    /// # Errors
    /// With the key or grant and its line.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        file::read(text)
    }

    /// What a module may have of what it asks for.
    #[must_use]
    pub fn grant(
        &self,
        name: &ModuleName,
        version: &Version,
        digest: Digest,
        asked: &Capabilities,
    ) -> Grant {
        let fits = self.grants.iter().filter(|grant| grant.is_for(name, version, digest));
        Grant::of(asked, fits)
    }
}

#[cfg(test)]
mod tests;
