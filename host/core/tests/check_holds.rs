//! The static check against runs: random workflows with random modules, walked
//! with random answers within their schemas.
//!
//! Where nothing was found, no run may come to an action with a Msg_Ext that it
//! does not read (the check is sound). Where something is said to be wrong and
//! not only unproven, every run along the way that is shown must come to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use surety_core::check::{CheckFinding, Rule, Severity, check};
use surety_core::ext::MsgExt;
use surety_core::module::{Manifest, Module};
use surety_core::types::{Digest, MsgState};
use surety_core::workflow::{By, Invoke, Kind, Workflow};

#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the whole engine")]
#[path = "../../../tests/harness/random.rs"]
mod random;

use random::{Chance, states};

/// How many workflows are made, with how many actions, and how often each is
/// walked.
const WORKFLOWS: u64 = 800;
const ACTIONS: usize = 5;
const WALKS: usize = 24;
const STEPS_MAX: usize = 14;

/// A schema of scalars.
fn scalar(chance: &mut Chance) -> Value {
    let low = chance.below(3) as i64 - 1;
    match chance.below(10) {
        0 => json!({"type": "string"}),
        1 => json!({"enum": ["u", "v"]}),
        2 => json!({"enum": ["u", "v", "w", 1]}),
        3 => json!({"type": "string", "pattern": "^[uv]$"}),
        4 => json!({"type": "integer", "minimum": low, "maximum": low + chance.below(3) as i64}),
        5 => json!({"type": ["integer", "null"]}),
        6 => json!({"type": ["string", "null"], "maxLength": 1}),
        7 => json!({"type": "boolean"}),
        8 => json!({"anyOf": [{"type": "boolean"}, {"type": "integer", "exclusiveMinimum": 0}]}),
        _ => json!({"type": "null"}),
    }
}

fn object(chance: &mut Chance, names: &[&str], depth: u32, closed: bool) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for name in names {
        if chance.one_in(2) {
            properties.insert((*name).to_owned(), any(chance, depth));
            if !chance.one_in(3) {
                required.push(*name);
            }
        }
    }
    let mut schema = json!({"type": "object", "required": required, "properties": properties});
    if closed {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn any(chance: &mut Chance, depth: u32) -> Value {
    match chance.below(8) {
        0 | 1 if depth > 0 => {
            let closed = !chance.one_in(6);
            object(chance, &["x", "y"], depth - 1, closed)
        }
        2 => {
            json!({"type": "array", "items": scalar(chance), "maxItems": 2, "minItems": chance.below(2)})
        }
        3 if depth > 0 => json!({"oneOf": [
            {"type": "object", "required": ["x"], "properties": {"x": {"const": 1}}, "additionalProperties": false},
            {"type": "object", "required": ["y"], "properties": {"y": scalar(chance)}, "additionalProperties": false},
        ]}),
        _ => scalar(chance),
    }
}

/// What an action reads; close to what is written, so that much of it holds.
fn reads(chance: &mut Chance, written: &[Value]) -> Value {
    let from = chance.of(written).clone();
    let mut schema = json!({"type": "object"});
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, inner) in from["properties"].as_object().into_iter().flatten() {
        if chance.one_in(2) {
            let inner = if chance.one_in(4) { any(chance, 1) } else { inner.clone() };
            properties.insert(name.clone(), inner);
            if chance.one_in(2) {
                required.push(name.clone());
            }
        }
    }
    schema["properties"] = Value::Object(properties);
    schema["required"] = json!(required);
    match chance.below(12) {
        0 => schema["anyOf"] = json!([{"required": ["a"]}, {"required": ["b"]}]),
        1 => schema["not"] = json!({"required": ["c"]}),
        2 => schema["oneOf"] = json!([{"required": ["a"]}, {"required": ["b"]}]),
        3 => schema["if"] = json!({"required": ["a"]}),
        4 => schema["additionalProperties"] = any(chance, 0),
        5 => schema["minProperties"] = json!(1),
        6 => schema["propertyNames"] = json!({"enum": ["a", "b"]}),
        7 => schema["dependentRequired"] = json!({"a": ["b"]}),
        _ => {}
    }
    if !schema["if"].is_null() {
        schema["then"] = json!({"properties": {"a": any(chance, 1)}});
        schema["else"] = json!({"required": ["b"]});
    }
    schema
}

struct Case {
    workflow: Workflow,
    modules: BTreeMap<String, Arc<Module>>,
}

/// Random states with five actions, and what those read and write.
fn case(chance: &mut Chance) -> Case {
    let states = states(chance, ACTIONS, &mut |_, _| "now > 0".to_owned());
    let mut written = Vec::new();
    let mut returns = Vec::new();
    for i in 0..ACTIONS {
        let mut patches = Map::new();
        for target in states[&format!("s{i}")]["targets"].as_array().unwrap() {
            let closed = !chance.one_in(12);
            let patch = object(chance, &["a", "b", "c"], 2, closed);
            written.push(patch.clone());
            patches.insert(target.as_str().unwrap().to_owned(), patch);
        }
        returns.push(patches);
    }
    let workflow = json!({"msg_type": "random", "version": 1, "initial": "s0",
        "schema": {"type": "object"}, "states": states});
    let module = |(i, returns): (usize, Map<String, Value>)| {
        let reads = if i == 0 { json!(true) } else { reads(chance, &written) };
        let manifest = json!({"name": format!("m{i}"), "version": "1.0.0",
            "world": "surety:action/action@1.0.0", "settings": true, "reads": reads, "returns": returns});
        let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
        let module = Module::new(manifest, Digest::of(b"module"), "{}").unwrap();
        (format!("m{i}"), Arc::new(module))
    };
    let modules = returns.into_iter().enumerate().map(module).collect();
    Case { workflow: Workflow::parse(&workflow.to_string()).unwrap(), modules }
}

/// A value of a schema; the caller checks it.
fn value(chance: &mut Chance, schema: &Value) -> Value {
    let pool =
        [json!("u"), json!("v"), json!("w"), json!("uv"), json!(-1), json!(0), json!(1), json!(7)];
    if let Some(values) = schema["enum"].as_array() {
        return chance.of(values).clone();
    }
    if !schema["const"].is_null() {
        return schema["const"].clone();
    }
    for branches in [&schema["oneOf"], &schema["anyOf"]] {
        if let Some(branches) = branches.as_array() {
            let branch = chance.of(branches).clone();
            return value(chance, &branch);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => chance.of(kinds).clone(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("null") => Value::Null,
        Some("boolean") => json!(chance.one_in(2)),
        Some("integer") => {
            let low = schema["minimum"].as_i64().or(schema["exclusiveMinimum"].as_i64());
            json!(low.unwrap_or(-1) + chance.below(3) as i64)
        }
        Some("string") => chance.of(&pool[..4]).clone(),
        Some("array") => {
            let len = schema["minItems"].as_u64().unwrap_or(0) as usize + chance.below(2);
            (0..len).map(|_| value(chance, &schema["items"])).collect()
        }
        Some("object") => {
            let mut members = Map::new();
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                let required = schema["required"].as_array().unwrap().contains(&json!(name));
                if required || chance.one_in(2) {
                    members.insert(name.clone(), value(chance, inner));
                }
            }
            if schema["additionalProperties"].is_null() && chance.one_in(2) {
                let wild =
                    [json!(null), json!(1), json!("u"), json!({"x": null}), json!({"y": "v"})];
                let name = *chance.of(&["a", "b", "c", "d", "x"]);
                members.entry(name).or_insert_with(|| chance.of(&wild).clone());
            }
            Value::Object(members)
        }
        _ => chance.of(&pool).clone(),
    }
}

impl Case {
    fn module(&self, invoke: &Invoke) -> &Module {
        &self.modules[invoke.module.name.as_str()]
    }

    /// Msg_Ext behind an answer; none if no patch of the schema was hit upon.
    fn answered(
        &self,
        chance: &mut Chance,
        invoke: &Invoke,
        to: &MsgState,
        ext: &MsgExt,
    ) -> Option<MsgExt> {
        let module = self.module(invoke);
        let patch = value(chance, &module.manifest.returns[to]);
        module.writes(to).unwrap().check(&patch).is_empty().then(|| ext.merged(&patch))
    }

    /// Walks; asserts that no action finds other than it reads, where nothing was
    /// found. Gives how many actions were reached.
    fn walk(&self, chance: &mut Chance, findings: &[CheckFinding]) -> usize {
        let (mut state, mut ext) = (self.workflow.initial.clone(), MsgExt::empty());
        let (mut origin, mut way, mut reached) = (state.clone(), vec![state.clone()], 0);
        for _ in 0..STEPS_MAX {
            let declared = self.workflow.state(&state).unwrap();
            let exits = declared.exits();
            let mut next =
                exits.get(chance.below(exits.len().max(1))).map(|exit| (exit.to.clone(), exit.by));
            match &declared.kind {
                Kind::Final => break,
                Kind::Parked(_) if next.is_none() || chance.one_in(2) => {
                    next = Some((origin.clone(), By::Redrive));
                }
                Kind::Invoke(invoke) => {
                    reached += 1;
                    let pointer = format!("/states/{state}/invoke");
                    if !self.module(invoke).reads().check(ext.value()).is_empty() {
                        let named = findings.iter().any(|f| f.pointer == pointer);
                        assert!(
                            named,
                            "{way:?} with {}: nothing was found in\n{}\n{:#?}",
                            ext.text(),
                            self.workflow.text,
                            self.module(invoke).manifest
                        );
                        next = Some((invoke.on_failure.default.clone(), By::Failure(None)));
                    } else if let Some((to, By::Answer)) = &next {
                        let Some(after) = self.answered(chance, invoke, to, &ext) else { break };
                        ext = after;
                    }
                }
                _ => {}
            }
            let Some((to, _)) = next else { break };
            origin = std::mem::replace(&mut state, to);
            way.push(state.clone());
        }
        reached
    }

    /// Goes the way of a finding, if it is clear what takes each step; whether
    /// the end is as the action reads it.
    fn retrace(&self, chance: &mut Chance, finding: &CheckFinding) -> Option<bool> {
        let mut ext = MsgExt::empty();
        for pair in finding.path.windows(2) {
            let state = self.workflow.state(&pair[0]).unwrap();
            let exits = state.exits();
            let mut ways = exits.iter().filter(|exit| *exit.to == pair[1]);
            match (&state.kind, ways.next(), ways.next()) {
                (_, _, Some(_)) => return None,
                (Kind::Invoke(invoke), Some(exit), None) if matches!(exit.by, By::Answer) => {
                    ext = self.answered(chance, invoke, &pair[1], &ext)?;
                }
                _ => {}
            }
        }
        let Kind::Invoke(invoke) = &self.workflow.state(finding.path.last()?)?.kind else {
            return None;
        };
        Some(self.module(invoke).reads().check(ext.value()).is_empty())
    }
}

#[test]
fn what_is_proven_holds_in_every_run() {
    let (mut reached, mut proven, mut traced) = (0, 0, 0);
    for seed in 1..=WORKFLOWS {
        let mut chance = Chance::new(seed);
        let case = case(&mut chance);
        let find = |spec: &surety_core::workflow::ModuleSpec| {
            Some(Arc::clone(&case.modules[spec.name.as_str()].manifest))
        };
        let findings = check(&case.workflow, &find);
        let about_ext = |f: &&CheckFinding| matches!(f.rule, Rule::ExtMissing | Rule::ExtMismatch);
        let findings: Vec<_> = findings.iter().filter(about_ext).cloned().collect();
        proven += usize::from(findings.is_empty());
        for _ in 0..WALKS {
            reached += case.walk(&mut chance, &findings);
        }
        for finding in findings.iter().filter(|f| f.severity == Severity::Error) {
            for _ in 0..4 {
                let Some(fits) = case.retrace(&mut chance, finding) else { continue };
                traced += 1;
                assert!(!fits, "{finding}\nis no error in\n{}", case.workflow.text);
            }
        }
    }
    // The runs say something only if many get far, and much is and is not proven.
    assert!(reached > 20_000, "{reached} actions were reached");
    assert!(proven > 80, "{proven} workflows were proven");
    assert!(traced > 500, "{traced} ways were gone again");
}
