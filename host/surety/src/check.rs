//! What is proven before something is deployed, or taken out: a workflow with the
//! modules that are there, and modules with the workflows that are.

use std::sync::Arc;

use surety_core::check::{CheckFinding, check, refuse};
use surety_core::module::{Manifest, Module};
use surety_core::ports::Actions;
use surety_core::refusal::{Finding, Refusal};
use surety_core::schema::FINDINGS_MAX;
use surety_core::workflow::{ModuleSpec, Workflow};
use surety_core::workflows::Workflows;

/// Whether a workflow holds with the modules that are deployed.
///
/// # Errors
/// Those of [`refuse`], with every finding.
pub fn holds(actions: &dyn Actions, workflow: &Workflow) -> Result<(), Refusal> {
    refuse(&findings(actions, workflow))
}

/// Whether workflows still hold when specifications resolve to what `then` says.
/// One that does not hold now stands in nobody's way: the change may be what mends
/// it.
///
/// # Errors
/// `unfit` with what would not hold any more.
pub fn fits(
    actions: &dyn Actions,
    workflows: &[Arc<Workflow>],
    then: &dyn Fn(&ModuleSpec) -> Option<Arc<Manifest>>,
    mut unfit: Refusal,
) -> Result<(), Refusal> {
    for workflow in workflows {
        let then = check(workflow, then);
        if !then.is_empty() && findings(actions, workflow).is_empty() {
            let name = format!("workflow `{}` version {}", workflow.msg_type, workflow.version);
            let of_workflow = |finding: &CheckFinding| {
                let Finding { pointer, detail } = finding.in_one();
                Finding { pointer, detail: format!("{name}: {detail}") }
            };
            unfit.errors.extend(then.iter().map(of_workflow));
        }
    }
    unfit.errors.truncate(FINDINGS_MAX);
    if unfit.errors.is_empty() { Ok(()) } else { Err(unfit) }
}

/// The newest workflow of each type.
#[must_use]
pub fn admitting(workflows: &Workflows) -> Vec<Arc<Workflow>> {
    let mut all = workflows.all();
    all.retain(|workflow| {
        let admits = workflows.newest(&workflow.msg_type);
        admits.is_some_and(|admits| admits.digest == workflow.digest)
    });
    all
}

fn findings(actions: &dyn Actions, workflow: &Workflow) -> Vec<CheckFinding> {
    check(workflow, &|spec| Some(Arc::clone(&actions.resolve(spec)?.manifest)))
}

/// What a specification resolves to once this module is deployed.
#[must_use]
pub fn resolved_with(
    actions: &dyn Actions,
    spec: &ModuleSpec,
    module: &Module,
) -> Option<Arc<Manifest>> {
    let Manifest { name, version, .. } = &*module.manifest;
    let now = actions.resolve(spec).map(|now| Arc::clone(&now.manifest));
    let newest = now.as_ref().is_none_or(|now| now.version <= *version);
    if newest && spec.admits(name, version, module.digest) {
        return Some(Arc::clone(&module.manifest));
    }
    now
}
