//! What an examination of a backend found.

use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As it must be.
    Good,
    /// Worth knowing.
    Note,
    /// Hosts do not work, or not for long.
    Problem,
}

/// One thing that was examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub grade: Grade,
    /// What was examined.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when nothing is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(grade: Grade, what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { grade, what: what.into(), found: found.into(), remedy: String::new() }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}
