//! The way that shows a problem: of the states that messages pass, the shortest
//! along which it arises.
//!
//! Where ways meet, the data-flow knows less than each way by itself. So each
//! problem is looked for along single ways, and what arises along none of them
//! was none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::flow::{Patch, Step, after};
use super::reads::{Problem, problems};
use super::shape::{Object, Shape, merged};

/// How many pairs of state and Msg_Ext are looked at for one problem. Ways that
/// write different things double with each choice between them.
const NODES_MAX: usize = 2_000;

/// How many are looked at for all problems of a workflow: a hundred problems in a
/// thousand states.
const NODES_SUM_MAX: usize = 100_000;

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

/// Looks for ways.
pub(super) struct Search<'s> {
    initial: usize,
    steps: &'s [Vec<Step>],
    left: usize,
}

impl<'s> Search<'s> {
    pub(super) fn new(initial: usize, steps: &'s [Vec<Step>]) -> Self {
        Self { initial, steps, left: NODES_SUM_MAX }
    }

    /// Looks for the way along which a problem of what the action of a state
    /// reads arises. `ext` is what it is where all ways meet.
    pub(super) fn find(
        &mut self,
        (place, ext): (usize, &Object),
        reads: &Value,
        problem: &Problem,
    ) -> Witness<'s> {
        let tokens = tokens(&problem.pointer);
        let member = tokens.first();
        let start = Node { place: self.initial, ext: Object::empty(), before: None, step: None };
        let mut nodes = vec![start];
        let mut by_place: BTreeMap<usize, Vec<usize>> = [(self.initial, vec![0])].into();
        let mut next = 0;
        while let Some(node) = nodes.get(next) {
            if node.place == place {
                let shape = Shape::from(seen(ext, &node.ext, member));
                let same =
                    |p: &Problem| p.pointer == problem.pointer && p.keyword == problem.keyword;
                if let Some(problem) = problems(&shape, reads).into_iter().find(same) {
                    let (path, taken) = trace(&nodes, next);
                    let mut patches = taken.iter().rev().filter_map(|step| step.patch.as_ref());
                    let writer = patches.find(|patch| touches(&patch.change, &tokens));
                    return Witness::Along { path, problem, writer };
                }
            }
            for step in &self.steps[node.place] {
                let ext = narrowed(&nodes[next].ext, step, member);
                let others = by_place.entry(step.to).or_default();
                if others.iter().any(|other| nodes[*other].ext == ext) {
                    continue;
                }
                if nodes.len() >= NODES_MAX || self.left == 0 {
                    return Witness::TooMany;
                }
                self.left -= 1;
                others.push(nodes.len());
                nodes.push(Node { place: step.to, ext, before: Some(next), step: Some(step) });
            }
            next += 1;
        }
        Witness::None
    }
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
    seen.known.insert(name.clone(), one.slot(name));
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
