//! `surety message watch`

use std::time::Duration;

use clap::Args;
use surety_core::types::MsgId;

use crate::api::messages::MessageView;
use crate::api::messages::history::{HistoryView, RecordView};
use crate::cli::Common;
use crate::cli::exit::Failed;

/// One long poll: short enough that proxies bear it.
const WAIT: Duration = Duration::from_secs(20);

/// Prints each transition of a message as it happens, until it is final or
/// parked.
#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    /// Its Msg_ID
    id: MsgId,
}

impl Watch {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let (remote, output, id) = (common.remote()?, common.output(), self.id);
        let mut printed = 0;
        loop {
            let answer = remote.get(&format!("/v1/messages/{id}/history"))?;
            let history: HistoryView = answer.read()?;
            for record in history.records.iter().skip(printed) {
                output.value(record, line)?;
            }
            printed = history.records.len();
            let seq = printed.saturating_sub(1);
            let path = format!("/v1/messages/{id}?wait={}&seq={seq}", WAIT.as_secs());
            let message: MessageView = remote.wait(&path, WAIT)?.read()?;
            if message.seq > seq as u64 {
                continue; // the history has more
            }
            if message.parked {
                let why = message.last_error.unwrap_or_else(|| "no error".to_owned());
                let text = format!("the message is parked in `{}`: {why}", message.msg_state);
                return Err(Failed::Parked(text));
            }
            if message.is_final {
                return Ok(());
            }
        }
    }
}

/// A transition in a line.
pub(in crate::cli) fn line(record: &RecordView) -> String {
    let from = record.from.as_ref().map_or("·", |state| state.as_str());
    let mut line = format!("{}  {:>3}  {from} → {}", record.at, record.seq, record.to);
    if let Some(action) = &record.action {
        line.push_str(&format!("  {action}, fuel {}", record.fuel));
    }
    if record.attempt > 1 {
        line.push_str(&format!(", attempt {}", record.attempt));
    }
    for text in [&record.note, &record.error].into_iter().flatten() {
        line.push_str(&format!("  {text}"));
    }
    line
}
