//! The signing schemes: what a signature of each is over.

use std::sync::Arc;

use serde_json::Value;

use crate::crypto::eip191_hash;
use crate::refusal::Refusal;
use crate::typed_data::TypedData;

/// A signing scheme by its name in the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemeName {
    /// `eip191`
    Eip191,
    /// `eip712`
    Eip712,
}

impl SchemeName {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eip191 => "eip191",
            Self::Eip712 => "eip712",
        }
    }

    /// The scheme of a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Eip191, Self::Eip712].into_iter().find(|scheme| scheme.as_str() == name)
    }
}

/// How the message text was signed, with all that checking it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// `personal_sign` over the text's bytes (EIP-191, version 0x45).
    Eip191,
    /// As typed data (EIP-712) of this definition.
    Eip712(Arc<TypedData>),
}

impl Scheme {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> SchemeName {
        match self {
            Self::Eip191 => SchemeName::Eip191,
            Self::Eip712(_) => SchemeName::Eip712,
        }
    }

    /// The typed data, where they are what was signed.
    #[must_use]
    pub fn typed_data(&self) -> Option<&Arc<TypedData>> {
        match self {
            Self::Eip191 => None,
            Self::Eip712(typed_data) => Some(typed_data),
        }
    }

    /// The stored form: the definition where there is one.
    pub(crate) fn definition(&self) -> &str {
        self.typed_data().map_or("", |typed_data| typed_data.as_str())
    }

    /// Reads the stored form, of which each scheme has exactly one.
    pub(crate) fn decode(name: &str, definition: &str) -> Option<Self> {
        let scheme = match SchemeName::parse(name)? {
            SchemeName::Eip191 => Self::Eip191,
            SchemeName::Eip712 => Self::Eip712(TypedData::parse(definition).ok()?.into()),
        };
        (scheme.definition() == definition).then_some(scheme)
    }

    /// What was signed. `value` is `text`, parsed.
    pub(crate) fn hash(&self, text: &str, value: &Value) -> Result<[u8; 32], Refusal> {
        match self {
            Self::Eip191 => Ok(eip191_hash(text.as_bytes())),
            Self::Eip712(typed_data) => typed_data.hash(text, value),
        }
    }
}
