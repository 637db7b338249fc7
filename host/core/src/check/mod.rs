//! What can be proven of a workflow before anything runs.
//!
//! ```text
//!  Workflow ── graph ──── every state reached, and a final state from each
//!     │          │        no circle without an action or a wait
//!     │          │        attempts come to an end
//!  manifests ─ modules ── each is there, returns targets, and each target
//!                │
//!               flow ──── what Msg_Ext may be in each state (shapes)
//!                │
//!               reads ─── each action finds what it reads
//!               guards ── each guard finds what it looks at
//!                │
//!             witness ─── the shortest way that shows what is wrong
//! ```
//!
//! What cannot be proven is a finding as much as what is wrong.

mod explain;
mod flow;
mod graph;
mod guards;
mod keywords;
mod modules;
mod reads;
mod shape;
mod witness;

use std::fmt;

use serde::Serialize;

use crate::refusal::{Code, Finding, Refusal};
use crate::schema::FINDINGS_MAX;
use crate::types::MsgState;
use crate::workflow::Workflow;

pub use modules::Resolve;

use graph::{Graph, arrows};
use witness::Search;

/// What a finding is about. The texts are for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A state that no message comes to.
    Unreachable,
    /// A state from which no final state can be reached.
    DeadEnd,
    /// A circle without an action or a wait.
    Circle,
    /// Attempts that take longer than a year to come.
    LongRetry,
    /// A module that is not there.
    ModuleUnknown,
    /// A module that is no action where one is invoked, or no validator where one
    /// checks.
    WrongWorld,
    /// A state that a module may return and that is no target.
    NoTarget,
    /// A target that the module never returns.
    NeverReturned,
    /// A member of Msg_Ext that an action reads, and that is or may be missing.
    ExtMissing,
    /// Msg_Ext is or may be other than what an action reads.
    ExtMismatch,
    /// A guard or rule that cannot be evaluated, or may not be.
    Guard,
}

/// How much is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is wrong.
    Error,
    /// It cannot be proven to be right.
    Unproven,
}

/// Something that is wrong with a workflow or cannot be proven of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckFinding {
    /// How much is known.
    pub severity: Severity,
    /// What it is about.
    pub rule: Rule,
    /// JSON Pointer into the workflow.
    pub pointer: String,
    /// A shortest way from the initial state that shows it, both ends included; of
    /// a guard, one that leads to it.
    pub path: Vec<MsgState>,
    /// The action that it is about: name and version, or what was asked for.
    pub action: Option<String>,
    /// The member of Msg_Ext that it is about, as a JSON Pointer.
    pub property: Option<String>,
    /// What is wrong.
    pub detail: String,
    /// What would mend it.
    pub fix: String,
}

/// Proves what can be proven of a workflow with these modules; nothing is found
/// if all of it is. At most [`FINDINGS_MAX`] findings.
///
/// Proven are: every state is reached; from every state a final one is, without
/// counting on a cancel; no circle turns by itself; attempts come within a year;
/// every module is there, returns targets only and can return each of them;
/// Msg_Ext is what each action reads, on every way to it; and each guard finds what
/// it looks at, of a type that it is for, in every message and Msg_Ext that may come.
/// What is in a text that `dec` or `time` reads, and how large a number gets, is not
/// looked at.
#[must_use]
pub fn check(workflow: &Workflow, modules: &Resolve<'_>) -> Vec<CheckFinding> {
    let graph = Graph::new(workflow);
    let known = modules::resolve(&graph, modules);
    let mut findings = graph::check(&graph);
    findings.extend(modules::check(&graph, &known));
    findings.extend(modules::validators(workflow, modules));
    let steps = flow::steps(&graph, &known);
    let exts = flow::flow(&graph, &steps);
    findings.extend(guards::check(workflow, &graph, &exts));
    let mut search = Search::new(graph.initial, &steps);
    for (place, module) in known.iter().enumerate() {
        if findings.len() >= FINDINGS_MAX {
            break;
        }
        if let (Some(module), Some(ext)) = (module, &exts[place]) {
            findings.extend(explain::reads(&graph, &mut search, (place, ext), module));
        }
    }
    findings.truncate(FINDINGS_MAX);
    findings
}

/// The refusal that says what was found; nothing if nothing was.
///
/// # Errors
/// `module_unknown` when a module is not there, else `workflow_invalid`.
pub fn refuse(findings: &[CheckFinding]) -> Result<(), Refusal> {
    if findings.is_empty() {
        return Ok(());
    }
    let unknown = findings.iter().any(|finding| finding.rule == Rule::ModuleUnknown);
    let refusal = match unknown {
        true => {
            Refusal::new(Code::ModuleUnknown, "the workflow invokes modules that are not deployed")
        }
        false => Refusal::new(
            Code::WorkflowInvalid,
            "the workflow and its modules cannot be proven to fit",
        ),
    };
    Err(Refusal { errors: findings.iter().map(CheckFinding::in_one).collect(), ..refusal })
}

impl CheckFinding {
    fn new(
        rule: Rule,
        pointer: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            rule,
            pointer: pointer.into(),
            path: Vec::new(),
            action: None,
            property: None,
            detail: detail.into(),
            fix: fix.into(),
        }
    }

    fn along(self, path: Vec<MsgState>) -> Self {
        Self { path, ..self }
    }

    fn of(self, action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..self }
    }

    /// All of it as one sentence with its place.
    #[must_use]
    pub fn in_one(&self) -> Finding {
        let detail = match self.path.as_slice() {
            [] => format!("{}: {}", self.detail, self.fix),
            path => format!("{}, along {}: {}", self.detail, arrows(path), self.fix),
        };
        Finding { pointer: self.pointer.clone(), detail }
    }
}

impl fmt::Display for CheckFinding {
    /// On several lines, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.severity {
            Severity::Error => "wrong",
            Severity::Unproven => "not proven",
        };
        write!(f, "{what}: {}\n  {}", self.pointer, self.detail)?;
        if !self.path.is_empty() {
            write!(f, "\n  along: {}", arrows(&self.path))?;
        }
        write!(f, "\n  to mend it: {}", self.fix)
    }
}
