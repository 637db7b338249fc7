//! The way that shows a problem: of the states that messages pass, the shortest
//! along which it arises.
//!
//! Where ways meet, the data-flow knows less than each way by itself. So each
//! problem is looked for along single ways, and what arises along none of them
//! was none.

use std::collections::BTreeMap;

use super::flow::{Step, after};
use super::reads::{Problem, problems};
use super::shape::{Object, Shape, Slot, merged};
use crate::check::flow::Patch;
use serde_json::Value;

/// How many pairs of state and Msg_Ext are looked at for one problem. Ways that
/// write different things double with each choice between them.
const NODES_MAX: usize = 2_000;

/// What was found out about a problem.
pub(super) enum Witness<'s> {
    /// It arises along this way, the initial state first.
    Along {
        /// The states.
        path: Vec<usize>,
        /// As it is there, with more known than where all ways meet.
        problem: Problem,
        /// The last answer on the way that touches what it is about.
        writer: Option<&'s Patch>,
    },
    /// There are too many ways to look at.
    TooMany,
    /// It arises along none.
    None,
}

/// A state with the Msg_Ext of one way to it.
struct Node<'s> {
    place: usize,
    ext: Object,
    before: Option<usize>,
    step: Option<&'s Step>,
}

/// Looks for the way along which a problem of what an action reads arises.
pub(super) fn find<'s>(
    initial: usize,
    steps: &'s [Vec<Step>],
    (place, ext): (usize, &Object),
    reads: &Value,
    problem: &Problem,
) -> Witness<'s> {
    let tokens = tokens(&problem.pointer);
    let member = tokens.first();
    let start = Node { place: initial, ext: Object::empty(), before: None, step: None };
    let mut nodes = vec![start];
    let mut by_place: BTreeMap<usize, Vec<usize>> = BTreeMap::from([(initial, vec![0])]);
    let mut next = 0;
    while next < nodes.len() {
        let node = &nodes[next];
        if node.place == place {
            let seen = seen(ext, &node.ext, member);
            let shape = Shape::from(seen);
            let same = |p: &Problem| p.pointer == problem.pointer && p.keyword == problem.keyword;
            if let Some(problem) = problems(&shape, reads).into_iter().find(same) {
                let (path, taken) = trace(&nodes, next);
                let patches = taken.iter().rev().filter_map(|step| step.patch.as_ref());
                let writer = patches.into_iter().find(|patch| touches(&patch.change, &tokens));
                return Witness::Along { path, problem, writer };
            }
        }
        for step in &steps[node.place] {
            let node = &nodes[next];
            let ext = narrowed(&node.ext, step, member);
            let others = by_place.entry(step.to).or_default();
            if others.iter().any(|other| nodes[*other].ext == ext) {
                continue;
            }
            if nodes.len() >= NODES_MAX {
                return Witness::TooMany;
            }
            others.push(nodes.len());
            nodes.push(Node { place: step.to, ext, before: Some(next), step: Some(step) });
        }
        next += 1;
    }
    Witness::None
}

/// Msg_Ext behind a step, as far as it is about one member, if it is.
fn narrowed(ext: &Object, step: &Step, member: Option<&String>) -> Object {
    match (member, &step.patch) {
        (Some(name), Some(patch)) => {
            let known = [(name.clone(), patch.change.slot(name))].into();
            merged(ext, &Object { known, ..Object::empty() })
        }
        _ => after(ext, step),
    }
}

/// Msg_Ext where all ways meet, with one member as it is along this one.
fn seen(all: &Object, one: &Object, member: Option<&String>) -> Object {
    let Some(name) = member else { return one.clone() };
    let mut seen = all.clone();
    let slot: Slot = one.slot(name);
    seen.known.insert(name.clone(), slot);
    seen
}

/// The states of a way, those in between included, and its steps.
fn trace<'s>(nodes: &[Node<'s>], last: usize) -> (Vec<usize>, Vec<&'s Step>) {
    let (mut path, mut taken) = (Vec::new(), Vec::new());
    let mut at = Some(last);
    while let Some(node) = at.map(|at| &nodes[at]) {
        path.push(node.place);
        path.extend(node.step.and_then(|step| step.by_way_of));
        taken.extend(node.step);
        at = node.before;
    }
    path.reverse();
    taken.reverse();
    (path, taken)
}

/// Whether a patch can change what is at a place.
pub(super) fn touches(patch: &Object, tokens: &[String]) -> bool {
    let Some((name, inside)) = tokens.split_first() else { return true };
    let slot = patch.slot(name);
    let parts = slot.shape.parts();
    match &parts.object {
        _ if slot.is_empty() => false,
        Some(object) if parts.types() == ["object"] && !inside.is_empty() => {
            touches(object, inside)
        }
        _ => true,
    }
}

/// The names in a JSON Pointer (RFC 6901).
pub(super) fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|t| t.replace("~1", "/").replace("~0", "~")).collect()
}
