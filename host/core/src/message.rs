//! The message and its envelope: exactly the bytes that were signed, and the
//! proof, carried in a type, that they were.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::codec::{DecodeError, Reader, Writer};
use crate::crypto::{Signature, eip191_hash, recover};
use crate::refusal::{Code, Finding, Refusal};
use crate::types::{Address, ClientId, Digest, MsgId, MsgType, Time};
use crate::{json, schemas};

/// How the message text was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// `personal_sign` over the text's bytes (EIP-191, version 0x45).
    Eip191,
}

impl Scheme {
    /// Its name in the envelope.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eip191 => "eip191",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        (name == "eip191").then_some(Self::Eip191)
    }

    fn hash(self, text: &str) -> [u8; 32] {
        match self {
            Self::Eip191 => eip191_hash(text.as_bytes()),
        }
    }
}

/// What a client submits: a text, and a signature that nobody has checked yet.
pub struct Envelope {
    /// How the text was signed.
    pub scheme: Scheme,
    /// Exactly what was signed.
    pub text: String,
    /// The signature as it was written.
    pub signature: String,
}

impl Envelope {
    /// Reads the body of a submission.
    ///
    /// # Errors
    /// The strict parser's codes, `envelope_invalid`, `scheme_unknown`.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let value = json::parse(body)?;
        let findings = schemas::envelope().check(&value);
        if !findings.is_empty() {
            let detail = "the envelope is not of its schema";
            return Err(Refusal {
                errors: findings,
                ..Refusal::new(Code::EnvelopeInvalid, detail)
            });
        }
        let member = |name: &str| value[name].as_str().unwrap_or_default();
        let scheme = Scheme::parse(member("scheme")).ok_or_else(|| {
            let detail = format!("the scheme {:?} is not known; `eip191` is", member("scheme"));
            Refusal::new(Code::SchemeUnknown, detail)
        })?;
        let (text, signature) = (member("message").to_owned(), member("signature").to_owned());
        Ok(Self { scheme, text, signature })
    }
}

/// A signed message: the exact text, and the members that every type has, read
/// from it. Immutable.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Issued by the host.
    pub msg_id: MsgId,
    /// Which schema and workflow it belongs to.
    pub msg_type: MsgType,
    /// For whom it is submitted.
    pub client_id: ClientId,
    /// When the client made it, by the client's clock, as it wrote it.
    pub creation_date: Arc<str>,
    /// How it was signed.
    pub scheme: Scheme,
    /// Exactly what was signed.
    pub text: Arc<str>,
    /// The text, parsed: what guards look at.
    pub value: Arc<Value>,
    /// By whom it was signed.
    pub signer: Address,
    /// The signature, for whoever checks it again.
    pub signature: Signature,
    /// keccak256 of the text: the message's identity, and the chain's first link.
    pub content_hash: Digest,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} {} of {})", self.msg_id, self.msg_type, self.client_id)
    }
}

impl Message {
    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new()
            .text(self.scheme.as_str())
            .text(&self.text)
            .bytes(self.signature.as_bytes())
            .bytes(&self.signer.0)
            .finish()
    }

    /// Reads the stored form. The signer is believed, because it was stored
    /// after verification; [`Message::verify`] believes nothing.
    ///
    /// # Errors
    /// When the bytes are not what [`Message::encode`] writes.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(stored)?;
        let scheme = Scheme::parse(reader.text("scheme")?).ok_or(DecodeError::Field("scheme"))?;
        let text = reader.text("text")?;
        let signature = reader.array("signature")?;
        let signature =
            Signature::from_bytes(signature).map_err(|_| DecodeError::Field("signature"))?;
        let signer = Address(reader.array("signer")?);
        reader.finish()?;
        let value = json::parse(text.as_bytes()).map_err(|_| DecodeError::Field("text"))?;
        Members::read(value)
            .map(|members| members.into_message(scheme, text, signature, signer))
            .map_err(|_| DecodeError::Field("text"))
    }

    /// Recovers the signer from the signature once more and compares.
    ///
    /// # Errors
    /// When it is not the one that is written in the message.
    pub fn verify(&self) -> Result<(), Refusal> {
        let recovered = recover(&self.scheme.hash(&self.text), &self.signature)?;
        if recovered == self.signer {
            return Ok(());
        }
        let detail = format!("the signature is by {recovered}, not by {}", self.signer);
        Err(Refusal::new(Code::SignatureUnrecoverable, detail))
    }
}

/// The members that the text of every message has, whatever its type.
pub(crate) struct Members {
    msg_id: MsgId,
    pub(crate) msg_type: MsgType,
    pub(crate) client_id: ClientId,
    creation_date: Arc<str>,
    /// The whole text, parsed.
    pub(crate) value: Arc<Value>,
}

impl Members {
    /// Reads them from the parsed text.
    pub(crate) fn read(value: Value) -> Result<Self, Refusal> {
        let invalid = |errors: Vec<Finding>| Refusal {
            errors,
            ..Refusal::new(Code::SchemaInvalid, "the message lacks what every message has")
        };
        let findings = schemas::message().check(&value);
        if !findings.is_empty() {
            return Err(invalid(findings));
        }
        let member = |name: &str| value[name].as_str().unwrap_or_default();
        let wrong = |name: &str, e: crate::types::Malformed| {
            invalid(Vec::new()).at(&format!("/{name}"), e.to_string())
        };
        let _: Time = member("creation_date").parse().map_err(|e| wrong("creation_date", e))?;
        let msg_id = member("msg_id").parse().map_err(|e: crate::types::Malformed| {
            Refusal::new(Code::MsgIdMalformed, e.to_string()).at("/msg_id", "was not issued here")
        })?;
        Ok(Self {
            msg_id,
            msg_type: member("msg_type").parse().map_err(|e| wrong("msg_type", e))?,
            client_id: member("client_id").parse().map_err(|e| wrong("client_id", e))?,
            creation_date: member("creation_date").into(),
            value: Arc::new(value),
        })
    }

    fn into_message(
        self,
        scheme: Scheme,
        text: &str,
        signature: Signature,
        signer: Address,
    ) -> Message {
        Message {
            msg_id: self.msg_id,
            msg_type: self.msg_type,
            client_id: self.client_id,
            creation_date: self.creation_date,
            scheme,
            text: text.into(),
            value: self.value,
            signer,
            signature,
            content_hash: Digest::of(text.as_bytes()),
        }
    }
}

/// The proof that a value passed verification. Only this module makes one, and
/// only a `Verified<Message>` can be admitted.
#[derive(Debug, Clone)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// What was verified.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What was verified, by value.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Checks the signature and finds out whose it is.
pub(crate) fn verify(envelope: &Envelope, members: Members) -> Result<Verified<Message>, Refusal> {
    let signature = Signature::parse(&envelope.signature)?;
    let signer = recover(&envelope.scheme.hash(&envelope.text), &signature)?;
    Ok(Verified(members.into_message(envelope.scheme, &envelope.text, signature, signer)))
}
