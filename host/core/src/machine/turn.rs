//! One turn of the machine: an action's answer, accepted or not, becomes a step.

use serde_json::Value;

use super::walk::{Move, Walk, input};
use super::{EXT_BYTES_MAX, Loaded, Ran, Step, cut};
use crate::ext::MsgExt;
use crate::json;
use crate::machine::Advance;
use crate::module::Module;
use crate::record::{Cause, Failure, FailureKind, Record};
use crate::refusal::Finding;
use crate::types::{MsgState, Time};
use crate::workflow::{Invoke, Workflow};

/// A message in a state with an action, and what is known about the module.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The message's workflow.
    pub workflow: &'a Workflow,
    /// The message.
    pub loaded: &'a Loaded,
    /// Its state.
    pub invoke: &'a Invoke,
    /// The module that ran, or should have.
    pub module: Option<&'a Module>,
}

/// An answer that was found to be one of those declared.
struct Accepted {
    to: MsgState,
    patch: String,
    ext: MsgExt,
    note: String,
}

impl Turn<'_> {
    /// What the module needs of Msg_Ext is there.
    ///
    /// # Errors
    /// An `unreadable` failure that names every place.
    pub fn check_input(&self, module: &Module) -> Result<(), Failure> {
        let findings = module.reads().check(self.loaded.head.ext.value());
        if findings.is_empty() {
            return Ok(());
        }
        let detail =
            format!("msg_ext is not what `{}` reads: {}", module.manifest.name, list(&findings));
        Err(Failure::new(FailureKind::Unreadable, detail))
    }

    /// Makes of the call's end the step to commit.
    #[must_use]
    pub fn step(&self, ran: &Ran, at: Time) -> Step {
        let mut walk = Walk::new(self.workflow, self.loaded, at);
        walk.journaled |= !ran.effects.is_empty();
        walk.unfinished.clear(); // they are in what ran
        match ran.outcome.clone().and_then(|advance| self.accept(advance)) {
            Ok(accepted) => {
                let mut record = self.record(&walk, ran, accepted.to);
                record.ext_patch = accepted.patch;
                record.note = accepted.note;
                walk.go(record, accepted.ext, None);
            }
            Err(failure) => {
                let failure = Failure { detail: cut(&failure.detail), ..failure };
                self.fail(&mut walk, ran, failure, at);
            }
        }
        walk.finish()
    }

    /// Another attempt, or the way that failures of this kind take.
    fn fail(&self, walk: &mut Walk<'_>, ran: &Ran, failure: Failure, at: Time) {
        let head = &self.loaded.head;
        let last_error = Some(failure.to_string().into());
        let kind = failure.kind;
        if kind.may_heal() && head.attempt < self.invoke.retry.max_attempts {
            let mut record = self.record(walk, ran, head.state.clone());
            record.failure = Some(failure);
            // The link is as good as chance, and the same whoever looks.
            let chance = u64::from_be_bytes(*head.link.0.first_chunk().expect("32 bytes"));
            let due = at.after(self.invoke.retry.delay(head.attempt, chance));
            walk.stay(record, |head| {
                head.attempt += 1;
                head.due = due;
                head.last_error = last_error;
            });
        } else {
            let to = self.invoke.on_failure.target(kind).clone();
            let mut record = self.record(walk, ran, to);
            record.failure = Some(failure);
            walk.go(record, head.ext.clone(), last_error);
        }
    }

    /// Is the state a declared target, and the patch within the declared schema?
    fn accept(&self, advance: Advance) -> Result<Accepted, Failure> {
        let undeclared = |detail: String| Failure::new(FailureKind::Undeclared, detail);
        let to = self.invoke.targets.get(advance.state.as_str()).cloned().ok_or_else(|| {
            let state = cut(&advance.state);
            undeclared(format!(
                "the action returned the state {state:?}, which is no target of `{}`",
                self.loaded.head.state
            ))
        })?;
        let patch = json::parse(advance.ext_patch.as_bytes())
            .map_err(|e| undeclared(format!("the ext patch is not strict JSON: {e}")))?;
        if !matches!(patch, Value::Object(_)) {
            return Err(undeclared("the ext patch is not a JSON object".to_owned()));
        }
        if let Some(module) = self.module {
            let writes = module.writes(&to).ok_or_else(|| {
                undeclared(format!(
                    "the action returned the state `{to}`, which its manifest does not name"
                ))
            })?;
            let findings = writes.check(&patch);
            if !findings.is_empty() {
                return Err(undeclared(format!(
                    "the ext patch is outside the module's schema: {}",
                    list(&findings)
                )));
            }
        }
        let ext = self.loaded.head.ext.merged(&patch);
        if ext.text().len() > EXT_BYTES_MAX {
            let detail = format!(
                "msg_ext would have {} bytes; the limit `ext_bytes_max` is {EXT_BYTES_MAX}",
                ext.text().len()
            );
            return Err(Failure::new(FailureKind::Limit, detail));
        }
        let note = advance.note.as_deref().map(cut).unwrap_or_default();
        Ok(Accepted { to, patch: advance.ext_patch, ext, note })
    }

    /// The record of this turn, as far as it does not depend on the outcome.
    fn record(&self, walk: &Walk<'_>, ran: &Ran, to: MsgState) -> Record {
        let now = self.loaded.head.due;
        let by = Move { cause: Cause::Action, to, now, note: String::new(), failure: None };
        let settings = self.module.map_or(&[][..], |m| &m.settings_digest.0[..]);
        Record {
            module: self.module.map(Module::reference),
            input: input(self.loaded, now, settings),
            fuel: ran.fuel,
            engine: ran.engine.as_ref().to_owned(),
            effects: ran.effects.clone(),
            ..walk.record(by)
        }
    }
}

fn list(findings: &[Finding]) -> String {
    let line = |f: &Finding| format!("{:?} {}", f.pointer, f.detail);
    findings.iter().map(line).collect::<Vec<_>>().join("; ")
}
