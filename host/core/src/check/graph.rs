//! The states and the ways between them, and what can be said without knowing
//! the modules.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{CheckFinding, Rule};
use crate::types::MsgState;
use crate::workflow::{By, Invoke, Kind, State, Workflow};

/// The longest that all attempts of a state may take to come, beside their own
/// time: a year. A longer one is a typing error.
const RETRY_MAX: Duration = Duration::from_secs(366 * 86_400);

/// A workflow as a graph; states are their places by name.
pub(super) struct Graph<'w> {
    pub(super) names: Vec<&'w MsgState>,
    pub(super) states: Vec<&'w State>,
    pub(super) initial: usize,
    /// By the state that they leave.
    pub(super) edges: Vec<Vec<Edge>>,
}

/// A way from one state to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Edge {
    pub(super) to: usize,
    pub(super) way: Way,
}

/// What takes a message along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The action's answer.
    Answer,
    /// Failures, signals and timers.
    Event,
    /// Choices, and timers that are due at once.
    AtOnce,
    /// An operator, out of a parked state.
    Redrive,
    /// An operator, out of a parked state, back to where the message came from.
    Back,
    /// An operator, out of any.
    Cancel,
}

impl<'w> Graph<'w> {
    pub(super) fn new(workflow: &'w Workflow) -> Self {
        let (names, states): (Vec<_>, Vec<_>) = workflow.states().unzip();
        let places: BTreeMap<_, _> = names.iter().enumerate().map(|(i, name)| (*name, i)).collect();
        let place = |name: &MsgState| places.get(name).copied();
        let mut edges: Vec<Vec<Edge>> = states
            .iter()
            .map(|state| {
                let exits = state.exits();
                let edges = exits
                    .iter()
                    .filter_map(|exit| Some(Edge { to: place(exit.to)?, way: Way::of(exit.by) }));
                edges.collect()
            })
            .collect();
        let is_parked = |place: usize| matches!(states[place].kind, Kind::Parked(_));
        let back: Vec<(usize, usize)> = edges
            .iter()
            .enumerate()
            .flat_map(|(from, edges)| edges.iter().map(move |edge| (edge.to, from)))
            .filter(|(parked, _)| is_parked(*parked))
            .collect();
        for (parked, origin) in back {
            edges[parked].push(Edge { to: origin, way: Way::Back });
        }
        // The reader has checked that there is such a state.
        let initial = place(&workflow.initial).unwrap_or(0);
        Self { names, states, initial, edges }
    }

    /// The shortest way from one state to each that can be reached: the state
    /// before it, itself for the first.
    fn reached(&self, from: usize, takes: impl Fn(Way) -> bool) -> Vec<Option<usize>> {
        let mut before = vec![None; self.names.len()];
        let mut queue = VecDeque::from([from]);
        before[from] = Some(from);
        while let Some(place) = queue.pop_front() {
            for edge in self.edges[place].iter().filter(|edge| takes(edge.way)) {
                if before[edge.to].is_none() {
                    before[edge.to] = Some(place);
                    queue.push_back(edge.to);
                }
            }
        }
        before
    }

    /// A shortest way from the initial state to this one, both included.
    pub(super) fn path(&self, to: usize) -> Vec<MsgState> {
        self.named(&trace(&self.reached(self.initial, Way::leads_on), to))
    }

    pub(super) fn named(&self, places: &[usize]) -> Vec<MsgState> {
        places.iter().map(|place| self.names[*place].clone()).collect()
    }
}

fn trace(before: &[Option<usize>], to: usize) -> Vec<usize> {
    let mut path = vec![to];
    let mut place = to;
    while let Some(previous) = before[place].filter(|previous| *previous != place) {
        path.push(previous);
        place = previous;
    }
    path.reverse();
    path
}

impl Way {
    /// Whether it may lead to where a message has not been before.
    fn leads_on(self) -> bool {
        self != Self::Back
    }

    fn of(by: By<'_>) -> Self {
        match by {
            By::Answer => Self::Answer,
            By::Choice(_) => Self::AtOnce,
            By::Timer(after) if after.delay.is_zero() => Self::AtOnce,
            By::Failure(_) | By::Signal(..) | By::Timer(_) => Self::Event,
            By::Redrive => Self::Redrive,
            By::Cancel => Self::Cancel,
        }
    }
}

/// Every state can be reached, a final state can be reached from each, nothing
/// turns in circles by itself, and attempts come to an end.
pub(super) fn check(graph: &Graph<'_>) -> Vec<CheckFinding> {
    let reached = graph.reached(graph.initial, Way::leads_on);
    let mut findings = Vec::new();
    for (place, name) in graph.names.iter().enumerate() {
        if reached[place].is_none() {
            let detail = format!("the state `{name}` cannot be reached from the initial state");
            let fix = "name it as a target somewhere, or take it out";
            findings.push(CheckFinding::new(
                Rule::Unreachable,
                format!("/states/{name}"),
                detail,
                fix,
            ));
        }
    }
    findings.extend(dead_ends(graph, &reached));
    findings.extend(circles(graph, &reached));
    for (place, state) in graph.states.iter().enumerate() {
        if let Kind::Invoke(invoke) = &state.kind {
            findings.extend(long_retry(graph, place, invoke));
        }
    }
    findings
}

/// States from which no final state can be reached. A cancel is no way out that a
/// state may count on, nor is the way back out of a parked state: it leads to
/// where the message was. A parked state may count on it.
fn dead_ends(graph: &Graph<'_>, reached: &[Option<usize>]) -> Vec<CheckFinding> {
    let mut ends: Vec<bool> =
        graph.states.iter().map(|state| matches!(state.kind, Kind::Final)).collect();
    lead_to(graph, &mut ends, |way| way != Way::Cancel && way.leads_on());
    lead_to(graph, &mut ends, |way| way == Way::Back);
    let stuck = (0..ends.len()).filter(|place| !ends[*place] && reached[*place].is_some());
    let finding = |place: usize| {
        let name = graph.names[place];
        let detail = format!("no final state can be reached from `{name}`");
        let fix = "give it, or a state behind it, a way to a final state";
        CheckFinding::new(Rule::DeadEnd, format!("/states/{name}"), detail, fix)
            .along(graph.path(place))
    };
    stuck.map(finding).collect()
}

/// Adds the states that lead to one of these.
fn lead_to(graph: &Graph<'_>, ends: &mut [bool], takes: impl Fn(Way) -> bool) {
    let mut behind = vec![Vec::new(); ends.len()];
    for (from, edges) in graph.edges.iter().enumerate() {
        for edge in edges.iter().filter(|edge| takes(edge.way)) {
            behind[edge.to].push(from);
        }
    }
    let mut queue: VecDeque<_> = (0..ends.len()).filter(|place| ends[*place]).collect();
    while let Some(place) = queue.pop_front() {
        for &from in &behind[place] {
            if !std::mem::replace(&mut ends[from], true) {
                queue.push_back(from);
            }
        }
    }
}

/// Circles that no action and no waiting breaks, each once.
fn circles(graph: &Graph<'_>, reached: &[Option<usize>]) -> Vec<CheckFinding> {
    let mut told = vec![false; graph.names.len()];
    let mut findings = Vec::new();
    for place in (0..told.len()).filter(|place| reached[*place].is_some()) {
        if told[place] {
            continue;
        }
        let before = graph.reached(place, |way| way == Way::AtOnce);
        let last = (0..told.len()).find(|from| {
            let back = Edge { to: place, way: Way::AtOnce };
            before[*from].is_some() && graph.edges[*from].contains(&back)
        });
        let Some(last) = last else { continue };
        let mut circle = trace(&before, last);
        circle.iter().for_each(|place| told[*place] = true);
        circle.push(place);
        let shown = arrows(&graph.named(&circle));
        let name = graph.names[place];
        let detail = format!("a message can go round {shown} for ever without an action or a wait");
        let fix = "put an action or a wait into the circle, or let a branch leave it";
        findings.push(
            CheckFinding::new(Rule::Circle, format!("/states/{name}"), detail, fix)
                .along(graph.path(place)),
        );
    }
    findings
}

/// States with arrows between them.
pub(super) fn arrows(path: &[MsgState]) -> String {
    path.iter().map(MsgState::as_str).collect::<Vec<_>>().join(" → ")
}

fn long_retry(graph: &Graph<'_>, place: usize, invoke: &Invoke) -> Option<CheckFinding> {
    let total = invoke.retry.delays_max();
    if total <= RETRY_MAX {
        return None;
    }
    let name = graph.names[place];
    let (attempts, days) = (invoke.retry.max_attempts, total.as_secs() / 86_400);
    let detail = format!("the {attempts} attempts in `{name}` can take {days} days to come");
    let limit = RETRY_MAX.as_secs() / 86_400;
    let fix = format!("lower `max_attempts` or `delay_max` until they come within {limit} days");
    let finding = CheckFinding::new(Rule::LongRetry, format!("/states/{name}/retry"), detail, fix);
    Some(finding.along(graph.path(place)))
}
