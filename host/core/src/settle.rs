//! Committing a step, and showing it: the one place that does both, for whoever
//! moves a message.

use crate::machine::{Loaded, Step};
use crate::ports::{CommitError, Fault, Found, Guarantee, IdRefused, Reference, Settled};
use crate::projection::Projection;
use crate::refusal::{Code, Refusal};
use crate::types::MsgId;
use crate::workflow::Workflow;
use crate::workflows::Workflows;

/// How often a message may be moved by somebody else between reading it and
/// moving it, before the caller is told to come again.
const OVERTAKEN_MAX: u32 = 16;

/// Commits a step and makes Reference show it.
///
/// # Errors
/// When it was not committed; or when it was and Reference failed, which its
/// ticket then repeats.
pub(crate) async fn settle(
    guarantee: &dyn Guarantee,
    reference: &dyn Reference,
    step: Step,
) -> Result<Settled, CommitError> {
    let projection = Projection::of(&step.loaded);
    let settled = guarantee.commit(step).await?;
    if settled == Settled::Truth {
        reference.put(&projection).await?;
    }
    Ok(settled)
}

/// Where messages are, and what they are pinned to.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) workflows: &'a Workflows,
    pub(crate) guarantee: &'a dyn Guarantee,
    pub(crate) reference: &'a dyn Reference,
}

/// Why a message was not moved.
pub(crate) enum NotMoved {
    /// It may not be; also when there is no such message, and when it moves all
    /// the time.
    Refused(Refusal),
    /// It is done.
    Archived,
    /// The Msg_ID that the step uses up cannot be used.
    Id(IdRefused),
    /// The backend failed.
    Fault(Fault),
}

impl From<Fault> for NotMoved {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// An open message with the workflow that it is pinned to.
pub(crate) async fn load(
    place: Place<'_>,
    id: MsgId,
) -> Result<(Box<Loaded>, std::sync::Arc<Workflow>), NotMoved> {
    let loaded = match place.guarantee.load(id).await? {
        Found::Open(loaded) => loaded,
        Found::Archived => return Err(NotMoved::Archived),
        Found::Nothing => {
            let detail = format!("no message was accepted under the msg_id {id}");
            return Err(NotMoved::Refused(Refusal::new(Code::NotFound, detail)));
        }
    };
    let workflow = place.workflows.of(&loaded)?;
    Ok((loaded, workflow))
}

/// Moves a message whose ticket somebody else may hold: whoever commits first is
/// first, and the other reads again. Gives the message after the step.
pub(crate) async fn move_now(
    place: Place<'_>,
    id: MsgId,
    step: impl Fn(&Workflow, &Loaded) -> Result<Step, Refusal>,
) -> Result<Loaded, NotMoved> {
    for _ in 0..OVERTAKEN_MAX {
        let (loaded, workflow) = load(place, id).await?;
        let step = step(&workflow, &loaded).map_err(NotMoved::Refused)?;
        let moved = step.loaded.clone();
        match settle(place.guarantee, place.reference, step).await {
            Ok(_) => return Ok(moved),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Id(e)) => return Err(NotMoved::Id(e)),
            Err(CommitError::Fault(fault)) => return Err(fault.into()),
        }
    }
    let detail = format!("the message {id} is being moved by others; try again");
    Err(NotMoved::Refused(Refusal::new(Code::Busy, detail)))
}
