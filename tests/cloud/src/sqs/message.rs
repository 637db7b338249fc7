//! One message, and what is checked of it before it is taken.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::errors::{CONTENTS, Fault, MISSING, PARAMETER};

/// Most attributes of one message, by the service's quota.
const ATTRIBUTES_MAX: usize = 10;

/// An attribute that the sender gave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// In base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

/// By name.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// A message in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// `MessageId`.
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) trace: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) dedup: Option<String>,
    pub(crate) sent_ms: u64,
    /// From when on it may be received.
    pub(crate) visible_ms: u64,
    pub(crate) first_received_ms: Option<u64>,
    /// How often it was received.
    pub(crate) received: u64,
    /// The queue that it was a dead letter of.
    pub(crate) source_arn: Option<String>,
    /// It may be received once more although it is in flight.
    pub(crate) twin: bool,
    /// It was deleted, and comes back.
    pub(crate) zombie: bool,
}

impl Message {
    /// May be received.
    pub(crate) fn visible(&self, now: u64) -> bool {
        self.twin || self.visible_ms <= now
    }

    /// Received, and not yet visible again.
    pub(crate) fn in_flight(&self, now: u64) -> bool {
        self.received > 0 && self.visible_ms > now
    }
}

/// The MD5 of a body, in hex.
pub(crate) fn md5_of(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// The MD5 of attributes, as the developer guide's "Calculating the MD5 message
/// digest for message attributes" has it.
pub(crate) fn md5_of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    let mut part = |kind: Option<u8>, bytes: &[u8]| {
        digest.update(kind.as_slice());
        digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(bytes);
    };
    for (name, attribute) in attributes {
        part(None, name.as_bytes());
        part(None, attribute.data_type.as_bytes());
        match &attribute.string_value {
            Some(text) => part(Some(1), text.as_bytes()),
            None => part(Some(2), &attribute.binary().unwrap_or_default()),
        }
    }
    Some(hex::encode(digest.finalize()))
}

impl Attribute {
    fn binary(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.binary_value.as_ref()?).ok()
    }

    fn size(&self) -> usize {
        let value = match &self.string_value {
            Some(text) => text.len(),
            None => self.binary().unwrap_or_default().len(),
        };
        self.data_type.len() + value
    }
}

/// Bytes that count against the limits: of the body, and of the attributes' names,
/// types and values.
pub(crate) fn size(body: &str, attributes: &Attributes) -> usize {
    body.len() + attributes.iter().map(|(name, a)| name.len() + a.size()).sum::<usize>()
}

/// Checks a body and its attributes.
///
/// # Errors
/// As the service: nothing in it, characters outside of XML's, too large.
pub(crate) fn check(body: &str, attributes: &Attributes, bytes_max: usize) -> Result<(), Fault> {
    if body.is_empty() {
        return Err(MISSING.because("The request must contain the parameter MessageBody."));
    }
    if let Some(bad) = body.chars().find(|c| !allowed(*c)) {
        return Err(CONTENTS.because(format!(
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to \
             #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF: found #x{:X}.",
            u32::from(bad)
        )));
    }
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(PARAMETER.because(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].",
            attributes.len()
        )));
    }
    for (name, attribute) in attributes {
        let kind = attribute.data_type.split('.').next().unwrap_or_default();
        let right = match kind {
            "String" | "Number" => attribute.string_value.as_ref().is_some_and(|v| !v.is_empty()),
            "Binary" => attribute.binary().is_some_and(|v| !v.is_empty()),
            _ => false,
        };
        if !right {
            return Err(PARAMETER.because(format!(
                "The message attribute '{name}' with type '{}' must have a non-empty value of \
                 that type.",
                attribute.data_type
            )));
        }
    }
    if size(body, attributes) > bytes_max {
        return Err(PARAMETER.because(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than \
             {bytes_max} bytes."
        )));
    }
    Ok(())
}

/// What XML 1.0 can carry.
fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
