//! How a command ends.

use std::io::Write as _;
use std::process::ExitCode;

use surety_core::refusal::Refusal;

use crate::api::problem::{Problem, ProblemView};

/// The exit codes, at the end of `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  refused, by the host or by a check here; all findings are printed
  4  the host, or a registry, cannot be reached
  5  a difference was found, or a bundle proves nothing
  6  the message is parked";

/// Why a command did not do what it should.
#[derive(Debug)]
pub(super) enum Failed {
    /// Something failed here.
    Other(anyhow::Error),
    /// What was given is refused.
    Refused(Box<ProblemView>),
    /// A check here found this many things, and has printed them.
    Found(usize),
    /// The host, or a registry, does not answer.
    Unreachable(String),
    /// A difference was found, or something is not proven.
    Unproven(String),
    /// The message waits for a person.
    Parked(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(e: E) -> Self {
        Self::Other(e.into())
    }
}

impl Failed {
    /// A refusal of a check that was made here.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(Problem::from(refusal).view()))
    }

    fn code(&self) -> u8 {
        match self {
            Self::Other(_) => 1,
            Self::Refused(_) | Self::Found(_) => 3,
            Self::Unreachable(_) => 4,
            Self::Unproven(_) => 5,
            Self::Parked(_) => 6,
        }
    }

    /// For people.
    fn text(&self) -> String {
        match self {
            Self::Other(e) => format!("surety: {e:#}"),
            Self::Unreachable(why) | Self::Unproven(why) | Self::Parked(why) => {
                format!("surety: {why}")
            }
            Self::Found(1) => "surety: refused: 1 finding".to_owned(),
            Self::Found(found) => format!("surety: refused: {found} findings"),
            Self::Refused(problem) => {
                let mut text = format!("surety: refused: {}: {}", problem.code, problem.detail);
                for finding in &problem.errors {
                    let pointer = if finding.pointer.is_empty() { "/" } else { &finding.pointer };
                    text.push_str(&format!("\n  {pointer}  {}", finding.detail));
                }
                text
            }
        }
    }

    /// For machines: the host's own problem document where there is one.
    fn json(&self) -> serde_json::Value {
        match self {
            Self::Refused(problem) => serde_json::to_value(problem).unwrap_or_default(),
            Self::Found(found) => serde_json::json!({ "findings": found }),
            Self::Other(e) => serde_json::json!({ "error": format!("{e:#}") }),
            Self::Unreachable(why) | Self::Unproven(why) | Self::Parked(why) => {
                serde_json::json!({ "error": why })
            }
        }
    }

    /// Says it on stderr, and gives the exit code.
    pub(super) fn report(&self, json: bool) -> ExitCode {
        let text = if json { self.json().to_string() } else { self.text() };
        // With stderr closed there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{text}");
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use surety_core::refusal::Code;

    use super::*;

    #[test]
    fn a_refusal_is_printed_with_all_findings() {
        let refusal = Refusal::new(Code::SchemaInvalid, "no").at("/a", "one").at("", "two");
        let failed = Failed::refused(refusal);
        assert_eq!(failed.text(), "surety: refused: schema_invalid: no\n  /a  one\n  /  two");
        assert_eq!(failed.json()["errors"][1]["detail"], "two");
        assert_eq!(failed.code(), 3);
    }
}
