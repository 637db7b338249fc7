//! `surety message`

mod cancel;
mod get;
mod list;
mod new;
mod sign;
mod signal;
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
    /// Show what a message waits for
    Signals(signal::Signals),
    /// Sign a signal and give it to a message
    Signal(signal::Give),
    /// Cancel a message, where its workflow declares that it can be
    Cancel(cancel::Cancel),
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
            Self::Signals(signals) => signals.run(common),
            Self::Signal(give) => give.run(common),
            Self::Cancel(cancel) => cancel.run(common),
        }
    }
}

/// Whether it moves, in a word.
fn phase(message: &MessageView) -> &'static str {
    match (message.is_final, message.parked, message.waits_until) {
        (true, ..) => "final",
        (false, true, _) => "parked",
        (false, false, Some(_)) => "waiting",
        (false, false, None) => "running",
    }
}

pub(super) fn show(message: &MessageView) -> String {
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
    let more = [
        ("waits until", message.waits_until.map(|time| time.to_string())),
        ("module", message.module.clone()),
        ("attempts", message.attempts.map(|n| n.to_string())),
        ("last error", message.last_error.clone()),
    ];
    lines.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    fields(&lines)
}
