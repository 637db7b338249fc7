//! `surety action audit`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use semver::Version;
use surety_audit::{Audit as Audited, Deployed, Reach, diff, reach, show_audit, show_diff};
use surety_core::policy::Policy;
use surety_core::ports::Client;
use surety_core::types::ModuleName;
use surety_core::workflow::Workflow;
use surety_oci::SCHEME;
use surety_sandbox::{Limits, inspect};

use super::check::check_schemas;
use super::source::{Registry, Source};
use crate::api::clients::{ClientBody, ClientView, ClientsView};
use crate::api::modules::{ModuleView, ModulesView};
use crate::api::workflows::WorkflowsView;
use crate::audit::audit;
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::remote::Remote;
use crate::cli::workflow::inlined;
use crate::policy;

/// Says what a module is made of, what it may do and by which grant of the policy,
/// and what a reviewer should look at. Nothing of it is compiled or run.
///
/// With --diff the exit code is 5 if the module may do more than the old one.
#[derive(Debug, Args)]
pub(in crate::cli) struct Audit {
    /// A component, the folder of a project that was built, what a registry has of it,
    /// or the name of a deployed module: its highest version, or NAME@VERSION
    #[arg(value_name = "FILE|oci://…|NAME[@VERSION]")]
    module: String,
    /// Say only what it may do more and less than this one
    #[arg(long, value_name = "FILE|oci://…|NAME[@VERSION]", conflicts_with = "reach")]
    diff: Option<String>,
    /// Say as well which messages make it run, in which states, and who signs them
    #[arg(long)]
    reach: bool,
    /// Of --reach: a workflow's file; may be given more than once [default: what the
    /// host has deployed]
    #[arg(long, value_name = "FILE", requires = "reach")]
    workflow: Vec<PathBuf>,
    /// Of a file: the policy [default: the configuration's; without one nothing is
    /// granted]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Of a file: the host's configuration, for its limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    registry: Registry,
}

impl Audit {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let here = Here::of(&self, common)?;
        let mut new = here.audit(common, &self.module, &self.registry)?;
        if let Some(old) = &self.diff {
            let diff = diff(&here.audit(common, old, &self.registry)?, &new);
            common.output().value(&diff, show_diff)?;
            return match diff.more.len() {
                0 => Ok(()),
                more => Err(Failed::Unproven(format!("it may do more: {more} changes"))),
            };
        }
        // A host says it always, of what it has deployed.
        let known = new.reach.take();
        if self.reach {
            new.reach = match known {
                Some(known) if self.workflow.is_empty() => Some(known),
                _ => Some(self.reached(common, &new)?),
            };
        }
        Ok(common.output().value(&new, show_audit)?)
    }

    fn reached(&self, common: &Common, new: &Audited) -> Result<Reach, Failed> {
        let module = deployed(new).context("a module without a name is run by nothing")?;
        if self.workflow.is_empty() {
            let remote = common.remote()?;
            let Around { modules, workflows, clients } = Around::of(&remote)?;
            return Ok(reach(&module, &modules, &workflows, &clients));
        }
        let read = |file: &PathBuf| {
            let workflow = Workflow::parse(&inlined(file)?).map_err(Failed::refused)?;
            Ok::<_, Failed>(Arc::new(workflow))
        };
        let workflows = self.workflow.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(reach(&module, &[], &workflows, &[]))
    }
}

fn deployed(audit: &Audited) -> Option<Deployed> {
    let module = audit.module.as_ref()?;
    Some(Deployed {
        name: module.name.parse().ok()?,
        version: module.version.parse().ok()?,
        digest: audit.digest.parse().ok()?,
    })
}

/// What files are audited under.
struct Here {
    limits: Limits,
    policy: Policy,
}

impl Here {
    fn of(args: &Audit, common: &Common) -> anyhow::Result<Self> {
        let config = common.config(args.config.as_ref())?;
        let file = args.policy.as_ref().unwrap_or(&config.policy.file);
        Ok(Self { limits: config.sandbox, policy: policy::read(file)? })
    }

    /// What a registry has, a file that is there, or else what a host has of that name.
    fn audit(&self, common: &Common, module: &str, registry: &Registry) -> Result<Audited, Failed> {
        let source = match module.starts_with(SCHEME) {
            true => Source::Registry(module.parse()?),
            false => Source::Path(module.into()),
        };
        if matches!(&source, Source::Path(path) if module != "-" && !path.exists()) {
            return fetched(&common.remote()?, module);
        }
        let opened = source.open(registry, self.limits.component_bytes_max)?;
        let taken = inspect(&opened.component, &self.limits);
        let taken = taken.and_then(|inspected| check_schemas(&inspected.manifest));
        let endorsements = opened.endorsements(None)?;
        Ok(audit(&opened.component, &self.limits, &self.policy, taken.err(), &endorsements))
    }
}

/// The audit of a deployed module, by its host.
fn fetched(remote: &Remote, module: &str) -> Result<Audited, Failed> {
    let (name, version) = name_and_version(module)?;
    let ModulesView { modules } = remote.get("/v1/modules")?.read()?;
    let fits = |view: &&ModuleView| {
        view.name == name && version.as_ref().is_none_or(|version| view.version == *version)
    };
    let found = modules.iter().filter(fits).max_by(|a, b| a.version.cmp(&b.version));
    let none = || anyhow!("there is no file and no deployed module `{module}`");
    let digest = found.ok_or_else(none)?.digest;
    Ok(remote.get(&format!("/v1/modules/{digest}/audit"))?.read()?)
}

fn name_and_version(module: &str) -> anyhow::Result<(ModuleName, Option<Version>)> {
    let (name, version) = match module.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (module, None),
    };
    let neither = || format!("{module:?} is no file that is there and no NAME[@VERSION]");
    let version = version.map(str::parse).transpose().with_context(neither)?;
    Ok((name.parse().with_context(neither)?, version))
}

/// What a host has deployed around a module that it has not.
struct Around {
    modules: Vec<Deployed>,
    workflows: Vec<Arc<Workflow>>,
    clients: Vec<Arc<Client>>,
}

impl Around {
    fn of(remote: &Remote) -> Result<Self, Failed> {
        let ModulesView { modules } = remote.get("/v1/modules")?.read()?;
        let name = |ModuleView { name, version, digest, .. }| Deployed { name, version, digest };
        let WorkflowsView { workflows: views } = remote.get("/v1/workflows")?.read()?;
        let mut workflows = Vec::with_capacity(views.len());
        for view in views {
            let path = format!("/v1/workflows/{}/{}", view.msg_type, view.version);
            let text = String::from_utf8(remote.get(&path)?.bytes().to_vec());
            let text = text.context("the host's workflow is not UTF-8")?;
            workflows.push(Arc::new(Workflow::parse(&text).map_err(Failed::refused)?));
        }
        let ClientsView { clients } = remote.get("/v1/clients")?.read()?;
        let client = |ClientView { client_id, client }| {
            let ClientBody { signers, msg_types, msg_ids_outstanding_max } = client;
            Arc::new(Client { client_id, signers, msg_types, msg_ids_outstanding_max })
        };
        Ok(Self {
            modules: modules.into_iter().map(name).collect(),
            workflows,
            clients: clients.into_iter().map(client).collect(),
        })
    }
}
