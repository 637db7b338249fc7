//! Guards and rules, against the schemas of what they look at.

use serde_json::Value;

use super::graph::Graph;
use super::shape::Object;
use super::{CheckFinding, Rule, Severity};
use crate::guard::{self, Guard, GuardTypes};
use crate::types::MsgState;
use crate::workflow::{Kind, State, Workflow};

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
        let guards = guards(state);
        let (Some(ext), false) = (&exts[place], guards.is_empty()) else { continue };
        let (ext, path) = (ext.to_schema(), graph.path(place));
        let types = GuardTypes { message: &message, ext: &ext };
        for (pointer, guard) in guards {
            let pointer = format!("/states/{}{pointer}", graph.names[place]);
            findings.extend(of_guard(guard, types, &pointer, &path));
        }
    }
    findings
}

/// The guards of a state, with their places in it.
fn guards(state: &State) -> Vec<(String, &Guard)> {
    match &state.kind {
        Kind::Choose(branches) => {
            let guards = branches.iter().enumerate();
            let guards = guards.filter_map(|(i, branch)| {
                Some((format!("/choose/{i}/guard"), branch.guard.as_ref()?))
            });
            guards.collect()
        }
        Kind::Wait(wait) => {
            let on = wait.on.iter().map(|(name, on)| (format!("/on/{name}/guard"), &on.guard));
            let after = wait.after.iter().enumerate();
            let after = after.filter_map(|(i, timer)| {
                Some((format!("/after/{i}/guard"), timer.guard.as_ref()?))
            });
            on.chain(after).collect()
        }
        Kind::Invoke(_) | Kind::Parked(_) | Kind::Final => Vec::new(),
    }
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
