//! What people sign of a module with their Ethereum keys, as `personal_sign` does
//! (EIP-191), so that every wallet can: publishers, that it is theirs; reviewers,
//! what it may do. Who counts and how many it takes, the policy says.
//!
//! ```text
//!   surety module v1      surety review v1
//!   payout                payout
//!   1.2.0                 1.2.0
//!   0x… (digest)          0x… (digest)
//!                         0x… (what it may do, see `policy::Powers`)
//! ```
//!
//! Lines end with one line feed each but the last, which has none. A name has no
//! line feed in it, so that no two modules have the same text.

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::crypto::{PrivateKey, Signature, eip191_hash, recover};
use crate::refusal::{Code, Refusal};
use crate::types::{Address, Digest, ModuleName};

/// The most signatures of one kind that come with a module: more than any policy
/// needs, and few enough to recover within milliseconds.
pub const SIGNATURES_MAX: usize = 32;

/// A module as it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name.
    pub module: ModuleName,
    /// Its version.
    pub version: Version,
    /// keccak256 of its component.
    pub digest: Digest,
}

impl Subject {
    /// The text that publishers sign.
    #[must_use]
    pub fn publish_text(&self) -> String {
        format!("surety module v1\n{}\n{}\n{}", self.module, self.version, self.digest)
    }

    /// The text that reviewers sign, with the digest of what the module may do.
    #[must_use]
    pub fn review_text(&self, powers: Digest) -> String {
        format!("surety review v1\n{}\n{}\n{}\n{powers}", self.module, self.version, self.digest)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}", self.module, self.version, self.digest)
    }
}

/// A signature, and whose it is said to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Who is said to have signed.
    pub signer: Address,
    /// `0x` and 130 hex digits.
    pub signature: String,
}

impl Claim {
    /// A text signed by a key.
    #[must_use]
    pub fn sign(key: &PrivateKey, text: &str) -> Self {
        Self { signer: key.address(), signature: key.sign_text(text).to_string() }
    }

    /// A text signed elsewhere, by whoever the signature is of.
    ///
    /// # Errors
    /// The code of a malformed signature.
    pub fn by_wallet(signature: &str, text: &str) -> Result<Self, Refusal> {
        let parsed = Signature::parse(signature)?;
        let signer = recover(&eip191_hash(text.as_bytes()), &parsed)?;
        Ok(Self { signer, signature: parsed.to_string() })
    }
}

/// A reviewer's signature, and over what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The digest of what the module may do.
    pub powers: Digest,
    /// Who is said to have signed.
    pub signer: Address,
    /// `0x` and 130 hex digits.
    pub signature: String,
}

/// Signatures that are kept apart from their component, in a file of JSON or in a
/// request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsements {
    /// Of publishers.
    #[serde(default)]
    pub signatures: Vec<Claim>,
    /// Of reviewers.
    #[serde(default)]
    pub approvals: Vec<Approval>,
}

impl Endorsements {
    /// None at all.
    pub const NONE: Self = Self { signatures: Vec::new(), approvals: Vec::new() };

    /// Those who published a module. Somebody who signed twice is one.
    ///
    /// # Errors
    /// `request_invalid` for too many, the code of a malformed signature,
    /// `signature_mismatch` for one that is not its signer's over this module.
    pub fn publishers(&self, subject: &Subject) -> Result<BTreeSet<Address>, Refusal> {
        bounded("/signatures", self.signatures.len())?;
        let text = subject.publish_text();
        let all = self.signatures.iter().enumerate();
        all.map(|(i, Claim { signer, signature })| {
            check(*signer, signature, &text, &format!("/signatures/{i}"))
        })
        .collect()
    }

    /// Those who approved what a module may do.
    ///
    /// # Errors
    /// As [`Self::publishers`]; `signature_mismatch` also for an approval of
    /// something else that it may do.
    pub fn reviewers(
        &self,
        subject: &Subject,
        powers: Digest,
    ) -> Result<BTreeSet<Address>, Refusal> {
        bounded("/approvals", self.approvals.len())?;
        let text = subject.review_text(powers);
        let all = self.approvals.iter().enumerate();
        all.map(|(i, Approval { powers: approved, signer, signature })| {
            let pointer = format!("/approvals/{i}");
            if *approved != powers {
                let detail = format!("what `{}` may do has changed since it was approved: the policy gives it {powers}, and {signer} approved {approved}", subject.module);
                let refusal = Refusal::new(Code::SignatureMismatch, detail);
                return Err(refusal.at(&pointer, "approves something else"));
            }
            check(*signer, signature, &text, &pointer)
        })
        .collect()
    }
}

fn bounded(pointer: &str, count: usize) -> Result<(), Refusal> {
    if count <= SIGNATURES_MAX {
        return Ok(());
    }
    let detail =
        format!("{count} signatures are more than the limit `signatures_max`, {SIGNATURES_MAX}");
    Err(Refusal::new(Code::RequestInvalid, detail).at(pointer, "has too many"))
}

/// The signer, if the signature over the text is its.
fn check(signer: Address, signature: &str, text: &str, pointer: &str) -> Result<Address, Refusal> {
    let at = |refusal: Refusal| refusal.at(pointer, "cannot be taken");
    let signature = Signature::parse(signature).map_err(at)?;
    let found = recover(&eip191_hash(text.as_bytes()), &signature).map_err(at)?;
    if found == signer {
        return Ok(signer);
    }
    let what: Vec<_> = text.lines().skip(1).collect();
    let detail = format!("{signer} did not sign `{}`", what.join(" "));
    Err(Refusal::new(Code::SignatureMismatch, detail)
        .at(pointer, "is over something else, or by somebody else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            module: "payout".parse().unwrap(),
            version: Version::new(1, 2, 0),
            digest: Digest::of(b"component"),
        }
    }

    fn key(n: u8) -> PrivateKey {
        PrivateKey::from_bytes(&[n; 32]).unwrap()
    }

    fn published(signatures: Vec<Claim>) -> Result<BTreeSet<Address>, Code> {
        let all = Endorsements { signatures, ..Endorsements::NONE };
        all.publishers(&subject()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn one_signer_counts_once() {
        let claim = |n| Claim::sign(&key(n), &subject().publish_text());
        let signers = published(vec![claim(1), claim(2), claim(1)]).unwrap();
        assert_eq!(signers, [key(1).address(), key(2).address()].into());
        let many = vec![claim(1); SIGNATURES_MAX + 1];
        assert_eq!(published(many), Err(Code::RequestInvalid));
    }

    #[test]
    fn a_signature_over_anything_else_is_none() {
        let text = subject().publish_text();
        let others = [
            Subject { digest: Digest::of(b"other"), ..subject() }.publish_text(),
            Subject { version: Version::new(1, 2, 1), ..subject() }.publish_text(),
            Subject { module: "payoff".parse().unwrap(), ..subject() }.publish_text(),
            // Of another domain.
            subject().review_text(Digest::of(b"")),
            text.replace("surety module v1", "surety receipt v1"),
            format!("{text}\n"),
        ];
        for other in others {
            let claim = Claim::sign(&key(1), &other);
            assert_eq!(published(vec![claim]), Err(Code::SignatureMismatch), "{other}");
        }
        let foreign = Claim { signer: key(2).address(), ..Claim::sign(&key(1), &text) };
        assert_eq!(published(vec![foreign]), Err(Code::SignatureMismatch));
        // Signed as a bare hash, without the prefix of EIP-191.
        let bare = key(1).sign_hash(&crate::crypto::keccak256(text.as_bytes())).to_string();
        let bare = Claim { signer: key(1).address(), signature: bare };
        assert_eq!(published(vec![bare]), Err(Code::SignatureMismatch));
    }

    #[test]
    fn the_second_spelling_of_a_signature_is_refused() {
        /// The order of secp256k1, from which s is taken to get the other one.
        const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let claim = Claim::sign(&key(1), &subject().publish_text());
        let mut bytes = hex::decode(&claim.signature[2..]).unwrap();
        let order = hex::decode(ORDER).unwrap();
        let mut borrow = 0;
        for i in (0..32).rev() {
            let difference = i16::from(order[i]) - i16::from(bytes[32 + i]) - borrow;
            borrow = i16::from(difference < 0);
            bytes[32 + i] = difference.rem_euclid(256) as u8;
        }
        bytes[64] = 27 + 28 - bytes[64];
        let high = Claim { signature: format!("0x{}", hex::encode(bytes)), ..claim };
        assert_eq!(published(vec![high]), Err(Code::SignatureHighS));
        let short = Claim { signer: key(1).address(), signature: "0x11".to_owned() };
        assert_eq!(published(vec![short]), Err(Code::SignatureLength));
    }

    #[test]
    fn an_approval_is_of_what_was_seen() {
        let (seen, now) = (Digest::of(b"GET a.example:443"), Digest::of(b"POST a.example:443"));
        let Claim { signer, signature } = Claim::sign(&key(1), &subject().review_text(seen));
        let approval = Approval { powers: seen, signer, signature };
        let reviewers = |approval: &Approval, powers| {
            let all = Endorsements { approvals: vec![approval.clone()], ..Endorsements::NONE };
            all.reviewers(&subject(), powers).map_err(|refusal| refusal.code)
        };
        assert_eq!(reviewers(&approval, seen), Ok([key(1).address()].into()));
        assert_eq!(reviewers(&approval, now), Err(Code::SignatureMismatch));
        let forged = Approval { powers: now, ..approval };
        assert_eq!(reviewers(&forged, now), Err(Code::SignatureMismatch));
    }
}
