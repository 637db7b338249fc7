//! What is drawn: a node a state and one for the start; an edge for all ways of
//! one style from a state to another.

use std::collections::BTreeMap;

use super::words::{self, Words};
use super::{Style, TooLarge, check_size};
use crate::types::MsgState;
use crate::workflow::{State, Workflow};

/// A workflow as nodes and edges.
#[derive(Debug)]
pub(super) struct Drawn<'w> {
    /// All states, by name. The node behind them is the start.
    pub(super) states: Vec<(&'w MsgState, &'w State)>,
    /// The edge from the start, then those between states, by style first.
    pub(super) edges: Vec<Edge>,
}

/// Ways from one node to another that are drawn as one.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) style: Style,
    /// In the order of the file; none on the edge from the start.
    pub(super) ways: Vec<Way>,
}

/// A way out of a state.
#[derive(Debug)]
pub(super) struct Way {
    /// Its place in the workflow, as a JSON Pointer.
    pub(super) pointer: String,
    pub(super) words: Words,
}

impl<'w> Drawn<'w> {
    pub(super) fn new(workflow: &'w Workflow) -> Result<Self, TooLarge> {
        check_size(workflow)?;
        let states: Vec<_> = workflow.states().collect();
        let index: BTreeMap<&MsgState, usize> =
            states.iter().enumerate().map(|(i, (name, _))| (*name, i)).collect();
        let mut edges: BTreeMap<(Style, usize, usize), Vec<Way>> = BTreeMap::new();
        for (from, (name, state)) in states.iter().enumerate() {
            for (exit, words) in words::exits(state) {
                let pointer = format!("/states/{name}{}", exit.pointer);
                let key = (words::style(exit.by), from, index[exit.to]);
                edges.entry(key).or_default().push(Way { pointer, words });
            }
        }
        let (from, to) = (states.len(), index[&workflow.initial]);
        let start = Edge { from, to, style: Style::Flow, ways: Vec::new() };
        let others =
            edges.into_iter().map(|((style, from, to), ways)| Edge { from, to, style, ways });
        let edges = [start].into_iter().chain(others).collect();
        Ok(Self { states, edges })
    }

    /// The node of the start.
    pub(super) fn start(&self) -> usize {
        self.states.len()
    }
}
