//! `surety redrive`

use clap::Args;
use surety_core::types::{ClientId, MsgId, MsgState, MsgType};

use super::Common;
use super::exit::Failed;
use super::message::show;
use crate::api::messages::MessageView;
use crate::api::messages::redrive::{RedriveManyRequest, RedriveRequest, RedrivenView};

/// Moves a parked message, or all that match, back to where they came from or to
/// a state that the workflow declares for that.
#[derive(Debug, Args)]
pub(super) struct Redrive {
    /// One message
    #[arg(conflicts_with_all = ["all", "client_id", "msg_type", "msg_state"], required_unless_present_any = ["all", "client_id", "msg_type", "msg_state"])]
    id: Option<MsgId>,
    /// All parked messages
    #[arg(long)]
    all: bool,
    /// Those of this client
    #[arg(long = "client", value_name = "ID")]
    client_id: Option<ClientId>,
    /// Those of this type
    #[arg(long = "type", value_name = "TYPE")]
    msg_type: Option<MsgType>,
    /// Those in this state
    #[arg(long = "state", value_name = "STATE")]
    msg_state: Option<MsgState>,
    /// The state to move to [default: where each came from]
    #[arg(long, value_name = "STATE")]
    to: Option<MsgState>,
    /// Why; the record keeps it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Redrive {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let remote = common.remote()?;
        let Self { id, client_id, msg_type, msg_state, to, reason, .. } = self;
        if let Some(id) = id {
            let request = RedriveRequest { to, reason };
            let answer = remote.post_json(&format!("/v1/messages/{id}/redrive"), &request)?;
            let message: MessageView = answer.read()?;
            return Ok(common.output().value(&message, show)?);
        }
        let mut request =
            RedriveManyRequest { client_id, msg_type, msg_state, to, reason, cursor: None };
        let mut all = RedrivenView { redriven: vec![], refused: vec![], cursor: None };
        loop {
            let page: RedrivenView = remote.post_json("/v1/redrive", &request)?.read()?;
            all.redriven.extend(page.redriven);
            all.refused.extend(page.refused);
            request.cursor = page.cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        common.output().value(&all, |all| {
            let mut lines: Vec<_> = all.redriven.iter().map(|id| format!("{id}  moves")).collect();
            let stays = all.refused.iter();
            lines.extend(stays.map(|r| format!("{}  stays: {}: {}", r.msg_id, r.code, r.detail)));
            lines.push(format!("{} redriven, {} not", all.redriven.len(), all.refused.len()));
            lines.join("\n")
        })?;
        match all.refused.len() {
            0 => Ok(()),
            stay => Err(Failed::Parked(format!("{stay} messages stay parked"))),
        }
    }
}
