//! `surety reconcile`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use surety_core::ports::Clock;
use surety_core::reconcile::{Mode, Report, reconcile};
use surety_core::types::MsgId;

use super::Common;
use super::exit::Failed;
use super::output::fields;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::data::DataFolder;
use crate::serve::open_stores;
use crate::telemetry;

/// Compares what is shown of messages with what is kept of them, and makes it
/// the same. Works on the data folder, so no host may run on it.
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// Only report; exit code 5 if there is a difference
    #[arg(long)]
    check: bool,
    /// The host's configuration
    #[arg(long, env = "SURETY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Reconcile {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let config = common.config(self.config.as_ref())?;
        telemetry::start(&config.log)?;
        let mode = if self.check { Mode::Check } else { Mode::Rebuild };
        let report = tokio::runtime::Runtime::new()?.block_on(work(&config, mode))?;
        common.output().value(&report, |report| show(report, mode))?;
        match mode {
            Mode::Check if !report.is_clean() => {
                Err(Failed::Unproven("what is shown differs from what is kept".to_owned()))
            }
            Mode::Check | Mode::Rebuild => Ok(()),
        }
    }
}

async fn work(config: &Config, mode: Mode) -> anyhow::Result<Report> {
    let path = config.data_folder()?;
    ensure!(path.is_dir(), "there is no data folder {}", path.display());
    let folder = DataFolder::open(&path)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = open_stores(config, &folder, &clock).await?;
    let (guarantee, archive) = (stores.guarantee.as_ref(), stores.archive.as_ref());
    let report = reconcile(guarantee, archive, stores.reference.as_ref(), mode).await;
    stores.close().await;
    Ok(report?)
}

fn show(report: &Report, mode: Mode) -> String {
    let mut lines = vec![
        ("open messages", report.open.to_string()),
        ("archived messages", report.archived.to_string()),
        ("not shown", report.missing.to_string()),
        ("shown otherwise", report.different.to_string()),
        ("shown without being", report.invented.to_string()),
    ];
    if !report.is_clean() {
        let ids = report.msg_ids.iter().map(MsgId::to_string).collect::<Vec<_>>();
        lines.push((if mode == Mode::Check { "first of them" } else { "mended" }, ids.join(" ")));
    }
    fields(&lines)
}
