//! Pictures of workflows: as SVG, drawn here, and as Mermaid, drawn by whoever
//! shows it. A workflow's text is a stranger's; every word of it is escaped.
//!
//! ```text
//!  Workflow → words (what is written) ─┬→ mermaid
//!             graph (what is drawn)   ─┴→ layout (where) → svg
//! ```

mod drawn;
mod layout;
mod mermaid;
mod svg;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::types::{Malformed, MsgState};
use crate::workflow::Workflow;

pub use mermaid::mermaid;
pub use svg::svg;

/// The most ways out of states that are drawn, all together. More are no picture
/// any more: 1,000 states have four each.
pub const EXITS_MAX: usize = 4_000;

/// A workflow that is no picture any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the workflow's states have {0} ways out; the limit `graph_exits_max` is {EXITS_MAX}")]
pub struct TooLarge(usize);

/// What a picture is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// SVG 1.1, for eyes.
    #[default]
    Svg,
    /// A Mermaid flowchart, for documents that render it.
    Mermaid,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Mermaid => "text/vnd.mermaid; charset=utf-8",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Svg => "svg",
            Self::Mermaid => "mermaid",
        })
    }
}

impl FromStr for Format {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "svg" => Ok(Self::Svg),
            "mermaid" => Ok(Self::Mermaid),
            _ => Err(Malformed::new("format", text, "is not `svg` or `mermaid`")),
        }
    }
}

/// Draws a workflow. In SVG with the number of messages in each state that is in
/// `counts`; Mermaid shows none.
///
/// # Errors
/// When there is too much to draw.
pub fn draw(
    workflow: &Workflow,
    format: Format,
    counts: &BTreeMap<MsgState, u64>,
) -> Result<String, TooLarge> {
    match format {
        Format::Svg => svg(workflow, counts),
        Format::Mermaid => mermaid(workflow),
    }
}

/// How a way out is drawn. In the order in which ways keep to the direction of
/// reading: of a circle, the last is drawn against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Style {
    /// An answer, a choice, a signal, a timer.
    Flow,
    /// A failure.
    Failure,
    /// A person.
    Operator,
}

fn check_size(workflow: &Workflow) -> Result<(), TooLarge> {
    let exits = workflow.states().map(|(_, state)| state.exits().len()).sum();
    if exits > EXITS_MAX { Err(TooLarge(exits)) } else { Ok(()) }
}
