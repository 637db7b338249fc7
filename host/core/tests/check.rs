//! The static check against a corpus: valid workflows in which nothing is found,
//! and faults, each a small change to one of them, each found and named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::check::{CheckFinding, Rule, check, refuse};
use surety_core::module::Manifest;
use surety_core::workflow::Workflow;

#[allow(unreachable_pub, reason = "shared with the benchmark")]
#[path = "../../../tests/harness/corpus.rs"]
mod corpus;

use corpus::{checked, find, two_hundred_states};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn valid() -> BTreeMap<String, Value> {
    let folder = root().join("tests/workflows/valid");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_stem().unwrap().to_string_lossy().into(), read(&path))).collect()
}

fn shown(findings: &[CheckFinding]) -> String {
    findings.iter().map(CheckFinding::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn valid_workflows_hold() {
    let valid = valid();
    assert!(valid.len() >= 3);
    for (name, case) in valid {
        let findings = checked(&case);
        assert!(findings.is_empty(), "{name}:\n{}", shown(&findings));
        refuse(&findings).unwrap();
    }
}

/// The workflow and the actions that come with the repository.
#[test]
fn the_withdrawal_holds() {
    let mut workflow = read(&root().join("workflows/withdrawal.json"));
    workflow["schema"] = read(&root().join("schemas/withdrawal.schema.json"));
    let modules: Vec<_> = ["policy", "screen", "quote", "reserve", "settle", "release", "notify"]
        .map(|name| read(&root().join(format!("actions/{name}/manifest.json"))).to_string())
        .map(|manifest| Arc::new(Manifest::parse(manifest.as_bytes()).unwrap()))
        .into();
    let workflow = Workflow::parse(&workflow.to_string()).unwrap();
    let findings = check(&workflow, &|spec| find(&modules, spec));
    assert!(findings.is_empty(), "{}", shown(&findings));
}

/// What docs/workflows.md shows is a whole file of docs/examples, in which nothing
/// is found with actions that promise what the document says of them.
#[test]
fn the_examples_of_the_documentation_hold() {
    let text = |path: &str| std::fs::read_to_string(root().join("docs").join(path)).unwrap();
    let manifests = read(&root().join("tests/workflows/examples.json"));
    let mut shown = BTreeSet::new();
    let document = text("workflows.md");
    // Every second part is within fences.
    for block in document.split("\n```").skip(1).step_by(2) {
        let (marks, block) = block.split_once('\n').unwrap();
        let Some(marks) = marks.strip_prefix("json") else { continue };
        let path = marks.strip_prefix(" workflow ").unwrap_or_else(|| {
            panic!("JSON that is not marked as the workflow of a file is not checked:\n{block}")
        });
        assert_eq!(format!("{block}\n"), text(path), "{path} is not what is shown");
        let name = path.strip_prefix("examples/").and_then(|name| name.strip_suffix(".json"));
        let name = name.unwrap_or_else(|| panic!("{path} is no example"));
        let workflow: Value = serde_json::from_str(block).unwrap();
        let findings = checked(&json!({"workflow": workflow, "modules": manifests[name]}));
        assert!(findings.is_empty(), "{name}:\n{}", self::shown(&findings));
        assert!(shown.insert(format!("{name}.json")), "{name} is shown twice");
    }
    let files = std::fs::read_dir(root().join("docs/examples")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(shown, files.collect::<BTreeSet<_>>(), "each example is shown");
    assert_eq!(shown.len(), manifests.as_object().unwrap().len());
}

/// Puts values into a JSON text, the parents first.
fn changed(mut case: Value, fault: &Value) -> Value {
    for (pointer, value) in fault["set"].as_object().into_iter().flatten() {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        match case.pointer_mut(parent) {
            Some(Value::Object(members)) => drop(members.insert(name, value.clone())),
            Some(Value::Array(items)) => match name.parse::<usize>().unwrap() {
                at if at < items.len() => items[at] = value.clone(),
                _ => items.push(value.clone()),
            },
            _ => panic!("there is no {parent}"),
        }
    }
    for pointer in fault["remove"].as_array().into_iter().flatten() {
        let (parent, name) = pointer.as_str().unwrap().rsplit_once('/').unwrap();
        let parent = case.pointer_mut(parent).and_then(Value::as_object_mut);
        assert!(parent.unwrap().remove(name).is_some(), "there is no {pointer}");
    }
    case
}

/// A finding as the corpus writes it, without the words.
fn facts(finding: &CheckFinding) -> Value {
    let mut value = serde_json::to_value(finding).unwrap();
    let members = value.as_object_mut().unwrap();
    members.retain(|name, value| !["detail", "fix"].contains(&name.as_str()) && !value.is_null());
    value
}

#[test]
fn every_fault_is_found_and_named() {
    let valid = valid();
    let faults = read(&root().join("tests/workflows/faults.json"));
    let mut rules = BTreeSet::new();
    let mut wrong = String::new();
    for fault in faults.as_array().unwrap() {
        let name = fault["name"].as_str().unwrap();
        let findings = checked(&changed(valid[fault["of"].as_str().unwrap()].clone(), fault));
        let expected = fault["found"].as_array().unwrap();
        let same = |(finding, expected): (&CheckFinding, &Value)| {
            let mut wanted = expected.clone();
            let says = wanted.as_object_mut().unwrap().remove("says").unwrap();
            let mut is = facts(finding);
            if wanted.get("action").is_none() {
                is.as_object_mut().unwrap().remove("action");
            }
            let words = format!("{}\n{}", finding.detail, finding.fix);
            is == wanted && words.contains(says.as_str().unwrap()) && !finding.fix.is_empty()
        };
        if findings.len() != expected.len() || !findings.iter().zip(expected).all(same) {
            wrong += &format!("── {name}: found\n{}\n", shown(&findings));
            let is: Vec<_> = findings.iter().map(|f| facts(f).to_string()).collect();
            wrong += &format!("{}\nexpected\n{}\n", is.join("\n"), fault["found"]);
        }
        assert!(refuse(&findings).is_err(), "{name}");
        rules.extend(findings.iter().map(|finding| facts(finding)["rule"].to_string()));
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(rules.len(), 11, "the corpus has each rule: {rules:?}");
}

#[test]
fn two_hundred_states_are_proven() {
    let mut case = two_hundred_states();
    let findings = checked(&case);
    // Redriven to the middle, a message has not all of what is read there.
    assert!(!findings.is_empty());
    assert!(
        findings.iter().all(|f| f.path.contains(&"failed".parse().unwrap())),
        "{}",
        shown(&findings)
    );
    case["workflow"]["states"]["failed"]["redrive"] = json!(["s0"]);
    let findings = checked(&case);
    assert!(findings.is_empty(), "{}", shown(&findings));
    case["modules"]["m20"]["returns"]["c20"]["required"] = json!([]);
    let findings = checked(&case);
    let twenty = |f: &CheckFinding| f.property.as_deref() == Some("/p20");
    assert!(findings.len() > 50 && findings.iter().all(twenty), "{}", shown(&findings));
}

/// With more ways than can be looked at, what is not proven is still found.
#[test]
fn too_many_ways_hide_nothing() {
    let mut states = json!({"failed": {"parked": true}, "end": {"final": true}});
    let mut modules = json!({});
    for i in 0..14 {
        // Each stage writes one member or another.
        let next = if i < 13 { format!("s{}", i + 1) } else { "last".to_owned() };
        states[format!("s{i}")] = json!({"invoke": format!("m{i}@^1"), "targets": [next, format!("x{i}")], "on_failure": "failed"});
        states[format!("x{i}")] = json!({"choose": [{"target": next}]});
        let patch = |name: &str| {
            json!({"type": "object", "required": ["all"], "additionalProperties": false, "properties": {
            "all": {"type": "object", "required": [name], "additionalProperties": false, "properties": {name: {"const": i}}}}})
        };
        let returns = [(next, patch(&format!("a{i}"))), (format!("x{i}"), patch(&format!("b{i}")))];
        modules[format!("m{i}")] =
            json!({"version": "1.0.0", "reads": true, "returns": Value::from_iter(returns)});
    }
    states["last"] = json!({"invoke": "last@^1", "targets": ["end"], "on_failure": "failed"});
    modules["last"] = json!({"version": "1.0.0", "reads": {"required": ["none"], "properties": {"all": {"required": ["a13"]}}},
        "returns": {"end": {"type": "object", "additionalProperties": false}}});
    let case = json!({"modules": modules, "workflow": {
        "msg_type": "wide", "version": 1, "initial": "s0", "schema": {"type": "object"}, "states": states}});
    let findings = checked(&case);
    let found: Vec<_> = findings.iter().map(|f| f.property.as_deref().unwrap()).collect();
    assert_eq!(found, ["/all/a13", "/none"], "{}", shown(&findings));
    assert!(
        findings.iter().all(|f| f.path.len() > 14 && f.path.last().unwrap().as_str() == "last")
    );
}

/// Guards are checked with what Msg_Ext is in their state.
#[test]
fn guards_that_cannot_hold_are_found() {
    let file = |guard: &str| {
        json!({
            "msg_type": "t", "version": 1, "initial": "sort",
            "schema": {
                "type": "object", "required": ["payload"],
                "properties": {"payload": {
                    "type": "object", "required": ["amount", "loose", "list"],
                    "additionalProperties": false,
                    "properties": {"amount": {"type": "string"}, "loose": {}, "list": {"type": "array"}},
                }},
            },
            "states": {
                "sort": {"choose": [{"guard": guard, "target": "large"}, {"target": "small"}]},
                "large": {"final": true}, "small": {"final": true},
            },
        })
    };
    for (guard, holds) in [
        ("dec(message.payload.amount) > dec('5')", true),
        ("has(ext.limit) && ext.limit > 5", false),
        ("message.payload.amount > 5", false),
        ("dec(message.payload.loose) > 5", false),
        ("1 in message.payload.list && message.payload.list[1] == 1", false),
        ("message.payload.total == 'x'", false),
        ("ext.limit > 5", false),
    ] {
        let workflow = Workflow::parse(&file(guard).to_string()).unwrap();
        let findings = check(&workflow, &|_| None);
        let at =
            |f: &CheckFinding| f.rule == Rule::Guard && f.pointer == "/states/sort/choose/0/guard";
        assert_eq!(findings.iter().any(at), !holds, "{guard}: {findings:?}");
    }
}
