//! The static check against a corpus: valid workflows in which nothing is found,
//! and faults, each a small change to one of them, each found and named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::check::{CheckFinding, check, refuse};
use surety_core::module::{Manifest, Module};
use surety_core::types::Digest;
use surety_core::workflow::{ModuleSpec, Workflow};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A workflow with its modules, as the corpus has them.
fn checked(case: &Value) -> Vec<CheckFinding> {
    let workflow = Workflow::parse(&case["workflow"].to_string());
    let workflow = workflow.unwrap_or_else(|e| panic!("{e}"));
    let modules: Vec<_> = case["modules"].as_object().unwrap().iter().map(manifest).collect();
    check(&workflow, &|spec| find(&modules, spec))
}

fn manifest((name, module): (&String, &Value)) -> Arc<Manifest> {
    let mut module = module.clone();
    module["name"] = json!(name);
    module["world"] = json!("surety:action/action@1.0.0");
    module["settings"] = json!(true);
    let manifest = Manifest::parse(module.to_string().as_bytes());
    let manifest = manifest.unwrap_or_else(|e| panic!("{name}: {e}"));
    // Its schemas compile.
    let module = Module::new(manifest, Digest::of(name.as_bytes()), "{}");
    module.unwrap_or_else(|e| panic!("{name}: {e}")).manifest
}

fn find(modules: &[Arc<Manifest>], spec: &ModuleSpec) -> Option<Arc<Manifest>> {
    let digest = |m: &Manifest| Digest::of(m.name.as_str().as_bytes());
    modules.iter().find(|m| spec.admits(&m.name, &m.version, digest(m))).cloned()
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
    let modules: BTreeMap<_, _> = ["screen", "quote", "settle", "notify"]
        .map(|name| (name, read(&root().join(format!("actions/{name}/manifest.json")))))
        .into();
    let modules: Vec<_> = modules
        .values()
        .map(|module| Arc::new(Manifest::parse(module.to_string().as_bytes()).unwrap()))
        .collect();
    let workflow = Workflow::parse(&workflow.to_string()).unwrap();
    let findings = check(&workflow, &|spec| find(&modules, spec));
    assert!(findings.is_empty(), "{}", shown(&findings));
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
    assert_eq!(rules.len(), 9, "the corpus has each rule: {rules:?}");
}
