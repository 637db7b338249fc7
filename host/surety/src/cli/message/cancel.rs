//! `surety message cancel`

use clap::Args;
use surety_core::types::MsgId;

use super::show;
use crate::api::messages::MessageView;
use crate::api::messages::cancel::CancelRequest;
use crate::cli::Common;
use crate::cli::exit::Failed;

/// Cancels a message.
#[derive(Debug, Args)]
pub(in crate::cli) struct Cancel {
    /// Its Msg_ID
    id: MsgId,
    /// Why; the record keeps it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Cancel {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let Self { id, reason } = self;
        let path = format!("/v1/messages/{id}/cancel");
        let answer = common.remote()?.post_json(&path, &CancelRequest { reason })?;
        let message: MessageView = answer.read()?;
        Ok(common.output().value(&message, show)?)
    }
}
