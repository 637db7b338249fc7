//! `surety message`

mod get;
mod list;
mod new;
mod sign;
mod submit;
mod watch;

use clap::Subcommand;

use super::Common;
use super::exit::Failed;
use super::output::fields;
use crate::api::messages::MessageView;
pub(super) use watch::line;

#[derive(Debug, Subcommand)]
pub(super) enum Message {
    /// Write a message text with a fresh Msg_ID
    New(new::New),
    /// Sign a message text, and write the envelope
    Sign(sign::Sign),
    /// Submit an envelope
    Submit(submit::Submit),
    /// Show a message
    Get(get::Get),
    /// List messages, newest first
    List(list::List),
    /// Follow a message until it is final or parked
    Watch(watch::Watch),
}

impl Message {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        match self {
            Self::New(new) => new.run(common),
            Self::Sign(sign) => sign.run(common),
            Self::Submit(submit) => submit.run(common),
            Self::Get(get) => get.run(common),
            Self::List(list) => list.run(common),
            Self::Watch(watch) => watch.run(common),
        }
    }
}

/// Whether it moves, in a word.
fn phase(message: &MessageView) -> &'static str {
    match (message.is_final, message.parked) {
        (true, _) => "final",
        (false, true) => "parked",
        (false, false) => "open",
    }
}

fn show(message: &MessageView) -> String {
    let mut lines = vec![
        ("msg_id", message.msg_id.to_string()),
        ("type", message.msg_type.to_string()),
        ("client", message.client_id.to_string()),
        ("created", message.creation_date.clone()),
        ("signer", message.signer.to_string()),
        ("state", format!("{} ({})", message.msg_state, phase(message))),
        ("revision", message.seq.to_string()),
        ("updated", message.updated_at.to_string()),
    ];
    if let Some(error) = &message.last_error {
        lines.push(("last error", error.clone()));
    }
    fields(&lines)
}
