//! What a module is for.

use std::fmt;
use std::str::FromStr;

/// What a project is made for; the worlds of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// It moves messages.
    #[default]
    Action,
    /// It checks what is submitted.
    Validator,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Action, Self::Validator];

    /// As the command line has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Validator => "validator",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            format!("{text:?} is none of {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}
