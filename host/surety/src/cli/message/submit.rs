//! `surety message submit`

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::cli::exit::Failed;
use crate::cli::output::fields;
use crate::cli::{Common, input};

/// Submits an envelope and shows the host's receipt.
#[derive(Debug, Args)]
pub(in crate::cli) struct Submit {
    /// The envelope; - for standard input
    file: PathBuf,
}

impl Submit {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let answer = common.remote()?.post("/v1/messages", input::bytes(&self.file)?)?;
        let receipt: Value = answer.read()?;
        Ok(common.output().value(&receipt, show)?)
    }
}

/// A receipt in lines.
pub(super) fn show(receipt: &Value) -> String {
    let names = ["msg_id", "msg_state", "content_hash", "accepted_at", "host", "signature"];
    fields(&names.map(|name| (name, receipt[name].as_str().unwrap_or_default().to_owned())))
}
