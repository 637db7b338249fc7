//! `surety message new`

use std::path::PathBuf;

use clap::Args;
use surety_core::json;
use surety_core::ports::Clock as _;
use surety_core::types::{ClientId, MsgType};

use crate::api::msg_ids::{IssueRequest, IssuedView};
use crate::cli::exit::Failed;
use crate::cli::remote::Remote;
use crate::cli::{Common, input, output};
use crate::clock::SystemClock;

/// Asks the host for a Msg_ID and writes the text that is to be signed.
#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The message type
    #[arg(long = "type", value_name = "TYPE")]
    msg_type: MsgType,
    /// The client for which it is submitted
    #[arg(long = "client", value_name = "ID")]
    client_id: ClientId,
    /// A file with the payload's JSON; - for standard input [default: {}]
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
}

impl New {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let payload = match &self.payload {
            Some(file) => input::text(file)?,
            None => "{}".to_owned(),
        };
        // Refused here, it costs no Msg_ID.
        json::parse(payload.as_bytes()).map_err(Failed::refused)?;
        let text = text(&common.remote()?, &self.msg_type, &self.client_id, payload.trim())?;
        Ok(output::document(&text)?)
    }
}

/// The text that is to be signed, with a fresh Msg_ID of the host.
pub(super) fn text(
    remote: &Remote,
    msg_type: &MsgType,
    client_id: &ClientId,
    payload: &str,
) -> Result<String, Failed> {
    let request = IssueRequest { client_id: client_id.clone(), count: 1 };
    let issued: IssuedView = remote.post_json("/v1/msg-ids", &request)?.read()?;
    let msg_id = issued.msg_ids.first().ok_or_else(|| anyhow::anyhow!("no msg_id was issued"))?;
    let created = SystemClock.now();
    // Written by hand: names and times need no escapes, and the payload stays as
    // it was written.
    Ok(format!(
        r#"{{"msg_id":"{msg_id}","msg_type":"{msg_type}","client_id":"{client_id}","creation_date":"{created}","payload":{payload}}}"#
    ))
}
