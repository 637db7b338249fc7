//! `surety action rollback`, `remove` and `history`

use anyhow::Context as _;
use clap::Args;
use semver::Version;
use surety_core::types::ModuleName;

use crate::api::deployments::{DeploymentView, DeploymentsView, RollbackRequest};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::table;

/// A module's name, and maybe one of its versions.
#[derive(Debug, Clone)]
pub(super) struct Versioned {
    name: ModuleName,
    version: Option<Version>,
}

impl std::str::FromStr for Versioned {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let version = version.map(str::parse).transpose();
        let version = version.with_context(|| format!("{text:?} is not `name` or `name@1.2.3`"))?;
        Ok(Self { name: name.parse()?, version })
    }
}

/// Goes back to the deployment before the last one, with its settings.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    /// The module; with a version, to the last deployment of that
    #[arg(value_name = "NAME[@VERSION]")]
    module: Versioned,
}

/// Takes a version out that no workflow needs.
#[derive(Debug, Args)]
pub(in crate::cli) struct Remove {
    /// The version
    #[arg(value_name = "NAME@VERSION")]
    module: Versioned,
}

/// Lists the deployments of a module, the last one first.
#[derive(Debug, Args)]
pub(in crate::cli) struct History {
    /// The module's name
    name: ModuleName,
}

impl Rollback {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Versioned { name, version } = self.module;
        let path = format!("/v1/deployments/{name}/rollback");
        let request = RollbackRequest { version };
        let view: DeploymentsView = common.remote()?.post_json(&path, &request)?.read()?;
        Ok(common.output().value(&view, show)?)
    }
}

impl Remove {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Versioned { name, version } = self.module;
        let version = version.ok_or_else(|| anyhow::anyhow!("name the version: {name}@1.2.3"))?;
        common.remote()?.delete(&format!("/v1/deployments/{name}/{version}"))?;
        let removed = serde_json::json!({ "removed": format!("{name}@{version}") });
        Ok(common.output().value(&removed, |_| format!("{name}@{version} is removed"))?)
    }
}

impl History {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let path = format!("/v1/deployments/{}", self.name);
        let view: DeploymentsView = common.remote()?.get(&path)?.read()?;
        Ok(common.output().value(&view, show)?)
    }
}

fn show(view: &DeploymentsView) -> String {
    let row = |d: &DeploymentView| {
        let state = match (d.in_effect, d.ended_at) {
            (true, _) => "in effect".to_owned(),
            (false, Some(at)) => format!("ended {at}"),
            (false, None) => "superseded".to_owned(),
        };
        let settings = d.settings_digest.to_string();
        [d.version.to_string(), d.deployed_at.to_string(), state, settings, d.digest.to_string()]
    };
    let rows = view.deployments.iter().map(row).collect();
    table(["VERSION", "DEPLOYED", "STATE", "SETTINGS", "DIGEST"], rows)
}
