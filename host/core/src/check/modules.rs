//! The modules that a workflow invokes: they are there, and what they return is
//! what the workflow expects.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::graph::Graph;
use super::shape::{Object, of_schema};
use super::{CheckFinding, Rule};
use crate::module::Manifest;
use crate::types::MsgState;
use crate::workflow::{Invoke, Kind, ModuleSpec};

/// Finds the module that a specification resolves to.
pub type Resolve<'a> = dyn Fn(&ModuleSpec) -> Option<Arc<Manifest>> + 'a;

/// A module as the checks see it.
pub(super) struct Known {
    pub(super) manifest: Arc<Manifest>,
    /// Its name and version.
    pub(super) label: String,
    /// What it returns: the patch's shape by the state; none, if its schema
    /// admits no object.
    pub(super) patches: BTreeMap<MsgState, Option<Object>>,
}

/// The module of each state that has one.
pub(super) fn resolve(graph: &Graph<'_>, modules: &Resolve<'_>) -> Vec<Option<Arc<Known>>> {
    let mut known: BTreeMap<String, Option<Arc<Known>>> = BTreeMap::new();
    let mut find = |spec: &ModuleSpec| {
        let found = known.entry(spec.to_string()).or_insert_with(|| modules(spec).map(Known::new));
        found.clone()
    };
    let of_state = |state: &&crate::workflow::State| match &state.kind {
        Kind::Invoke(invoke) => find(&invoke.module),
        _ => None,
    };
    graph.states.iter().map(of_state).collect()
}

impl Known {
    fn new(manifest: Arc<Manifest>) -> Arc<Self> {
        let patch = |(state, schema): (&MsgState, _)| {
            (state.clone(), of_schema(schema).parts().object.clone())
        };
        let patches = manifest.returns.iter().map(patch).collect();
        let label = format!("{}@{}", manifest.name, manifest.version);
        Arc::new(Self { manifest, label, patches })
    }
}

/// Every module is there, returns targets only, and can return each.
pub(super) fn check(graph: &Graph<'_>, known: &[Option<Arc<Known>>]) -> Vec<CheckFinding> {
    let mut findings = Vec::new();
    for (place, state) in graph.states.iter().enumerate() {
        let Kind::Invoke(invoke) = &state.kind else { continue };
        let at = format!("/states/{}", graph.names[place]);
        let found = match &known[place] {
            None => vec![unknown(&at, &invoke.module)],
            Some(module) => returns(&at, invoke, module),
        };
        findings.extend(found.into_iter().map(|finding| finding.along(graph.path(place))));
    }
    findings
}

fn unknown(at: &str, spec: &ModuleSpec) -> CheckFinding {
    let detail = format!("no module fits `{spec}`, so nothing behind its answer is proven");
    let fix = "deploy one that does, or name another";
    CheckFinding::new(Rule::ModuleUnknown, format!("{at}/invoke"), detail, fix)
        .of(&spec.to_string())
}

fn returns(at: &str, invoke: &Invoke, module: &Known) -> Vec<CheckFinding> {
    let returns = &module.manifest.returns;
    let label = &module.label;
    let mut findings = Vec::new();
    for state in returns.keys().filter(|state| !invoke.targets.contains(*state)) {
        let detail = format!("`{label}` may return `{state}`, which is no target here");
        let fix =
            format!("name `{state}` in `targets`, or invoke a module that does not return it");
        findings.push(
            CheckFinding::new(Rule::NoTarget, format!("{at}/targets"), detail, fix).of(label),
        );
    }
    for target in &invoke.targets {
        if !returns.contains_key(target) {
            let all = returns.keys().map(MsgState::as_str).collect::<Vec<_>>().join(", ");
            let detail = format!("`{label}` never returns `{target}`; it returns {all}");
            let fix = format!("take `{target}` out of `targets`");
            let pointer = format!("{at}/targets");
            findings.push(CheckFinding::new(Rule::NeverReturned, pointer, detail, fix).of(label));
        }
    }
    findings
}
