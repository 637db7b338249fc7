//! What is proven before something is deployed: a workflow with the modules that
//! are there, and a module with the workflows that are.

use std::sync::Arc;

use surety_core::check::{CheckFinding, check, refuse};
use surety_core::module::{Manifest, Module};
use surety_core::ports::Actions as _;
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::schema::FINDINGS_MAX;
use surety_core::workflow::{ModuleSpec, Workflow};
use surety_core::workflows::Workflows;
use surety_sandbox::Sandbox;

/// Whether a workflow holds with the modules that are deployed.
///
/// # Errors
/// Those of [`refuse`], with every finding.
pub fn holds(sandbox: &Sandbox, workflow: &Workflow) -> Result<(), Refusal> {
    refuse(&findings(sandbox, workflow))
}

/// Whether the newest workflow of each type still holds once a module is
/// deployed. One that does not hold now stands in nobody's way: the module may be
/// what mends it.
///
/// # Errors
/// `module_unfit` with what would not hold any more.
pub fn fits(sandbox: &Sandbox, workflows: &Workflows, module: &Module) -> Result<(), Refusal> {
    let label = format!("{}@{}", module.manifest.name, module.manifest.version);
    let detail = format!("deployed workflows would not hold with `{label}`");
    let mut unfit = Refusal::new(Code::ModuleUnfit, detail);
    for workflow in workflows.all() {
        let admits = workflows.newest(&workflow.msg_type);
        if admits.is_none_or(|admits| admits.digest != workflow.digest) {
            continue;
        }
        let then = check(&workflow, &|spec| resolved_with(sandbox, spec, module));
        if !then.is_empty() && findings(sandbox, &workflow).is_empty() {
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

fn findings(sandbox: &Sandbox, workflow: &Workflow) -> Vec<CheckFinding> {
    check(workflow, &|spec| Some(Arc::clone(&sandbox.resolve(spec)?.manifest)))
}

/// What a specification resolves to once this module is deployed.
fn resolved_with(sandbox: &Sandbox, spec: &ModuleSpec, module: &Module) -> Option<Arc<Manifest>> {
    let Manifest { name, version, .. } = &*module.manifest;
    let now = sandbox.resolve(spec).map(|now| Arc::clone(&now.manifest));
    let newest = now.as_ref().is_none_or(|now| now.version <= *version);
    if newest && spec.admits(name, version, module.digest) {
        return Some(Arc::clone(&module.manifest));
    }
    now
}
