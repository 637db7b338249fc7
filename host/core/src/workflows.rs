//! The workflows that this host knows: each by its digest, for the messages
//! that are pinned to it, and the newest of each type, for those that come.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::machine::Loaded;
use crate::ports::{Busy, Fault};
use crate::types::{Digest, MsgType};
use crate::workflow::Workflow;

/// How long a message rests whose workflow is not known here: hosts hear of each
/// other's deployments after two seconds.
const AWAITED_DELAY: Duration = Duration::from_secs(2);

/// Deployed workflows, shared by intake, controllers and the faces.
#[derive(Debug, Default)]
pub struct Workflows(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    by_digest: HashMap<Digest, Arc<Workflow>>,
    newest: HashMap<MsgType, Arc<Workflow>>,
}

impl Workflows {
    /// Takes a workflow in. It admits new messages if its version is the highest.
    pub fn add(&self, workflow: Arc<Workflow>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.by_digest.insert(workflow.digest, Arc::clone(&workflow));
        let newest =
            known.newest.entry(workflow.msg_type.clone()).or_insert_with(|| Arc::clone(&workflow));
        if workflow.version > newest.version {
            *newest = workflow;
        }
    }

    /// Takes a workflow out, unless it admits new messages.
    pub fn remove(&self, digest: Digest) -> Option<Arc<Workflow>> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.newest.values().any(|workflow| workflow.digest == digest) {
            return None;
        }
        known.by_digest.remove(&digest)
    }

    /// The one that a message is pinned to.
    ///
    /// # Errors
    /// `Busy` when it is not here: another host may have deployed it a moment ago.
    pub fn of(&self, loaded: &Loaded) -> Result<Arc<Workflow>, Fault> {
        let (id, pinned) = (loaded.message.msg_id, loaded.head.workflow);
        self.pinned(pinned).ok_or_else(|| {
            let why = format!("message {id} is pinned to the workflow {pinned}, which is not here");
            tracing::warn!("{why}");
            Fault::Busy(Busy { why, after: AWAITED_DELAY })
        })
    }

    /// The one with this digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Option<Arc<Workflow>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_digest.get(&digest).cloned()
    }

    /// The one that admits messages of a type.
    #[must_use]
    pub fn newest(&self, msg_type: &MsgType) -> Option<Arc<Workflow>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).newest.get(msg_type).cloned()
    }

    /// A version of a type's workflow.
    #[must_use]
    pub fn version(&self, msg_type: &MsgType, version: u32) -> Option<Arc<Workflow>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = |w: &&Arc<Workflow>| w.msg_type == *msg_type && w.version == version;
        known.by_digest.values().find(wanted).cloned()
    }

    /// All of them, by type and version.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Workflow>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.by_digest.values().cloned().collect();
        all.sort_by(|a, b| (&a.msg_type, a.version).cmp(&(&b.msg_type, b.version)));
        all
    }
}
