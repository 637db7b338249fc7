//! Ways through a workflow: how a message gets into each of its states.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use surety_core::types::MsgState;
use surety_core::workflow::{By, State, Workflow};
use utoipa::ToSchema;

/// A move of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hop {
    /// The state that it leaves.
    pub from: String,
    /// What takes it on.
    pub by: String,
    /// The state that it enters.
    pub to: String,
}

/// The states that messages get into, each but the first with the move by which a
/// shortest way comes there. What guards say is not looked at: a way may be one that
/// no message takes, and never is one missing.
pub(crate) struct Ways(BTreeMap<MsgState, Option<Hop>>);

/// The longest way that is shown, from its end: a thousand states in a row would
/// make half a million moves.
const HOPS_MAX: usize = 100;

impl Ways {
    pub(crate) fn through(workflow: &Workflow) -> Self {
        let mut ways = BTreeMap::from([(workflow.initial.clone(), None)]);
        let mut next = VecDeque::from([&workflow.initial]);
        while let Some(from) = next.pop_front() {
            for exit in workflow.state(from).map(State::exits).unwrap_or_default() {
                if !ways.contains_key(exit.to) {
                    let (from, to) = (from.to_string(), exit.to.to_string());
                    ways.insert(exit.to.clone(), Some(Hop { from, by: by(exit.by), to }));
                    next.push_back(exit.to);
                }
            }
        }
        Self(ways)
    }

    /// Whether any message gets into the state.
    pub(crate) fn leads_to(&self, state: &MsgState) -> bool {
        self.0.contains_key(state)
    }

    /// The way into a state, none if there is none. Of a longer one the last
    /// [`HOPS_MAX`] moves.
    pub(crate) fn to(&self, state: &MsgState) -> Option<Vec<Hop>> {
        let mut hop = self.0.get(state)?.as_ref();
        let mut way = Vec::new();
        while let Some(last) = hop.filter(|_| way.len() < HOPS_MAX) {
            way.push(last.clone());
            let from: Option<MsgState> = last.from.parse().ok();
            hop = from.and_then(|from| self.0.get(&from)?.as_ref());
        }
        way.reverse();
        Some(way)
    }
}

fn by(by: By<'_>) -> String {
    let guarded = |text: &str| format!("if {text}");
    match by {
        By::Answer => "answer".to_owned(),
        By::Failure(None) => "failure".to_owned(),
        By::Failure(Some(kind)) => format!("failure, {}", kind.as_str()),
        By::Choice(None) => "otherwise".to_owned(),
        By::Choice(Some(guard)) => guarded(guard.text()),
        By::Signal(name, on) => {
            format!("signal {name} of {} {}", on.quorum, guarded(on.guard.text()))
        }
        By::Timer(after) => {
            let guard = after.guard.as_ref().map(|guard| format!(" {}", guarded(guard.text())));
            format!("timer of {:?}{}", after.delay, guard.unwrap_or_default())
        }
        By::Redrive => "redrive by an operator".to_owned(),
        By::Cancel => "cancel by an operator".to_owned(),
    }
}
