//! The way in of signals: validated like a message, then given to the one that
//! waits for them.

use std::sync::Arc;

use crate::machine::{Signal, signal};
use crate::message::{Envelope, Members, Message, verify};
use crate::ports::{Fault, Found, IdRefused};
use crate::receipt::Receipt;
use crate::record::{Cause, Sealed};
use crate::refusal::{Code, Refusal};
use crate::scheme::SchemeName;
use crate::settle::{NotMoved, Place, load, move_now};
use crate::typed_data::TypedData;
use crate::types::{MsgId, SignalName};
use crate::workflow::SIGNAL_TYPE;
use crate::{json, schemas};

use super::{Intake, IntakeError, check_schema, id_refusal, is_same};

impl Intake {
    /// Validates a signal and gives it to a message. When this returns `Ok`, the
    /// signal is in a durable record, and its Msg_ID is used up. The receipt
    /// names the state in which the message was then. Whoever gives the same signal
    /// again gets that receipt again.
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
        match self.give(to, name, &envelope).await {
            Err(e @ IntakeError::Refused(..)) => {
                match self.given_before(to, name, &envelope).await? {
                    Some(receipt) => Ok(receipt),
                    None => Err(self.signed(e, &envelope)),
                }
            }
            given => given,
        }
    }

    /// The receipt of the very same text by the same signer, if the message has it in
    /// its chain.
    async fn given_before(
        &self,
        to: MsgId,
        name: &SignalName,
        envelope: &Envelope,
    ) -> Result<Option<Receipt>, Fault> {
        let Ok(members) = json::parse(envelope.text.as_bytes()).and_then(Members::read) else {
            return Ok(None);
        };
        let chain = match self.guarantee.load(to).await? {
            Found::Open(loaded) => loaded.records,
            Found::Archived => match self.archived(to).await? {
                Some(bundle) => bundle.records,
                None => return Ok(None),
            },
            Found::Nothing => return Ok(None),
        };
        let records = chain.iter().map(Sealed::record).collect::<Result<Vec<_>, _>>();
        let records = records.map_err(Fault::from)?;
        for (i, record) in records.iter().enumerate() {
            if record.signal.is_empty() {
                continue;
            }
            let kept = Message::decode(&record.signal).map_err(Fault::from)?;
            if kept.msg_id != members.msg_id || kept.value["payload"]["signal"] != *name.as_str() {
                continue;
            }
            // Choices were followed in the same step.
            let chosen = records[i + 1..].iter().take_while(|r| r.cause == Cause::Choice);
            let state = chosen.last().unwrap_or(record).to.clone();
            let receipt =
                || Receipt::sign(&self.key, kept.msg_id, state, kept.content_hash, record.at);
            return Ok(is_same(envelope, members, &kept).then(receipt));
        }
        Ok(None)
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
        let signed = given.message.get();
        let moved = move_now(place, to, |workflow, loaded| {
            let step = signal(workflow, loaded, &given, now)?;
            // The message itself has used it. A backend could not even ask, where one
            // item holds the state of both.
            if signed.msg_id == to { Err(id_refusal(&IdRefused::Used)) } else { Ok(step) }
        });
        let loaded = moved.await.map_err(not_taken)?;
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
