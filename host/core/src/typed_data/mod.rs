//! Typed data (EIP-712): what a wallet shows and signs instead of a text.
//!
//! ```text
//!  JSON Schema ─ derive ─→ Definition ─→ structs ─ encode ─→ hash ←─ message text
//! ```
//!
//! The types come from the message's schema by a fixed mapping; docs/signing.md
//! has it. Every JSON value of a definition has one canonical text, and no two
//! values have the same hash, so a signature belongs to exactly one text.

mod derive;
mod encode;
mod structs;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::json;
use crate::refusal::{Code, Finding, Refusal};
use crate::types::Digest;
use encode::{Mismatch, signing_hash};
use structs::Structs;

/// The largest definition, in bytes of its JSON. One is stored with each message
/// that was signed by it; that of a withdrawal has less than one KiB.
pub const DEFINITION_BYTES_MAX: usize = 16 << 10;

/// The struct type that is signed. All others start with its name, so that none
/// of them can be mistaken for one of Solidity's or for the domain.
const PRIMARY: &str = "Message";

/// What a signature as typed data is over, apart from the message: domain and
/// types. By it and the text alone a signature can be checked.
#[derive(Clone)]
pub struct TypedData {
    text: String,
    structs: Structs,
    primary: usize,
    domain: [u8; 32],
}

/// The definition's JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    domain: Domain,
    #[serde(rename = "primaryType")]
    primary: String,
    types: BTreeMap<String, Vec<Member>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domain {
    #[serde(rename = "chainId")]
    chain_id: u64,
    name: String,
    salt: Digest,
    version: String,
}

/// A member of a struct type.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Member {
    fn new(name: &str, kind: &str) -> Self {
        Self { name: name.to_owned(), kind: kind.to_owned() }
    }
}

impl TypedData {
    /// The typed data of the messages of a schema that compiles. Their domain has
    /// the name, version and chain id, and as salt the schema's hash: keccak256 of
    /// its compact JSON with sorted keys.
    ///
    /// # Errors
    /// Every place in the schema that cannot be mapped, as a pointer into it.
    pub fn of_schema(
        schema: &Value,
        name: &str,
        version: &str,
        chain_id: u64,
    ) -> Result<Self, Vec<Finding>> {
        let types = derive::types(schema)?;
        let salt = Digest::of(schema.to_string().as_bytes());
        let domain = Domain { chain_id, name: name.to_owned(), salt, version: version.to_owned() };
        let definition = Definition { domain, primary: PRIMARY.to_owned(), types };
        let whole = |detail| vec![Finding { pointer: String::new(), detail }];
        Self::new(&definition).map_err(whole)
    }

    /// Reads a definition: an object with `domain`, `types` and `primaryType`, as
    /// the host shows it.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > DEFINITION_BYTES_MAX {
            return Err(too_large(text.len()));
        }
        let value = json::parse(text.as_bytes()).map_err(|refusal| refusal.to_string())?;
        Self::new(&serde_json::from_value(value).map_err(|e| e.to_string())?)
    }

    fn new(definition: &Definition) -> Result<Self, String> {
        let value = serde_json::to_value(definition).map_err(|e| e.to_string())?;
        let text = value.to_string();
        if text.len() > DEFINITION_BYTES_MAX {
            return Err(too_large(text.len()));
        }
        let structs = Structs::compile(&definition.types)?;
        let primary = structs.find(&definition.primary)?;
        structs.check_used(primary)?;
        let domain = domain_separator(&definition.domain)?;
        Ok(Self { text, structs, primary, domain })
    }

    /// The definition as compact JSON with sorted keys: `domain`, `primaryType`
    /// and `types`, in the form that wallet libraries take.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The hash that a wallet signs for a message. `value` is `text`, parsed.
    ///
    /// # Errors
    /// `text_not_canonical` when the text is not the one that this value has, or
    /// the value is not exactly of the types.
    pub fn hash(&self, text: &str, value: &Value) -> Result<[u8; 32], Refusal> {
        let message = self.structs.hash(self.primary, value).map_err(|mismatch| {
            let Mismatch { pointer, detail } = mismatch;
            not_canonical("the message is not what its typed data describe").at(&pointer, detail)
        })?;
        // Last, so that a number like 1.0 is named with its place.
        let canonical = value.to_string();
        if canonical != text {
            return Err(not_canonical(
                "a message that is signed as typed data must be written as compact JSON with sorted keys and no needless escapes (RFC 8785)",
            ));
        }
        Ok(signing_hash(&self.domain, &message))
    }
}

impl PartialEq for TypedData {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TypedData {}

impl fmt::Debug for TypedData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The domain is a struct like any other, with members in the order of EIP-712.
fn domain_separator(domain: &Domain) -> Result<[u8; 32], String> {
    let members = [
        Member::new("name", "string"),
        Member::new("version", "string"),
        Member::new("chainId", "uint256"),
        Member::new("salt", "bytes32"),
    ];
    let types = BTreeMap::from([("EIP712Domain".to_owned(), Vec::from(members))]);
    let structs = Structs::compile(&types)?;
    let Domain { chain_id, name, salt, version } = domain;
    let value = json!({"name": name, "version": version, "chainId": chain_id, "salt": salt});
    structs.hash(0, &value).map_err(|mismatch| mismatch.detail)
}

fn too_large(size: usize) -> String {
    format!("the typed data have {size} bytes; the limit is {DEFINITION_BYTES_MAX}")
}

fn not_canonical(detail: &str) -> Refusal {
    Refusal::new(Code::TextNotCanonical, detail)
}

#[cfg(test)]
mod tests;
