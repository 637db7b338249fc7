//! `surety message list`

use clap::Args;
use surety_core::types::{ClientId, MsgState, MsgType, Time};

use super::phase;
use crate::api::messages::MessageView;
use crate::api::messages::list::{LIMIT_MAX, MessagesView};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::table;

/// Lists messages, newest first.
#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Of this client
    #[arg(long = "client", value_name = "ID")]
    client_id: Option<ClientId>,
    /// Of this type
    #[arg(long = "type", value_name = "TYPE")]
    msg_type: Option<MsgType>,
    /// In this state
    #[arg(long = "state", value_name = "STATE")]
    msg_state: Option<MsgState>,
    /// Only those that are parked
    #[arg(long)]
    parked: bool,
    /// Created at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<Time>,
    /// Created before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Time>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

impl List {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let remote = common.remote()?;
        let mut all = MessagesView { messages: Vec::new(), cursor: None };
        loop {
            let wanted = self.limit - all.messages.len();
            let path = self.path(wanted.min(LIMIT_MAX), all.cursor.as_deref());
            let page: MessagesView = remote.get(&path)?.read()?;
            all.messages.extend(page.messages);
            all.cursor = page.cursor;
            if all.cursor.is_none() || all.messages.len() >= self.limit {
                return Ok(common.output().value(&all, show)?);
            }
        }
    }

    /// The names and times in it need no escapes.
    fn path(&self, limit: usize, cursor: Option<&str>) -> String {
        let text = |value: &Option<Time>| value.map(|time| time.to_string());
        let filters = [
            ("client_id", self.client_id.as_ref().map(ClientId::to_string)),
            ("msg_type", self.msg_type.as_ref().map(MsgType::to_string)),
            ("msg_state", self.msg_state.as_ref().map(MsgState::to_string)),
            ("parked", self.parked.then(|| "true".to_owned())),
            ("creation_date_from", text(&self.from)),
            ("creation_date_to", text(&self.to)),
            ("cursor", cursor.map(str::to_owned)),
        ];
        let given = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query: String = given.map(|(name, value)| format!("&{name}={value}")).collect();
        format!("/v1/messages?limit={}{query}", limit.max(1))
    }
}

fn show(page: &MessagesView) -> String {
    let row = |m: &MessageView| {
        [
            m.msg_id.to_string(),
            m.msg_type.to_string(),
            m.client_id.to_string(),
            m.msg_state.to_string(),
            phase(m).to_owned(),
            m.seq.to_string(),
            m.creation_date.clone(),
        ]
    };
    let headings = ["MSG_ID", "TYPE", "CLIENT", "STATE", "PHASE", "SEQ", "CREATED"];
    let more = if page.cursor.is_some() { "\nthere are more; see --limit" } else { "" };
    format!("{}{more}", table(headings, page.messages.iter().map(row).collect()))
}
