//! Why a withdrawal is rejected.

use std::fmt;

use serde::Serialize;
use surety_sdk::{Advance, Failure, log};

/// A withdrawal that may not go on: not a failure, but an answer to the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// For programs; does not change between versions.
    pub code: &'static str,
    /// For people.
    pub reason: String,
}

impl Refusal {
    /// With this code, for this reason.
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// To the state `rejected`, with this as the member `rejection` of Msg_Ext.
    pub fn advance(&self) -> Result<Advance, Failure> {
        #[derive(Serialize)]
        struct Patch<'a> {
            rejection: &'a Refusal,
        }

        log::info(&format!("rejected: {self}"));
        let advance = Advance::to("rejected").patch(&Patch { rejection: self })?;
        Ok(advance.note(&self.reason))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}
