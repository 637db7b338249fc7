//! `surety message get`

use std::time::Duration;

use clap::Args;
use surety_core::types::MsgId;

use super::show;
use crate::api::messages::MessageView;
use crate::api::messages::get::WAIT_S_MAX;
use crate::cli::Common;
use crate::cli::exit::Failed;

/// Shows a message as it is now.
#[derive(Debug, Args)]
pub(in crate::cli) struct Get {
    /// Its Msg_ID
    id: MsgId,
    /// Wait up to this many seconds until it is final or parked
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=WAIT_S_MAX))]
    wait: u64,
}

impl Get {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Self { id, wait } = self;
        let path = format!("/v1/messages/{id}?wait={wait}");
        let answer = common.remote()?.wait(&path, Duration::from_secs(wait))?;
        let message: MessageView = answer.read()?;
        Ok(common.output().value(&message, show)?)
    }
}
