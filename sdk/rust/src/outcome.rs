//! What an action gives back.

use std::fmt::Display;

use serde::Serialize;

use crate::bindings::surety::action::types;

/// The message moves on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The next state; one that the manifest's `returns` names.
    pub state: String,
    /// A JSON Merge Patch (RFC 7396) for Msg_Ext, of the schema that the
    /// manifest's `returns` has for the state.
    pub ext_patch: String,
    /// A line for the message's history.
    pub note: Option<String>,
}

impl Advance {
    /// To `state`, with Msg_Ext as it is.
    pub fn to(state: impl Into<String>) -> Self {
        Self { state: state.into(), ext_patch: "{}".to_owned(), note: None }
    }

    /// With `patch` merged into Msg_Ext; in place of an earlier patch.
    ///
    /// It must serialise to a JSON object. A member that is `null` (an
    /// `Option::None` that is not skipped) removes that member from Msg_Ext.
    pub fn patch(mut self, patch: &impl Serialize) -> Result<Self, Failure> {
        let json = serde_json::to_string(patch)?;
        if !json.starts_with('{') {
            return Err(Failure::permanent(format!("the patch is not a JSON object: {json}")));
        }
        self.ext_patch = json;
        Ok(self)
    }

    /// With a line for the message's history.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// The action cannot tell where the message goes.
///
/// `?` makes a permanent failure of any error; where another attempt may help,
/// say so: `.map_err(Failure::transient)?`. It is not itself a
/// [`std::error::Error`], which is what allows that conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Worth another attempt: goes to the state's retry policy.
    Transient(String),
    /// Will not get better: goes to the state's `on_failure`.
    Permanent(String),
}

impl Failure {
    /// Worth another attempt, for this reason.
    pub fn transient(reason: impl Display) -> Self {
        Self::Transient(reason.to_string())
    }

    /// Will not get better, for this reason.
    pub fn permanent(reason: impl Display) -> Self {
        Self::Permanent(reason.to_string())
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::permanent(error)
    }
}

impl From<Advance> for types::Advance {
    fn from(advance: Advance) -> Self {
        Self { state: advance.state, ext_patch: advance.ext_patch, note: advance.note }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Transient(reason) => Self::Transient(reason),
            Failure::Permanent(reason) => Self::Permanent(reason),
        }
    }
}
