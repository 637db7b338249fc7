//! Workflows with the manifests of their modules, as the static check wants them.

use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::check::{CheckFinding, check};
use surety_core::module::{Manifest, Module};
use surety_core::types::Digest;
use surety_core::workflow::{ModuleSpec, Workflow};

/// What is found in a case: `workflow`, and `modules` by their name, whose world is
/// that of actions unless they say otherwise.
///
/// # Panics
/// When the workflow or a manifest cannot be read.
#[must_use]
pub fn checked(case: &Value) -> Vec<CheckFinding> {
    let workflow = Workflow::parse(&case["workflow"].to_string());
    let workflow = workflow.unwrap_or_else(|e| panic!("{e}"));
    let modules = manifests(&case["modules"]);
    check(&workflow, &|spec| find(&modules, spec))
}

/// The manifests of a case, whose schemas compile.
///
/// # Panics
/// When one cannot be read.
#[must_use]
pub fn manifests(modules: &Value) -> Vec<Arc<Manifest>> {
    modules.as_object().expect("modules by name").iter().map(manifest).collect()
}

fn manifest((name, module): (&String, &Value)) -> Arc<Manifest> {
    let mut module = module.clone();
    module["name"] = json!(name);
    if module["world"].is_null() {
        module["world"] = json!("surety:action/action@1.0.0");
    }
    module["settings"] = json!(true);
    let manifest = Manifest::parse(module.to_string().as_bytes());
    let manifest = manifest.unwrap_or_else(|e| panic!("{name}: {e}"));
    let module = Module::new(manifest, Digest::of(name.as_bytes()), "{}");
    module.unwrap_or_else(|e| panic!("{name}: {e}")).manifest
}

/// The manifest that a workflow means.
#[must_use]
pub fn find(modules: &[Arc<Manifest>], spec: &ModuleSpec) -> Option<Arc<Manifest>> {
    let digest = |m: &Manifest| Digest::of(m.name.as_str().as_bytes());
    modules.iter().find(|m| spec.admits(&m.name, &m.version, digest(m))).cloned()
}

/// A message is worked on in 100 states, with a choice behind each that may lead
/// back or on; every action reads what the ones before it wrote.
#[must_use]
pub fn two_hundred_states() -> Value {
    const STAGES: usize = 100;
    let mut states =
        json!({"failed": {"parked": true, "redrive": ["s0", "s50"]}, "end": {"final": true}});
    let mut modules = json!({});
    for i in 0..STAGES {
        let next = if i + 1 < STAGES { format!("s{}", i + 1) } else { "end".to_owned() };
        let back = format!("s{}", i.saturating_sub(9));
        states[format!("s{i}")] = json!({"invoke": format!("m{i}@^1"), "targets": [format!("c{i}")], "on_failure": "failed"});
        states[format!("c{i}")] =
            json!({"choose": [{"guard": "now > 0", "target": back}, {"target": next}]});
        let hex = json!({"type": "string", "pattern": "^0x[0-9a-f]{1,64}$"});
        let part = json!({"type": "object", "required": ["id", "amount"], "additionalProperties": false,
            "properties": {"id": hex, "amount": {"type": "integer", "minimum": 1}, "note": {"type": "string"}}});
        let members: Value = (0..i.min(50)).map(|i| (format!("p{i}"), part.clone())).collect();
        let required: Vec<_> = members.as_object().expect("an object").keys().collect();
        modules[format!("m{i}")] = json!({"version": "1.0.0",
            "reads": {"type": "object", "required": required, "properties": members},
            "returns": {format!("c{i}"): {"type": "object", "required": [format!("p{i}")],
                "additionalProperties": false, "properties": {format!("p{i}"): part}}}});
    }
    json!({"modules": modules, "workflow": {
        "msg_type": "long", "version": 1, "initial": "s0", "schema": {"type": "object"}, "states": states}})
}
