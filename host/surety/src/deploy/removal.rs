//! Taking a version of a workflow out, once nothing needs it.

use std::sync::Arc;
use std::time::Duration;

use surety_core::ports::Fault;
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{Digest, MsgType};
use tokio::sync::OwnedSemaphorePermit;

use super::follow::FOLLOW_EACH;
use super::{Deployer, NotDeployed, finish};

/// How often, and how long each time, a removal waits for submissions that hold
/// the workflow: half a minute, which no submission takes.
const DRAIN_WAITS_MAX: u32 = 300;
const DRAIN_WAIT: Duration = Duration::from_millis(100);

/// How long a removal waits for other hosts: until they have heard that a newer version
/// admits, what they were taking meanwhile is kept, and the index shows it.
const OTHERS_WAIT: Duration = Duration::from_secs(3 * FOLLOW_EACH.as_secs());

/// Why a workflow stays.
enum Pinned {
    By(u64),
    InUse,
    Fault(Fault),
}

impl Pinned {
    fn refused(self, pinned: &impl Fn(String) -> Refusal) -> NotDeployed {
        match self {
            Self::By(count) => {
                pinned(format!("has {count} open messages; migrate them first")).into()
            }
            Self::InUse => pinned("is in use by a submission".to_owned()).into(),
            Self::Fault(fault) => fault.into(),
        }
    }
}

impl Deployer {
    /// Takes a workflow out that admits nothing and to which no message is
    /// pinned.
    ///
    /// # Errors
    /// `workflow_unknown`, `workflow_pinned`.
    pub async fn remove_workflow(
        self: &Arc<Self>,
        msg_type: MsgType,
        version: u32,
        turn: OwnedSemaphorePermit,
    ) -> Result<(), NotDeployed> {
        let this = Arc::clone(self);
        finish(async move {
            let _turn = turn;
            this.remove(&msg_type, version).await
        })
        .await
    }

    async fn remove(&self, msg_type: &MsgType, version: u32) -> Result<(), NotDeployed> {
        let deployed = self.workflows.version(msg_type, version);
        let digest = deployed.map(|workflow| workflow.digest).ok_or_else(|| {
            let detail = format!("no version {version} of a workflow `{msg_type}` is deployed");
            Refusal::new(Code::WorkflowUnknown, detail)
        })?;
        let pinned = |what: String| {
            let detail = format!("version {version} of the workflow `{msg_type}` {what}");
            Refusal::new(Code::WorkflowPinned, detail)
        };
        self.check_unpinned(digest).await.map_err(|e| e.refused(&pinned))?;
        let removed = self.workflows.remove(digest);
        let removed = removed.ok_or_else(|| pinned("admits new messages".to_owned()))?;
        // A submission may have found it before a newer version came, and still
        // be on its way; it holds it as long.
        let mut waits = 0;
        while Arc::strong_count(&removed) > 1 && waits < DRAIN_WAITS_MAX {
            tokio::time::sleep(DRAIN_WAIT).await;
            waits += 1;
        }
        if self.shared {
            tokio::time::sleep(OTHERS_WAIT).await;
        }
        let unpinned = match Arc::strong_count(&removed) {
            1 => self.check_unpinned(digest).await,
            _ => Err(Pinned::InUse),
        };
        if let Err(e) = unpinned {
            self.workflows.add(removed);
            return Err(e.refused(&pinned));
        }
        self.catalog.remove_workflow(msg_type, version).await?;
        tracing::info!(%msg_type, version, %digest, "workflow removed");
        Ok(())
    }

    async fn check_unpinned(&self, digest: Digest) -> Result<(), Pinned> {
        match self.guarantee.pins().await.map_err(Pinned::Fault)?.get(&digest) {
            None | Some(0) => Ok(()),
            Some(count) => Err(Pinned::By(*count)),
        }
    }
}
