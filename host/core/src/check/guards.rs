//! Guards and rules, against the schemas of what they look at.

use serde_json::Value;

use super::graph::Graph;
use super::shape::Object;
use super::{CheckFinding, Rule, Severity};
use crate::guard::{self, Guard, GuardTypes};
use crate::types::MsgState;
use crate::workflow::{By, Workflow};

/// What every guard can be evaluated on, and what not.
pub(super) fn check(
    workflow: &Workflow,
    graph: &Graph<'_>,
    exts: &[Option<Object>],
) -> Vec<CheckFinding> {
    // As the workflow has it; it was compiled from there.
    let mut file: Value = serde_json::from_str(&workflow.text).unwrap_or_default();
    let message = file["schema"].take();
    let nothing = Object::empty().to_schema();
    let mut findings = Vec::new();
    for (i, rule) in workflow.rules.iter().enumerate() {
        let types = GuardTypes { message: &message, ext: &nothing };
        findings.extend(of_guard(&rule.guard, types, &format!("/rules/{i}/rule"), &[]));
    }
    for (place, state) in graph.states.iter().enumerate() {
        let Some(ext) = &exts[place] else { continue };
        let ext = ext.to_schema();
        let types = GuardTypes { message: &message, ext: &ext };
        for exit in state.exits() {
            let guard = match exit.by {
                By::Choice(guard) => guard,
                By::Signal(_, on) => Some(&on.guard),
                By::Timer(after) => after.guard.as_ref(),
                By::Answer | By::Failure(_) | By::Redrive | By::Cancel => None,
            };
            let Some(guard) = guard else { continue };
            let at = exit.pointer.strip_suffix("/target").unwrap_or(&exit.pointer);
            let pointer = format!("/states/{}{at}/guard", graph.names[place]);
            findings.extend(of_guard(guard, types, &pointer, &graph.path(place)));
        }
    }
    findings
}

fn of_guard(
    guard: &Guard,
    types: GuardTypes<'_>,
    pointer: &str,
    path: &[MsgState],
) -> Vec<CheckFinding> {
    let finding = |found: guard::GuardFinding| {
        let (severity, fix) = match found.severity {
            guard::Severity::Error => {
                (Severity::Error, "correct the guard, or have what it looks at written before it")
            }
            guard::Severity::Unproven => (
                Severity::Unproven,
                "ask for it by `has(…)` first, or let the schemas say that it is always so",
            ),
        };
        let detail = format!("the guard `{}`: {}", guard.text(), found.detail);
        let finding = CheckFinding::new(Rule::Guard, pointer, detail, fix).along(path.to_vec());
        CheckFinding { severity, ..finding }
    };
    let found = guard.check(&types);
    // What cannot be proven of something wrong says nothing new.
    let wrong = found.iter().any(|found| found.severity == guard::Severity::Error);
    let told = |f: &guard::GuardFinding| !wrong || f.severity == guard::Severity::Error;
    found.into_iter().filter(told).map(finding).collect()
}
