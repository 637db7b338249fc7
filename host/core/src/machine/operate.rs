//! What an operator may do to a message: redrive it, cancel it, move it to
//! another version of its workflow. Each is a recorded step.

use std::mem::discriminant;

use super::walk::{Move, Walk, due, entered};
use super::{Loaded, Phase, Step, cut};
use crate::module::Module;
use crate::record::Cause;
use crate::refusal::{Code, Refusal};
use crate::types::{MsgState, Time};
use crate::workflow::{Kind, State, Workflow};

/// Who wants it, and why.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The name of the operator's token.
    pub by: &'a str,
    /// The operator's reason.
    pub reason: &'a str,
    /// When.
    pub at: Time,
}

impl Order<'_> {
    fn note(&self) -> String {
        cut(&format!("{}: {}", self.by, self.reason))
    }
}

/// Moves a parked message: back to where it came from, or to a state that its
/// parked state declares.
///
/// # Errors
/// `not_parked`, `redrive_not_declared`.
pub fn redrive(
    workflow: &Workflow,
    loaded: &Loaded,
    to: Option<&MsgState>,
    order: Order<'_>,
) -> Result<Step, Refusal> {
    let head = &loaded.head;
    if head.phase != Phase::Parked {
        let detail = format!("the message is in the state `{}` and not parked", head.state);
        return Err(Refusal::new(Code::NotParked, detail));
    }
    let back = origin(workflow, loaded);
    let declared = match workflow.state(&head.state).map(|state| &state.kind) {
        Some(Kind::Parked(redrive)) => to.is_some_and(|to| redrive.contains(to)),
        _ => false,
    };
    let to = match (to, back) {
        (Some(to), _) if declared => to.clone(),
        (Some(to), Some(back)) if *to == back => back,
        (None, Some(back)) => back,
        (to, _) => {
            let to = to.map_or_else(|| "where it came from".to_owned(), |to| format!("`{to}`"));
            let detail = format!("no message is redriven from `{}` to {to}", head.state);
            return Err(Refusal::new(Code::RedriveNotDeclared, detail));
        }
    };
    Ok(moved(workflow, loaded, Cause::Redrive, to, order))
}

/// The state from which a message was parked, if its workflow has that: it may have
/// been migrated since. One that a guard or a limit parked is still there.
fn origin(workflow: &Workflow, loaded: &Loaded) -> Option<MsgState> {
    let head = &loaded.head;
    if !matches!(workflow.state(&head.state)?.kind, Kind::Parked(_)) {
        return Some(head.state.clone());
    }
    let step = usize::try_from(head.step).ok()?;
    let from = loaded.records.get(step)?.record().ok()?.from?;
    workflow.state(&from).is_some().then_some(from)
}

/// Takes a message to where its state's `cancel` says.
///
/// # Errors
/// `cancel_not_declared`.
pub fn cancel(workflow: &Workflow, loaded: &Loaded, order: Order<'_>) -> Result<Step, Refusal> {
    let state = &loaded.head.state;
    let target = workflow.state(state).and_then(|state| state.cancel.clone()).ok_or_else(|| {
        let detail = format!("a message in the state `{state}` cannot be cancelled");
        Refusal::new(Code::CancelNotDeclared, detail)
    })?;
    Ok(moved(workflow, loaded, Cause::Cancel, target, order))
}

fn moved(
    workflow: &Workflow,
    loaded: &Loaded,
    cause: Cause,
    to: MsgState,
    order: Order<'_>,
) -> Step {
    let mut walk = Walk::new(workflow, loaded, order.at);
    let by = Move { cause, to, now: order.at, note: order.note(), failure: None };
    let record = walk.record(by);
    walk.go(record, loaded.head.ext.clone(), None);
    walk.finish_unasked()
}

/// Pins a message to another version of its workflow, in the state and the step
/// in which it is. `module` is what the new version invokes there.
///
/// # Errors
/// `migration_refused`, with why it cannot move.
pub fn migrate(
    to: &Workflow,
    loaded: &Loaded,
    module: Option<&Module>,
    from: &Workflow,
    order: Order<'_>,
) -> Result<Step, Refusal> {
    let head = &loaded.head;
    let refuse = |detail: String| Refusal::new(Code::MigrationRefused, detail);
    let kept = fitting(to, from, loaded).map_err(refuse)?;
    if let Kind::Invoke(invoke) = &kept.kind {
        let module =
            module.ok_or_else(|| refuse(format!("no deployed module fits `{}`", invoke.module)))?;
        let errors = module.reads().check(head.ext.value());
        if !errors.is_empty() {
            let name = &module.manifest.name;
            let detail = format!("msg_ext is not what `{name}` reads in `{}`", head.state);
            return Err(Refusal { errors, ..refuse(detail) });
        }
    }
    let mut until = head.due;
    if let (Kind::Wait(wait), Phase::Waiting) = (&kept.kind, head.phase) {
        let entered = entered(loaded).ok_or_else(|| refuse("its chain cannot be read".into()))?;
        let timer = due(wait, loaded, entered).map_err(|e| refuse(e.to_string()))?;
        until = timer.1;
    }
    let mut walk = Walk::new(to, loaded, order.at);
    let by = Move {
        cause: Cause::Migration,
        to: head.state.clone(),
        now: order.at,
        note: order.note(),
        failure: None,
    };
    let mut record = walk.record(by);
    record.workflow = to.digest;
    walk.stay(record, |head| {
        head.workflow = to.digest;
        head.due = until;
    });
    Ok(walk.finish_unasked())
}

/// The state of the new version in which the message goes on, if it can.
fn fitting<'w>(to: &'w Workflow, from: &Workflow, loaded: &Loaded) -> Result<&'w State, String> {
    let head = &loaded.head;
    let name = &head.state;
    if to.digest == head.workflow {
        return Err("it is on that version already".to_owned());
    }
    if to.msg_type != loaded.message.msg_type {
        return Err(format!("the workflow is for messages of the type `{}`", to.msg_type));
    }
    if head.phase == Phase::Final {
        return Err(format!("it is done, in `{name}`"));
    }
    let before = from.state(name).ok_or_else(|| format!("it is in no state `{name}`"))?;
    let after =
        to.state(name).ok_or_else(|| format!("version {} has no state `{name}`", to.version))?;
    if discriminant(&before.kind) != discriminant(&after.kind) {
        return Err(format!("the state `{name}` is of another kind in version {}", to.version));
    }
    if !head.given.is_empty() {
        let given = head.given.len();
        return Err(format!("{given} signals were given in `{name}`, for what they saw"));
    }
    if !to.schema.check(&loaded.message.value).is_empty() {
        return Err(format!("the message is not of the schema of version {}", to.version));
    }
    Ok(after)
}
