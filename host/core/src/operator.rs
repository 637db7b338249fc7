//! What a person does to messages: redrive what is parked, cancel, move to
//! another version of a workflow.

use std::sync::Arc;

use thiserror::Error;

use crate::machine::{self, Loaded, Order};
use crate::module::Module;
use crate::ports::{Actions, Clock, Fault, Guarantee, Reference};
use crate::projection::Projection;
use crate::refusal::{Code, Refusal};
use crate::settle::{NotMoved, Place, load, move_now};
use crate::types::{MsgId, MsgState};
use crate::workflow::{Kind, Workflow};
use crate::workflows::Workflows;

/// The longest reason that an operator gives, in bytes.
pub const REASON_BYTES_MAX: usize = 512;

/// Why nothing was done to a message.
#[derive(Debug, Error)]
pub enum OperateError {
    /// It may not be done.
    #[error("{0}")]
    Refused(Refusal),
    /// The host cannot do it now.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<NotMoved> for OperateError {
    fn from(e: NotMoved) -> Self {
        match e {
            NotMoved::Refused(refusal) => Self::Refused(refusal),
            NotMoved::Archived => {
                let detail = "the message is done, and archived";
                Self::Refused(Refusal::new(Code::NotFound, detail))
            }
            // Only signals use up a Msg_ID.
            NotMoved::Id(e) => Self::Fault(Fault::Corrupt(e.to_string())),
            NotMoved::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Moves messages because a person says so.
pub struct Operator {
    /// The workflows that messages are pinned to.
    pub workflows: Arc<Workflows>,
    /// The truth.
    pub guarantee: Arc<dyn Guarantee>,
    /// Where messages are shown.
    pub reference: Arc<dyn Reference>,
    /// What moves messages otherwise.
    pub actions: Arc<dyn Actions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Whether a message can move to another version, or why not.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The message as it is.
    pub projection: Projection,
    /// The version that it is pinned to.
    pub from_version: u32,
    /// Why it cannot move; none if it can.
    pub refused: Option<Refusal>,
}

impl Operator {
    /// Moves a parked message back to where it came from, or to a state that its
    /// workflow declares for that.
    ///
    /// # Errors
    /// `not_found`, `not_parked`, `redrive_not_declared`, `request_invalid` for a
    /// reason that is missing or too long.
    pub async fn redrive(
        &self,
        id: MsgId,
        to: Option<&MsgState>,
        by: &str,
        reason: &str,
    ) -> Result<Projection, OperateError> {
        let order = self.order(by, reason)?;
        let step =
            |workflow: &Workflow, loaded: &Loaded| machine::redrive(workflow, loaded, to, order);
        Ok(Projection::of(&move_now(self.place(), id, step).await?))
    }

    /// Cancels a message where its workflow declares that it can be.
    ///
    /// # Errors
    /// `not_found`, `cancel_not_declared`, `request_invalid` as above.
    pub async fn cancel(
        &self,
        id: MsgId,
        by: &str,
        reason: &str,
    ) -> Result<Projection, OperateError> {
        let order = self.order(by, reason)?;
        let step = |workflow: &Workflow, loaded: &Loaded| machine::cancel(workflow, loaded, order);
        Ok(Projection::of(&move_now(self.place(), id, step).await?))
    }

    /// Moves a message to another version of its workflow.
    ///
    /// # Errors
    /// `not_found`, `migration_refused`, `request_invalid` as above.
    pub async fn migrate(
        &self,
        id: MsgId,
        to: &Workflow,
        by: &str,
        reason: &str,
    ) -> Result<Projection, OperateError> {
        let order = self.order(by, reason)?;
        let step = |from: &Workflow, loaded: &Loaded| {
            machine::migrate(to, loaded, self.invoked(to, loaded).as_deref(), from, order)
        };
        Ok(Projection::of(&move_now(self.place(), id, step).await?))
    }

    /// Whether a message could move to another version of its workflow. None for
    /// one that is of another type, on that version already, or done.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn verdict(&self, id: MsgId, to: &Workflow) -> Result<Option<Verdict>, Fault> {
        let (loaded, from) = match load(self.place(), id).await {
            Ok(found) => found,
            Err(NotMoved::Fault(fault)) => return Err(fault),
            Err(_) => return Ok(None),
        };
        if loaded.message.msg_type != to.msg_type || loaded.head.workflow == to.digest {
            return Ok(None);
        }
        let order = Order { by: "", reason: "", at: self.clock.now() };
        let module = self.invoked(to, &loaded);
        let refused = machine::migrate(to, &loaded, module.as_deref(), &from, order).err();
        let projection = Projection::of(&loaded);
        Ok(Some(Verdict { projection, from_version: from.version, refused }))
    }

    /// The module that a workflow invokes in the state in which the message is.
    fn invoked(&self, workflow: &Workflow, loaded: &Loaded) -> Option<Arc<Module>> {
        match &workflow.state(&loaded.head.state)?.kind {
            Kind::Invoke(invoke) => self.actions.resolve(&invoke.module),
            _ => None,
        }
    }

    fn order<'a>(&self, by: &'a str, reason: &'a str) -> Result<Order<'a>, OperateError> {
        if (1..=REASON_BYTES_MAX).contains(&reason.len()) {
            return Ok(Order { by, reason, at: self.clock.now() });
        }
        let detail =
            format!("a reason of 1 to `reason_bytes_max`, {REASON_BYTES_MAX}, bytes is needed");
        let refusal = Refusal::new(Code::RequestInvalid, detail).at("/reason", "is needed");
        Err(OperateError::Refused(refusal))
    }

    fn place(&self) -> Place<'_> {
        Place {
            workflows: &self.workflows,
            guarantee: &*self.guarantee,
            reference: &*self.reference,
        }
    }
}
