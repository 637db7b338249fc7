//! What the host signs: that it took a message, that it refused one, that a
//! chain is complete. Each text is signed with `personal_sign`, so that every
//! wallet library can check it.

use serde::Serialize;

use crate::codec::{DecodeError, Reader, Writer};
use crate::crypto::{PrivateKey, Signature, eip191_hash, recover};
use crate::refusal::Code;
use crate::types::{Address, Digest, MsgId, MsgState, Time};

/// The host's signed word that it keeps a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Which message.
    pub msg_id: MsgId,
    /// The state that it starts in.
    pub msg_state: MsgState,
    /// keccak256 of the signed text.
    pub content_hash: Digest,
    /// When it was accepted, by the host's clock.
    pub accepted_at: Time,
    /// The host's address.
    pub host: Address,
    /// The host's signature over [`Receipt::text`].
    pub signature: Signature,
}

impl Receipt {
    /// Signs a receipt.
    #[must_use]
    pub fn sign(
        key: &PrivateKey,
        msg_id: MsgId,
        msg_state: MsgState,
        content_hash: Digest,
        accepted_at: Time,
    ) -> Self {
        let signature = key.sign_text(&receipt_text(msg_id, &msg_state, content_hash, accepted_at));
        Self { msg_id, msg_state, content_hash, accepted_at, host: key.address(), signature }
    }

    /// The text that is signed: five lines.
    #[must_use]
    pub fn text(&self) -> String {
        receipt_text(self.msg_id, &self.msg_state, self.content_hash, self.accepted_at)
    }

    /// Whether `host` signed it.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        signed_by(&self.text(), &self.signature, self.host)
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new()
            .bytes(self.msg_id.as_bytes())
            .text(self.msg_state.as_str())
            .bytes(&self.content_hash.0)
            .number(self.accepted_at.as_millis())
            .bytes(&self.host.0)
            .bytes(self.signature.as_bytes())
            .finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the bytes are not what [`Receipt::encode`] writes.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(stored)?;
        let receipt = Self {
            msg_id: MsgId::from_bytes(r.array("msg_id")?),
            msg_state: r.text("msg_state")?.parse().map_err(|_| DecodeError::Field("msg_state"))?,
            content_hash: Digest(r.array("content_hash")?),
            accepted_at: Time::from_millis(r.number("accepted_at")?),
            host: Address(r.array("host")?),
            signature: Signature::from_bytes(r.array("signature")?)
                .map_err(|_| DecodeError::Field("signature"))?,
        };
        r.finish()?;
        Ok(receipt)
    }
}

fn receipt_text(msg_id: MsgId, state: &MsgState, hash: Digest, accepted_at: Time) -> String {
    format!("surety receipt v1\n{msg_id}\n{state}\n{hash}\n{accepted_at}")
}

/// The host's signed word that it did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalReceipt {
    /// keccak256 of the text that was refused.
    pub content_hash: Digest,
    /// When, by the host's clock.
    pub refused_at: Time,
    /// The host's address.
    pub host: Address,
    /// The host's signature over four lines: `surety refusal v1`, the content
    /// hash, the code and the time.
    pub signature: Signature,
}

impl RefusalReceipt {
    /// Signs a refusal.
    #[must_use]
    pub fn sign(key: &PrivateKey, content_hash: Digest, code: Code, refused_at: Time) -> Self {
        let text = format!("surety refusal v1\n{content_hash}\n{code}\n{refused_at}");
        Self { content_hash, refused_at, host: key.address(), signature: key.sign_text(&text) }
    }
}

/// The host's signature over the last link of a finished message's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The host's address.
    pub host: Address,
    /// The signature over three lines: `surety closing v1`, the Msg_ID and the
    /// last record's hash.
    pub signature: Signature,
}

impl Closing {
    /// Signs the last link.
    #[must_use]
    pub fn sign(key: &PrivateKey, msg_id: MsgId, last: Digest) -> Self {
        Self { host: key.address(), signature: key.sign_text(&closing_text(msg_id, last)) }
    }

    /// Whether `host` signed this last link.
    #[must_use]
    pub fn is_genuine(&self, msg_id: MsgId, last: Digest) -> bool {
        signed_by(&closing_text(msg_id, last), &self.signature, self.host)
    }
}

fn closing_text(msg_id: MsgId, last: Digest) -> String {
    format!("surety closing v1\n{msg_id}\n{last}")
}

fn signed_by(text: &str, signature: &Signature, host: Address) -> bool {
    recover(&eip191_hash(text.as_bytes()), signature).is_ok_and(|signer| signer == host)
}
