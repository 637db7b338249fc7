//! Bearer tokens and what their roles may do.

use std::collections::HashMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use surety_core::types::Digest;

use crate::clock::random_bytes;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Asks about messages and deployments.
    Reader,
    /// Asks, takes out proofs, and audits what is deployed.
    Auditor,
    /// Asks, and deploys modules and workflows.
    Deployer,
    /// All of it, registers clients, and moves messages.
    Operator,
}

/// What a request needs leave for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// To see messages, histories and what is deployed.
    Read,
    /// To take out a bundle, which holds a message whole, and to audit what is
    /// deployed.
    Audit,
    /// To change what is deployed.
    Deploy,
    /// To register clients and to move messages.
    Operate,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Auditor, Self::Deployer, Self::Operator];

    /// Whether the role has the permission.
    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        match (self, permission) {
            (Self::Operator, _) | (_, Permission::Read) => true,
            (Self::Auditor, Permission::Audit) | (Self::Deployer, Permission::Deploy) => true,
            (_, Permission::Audit | Permission::Deploy | Permission::Operate) => false,
        }
    }

    /// Its name in configuration and errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Auditor => "auditor",
            Self::Deployer => "deployer",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| format!("`{text}` is none of reader, auditor, deployer, operator"))
    }
}

/// A token as it is kept: never the token, only its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// Whose it is, for the log.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// keccak256 of the token's text.
    pub hash: Digest,
}

/// A fresh token: 32 random bytes as hex. So much chance needs no slow hash.
#[must_use]
pub fn generate() -> String {
    hex::encode(random_bytes::<32>())
}

/// The hash under which a token is kept.
#[must_use]
pub fn hash(token: &str) -> Digest {
    Digest::of(token.as_bytes())
}

/// The tokens that this host knows.
#[derive(Debug, Default)]
pub struct Tokens(HashMap<Digest, TokenEntry>);

impl Tokens {
    /// A set of tokens.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = TokenEntry>) -> Self {
        Self(entries.into_iter().map(|entry| (entry.hash, entry)).collect())
    }

    /// Whose token it is.
    ///
    /// The look-up compares hashes, and its time may tell how much of one was
    /// right. That helps nobody: to go on from there takes a token whose hash
    /// starts with given bytes, and then still its preimage.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&TokenEntry> {
        self.0.get(&hash(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_table_says() {
        use Permission::{Audit, Deploy, Operate, Read};
        for (role, may, may_not) in [
            (Role::Reader, &[Read][..], &[Audit, Deploy, Operate][..]),
            (Role::Auditor, &[Read, Audit], &[Deploy, Operate]),
            (Role::Deployer, &[Read, Deploy], &[Audit, Operate]),
            (Role::Operator, &[Read, Audit, Deploy, Operate], &[]),
        ] {
            assert!(may.iter().all(|&permission| role.may(permission)), "{role:?}");
            assert!(!may_not.iter().any(|&permission| role.may(permission)), "{role:?}");
            assert_eq!(role.as_str().parse(), Ok(role));
        }
    }

    #[test]
    fn a_token_is_found_by_its_hash_alone() {
        let token = generate();
        let entry = TokenEntry { name: "ci".to_owned(), role: Role::Deployer, hash: hash(&token) };
        let tokens = Tokens::new([entry]);
        assert_eq!(tokens.find(&token).map(|t| t.role), Some(Role::Deployer));
        assert!(tokens.find("").is_none() && tokens.find(&generate()).is_none());
        assert!(!format!("{tokens:?}").contains(&token));
    }
}
