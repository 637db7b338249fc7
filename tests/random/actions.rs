//! Actions that answer what the case says, and note every call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use surety_core::effect::Outside;
use surety_core::machine::{Advance, Call, Ran};
use surety_core::message::Message;
use surety_core::module::{Manifest, Module};
use surety_core::ports::{Actions, Fault};
use surety_core::record::{Failure, FailureKind};
use surety_core::refusal::Finding;
use surety_core::types::{Digest, Seq, Time};
use surety_core::workflow::ModuleSpec;

use super::case::scripted;

/// The modules of a case.
pub struct CaseActions {
    case: Value,
    modules: BTreeMap<String, Arc<Module>>,
    /// What the calls of each revision were given.
    calls: Mutex<BTreeMap<Seq, Vec<String>>>,
}

impl CaseActions {
    pub fn new(case: &Value) -> Self {
        let kinds = case["modules"].as_object().expect("modules").iter();
        let there = kinds.filter(|(_, kind)| *kind != "missing");
        let modules = there.map(|(name, kind)| (name.clone(), module(case, name, kind))).collect();
        Self { case: case.clone(), modules, calls: Mutex::default() }
    }

    /// I4: whether all calls of each revision were given the same.
    pub fn fixed_input(&self) -> Result<(), String> {
        for (seq, calls) in &*self.calls.lock().unwrap_or_else(PoisonError::into_inner) {
            if calls.windows(2).any(|pair| pair[0] != pair[1]) {
                return Err(format!("I4: calls of revision {seq} differ: {calls:?}"));
            }
        }
        Ok(())
    }
}

/// A module that may return every target of the states that invoke it.
fn module(case: &Value, name: &str, kind: &Value) -> Arc<Module> {
    let patch = json!({
        "type": "object", "additionalProperties": false,
        "properties": {"n": true, "tag": true, "m": {"type": ["object", "null"]}},
    });
    let states = case["workflow"]["states"].as_object().expect("states");
    let invoking = states.values().filter(|state| state["invoke"] == json!(format!("{name}@*")));
    let targets = invoking.flat_map(|state| state["targets"].as_array().expect("targets").clone());
    let mut returns: Map<_, _> =
        targets.map(|to| (to.as_str().expect("a name").to_owned(), patch.clone())).collect();
    if returns.is_empty() {
        // Nothing invokes it; a manifest has to name something.
        returns.insert("nowhere".to_owned(), patch);
    }
    let reads = match kind.as_str() {
        Some("needs_n") => {
            json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}})
        }
        _ => json!(true),
    };
    let manifest = json!({
        "name": name, "version": "1.0.0", "world": "surety:action/action@1.0.0",
        "reads": reads, "settings": true, "returns": returns,
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
    Arc::new(Module::new(manifest, Digest::of(name.as_bytes()), "{}").expect("a module"))
}

#[async_trait]
impl Actions for CaseActions {
    fn resolve(&self, spec: &ModuleSpec) -> Option<Arc<Module>> {
        self.modules.get(spec.name.as_str()).map(Arc::clone)
    }

    async fn run(&self, module: &Module, call: Call, _: Arc<dyn Outside>) -> Result<Ran, Fault> {
        let seen = format!(
            "{} in {} at step {}, attempt {}, at {}: {}",
            module.manifest.name, call.state, call.step, call.attempt, call.now, call.ext
        );
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.entry(call.seq).or_default().push(seen);
        drop(calls);
        let state = &self.case["workflow"]["states"][call.state.as_str()];
        let outcome = outcome(state, &scripted(&self.case, call.seq));
        Ok(Ran { outcome, fuel: 7, engine: "scripted".into(), effects: Vec::new() })
    }

    /// No workflow here has a validator.
    async fn validate(
        &self,
        _: &Module,
        _: &Message,
        _: Time,
    ) -> Result<Result<Vec<Finding>, Failure>, Fault> {
        Ok(Ok(Vec::new()))
    }
}

/// The answer in a state. A scripted target is a place in the file's list.
fn outcome(state: &Value, answer: &Value) -> Result<Advance, Failure> {
    let targets = state["targets"].as_array().expect("targets");
    let advance = |to: &Value, patch: &str| Advance {
        state: to.as_str().expect("a name").to_owned(),
        ext_patch: patch.to_owned(),
        note: None,
    };
    match answer.as_str() {
        None => {
            let at = usize::try_from(answer["target"].as_u64().expect("a number")).expect("small");
            Ok(advance(&targets[at % targets.len()], &answer["patch"].to_string()))
        }
        Some("nowhere") => Ok(advance(&json!("nowhere"), "{}")),
        Some("outside") => Ok(advance(&targets[0], r#"{"else":1}"#)),
        Some("no json") => Ok(advance(&targets[0], "{")),
        Some(kind) => Err(Failure::new(FailureKind::parse(kind).expect("a kind"), "as scripted")),
    }
}
