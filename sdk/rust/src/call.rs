//! What an action gets.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::bindings::surety::action::types;
use crate::place::path_at;

/// The type of a part of the call that an action does not look at.
pub use serde::de::IgnoredAny as Unused;

/// One invocation of an action.
///
/// For one `step` everything but `seq`, `attempt` and `now_ms` is the same over
/// all attempts.
#[derive(Debug, Clone)]
pub struct Call<Payload, Ext = Unused, Settings = Unused> {
    /// The signed message.
    pub message: Message<Payload>,
    /// The message's state, whose action this is.
    pub state: String,
    /// The revision that this invocation starts from.
    pub seq: u64,
    /// The revision at which the message entered `state`. With the Msg_ID it is
    /// the idempotency key towards the outside.
    pub step: u64,
    /// 1 for the first attempt of a step.
    pub attempt: u32,
    /// When this attempt became due, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Msg_Ext: what earlier actions wrote.
    pub ext: Ext,
    /// The settings of this deployment, of the manifest's schema.
    pub settings: Settings,
}

/// The signed message; the host has verified the signature and the schema.
#[derive(Debug, Clone)]
pub struct Message<Payload> {
    /// The Msg_ID, issued by the host, used once.
    pub msg_id: String,
    /// The message's type.
    pub msg_type: String,
    /// The client in whose name the message was signed.
    pub client_id: String,
    /// When the client wrote it (RFC 3339).
    pub creation_date: String,
    /// The EIP-55 address recovered from the signature.
    pub signer: String,
    /// The member `payload` of the text.
    pub payload: Payload,
    /// Exactly what was signed.
    pub text: String,
}

impl<P, E, S> Call<P, E, S>
where
    P: DeserializeOwned,
    E: DeserializeOwned,
    S: DeserializeOwned,
{
    /// Reads the raw call. What does not fit its type is a permanent failure
    /// that names the part and the place in it.
    pub(crate) fn from_raw(raw: types::Call) -> Result<Self, Failure> {
        Ok(Self {
            ext: parse("ext", &raw.ext)?,
            settings: parse("settings", &raw.settings)?,
            message: Message::from_raw(raw.message)?,
            state: raw.state,
            seq: raw.seq,
            step: raw.step,
            attempt: raw.attempt,
            now_ms: raw.now_ms,
        })
    }
}

impl<P: DeserializeOwned> Message<P> {
    pub(crate) fn from_raw(raw: types::Message) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Text<P> {
            payload: P,
        }

        let text: Text<P> = parse("message", &raw.text)?;
        Ok(Self {
            msg_id: raw.msg_id,
            msg_type: raw.msg_type,
            client_id: raw.client_id,
            creation_date: raw.creation_date,
            signer: raw.signer,
            payload: text.payload,
            text: raw.text,
        })
    }
}

/// Parses one part of a call; an error reads like
/// ``failed to read settings at `limits.acme`: invalid type: …``.
pub(crate) fn parse<T: DeserializeOwned>(part: &str, json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| unreadable(part, json, &error))
}

fn unreadable(part: &str, json: &str, error: &serde_json::Error) -> Failure {
    let place = match path_at(json, error.line(), error.column()) {
        path if path.is_empty() => String::new(),
        path => format!(" at `{path}`"),
    };
    Failure::permanent(format!("failed to read {part}{place}: {error}"))
}
