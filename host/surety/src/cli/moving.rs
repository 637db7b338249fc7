//! `surety export` and `surety import`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Args;
use surety_core::ports::Clock;
use surety_store::{Exported, Imported, MoveError, Stores};

use super::Common;
use super::exit::Failed;
use super::output::fields;
use crate::clock::SystemClock;
use crate::config::{Backend, Config};
use crate::data::DataFolder;
use crate::serve::open_stores;
use crate::telemetry;

/// Writes everything that is kept into a folder of plain files: open messages with
/// their history, bundles, Msg_IDs, clients, modules and workflows. Into the folder of
/// an export before, it goes on and brings it up to date.
///
/// No host may run meanwhile. On the embedded backend none can; on aws, stop them all
/// first: nothing here sees that one runs.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The folder; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// The host's configuration
    #[arg(long, env = "SURETY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Puts an export into the store of a configuration, which is empty, or holds a part of
/// the same export. All of it is checked first: an export that is not finished, or was
/// changed, is refused with the file's name and exit code 5. Nothing is replaced.
///
/// No host may run meanwhile, neither on the store that was exported nor on this one.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The folder that `surety export` wrote
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// The host's configuration
    #[arg(long, env = "SURETY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let config = common.config(self.config.as_ref())?;
        telemetry::start(&config.log)?;
        let work = async {
            if config.store.backend == Backend::Embedded {
                let path = config.data_folder()?;
                ensure!(path.is_dir(), "there is no data folder {}", path.display());
            }
            let stores = open(&config).await?;
            let exported = stores.export(&self.to).await;
            stores.close().await;
            Ok(exported)
        };
        let exported = tokio::runtime::Runtime::new()?.block_on(work)?.map_err(failed)?;
        Ok(common.output().value(&exported, show)?)
    }
}

impl Import {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let config = common.config(self.config.as_ref())?;
        telemetry::start(&config.log)?;
        let work = async {
            let stores = open(&config).await?;
            let imported = stores.import(&self.from).await;
            stores.close().await;
            anyhow::Ok(imported)
        };
        let imported = tokio::runtime::Runtime::new()?.block_on(work)?.map_err(failed)?;
        Ok(common.output().value(&imported, show_imported)?)
    }
}

async fn open(config: &Config) -> anyhow::Result<Stores> {
    ensure!(
        config.store.backend != Backend::Memory,
        "the backend `memory` keeps nothing that could be moved; name another one in `[store]`"
    );
    let path = config.data_folder()?;
    let folder = DataFolder::open(&path)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    open_stores(config, &folder, &clock).await.context("the store cannot be opened")
}

fn failed(e: MoveError) -> Failed {
    match e {
        MoveError::Unfinished(..) | MoveError::Altered(..) | MoveError::Taken(_) => {
            Failed::Unproven(e.to_string())
        }
        MoveError::Io(..) | MoveError::Fault(_) => Failed::Other(e.into()),
    }
}

fn lines(exported: &Exported) -> Vec<(&'static str, String)> {
    vec![
        ("open messages", exported.open.to_string()),
        ("archived messages", exported.archived.to_string()),
        ("msg_ids", exported.msg_ids.to_string()),
        ("clients", exported.clients.to_string()),
        ("deployments", exported.deployments.to_string()),
        ("components", exported.components.to_string()),
        ("workflows", exported.workflows.to_string()),
    ]
}

fn show(exported: &Exported) -> String {
    fields(&lines(exported))
}

fn show_imported(imported: &Imported) -> String {
    let mut lines = lines(&imported.export);
    let Imported { messages_new, msg_ids_new, reference, .. } = imported;
    let mended = reference.missing + reference.different + reference.invented;
    lines.extend([
        ("new messages", messages_new.to_string()),
        ("new unused or signals' msg_ids", msg_ids_new.to_string()),
        ("shown anew", mended.to_string()),
    ]);
    fields(&lines)
}
