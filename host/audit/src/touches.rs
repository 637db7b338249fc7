//! What a message type can ever touch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use surety_core::module::Manifest;
use surety_core::policy::Policy;
use surety_core::ports::Client;
use surety_core::types::{Digest, MsgType};
use surety_core::workflow::{Kind, ModuleSpec, Workflow};
use utoipa::ToSchema;

use crate::powers;
use crate::reach::clients_of;
use crate::report::{ClientView, Granted, Identity};
use crate::ways::{Hop, Ways};

/// A module that is at hand.
#[derive(Debug, Clone)]
pub struct Known {
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// The digest of its component.
    pub digest: Digest,
}

/// Everything that messages of a type can ever touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Touches {
    /// The message type.
    pub msg_type: String,
    /// The workflow's version.
    pub version: u32,
    /// keccak256 of its text.
    pub workflow: String,
    /// Who may submit.
    pub clients: Vec<ClientView>,
    /// Whose signals move messages, and where.
    pub people: Vec<Person>,
    /// The modules that run.
    pub modules: Vec<Touched>,
    /// All hosts that any of them may send requests to.
    pub hosts: Vec<String>,
    /// All secrets that may be put into requests.
    pub secrets: Vec<String>,
    /// States that no message gets into.
    pub unreached: Vec<String>,
}

/// A signal that moves messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// The state that waits for it.
    pub state: String,
    /// Its name.
    pub signal: String,
    /// Who may give it, and when, in CEL.
    pub guard: String,
    /// How many different signers it takes.
    pub quorum: u32,
    /// Where it leads.
    pub target: String,
    /// Clients that may give signals at all; the guard says which of them.
    pub clients: Vec<String>,
}

/// A module that messages of the type make run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Touched {
    /// What the workflow names; a range takes in versions that are deployed later.
    pub names: String,
    /// What that is now; none if no known module fits.
    pub module: Option<Identity>,
    /// Its digest.
    pub digest: Option<String>,
    /// The states whose action it is, each with a shortest way into it; none for a
    /// validator, which every message meets before it is kept.
    #[schema(value_type = BTreeMap<String, Vec<Hop>>)]
    pub states: BTreeMap<String, Vec<Hop>>,
    /// Requests that it may send.
    pub http: Vec<Granted>,
    /// Secrets that may go into them.
    pub secrets: Vec<String>,
}

/// Follows a workflow through all its states.
#[must_use]
pub fn touches(
    workflow: &Workflow,
    find: &dyn Fn(&ModuleSpec) -> Option<Known>,
    policy: &Policy,
    clients: &[Arc<Client>],
) -> Touches {
    let ways = Ways::through(workflow);
    let mut specs: Vec<&ModuleSpec> = Vec::new();
    for spec in workflow.validators.iter().chain(workflow.invokes().map(|(_, i)| &i.module)) {
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    let modules: Vec<Touched> =
        specs.into_iter().map(|spec| touched(workflow, &ways, spec, find(spec), policy)).collect();
    let hosts: BTreeSet<_> = modules
        .iter()
        .flat_map(|module| &module.http)
        .flat_map(|rule| rule.requests.hosts.clone())
        .collect();
    let secrets: BTreeSet<_> = modules.iter().flat_map(|module| module.secrets.clone()).collect();
    let unreached = workflow.states().filter(|(state, _)| !ways.leads_to(state));
    Touches {
        msg_type: workflow.msg_type.to_string(),
        version: workflow.version,
        workflow: workflow.digest.to_string(),
        clients: clients_of(&workflow.msg_type, clients),
        people: people(workflow, clients),
        modules,
        hosts: hosts.into_iter().collect(),
        secrets: secrets.into_iter().collect(),
        unreached: unreached.map(|(state, _)| state.to_string()).collect(),
    }
}

fn touched(
    workflow: &Workflow,
    ways: &Ways,
    spec: &ModuleSpec,
    known: Option<Known>,
    policy: &Policy,
) -> Touched {
    let states = workflow.invokes().filter(|(_, invoke)| invoke.module == *spec);
    let states = states.filter_map(|(state, _)| Some((state.to_string(), ways.to(state)?)));
    let grant = known.as_ref().map(|Known { manifest, digest }| {
        policy.grant(&manifest.name, &manifest.version, *digest, &manifest.capabilities)
    });
    let grant = grant.unwrap_or_default();
    Touched {
        names: spec.to_string(),
        module: known.as_ref().map(|Known { manifest, .. }| Identity {
            name: manifest.name.to_string(),
            version: manifest.version.to_string(),
            world: manifest.world.as_str().to_owned(),
            description: manifest.description.clone(),
        }),
        digest: known.map(|known| known.digest.to_string()),
        states: states.collect(),
        http: grant.http.iter().map(powers::granted).collect(),
        secrets: grant.secrets.keys().map(ToString::to_string).collect(),
    }
}

fn people(workflow: &Workflow, clients: &[Arc<Client>]) -> Vec<Person> {
    let signal: Option<MsgType> = surety_core::workflow::SIGNAL_TYPE.parse().ok();
    let may: Vec<String> =
        signal.iter().flat_map(|t| clients_of(t, clients)).map(|c| c.client_id).collect();
    let mut people = Vec::new();
    for (state, declared) in workflow.states() {
        let Kind::Wait(wait) = &declared.kind else { continue };
        people.extend(wait.on.iter().map(|(name, on)| Person {
            state: state.to_string(),
            signal: name.to_string(),
            guard: on.guard.text().to_owned(),
            quorum: on.quorum,
            target: on.target.to_string(),
            clients: may.clone(),
        }));
    }
    people
}
