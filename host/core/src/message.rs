//! The message and its envelope: exactly the bytes that were signed, and the
//! proof, carried in a type, that they were.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::codec::{DecodeError, Reader, Writer};
use crate::crypto::{Signature, recover};
use crate::refusal::{Code, Finding, Refusal};
use crate::scheme::{Scheme, SchemeName};
use crate::typed_data::TypedData;
use crate::types::{Address, ClientId, Digest, MsgId, MsgType, Time};
use crate::{json, schemas};

/// What a client submits: a text, and a signature that nobody has checked yet.
pub struct Envelope {
    /// How the text was signed.
    pub scheme: SchemeName,
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
        let scheme = SchemeName::parse(member("scheme")).ok_or_else(|| {
            let name = member("scheme");
            let detail = format!("the scheme {name:?} is not known; `eip191` and `eip712` are");
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
    /// The same as text, which takes a hash to write and is given to every action.
    pub signer_text: Arc<str>,
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
            .text(self.scheme.name().as_str())
            .text(&self.text)
            .bytes(self.signature.as_bytes())
            .bytes(&self.signer.0)
            .text(self.scheme.definition())
            .finish()
    }

    /// Reads the stored form. The signer is believed, because it was stored
    /// after verification; [`Message::verify`] believes nothing.
    ///
    /// # Errors
    /// When the bytes are not what [`Message::encode`] writes.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(stored)?;
        let scheme = reader.text("scheme")?;
        let text = reader.text("text")?;
        let signature = reader.array("signature")?;
        let signature =
            Signature::from_bytes(signature).map_err(|_| DecodeError::Field("signature"))?;
        let signer = Address(reader.array("signer")?);
        let scheme = Scheme::decode(scheme, reader.text("typed data")?)
            .ok_or(DecodeError::Field("scheme"))?;
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
        let hash = self.scheme.hash(&self.text, &self.value)?;
        let recovered = recover(&hash, &self.signature)?;
        if recovered == self.signer {
            return Ok(());
        }
        let detail = format!("the signature is by {recovered}, not by {}", self.signer);
        Err(Refusal::new(Code::SignatureUnrecoverable, detail))
    }
}

/// The members that the text of every message has, whatever its type.
pub(crate) struct Members {
    pub(crate) msg_id: MsgId,
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
            signer_text: signer.to_string().into(),
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

/// Checks the signature and finds out whose it is. `typed_data` are those of the
/// message's type, if it has any.
pub(crate) fn verify(
    envelope: &Envelope,
    members: Members,
    typed_data: Option<&Arc<TypedData>>,
) -> Result<Verified<Message>, Refusal> {
    let scheme = match (envelope.scheme, typed_data) {
        (SchemeName::Eip191, _) => Scheme::Eip191,
        (SchemeName::Eip712, Some(typed_data)) => Scheme::Eip712(Arc::clone(typed_data)),
        (SchemeName::Eip712, None) => {
            let detail = format!(
                "messages of the type `{}` cannot be signed as typed data; sign the text with `eip191`",
                members.msg_type
            );
            return Err(Refusal::new(Code::SchemeNotOffered, detail));
        }
    };
    let hash = scheme.hash(&envelope.text, &members.value)?;
    let signature = Signature::parse(&envelope.signature)?;
    let signer = recover(&hash, &signature)?;
    Ok(Verified(members.into_message(scheme, &envelope.text, signature, signer)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::PrivateKey;

    fn signed() -> (Message, Arc<TypedData>) {
        let string = json!({"type": "string"});
        let names = ["client_id", "creation_date", "msg_id", "msg_type", "payload"];
        let payload = json!({
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {"a": string},
        });
        let schema = json!({
            "type": "object", "required": names, "additionalProperties": false,
            "properties": {
                "client_id": string, "creation_date": string, "msg_id": string,
                "msg_type": string, "payload": payload,
            },
        });
        let typed_data = Arc::new(TypedData::of_schema(&schema, "Test", "1", 1).unwrap());
        let text = r#"{"client_id":"acme","creation_date":"2026-01-02T03:04:05Z","msg_id":"0190a0b0-c0d0-7000-8000-000000000001","msg_type":"test","payload":{"a":"b"}}"#;
        let members = Members::read(json::parse(text.as_bytes()).unwrap()).unwrap();
        let key = PrivateKey::from_bytes(&[1; 32]).unwrap();
        let signature = key.sign_hash(&typed_data.hash(text, &members.value).unwrap());
        let signature = signature.to_string();
        let envelope = Envelope { scheme: SchemeName::Eip712, text: text.to_owned(), signature };
        let message = verify(&envelope, members, Some(&typed_data)).unwrap().into_inner();
        assert_eq!(message.signer, key.address());
        (message, typed_data)
    }

    #[test]
    fn the_definition_stays_with_the_message() {
        let (message, typed_data) = signed();
        let read = Message::decode(&message.encode()).unwrap();
        assert!(read == message && read.scheme == Scheme::Eip712(typed_data));
        read.verify().unwrap();
    }

    #[test]
    fn a_message_has_one_stored_form() {
        let (message, typed_data) = signed();
        let stored = |scheme: &str, definition: &str| {
            let signature = message.signature.as_bytes();
            let value = Writer::new().text(scheme).text(&message.text).bytes(signature);
            value.bytes(&message.signer.0).text(definition).finish()
        };
        let definition = typed_data.as_str();
        assert_eq!(stored("eip712", definition), message.encode());
        let spaced = definition.replace(':', ": ");
        TypedData::parse(&spaced).unwrap();
        for (scheme, definition) in
            [("eip712", ""), ("eip712", &spaced), ("eip712", "{}"), ("eip191", definition)]
        {
            let read = Message::decode(&stored(scheme, definition));
            assert_eq!(read.unwrap_err(), DecodeError::Field("scheme"), "{scheme} {definition}");
        }
        // As a text it was not signed.
        assert!(Message::decode(&stored("eip191", "")).unwrap().verify().is_err());
    }
}
