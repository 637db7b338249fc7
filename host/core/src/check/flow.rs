//! What Msg_Ext may be in each state: a forward data-flow over the graph, joined
//! where ways meet, until nothing changes any more.
//!
//! Only answers change Msg_Ext. Failures, choices, signals, timers and operators
//! leave it as it is; so does a retry.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::graph::{Edge, Graph, Way};
use super::modules::Known;
use super::shape::{Object, merged};
use crate::workflow::Kind;

/// How often a state is looked at before its Msg_Ext is taken to be any object.
/// Shapes only grow, over a finite set of members and bounds, so this is far
/// above what a workflow needs.
const VISITS_MAX: u32 = 200;

/// A way, with what it makes of Msg_Ext.
pub(super) struct Step {
    pub(super) to: usize,
    /// The parked state in between, when it leads back to where it came from.
    pub(super) by_way_of: Option<usize>,
    pub(super) patch: Option<Patch>,
}

/// What an answer changes.
pub(super) struct Patch {
    pub(super) change: Object,
    /// The module that answers.
    pub(super) module: Arc<Known>,
    /// The place of the state that it returns.
    pub(super) returns: usize,
}

/// The ways that messages can take, by the state that they leave.
pub(super) fn steps(graph: &Graph<'_>, known: &[Option<Arc<Known>>]) -> Vec<Vec<Step>> {
    (0..known.len()).map(|from| steps_of(graph, from, known[from].as_ref())).collect()
}

fn steps_of(graph: &Graph<'_>, from: usize, module: Option<&Arc<Known>>) -> Vec<Step> {
    let mut steps = Vec::new();
    for &Edge { to, way } in &graph.edges[from] {
        match (way, module) {
            (Way::Answer, Some(module)) => {
                // What is never answered is a finding of its own.
                let Some(Some(change)) = module.patches.get(graph.names[to]) else { continue };
                let patch = || {
                    let (change, module) = (change.clone(), Arc::clone(module));
                    Some(Patch { change, module, returns: to })
                };
                steps.push(Step { to, by_way_of: None, patch: patch() });
                if matches!(graph.states[to].kind, Kind::Parked(_)) {
                    steps.push(Step { to: from, by_way_of: Some(to), patch: patch() });
                }
            }
            // So is a module that is not there.
            (Way::Answer, None) => {}
            // Each state gets back what it sent itself, by the step above. What
            // it sent unchanged, it had before.
            (Way::Back, _) => {}
            (Way::Event | Way::AtOnce | Way::Redrive | Way::Cancel, _) => {
                steps.push(Step { to, by_way_of: None, patch: None });
            }
        }
    }
    steps
}

/// Msg_Ext in each state; nothing where no message comes.
pub(super) fn flow(graph: &Graph<'_>, steps: &[Vec<Step>]) -> Vec<Option<Object>> {
    let order = order(graph.initial, steps);
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, place)| rank[*place] = i);
    let mut exts: Vec<Option<Object>> = vec![None; steps.len()];
    let mut visits = vec![0; steps.len()];
    exts[graph.initial] = Some(Object::empty());
    let mut waiting = BTreeSet::from([rank[graph.initial]]);
    let mut last = 0;
    // Round after round, so that what comes back along a circle waits for the
    // rest of the round.
    while let Some(next) = waiting.range(last..).next().or(waiting.first()).copied() {
        waiting.remove(&next);
        last = next;
        let from = order[next];
        visits[from] += 1;
        let Some(ext) = exts[from].clone() else { continue };
        for step in &steps[from] {
            let after = after(&ext, step);
            let joined = match &exts[step.to] {
                None => after,
                Some(_) if visits[step.to] >= VISITS_MAX => Object::open(),
                Some(before) => before.join(&after),
            };
            if exts[step.to].as_ref() != Some(&joined) {
                exts[step.to] = Some(joined);
                waiting.insert(rank[step.to]);
            }
        }
    }
    exts
}

/// Msg_Ext behind a step.
pub(super) fn after(ext: &Object, step: &Step) -> Object {
    match &step.patch {
        Some(patch) => merged(ext, &patch.change),
        None => ext.clone(),
    }
}

/// All states, each behind those that lead to it but for circles, so that most
/// are looked at once.
fn order(initial: usize, steps: &[Vec<Step>]) -> Vec<usize> {
    let mut seen = vec![false; steps.len()];
    let mut done = Vec::with_capacity(steps.len());
    let others = 0..steps.len();
    for root in std::iter::once(initial).chain(others) {
        // Each entry: a state, and how many of its steps were followed.
        let mut stack = vec![(root, 0)];
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        while let Some((place, followed)) = stack.pop() {
            let Some(step) = steps[place].get(followed) else {
                done.push(place);
                continue;
            };
            stack.push((place, followed + 1));
            if !std::mem::replace(&mut seen[step.to], true) {
                stack.push((step.to, 0));
            }
        }
    }
    done.reverse();
    done
}
