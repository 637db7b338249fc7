//! What Reference shows of a message. Derived from Guarantee or the archive by
//! the two functions here, and by nothing else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::codec::DecodeError;
use crate::machine::{Loaded, Phase};
use crate::message::Message;
use crate::record::{Cause, Record, Sealed};
use crate::types::{Address, ClientId, MsgId, MsgState, MsgType, Seq, Time};

/// A message as the read model shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// Its id.
    pub msg_id: MsgId,
    /// Its type.
    pub msg_type: MsgType,
    /// Whose it is.
    pub client_id: ClientId,
    /// As the client wrote it.
    pub creation_date: Arc<str>,
    /// Who signed it.
    pub signer: Address,
    /// Its state.
    pub msg_state: MsgState,
    /// Its revision.
    pub seq: Seq,
    /// Whether the state is final.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether it waits for a person.
    pub parked: bool,
    /// How the last attempt failed, if it did.
    pub last_error: Option<Arc<str>>,
    /// Of a message that is parked: how many attempts failed before.
    pub attempts: Option<u32>,
    /// Of a message that is parked: the module that failed, as `name@version`.
    pub module: Option<Arc<str>>,
    /// Of a message that waits: when its wait ends.
    pub waits_until: Option<Time>,
    /// When the last transition was made.
    pub updated_at: Time,
}

impl Projection {
    /// Of an open message.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        let head = &loaded.head;
        let parked = head.phase == Phase::Parked;
        // Read only where it is shown.
        let failed = parked.then(|| moved(&loaded.records).ok().flatten()).flatten();
        let module = failed.as_ref().and_then(|record| record.module.as_ref());
        Self {
            is_final: head.phase == Phase::Final,
            parked,
            last_error: head.last_error.clone(),
            attempts: failed.as_ref().map(|record| record.attempt),
            module: module.map(|m| format!("{}@{}", m.name, m.version).into()),
            waits_until: (head.phase == Phase::Waiting).then_some(head.due),
            ..Self::moving(&loaded.message, head.state.clone(), head.seq, head.updated_at)
        }
    }

    /// Of an archived message.
    ///
    /// # Errors
    /// When one of the bundle's last records cannot be read.
    pub fn of_bundle(bundle: &Bundle) -> Result<Self, DecodeError> {
        let last = bundle.records.last().ok_or(DecodeError::Field("records"))?.record()?;
        let failure = moved(&bundle.records)?.and_then(|record| record.failure);
        Ok(Self {
            is_final: true,
            last_error: failure.map(|f| f.to_string().into()),
            ..Self::moving(&bundle.message, last.to, last.seq, last.at)
        })
    }

    fn moving(message: &Message, msg_state: MsgState, seq: Seq, updated_at: Time) -> Self {
        Self {
            msg_id: message.msg_id,
            msg_type: message.msg_type.clone(),
            client_id: message.client_id.clone(),
            creation_date: Arc::clone(&message.creation_date),
            signer: message.signer,
            msg_state,
            seq,
            is_final: false,
            parked: false,
            last_error: None,
            attempts: None,
            module: None,
            waits_until: None,
            updated_at,
        }
    }

    /// `creation_date` as a time, to sort by.
    #[must_use]
    pub fn created(&self) -> Time {
        // Admission checked that it is one.
        self.creation_date.parse().unwrap_or(Time::from_millis(0))
    }
}

/// The record that says how the last attempt ended: the last that is no choice.
fn moved(records: &[Sealed]) -> Result<Option<Record>, DecodeError> {
    for sealed in records.iter().rev() {
        let record = sealed.record()?;
        if record.cause != Cause::Choice {
            return Ok(Some(record));
        }
    }
    Ok(None)
}
