//! `surety message signals` and `surety message signal`

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};
use surety_core::json;
use surety_core::types::{ClientId, MsgId, SignalName};
use surety_core::workflow::SIGNAL_TYPE;

use super::sign::{self, By};
use super::{new, submit};
use crate::api::messages::signals::{SignalView, SignalsView};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::{fields, table};

/// Shows what a message waits for.
#[derive(Debug, Args)]
pub(in crate::cli) struct Signals {
    /// Its Msg_ID
    id: MsgId,
}

impl Signals {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let path = format!("/v1/messages/{}/signals", self.id);
        let view: SignalsView = common.remote()?.get(&path)?.read()?;
        Ok(common.output().value(&view, show)?)
    }
}

fn show(view: &SignalsView) -> String {
    let (Some(subject), Some(until)) = (view.subject, view.until) else {
        return format!("the message is in `{}` and waits for nothing", view.msg_state);
    };
    let row = |s: &SignalView| {
        let given = format!("{} of {}", s.given.len(), s.quorum);
        [s.name.to_string(), given, s.target.to_string(), s.guard.clone()]
    };
    let about = [
        ("state", view.msg_state.to_string()),
        ("until", until.to_string()),
        ("subject", subject.to_string()),
    ];
    let signals = view.signals.iter().map(row).collect();
    format!("{}\n\n{}", fields(&about), table(["SIGNAL", "GIVEN", "LEADS TO", "GUARD"], signals))
}

/// Asks what the message waits for, signs that, and gives it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Give {
    /// The message that waits
    id: MsgId,
    /// The signal's name
    name: SignalName,
    /// The client for which the signal is given
    #[arg(long = "client", value_name = "ID")]
    client_id: ClientId,
    /// The signer's key file
    #[arg(long, default_value = "surety.key", value_name = "FILE")]
    key: PathBuf,
    /// How it is signed
    #[arg(long, value_enum, default_value_t = By::Eip191)]
    scheme: By,
}

impl Give {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let remote = common.remote()?;
        let Self { id, name, client_id, key, scheme } = self;
        let awaited: SignalsView = remote.get(&format!("/v1/messages/{id}/signals"))?.read()?;
        let state = awaited.msg_state;
        let subject = awaited
            .subject
            .ok_or_else(|| anyhow!("the message {id} is in `{state}` and waits for nothing"))?;
        let payload =
            json!({ "signal": name, "msg_id": id, "msg_state": state, "subject": subject });
        let signal = SIGNAL_TYPE.parse()?;
        let text = new::text(&remote, &signal, &client_id, &payload.to_string())?;
        let envelope = match scheme {
            By::Eip191 => sign::envelope(text, &key)?,
            By::Eip712 => {
                let none = || anyhow!("the message's workflow has no typed data; sign by eip191");
                let typed_data = serde_json::to_string(&awaited.typed_data.ok_or_else(none)?)?;
                let value = json::parse(text.as_bytes()).map_err(Failed::refused)?;
                sign::typed_envelope(&value, &typed_data, &key)?
            }
        };
        let path = format!("/v1/messages/{id}/signals/{name}");
        let receipt: Value = remote.post_json(&path, &envelope)?.read()?;
        Ok(common.output().value(&receipt, submit::show)?)
    }
}
