//! What a message type asks beyond its schema: rules in the workflow, and
//! validator modules.

use serde_json::Value;

use crate::guard::Scope;
use crate::message::Message;
use crate::refusal::{Code, Refusal};
use crate::types::Time;
use crate::workflow::Workflow;

use super::{Intake, IntakeError};

impl Intake {
    /// Every rule holds, and no validator finds anything.
    pub(super) async fn judge(
        &self,
        message: &Message,
        workflow: &Workflow,
        now: Time,
    ) -> Result<(), IntakeError> {
        check_rules(message, workflow, now)?;
        for spec in &workflow.validators {
            let failed = |why: String| Refusal::new(Code::ValidatorFailed, why);
            let module = self.actions.resolve(spec);
            let module =
                module.ok_or_else(|| failed(format!("no deployed validator fits `{spec}`")))?;
            let name = &module.manifest.name;
            match self.actions.validate(&module, message, now).await? {
                Ok(errors) if errors.is_empty() => {}
                Ok(errors) => {
                    let detail = format!("the validator `{name}` refuses the message");
                    let refusal = Refusal::new(Code::ValidatorRefused, detail);
                    return Err(Refusal { errors, ..refusal }.into());
                }
                Err(failure) => {
                    let why = format!("the validator `{name}` came to no end: {failure}");
                    return Err(failed(why).into());
                }
            }
        }
        Ok(())
    }
}

/// All rules that do not hold, at once.
fn check_rules(message: &Message, workflow: &Workflow, now: Time) -> Result<(), Refusal> {
    let scope = Scope { message: &message.value, ext: &Value::Null, signal: None, now };
    let detail = format!("the message breaks rules of `{}`", message.msg_type);
    let mut broken = Refusal::new(Code::RuleBroken, detail);
    for rule in &workflow.rules {
        match rule.guard.holds(&scope) {
            Ok(true) => {}
            Ok(false) => broken = broken.at(&rule.pointer, &rule.detail),
            Err(e) => return Err(Refusal::new(Code::GuardFailed, e.to_string())),
        }
    }
    if broken.errors.is_empty() { Ok(()) } else { Err(broken) }
}
