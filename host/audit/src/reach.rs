//! Which messages can make a module run.

use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Serialize};
use surety_core::ports::Client;
use surety_core::types::{Digest, ModuleName, MsgType};
use surety_core::workflow::{ModuleSpec, Workflow};
use utoipa::ToSchema;

use crate::report::ClientView;
use crate::ways::{Hop, Ways};

/// A module by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its name.
    pub name: ModuleName,
    /// Its version.
    pub version: Version,
    /// The digest of its component.
    pub digest: Digest,
}

/// What makes a module run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reach {
    /// Every place of every workflow that it fits.
    pub by: Vec<ReachedBy>,
}

/// A place of a workflow that a module fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReachedBy {
    /// The message type.
    pub msg_type: String,
    /// The workflow's version.
    pub version: u32,
    /// Whether new messages come to this version; others are those that are pinned
    /// to it.
    pub admits: bool,
    /// The state whose action it is; none of a validator, which every message of the
    /// type meets before it is kept.
    pub state: Option<String>,
    /// What the workflow names.
    pub names: String,
    /// Whether this version is what it gets, of all that are known.
    pub runs: bool,
    /// A shortest way of a message into the state; none if there is no way.
    pub way: Option<Vec<Hop>>,
    /// Who may submit messages of the type.
    pub clients: Vec<ClientView>,
}

/// Looks for a module in workflows. `others` are all deployed modules, of which the
/// highest version that fits is what runs.
#[must_use]
pub fn reach(
    module: &Deployed,
    others: &[Deployed],
    workflows: &[Arc<Workflow>],
    clients: &[Arc<Client>],
) -> Reach {
    let mut by = Vec::new();
    for workflow in workflows {
        let named = |spec: &ModuleSpec| spec.admits(&module.name, &module.version, module.digest);
        let newest = workflows.iter().filter(|other| other.msg_type == workflow.msg_type);
        let admits = newest.map(|other| other.version).max() == Some(workflow.version);
        let ways = Ways::through(workflow);
        let place = |spec: &ModuleSpec, state: Option<String>, way| ReachedBy {
            msg_type: workflow.msg_type.to_string(),
            version: workflow.version,
            admits,
            state,
            names: spec.to_string(),
            runs: is_best(module, others, spec),
            way,
            clients: clients_of(&workflow.msg_type, clients),
        };
        let validators = workflow.validators.iter().filter(|spec| named(spec));
        by.extend(validators.map(|spec| place(spec, None, Some(Vec::new()))));
        let states = workflow.invokes().filter(|(_, invoke)| named(&invoke.module));
        by.extend(
            states.map(|(state, invoke)| {
                place(&invoke.module, Some(state.to_string()), ways.to(state))
            }),
        );
    }
    Reach { by }
}

fn is_best(module: &Deployed, others: &[Deployed], spec: &ModuleSpec) -> bool {
    let mut fits = others.iter().filter(|o| spec.admits(&o.name, &o.version, o.digest));
    fits.all(|other| other.version <= module.version)
}

/// Who may submit messages of a type.
pub(crate) fn clients_of(msg_type: &MsgType, clients: &[Arc<Client>]) -> Vec<ClientView> {
    let may = clients.iter().filter(|client| client.msg_types.contains(msg_type));
    let view = |client: &Arc<Client>| ClientView {
        client_id: client.client_id.to_string(),
        signers: client.signers.iter().map(ToString::to_string).collect(),
    };
    may.map(view).collect()
}
