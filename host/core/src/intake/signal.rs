//! The way in of signals: validated like a message, then given to the one that
//! waits for them.

use std::sync::Arc;

use crate::machine::{Signal, signal};
use crate::message::{Envelope, Members, verify};
use crate::receipt::Receipt;
use crate::refusal::{Code, Refusal};
use crate::scheme::SchemeName;
use crate::settle::{NotMoved, Place, load, move_now};
use crate::typed_data::TypedData;
use crate::types::{MsgId, SignalName};
use crate::workflow::SIGNAL_TYPE;
use crate::{json, schemas};

use super::{Intake, IntakeError, check_schema, id_refusal};

impl Intake {
    /// Validates a signal and gives it to a message. When this returns `Ok`, the
    /// signal is in a durable record, and its Msg_ID is used up. The receipt
    /// names the state in which the message is then.
    ///
    /// # Errors
    /// The refusal with the first check that failed, and the host's signature;
    /// the message is then as it was. `not_found` when there is no such message.
    pub async fn signal(
        &self,
        to: MsgId,
        name: &SignalName,
        body: &[u8],
    ) -> Result<Receipt, IntakeError> {
        let envelope = self.read_envelope(body)?;
        let given = self.give(to, name, &envelope).await;
        given.map_err(|e| self.signed(e, &envelope))
    }

    async fn give(
        &self,
        to: MsgId,
        name: &SignalName,
        envelope: &Envelope,
    ) -> Result<Receipt, IntakeError> {
        let place = Place {
            workflows: &self.workflows,
            guarantee: &*self.guarantee,
            reference: &*self.reference,
        };
        let typed_data = match envelope.scheme {
            SchemeName::Eip191 => None,
            SchemeName::Eip712 => {
                let (_, workflow) = load(place, to).await.map_err(not_taken)?;
                workflow.signal_typed_data.clone()
            }
        };
        let given = validate(envelope, typed_data.as_ref())?;
        if (given.to, &given.name) != (to, name) {
            let detail = format!("what is signed is `{}` for {}", given.name, given.to);
            let refusal = Refusal::new(Code::SchemaInvalid, "the signal is not that of the path");
            return Err(refusal.at("/payload", detail).into());
        }
        self.authorise(given.message.get()).await?;
        let now = self.clock.now();
        let moved = move_now(place, to, |workflow, loaded| signal(workflow, loaded, &given, now));
        let loaded = moved.await.map_err(not_taken)?;
        let signed = given.message.get();
        let state = loaded.head.state;
        Ok(Receipt::sign(&self.key, signed.msg_id, state, signed.content_hash, now))
    }
}

fn not_taken(e: NotMoved) -> IntakeError {
    match e {
        NotMoved::Refused(refusal) => refusal.into(),
        NotMoved::Archived => {
            Refusal::new(Code::SignalLate, "the message is done, and archived").into()
        }
        NotMoved::Id(e) => id_refusal(&e).into(),
        NotMoved::Fault(fault) => IntakeError::Fault(fault),
    }
}

/// Everything that the text and the signature say by themselves. `typed_data` are
/// those of signals to the message.
fn validate(envelope: &Envelope, typed_data: Option<&Arc<TypedData>>) -> Result<Signal, Refusal> {
    let members = Members::read(json::parse(envelope.text.as_bytes())?)?;
    if members.msg_type.as_str() != SIGNAL_TYPE {
        let detail = format!("a message of the type `{}` is no signal", members.msg_type);
        return Err(Refusal::new(Code::SchemaInvalid, detail).at("/msg_type", "must be `signal`"));
    }
    check_schema(schemas::signal(), &members)?;
    Signal::read(verify(envelope, members, typed_data)?)
}
