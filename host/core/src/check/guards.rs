//! Guards: each finds what it looks at, with the types that it needs.

use serde_json::Value;

use super::graph::Graph;
use super::shape::Object;
use super::{CheckFinding, Rule, Severity};
use crate::guard::{Guard, GuardTypes, Severity as Known};
use crate::types::MsgState;
use crate::workflow::{By, Workflow};

/// What is wrong with the rules and guards of a workflow, given what Msg_Ext may
/// be in each state that is reached.
pub(super) fn check(
    workflow: &Workflow,
    graph: &Graph<'_>,
    exts: &[Option<Object>],
) -> Vec<CheckFinding> {
    let text: Value = serde_json::from_str(&workflow.text).unwrap_or(Value::Null);
    let message = &text["schema"];
    let mut findings = Vec::new();
    for (i, rule) in workflow.rules.iter().enumerate() {
        let types = GuardTypes { message, ext: &Value::Bool(true) };
        findings.extend(found(&rule.guard, &types, &format!("/rules/{i}/rule"), Vec::new()));
    }
    for (place, ext) in exts.iter().enumerate() {
        let Some(ext) = ext else { continue };
        let ext = ext.to_schema();
        let types = GuardTypes { message, ext: &ext };
        for exit in graph.states[place].exits() {
            let guard = match exit.by {
                By::Choice(guard) => guard,
                By::Signal(_, on) => Some(&on.guard),
                By::Timer(after) => after.guard.as_ref(),
                By::Answer | By::Failure(_) | By::Redrive | By::Cancel => None,
            };
            let Some(guard) = guard else { continue };
            let at = exit.pointer.trim_end_matches("/target");
            let pointer = format!("/states/{}{at}/guard", graph.names[place]);
            findings.extend(found(guard, &types, &pointer, graph.path(place)));
        }
    }
    findings
}

fn found(
    guard: &Guard,
    types: &GuardTypes<'_>,
    pointer: &str,
    path: Vec<MsgState>,
) -> Vec<CheckFinding> {
    let finding = |finding: crate::guard::GuardFinding| {
        let fix = "change the guard, or the schemas that say what it looks at";
        let detail = format!("the guard `{}`: {}", guard.text(), finding.detail);
        let severity = match finding.severity {
            Known::Error => Severity::Error,
            Known::Unproven => Severity::Unproven,
        };
        let found = CheckFinding::new(Rule::Guard, pointer, detail, fix).along(path.clone());
        CheckFinding { severity, ..found }
    };
    guard.check(types).into_iter().map(finding).collect()
}
