//! Intake: Msg_IDs go out, submissions and signals come in, are validated and
//! kept.
//!
//! Validation goes from cheap to dear and stops at the first check that fails:
//! size, strict JSON, envelope, members, message type, schema, signature,
//! authority, rules, validators, Msg_ID. The last is decided by Guarantee, in the
//! transaction that keeps the message. What was accepted once stays accepted:
//! whoever sends it again gets the first receipt, whatever has changed since.

mod judge;
mod signal;

use std::sync::Arc;

use thiserror::Error;

use crate::bundle::Bundle;
use crate::crypto::PrivateKey;
use crate::json;
use crate::machine;
use crate::message::{Envelope, Members, Message, Verified, verify};
use crate::ports::{
    Actions, Admission, AdmitError, Admitted, Archive, Client, Clients, Clock, Fault, Found,
    Guarantee, IdRefused, Reference, Reservation, ReserveError, Settled,
};
use crate::projection::Projection;
use crate::receipt::{Receipt, RefusalReceipt};
use crate::refusal::{Code, Refusal};
use crate::schema::Schema;
use crate::types::{ClientId, Digest, MsgId, Time};
use crate::workflow::Workflow;
use crate::workflows::Workflows;

/// Bounds on what comes in.
#[derive(Debug, Clone, Copy)]
pub struct IntakeLimits {
    /// The largest message text, in bytes.
    pub message_bytes_max: usize,
    /// The most Msg_IDs of one request.
    pub msg_ids_count_max: u32,
    /// The most unused Msg_IDs of one client, unless it has its own cap.
    pub msg_ids_outstanding_max: u32,
    /// How long a Msg_ID may be used, in milliseconds.
    pub msg_id_ttl_ms: u64,
}

/// Issued ids.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The ids.
    pub msg_ids: Vec<MsgId>,
    /// The last moment at which each may be used.
    pub expires_at: Time,
}

/// A message that is kept.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The host's word.
    pub receipt: Arc<Receipt>,
    /// Whether it was kept by this submission or an earlier one.
    pub before: bool,
}

/// Why nothing came of a request.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// It was refused; nothing was stored. With the host's signed word, where
    /// there was a text that it can name.
    #[error("{0}")]
    Refused(Refusal, Option<Box<RefusalReceipt>>),
    /// The host cannot tell now.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Refusal> for IntakeError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, None)
    }
}

/// The way in.
pub struct Intake {
    /// Which workflow takes which type.
    pub workflows: Arc<Workflows>,
    /// Who may submit what.
    pub clients: Arc<dyn Clients>,
    /// Where messages are kept.
    pub guarantee: Arc<dyn Guarantee>,
    /// Where they are shown.
    pub reference: Arc<dyn Reference>,
    /// Where finished ones are.
    pub archive: Arc<dyn Archive>,
    /// What validates them beyond schemas and rules.
    pub actions: Arc<dyn Actions>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// The host's key, for receipts.
    pub key: Arc<PrivateKey>,
    /// Bounds.
    pub limits: IntakeLimits,
}

impl Intake {
    /// Issues Msg_IDs to a registered client.
    ///
    /// # Errors
    /// `client_unknown`, `request_invalid` for a wrong count, `msg_id_cap`.
    pub async fn issue(&self, client_id: &ClientId, count: u32) -> Result<Issued, IntakeError> {
        let client = self.client(client_id).await?;
        let max = self.limits.msg_ids_count_max;
        if !(1..=max).contains(&count) {
            let detail = format!("count is {count}; it may be 1 to `msg_ids_count_max`, {max}");
            return Err(Refusal::new(Code::RequestInvalid, detail)
                .at("/count", "is out of range")
                .into());
        }
        let now = self.clock.now();
        let msg_ids: Vec<_> = (0..count).map(|_| MsgId::new(now, self.clock.random())).collect();
        let expires_at = now.after(std::time::Duration::from_millis(self.limits.msg_id_ttl_ms));
        let outstanding_max =
            client.msg_ids_outstanding_max.unwrap_or(self.limits.msg_ids_outstanding_max);
        let reservation = Reservation {
            client_id: client_id.clone(),
            msg_ids: msg_ids.clone(),
            now,
            expires_at,
            outstanding_max,
        };
        self.guarantee.reserve(reservation).await.map_err(|e| match e {
            ReserveError::Cap { outstanding } => {
                let detail = format!("`{client_id}` holds {outstanding} unused ids and asked for {count}; the limit `msg_ids_outstanding_max` is {outstanding_max}");
                Refusal::new(Code::MsgIdCap, detail).into()
            }
            ReserveError::Fault(fault) => IntakeError::Fault(fault),
        })?;
        Ok(Issued { msg_ids, expires_at })
    }

    /// Validates a submission and admits it. When this returns `Ok`, the message
    /// is durable.
    ///
    /// # Errors
    /// The refusal with the first check that failed, and the host's signature.
    pub async fn submit(&self, body: &[u8]) -> Result<Accepted, IntakeError> {
        let envelope = self.read_envelope(body)?;
        match self.take(&envelope).await {
            Err(e @ (IntakeError::Refused(..) | IntakeError::Fault(Fault::Busy(_)))) => {
                match self.taken_before(&envelope).await? {
                    Some(receipt) => Ok(Accepted { receipt, before: true }),
                    None => Err(self.signed(e, &envelope)),
                }
            }
            taken => taken,
        }
    }

    /// The receipt of the very same text by the same signer, if it was accepted
    /// before. Asked only for what is refused now, or waits for a validator: rules,
    /// clocks and modules change.
    async fn taken_before(&self, envelope: &Envelope) -> Result<Option<Arc<Receipt>>, Fault> {
        let Ok(members) = json::parse(envelope.text.as_bytes()).and_then(Members::read) else {
            return Ok(None);
        };
        let (kept, receipt) = match self.guarantee.load(members.msg_id).await? {
            Found::Open(loaded) => (loaded.message, loaded.receipt),
            Found::Nothing => return Ok(None),
            Found::Archived => match self.archived(members.msg_id).await? {
                None => return Ok(None),
                Some(bundle) => (bundle.message, bundle.receipt),
            },
        };
        Ok(is_same(envelope, members, &kept).then_some(receipt))
    }

    async fn archived(&self, id: MsgId) -> Result<Option<Bundle>, Fault> {
        let packed = self.archive.get(id).await?;
        Ok(packed.map(|packed| Bundle::unpack(&packed)).transpose()?)
    }

    /// A refusal with the host's word that it refused this text.
    fn signed(&self, e: IntakeError, envelope: &Envelope) -> IntakeError {
        match e {
            IntakeError::Refused(refusal, _) => {
                let hash = Digest::of(envelope.text.as_bytes());
                let now = self.clock.now();
                let receipt = RefusalReceipt::sign(&self.key, hash, refusal.code, now);
                IntakeError::Refused(refusal, Some(Box::new(receipt)))
            }
            fault @ IntakeError::Fault(_) => fault,
        }
    }

    fn read_envelope(&self, body: &[u8]) -> Result<Envelope, Refusal> {
        let max = self.limits.message_bytes_max;
        let too_large = |what: &str, size: usize, max: usize| {
            let detail = format!("the {what} has {size} bytes; the limit is {max}");
            Refusal::new(Code::MessageTooLarge, detail)
        };
        let body_max = body_bytes_max(max);
        if body.len() > body_max {
            return Err(too_large("body", body.len(), body_max));
        }
        let envelope = Envelope::parse(body)?;
        if envelope.text.len() > max {
            return Err(too_large("message", envelope.text.len(), max));
        }
        Ok(envelope)
    }

    async fn take(&self, envelope: &Envelope) -> Result<Accepted, IntakeError> {
        let (message, workflow) = self.validate(envelope)?;
        self.authorise(message.get()).await?;
        let now = self.clock.now();
        self.judge(message.get(), &workflow, now).await?;
        self.admit(message, &workflow, now).await
    }

    /// Everything that the text and the signature say by themselves.
    fn validate(&self, envelope: &Envelope) -> Result<(Verified<Message>, Arc<Workflow>), Refusal> {
        let value = json::parse(envelope.text.as_bytes())?;
        let members = Members::read(value)?;
        let workflow = self.workflows.newest(&members.msg_type).ok_or_else(|| {
            let detail = format!("no workflow takes messages of the type `{}`", members.msg_type);
            Refusal::new(Code::MsgTypeUnknown, detail).at("/msg_type", "is not known")
        })?;
        check_schema(&workflow.schema, &members)?;
        let message = verify(envelope, members, workflow.typed_data.as_ref())?;
        Ok((message, workflow))
    }

    /// The signer may act for the client, and the client may submit the type.
    async fn authorise(&self, message: &Message) -> Result<(), IntakeError> {
        let Message { client_id, msg_type, signer, .. } = message;
        let client = self.client(client_id).await?;
        if !client.signers.contains(signer) {
            let detail = format!("{signer} may not sign for `{client_id}`");
            return Err(Refusal::new(Code::SignerNotAllowed, detail).into());
        }
        if !client.msg_types.contains(msg_type) {
            let detail = format!("`{client_id}` may not submit messages of the type `{msg_type}`");
            return Err(Refusal::new(Code::MsgTypeNotAllowed, detail).into());
        }
        Ok(())
    }

    async fn client(&self, client_id: &ClientId) -> Result<Arc<Client>, IntakeError> {
        self.clients.get(client_id).await?.ok_or_else(|| {
            let detail = format!("there is no client `{client_id}`");
            Refusal::new(Code::ClientUnknown, detail).at("/client_id", "is not registered").into()
        })
    }

    async fn admit(
        &self,
        message: Verified<Message>,
        workflow: &Workflow,
        now: Time,
    ) -> Result<Accepted, IntakeError> {
        let message = message.into_inner();
        let receipt = Receipt::sign(
            &self.key,
            message.msg_id,
            workflow.initial.clone(),
            message.content_hash,
            now,
        );
        let (loaded, next) = machine::admitted(message, receipt, workflow);
        let projection = Projection::of(&loaded);
        let receipt = Arc::clone(&loaded.receipt);
        match self.guarantee.admit(Admission { loaded, next }).await.map_err(refusal_of)? {
            Admitted::Before(receipt) => Ok(Accepted { receipt, before: true }),
            Admitted::Now(Settled::All) => Ok(Accepted { receipt, before: false }),
            Admitted::Now(Settled::Truth) => {
                // A hint: the first ticket repeats it if it fails or is lost.
                if let Err(fault) = self.reference.put(&projection).await {
                    tracing::warn!(msg_id = %projection.msg_id, %fault, "reference lags behind");
                }
                Ok(Accepted { receipt, before: false })
            }
        }
    }
}

/// The largest body that can hold a message text of this size: JSON writes a
/// byte with at most six, and the rest of the envelope is small.
#[must_use]
pub fn body_bytes_max(message_bytes_max: usize) -> usize {
    message_bytes_max.saturating_mul(6).saturating_add(4096)
}

/// Whether it is the very text that is kept, by the same signer; by the typed data of that
/// time, since the workflow may have others now.
fn is_same(envelope: &Envelope, members: Members, kept: &Message) -> bool {
    verify(envelope, members, kept.scheme.typed_data()).is_ok_and(|again| {
        let again = again.get();
        (kept.content_hash, kept.signer) == (again.content_hash, again.signer)
    })
}

/// The message is of its type's schema.
fn check_schema(schema: &Schema, members: &Members) -> Result<(), Refusal> {
    let errors = schema.check(&members.value);
    if errors.is_empty() {
        return Ok(());
    }
    let detail = format!("the message is not of the schema of `{}`", members.msg_type);
    Err(Refusal { errors, ..Refusal::new(Code::SchemaInvalid, detail) })
}

fn refusal_of(e: AdmitError) -> IntakeError {
    match e {
        AdmitError::Id(e) => id_refusal(&e).into(),
        AdmitError::Fault(fault) => IntakeError::Fault(fault),
    }
}

fn id_refusal(e: &IdRefused) -> Refusal {
    let code = match e {
        IdRefused::Unknown => Code::MsgIdUnknown,
        IdRefused::Foreign => Code::MsgIdForeign,
        IdRefused::Expired(_) => Code::MsgIdExpired,
        IdRefused::Used => Code::MsgIdUsed,
    };
    Refusal::new(code, e.to_string()).at("/msg_id", e.to_string())
}
