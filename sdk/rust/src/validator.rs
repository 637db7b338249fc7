//! What a validator gets and gives back.

use serde::de::DeserializeOwned;

use crate::call::parse;
use crate::{Failure, Message, Unused, validator_bindings};

/// A message that a client submits. Its schema, its signature, the signer's
/// authority and the rules of its workflow have passed it; nothing is kept yet.
#[derive(Debug, Clone)]
pub struct Submission<Payload, Settings = Unused> {
    /// The signed message.
    pub message: Message<Payload>,
    /// When it is accepted if it passes, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The settings of this deployment, of the manifest's schema.
    pub settings: Settings,
}

/// Something that is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The place in the message's text, as a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there, for the client.
    pub detail: String,
}

impl Finding {
    /// What is wrong at a place.
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl From<Finding> for validator_bindings::Finding {
    fn from(finding: Finding) -> Self {
        Self { pointer: finding.pointer, detail: finding.detail }
    }
}

impl<P: DeserializeOwned, S: DeserializeOwned> Submission<P, S> {
    /// Reads the raw submission. What does not fit its type is a finding.
    pub(crate) fn from_raw(raw: validator_bindings::Submission) -> Result<Self, Finding> {
        let unreadable = |failure: Failure| match failure {
            Failure::Transient(why) | Failure::Permanent(why) => Finding::at("", why),
        };
        Ok(Self {
            message: Message::from_raw(raw.message).map_err(unreadable)?,
            now_ms: raw.now_ms,
            settings: parse("settings", &raw.settings).map_err(unreadable)?,
        })
    }
}
