//! What is wrong with what an action reads, in words: what, along which way, by
//! whose doing, and what would mend it.

use super::flow::Patch;
use super::graph::Graph;
use super::modules::Known;
use super::reads::{Problem, problems};
use super::shape::{Object, Shape};
use super::witness::{Search, Witness, tokens};
use super::{CheckFinding, Rule, Severity};

/// What the action of a state reads and is not proven to find.
pub(super) fn reads(
    graph: &Graph<'_>,
    search: &mut Search<'_>,
    (place, ext): (usize, &Object),
    module: &Known,
) -> Vec<CheckFinding> {
    let reads = &module.manifest.reads;
    let mut found: Vec<(Problem, CheckFinding)> = Vec::new();
    for problem in problems(&Shape::from(ext.clone()), reads) {
        match search.find((place, ext), reads, &problem) {
            Witness::None => {}
            Witness::TooMany => {
                let finding = finding(graph, place, module, &problem, None);
                found.push((problem, finding.along(graph.path(place))));
            }
            Witness::Along { path, problem, writer } => {
                let finding = finding(graph, place, module, &problem, writer);
                found.push((problem, finding.along(graph.named(&path))));
            }
        }
    }
    let mut findings: Vec<CheckFinding> = Vec::new();
    for (problem, finding) in &found {
        let follows = found.iter().any(|(other, _)| follows(problem, other));
        if !follows && !findings.contains(finding) {
            findings.push(finding.clone());
        }
    }
    findings
}

/// Whether a problem is one only because of another: what is in a member that may
/// be missing or of another type, and what else is said of a value of that type.
fn follows(problem: &Problem, other: &Problem) -> bool {
    let inside = problem.pointer.strip_prefix(&other.pointer);
    match (inside, other.keyword.as_str(), problem.keyword.as_str()) {
        (Some(""), "type", "type" | "required") => false,
        (Some(""), "type", _) => true,
        (Some(inside), "type" | "required", _) => inside.starts_with('/'),
        _ => false,
    }
}

fn finding(
    graph: &Graph<'_>,
    place: usize,
    module: &Known,
    problem: &Problem,
    writer: Option<&Patch>,
) -> CheckFinding {
    let missing = problem.keyword == "required";
    let rule = if missing { Rule::ExtMissing } else { Rule::ExtMismatch };
    let at = format!("/states/{}/invoke", graph.names[place]);
    let what = match problem.pointer.as_str() {
        "" => "Msg_Ext".to_owned(),
        pointer => format!("`{pointer}` of Msg_Ext"),
    };
    let label = &module.label;
    let mut detail = format!("`{label}` reads {what}, which {}", problem.detail);
    let (by, fix) = match (missing, writer) {
        (true, None) => (
            ": no action on this way writes it".to_owned(),
            format!(
                "have an action before `{}` write it, or take it out of `required` in what `{label}` reads",
                graph.names[place]
            ),
        ),
        (true, Some(patch)) => lost(graph, problem, patch),
        (false, None) => {
            (String::new(), format!("change what `{label}` reads, or what is written before it"))
        }
        (false, Some(patch)) => {
            let (writer, state) = (&patch.module.label, graph.names[patch.returns]);
            (
                format!("; `{writer}` writes it with `{state}`"),
                match is_open(patch, problem) {
                    true => closing(writer, state.as_str()),
                    false => format!(
                        "let what `{writer}` returns with `{state}` say as much, or what `{label}` reads ask for less"
                    ),
                },
            )
        }
    };
    detail.push_str(&by);
    let property = (!problem.pointer.is_empty()).then(|| problem.pointer.clone());
    let severity = if problem.sure { Severity::Error } else { Severity::Unproven };
    CheckFinding { severity, property, ..CheckFinding::new(rule, at, detail, fix).of(label) }
}

/// Why a member that was written is not surely there, and what would mend it.
fn lost(graph: &Graph<'_>, problem: &Problem, patch: &Patch) -> (String, String) {
    let (writer, state) = (&patch.module.label, graph.names[patch.returns]);
    if is_open(patch, problem) {
        let by = format!(
            ": `{writer}` says so little of what it writes with `{state}` that it may remove it"
        );
        return (by, closing(writer, state.as_str()));
    }
    match problem.sure {
        true => (
            format!(": `{writer}` leaves it out or removes it with `{state}`"),
            format!("have `{writer}` write it with `{state}`, or another action behind it"),
        ),
        false => (
            format!(": `{writer}` need not write it with `{state}`"),
            format!(
                "make it `required`, and never null, in what `{writer}` returns with `{state}`"
            ),
        ),
    }
}

fn closing(writer: &str, state: &str) -> String {
    format!(
        "name the member in what `{writer}` returns with `{state}`, or say `additionalProperties: false` there"
    )
}

/// Whether the patch can only change the place because its schema names no
/// members there and excludes none.
fn is_open(patch: &Patch, problem: &Problem) -> bool {
    let mut object = Some(patch.change.clone());
    for name in tokens(&problem.pointer) {
        let Some(inside) = object else { return false };
        if !inside.known.contains_key(&name) {
            return inside.rest == Shape::Any;
        }
        object = inside.slot(&name).shape.parts().object.clone();
    }
    false
}
