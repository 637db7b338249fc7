//! Patterns of module names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::types::{Malformed, ModuleName};

/// A module's name, or the beginning of names with a `*` behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamePattern {
    /// This module.
    One(ModuleName),
    /// Every module whose name starts so.
    Prefix(String),
}

impl NamePattern {
    /// Whether the name is one of these.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one.as_str() == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for NamePattern {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.strip_suffix('*') {
            None => Ok(Self::One(text.parse()?)),
            Some("") => Ok(Self::Prefix(String::new())),
            Some(prefix) => {
                let _: ModuleName = prefix.parse()?; // what names start with is one
                Ok(Self::Prefix(prefix.to_owned()))
            }
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(name) => name.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Serialize for NamePattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
