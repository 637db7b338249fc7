//! Transition records: the links of a message's hash chain.
//!
//! A link's hash is keccak256 over the record's stored bytes. Those bytes hold
//! the hash of the record before; the first holds the hash of the signed text.

use std::sync::Arc;

use semver::Version;

use crate::codec::{DecodeError, Reader, Writer};
use crate::effect::Effect;
use crate::types::{Digest, ModuleName, MsgId, MsgState, Seq, Time};

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Why a transition happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Cause { $($(#[$doc])* $variant,)* }

        impl Cause {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in records and history.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

causes! {
    /// The message was admitted.
    Admission = "admission",
    /// An action answered, or failed.
    Action = "action",
    /// A guard held.
    Choice = "choice",
    /// A signal was given.
    Signal = "signal",
    /// A wait was over.
    Timer = "timer",
    /// An operator moved a parked message.
    Redrive = "redrive",
    /// An operator cancelled it.
    Cancel = "cancel",
    /// An operator moved it to another version of its workflow.
    Migration = "migration",
    /// The host stopped the message at one of its limits.
    Limit = "limit",
}

impl Cause {
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.as_str() == name)
    }
}

/// Which module answered, and with which settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleRef {
    /// Its name.
    pub name: ModuleName,
    /// Its version.
    pub version: Version,
    /// The digest of its component.
    pub digest: Digest,
    /// The digest of the deployment's settings text.
    pub settings: Digest,
}

/// How an attempt failed. The kinds are told apart because they go different
/// ways: see [`FailureKind::may_heal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// The action said that another attempt may succeed.
    Transient,
    /// The action said that no attempt will.
    Permanent,
    /// The action trapped.
    Trap,
    /// The action went over a limit that reproduces: memory, fuel, output.
    Limit,
    /// The action ran out of wall time.
    Timeout,
    /// The answer is not one that the workflow or the manifest allows.
    Undeclared,
    /// Msg_Ext is not what the module reads.
    Unreadable,
    /// No deployed module fits what the workflow names.
    Missing,
    /// A guard gave no answer.
    Guard,
    /// The policy does not grant what the module needs to run at all.
    Denied,
    /// After a restart the action did something else than before, on the same call.
    Diverged,
}

impl FailureKind {
    const ALL: [Self; 11] = [
        Self::Transient,
        Self::Permanent,
        Self::Trap,
        Self::Limit,
        Self::Timeout,
        Self::Undeclared,
        Self::Unreadable,
        Self::Missing,
        Self::Guard,
        Self::Denied,
        Self::Diverged,
    ];

    /// Its name in records and errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Trap => "trap",
            Self::Limit => "limit",
            Self::Timeout => "timeout",
            Self::Undeclared => "undeclared",
            Self::Unreadable => "unreadable",
            Self::Missing => "missing",
            Self::Guard => "guard",
            Self::Denied => "denied",
            Self::Diverged => "diverged",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether another attempt can end otherwise. A sandboxed action sees the
    /// same input again, so what reproduces is not tried again.
    #[must_use]
    pub fn may_heal(self) -> bool {
        matches!(self, Self::Transient | Self::Timeout | Self::Missing)
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which way it failed.
    pub kind: FailureKind,
    /// For people: the module's reason or the host's.
    pub detail: String,
}

impl Failure {
    /// A failure of this kind.
    #[must_use]
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.as_str(), self.detail)
    }
}

/// One transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub msg_id: MsgId,
    /// The revision that it made.
    pub seq: Seq,
    /// When it was decided, by the host's clock.
    pub at: Time,
    /// The state before; none at admission.
    pub from: Option<MsgState>,
    /// The state after.
    pub to: MsgState,
    /// Why.
    pub cause: Cause,
    /// The revision at which the message had entered `from`.
    pub step: Seq,
    /// The attempt of that step, from 1.
    pub attempt: u32,
    /// The time that the action was given as now.
    pub now: Time,
    /// The workflow's digest.
    pub workflow: Digest,
    /// The module, where one was found.
    pub module: Option<ModuleRef>,
    /// The digest of all that the action was given.
    pub input: Digest,
    /// The digest of Msg_Ext before.
    pub ext_before: Digest,
    /// The merge patch to Msg_Ext, as text; empty for none.
    pub ext_patch: String,
    /// The action's line for the history; empty for none.
    pub note: String,
    /// How the attempt failed, if it did.
    pub failure: Option<Failure>,
    /// Fuel that the action used.
    pub fuel: u64,
    /// The engine that ran it, with its version; empty where none ran.
    pub engine: String,
    /// What the action did outside, in its order.
    pub effects: Vec<Effect>,
    /// The signal that was given, as a message's stored form; empty for none.
    pub signal: Vec<u8>,
    /// The hash of the record before; at admission that of the signed text.
    pub prev: Digest,
}

/// What the chain's record form is called in its own bytes, so that no other
/// stored value can pass for a record.
const TAG: &str = "surety-record";

impl Record {
    /// Encodes the record once, for good.
    #[must_use]
    pub fn seal(&self) -> Sealed {
        let mut writer = Writer::new()
            .text(TAG)
            .bytes(self.msg_id.as_bytes())
            .number(self.seq)
            .number(self.at.as_millis())
            .text(self.from.as_ref().map_or("", MsgState::as_str))
            .text(self.to.as_str())
            .text(self.cause.as_str())
            .number(self.step)
            .number(self.attempt.into())
            .number(self.now.as_millis())
            .bytes(&self.workflow.0);
        writer = match &self.module {
            Some(module) => writer
                .text(module.name.as_str())
                .text(&module.version.to_string())
                .bytes(&module.digest.0)
                .bytes(&module.settings.0),
            None => writer.text("").text("").text("").text(""),
        };
        let (kind, detail) =
            self.failure.as_ref().map_or(("", ""), |f| (f.kind.as_str(), f.detail.as_str()));
        let bytes = writer
            .bytes(&self.input.0)
            .bytes(&self.ext_before.0)
            .text(&self.ext_patch)
            .text(&self.note)
            .text(kind)
            .text(detail)
            .number(self.fuel)
            .text(&self.engine)
            .bytes(&Effect::encode_all(&self.effects))
            .bytes(&self.signal)
            .bytes(&self.prev.0)
            .finish();
        Sealed::from_bytes(self.seq, bytes.into())
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// When the bytes are not a record's.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(stored)?;
        if r.text("tag")? != TAG {
            return Err(DecodeError::Field("tag"));
        }
        let record = Self {
            msg_id: MsgId::from_bytes(r.array("msg_id")?),
            seq: r.number("seq")?,
            at: Time::from_millis(r.number("at")?),
            from: parse_some(r.text("from")?, "from")?,
            to: r.text("to")?.parse().map_err(|_| DecodeError::Field("to"))?,
            cause: Cause::parse(r.text("cause")?).ok_or(DecodeError::Field("cause"))?,
            step: r.number("step")?,
            attempt: u32::try_from(r.number("attempt")?)
                .map_err(|_| DecodeError::Field("attempt"))?,
            now: Time::from_millis(r.number("now")?),
            workflow: Digest(r.array("workflow")?),
            module: decode_module(&mut r)?,
            input: Digest(r.array("input")?),
            ext_before: Digest(r.array("ext_before")?),
            ext_patch: r.text("ext_patch")?.to_owned(),
            note: r.text("note")?.to_owned(),
            failure: decode_failure(&mut r)?,
            fuel: r.number("fuel")?,
            engine: r.text("engine")?.to_owned(),
            effects: Effect::decode_all(r.bytes()?)?,
            signal: r.bytes()?.to_vec(),
            prev: Digest(r.array("prev")?),
        };
        r.finish()?;
        Ok(record)
    }
}

fn parse_some<T: std::str::FromStr>(
    text: &str,
    name: &'static str,
) -> Result<Option<T>, DecodeError> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| DecodeError::Field(name)),
    }
}

pub(crate) fn decode_module(r: &mut Reader<'_>) -> Result<Option<ModuleRef>, DecodeError> {
    let name: Option<ModuleName> = parse_some(r.text("module")?, "module")?;
    let version = r.text("module version")?;
    let (digest, settings) = (r.bytes()?, r.bytes()?);
    let Some(name) = name else { return Ok(None) };
    let digest_of =
        |bytes: &[u8], what| bytes.try_into().map(Digest).map_err(|_| DecodeError::Field(what));
    Ok(Some(ModuleRef {
        name,
        version: version.parse().map_err(|_| DecodeError::Field("module version"))?,
        digest: digest_of(digest, "module digest")?,
        settings: digest_of(settings, "settings digest")?,
    }))
}

fn decode_failure(r: &mut Reader<'_>) -> Result<Option<Failure>, DecodeError> {
    let (kind, detail) = (r.text("failure")?, r.text("failure detail")?);
    if kind.is_empty() {
        return Ok(None);
    }
    let kind = FailureKind::parse(kind).ok_or(DecodeError::Field("failure"))?;
    Ok(Some(Failure::new(kind, detail)))
}

/// A record's stored bytes with their hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The revision that the record made.
    pub seq: Seq,
    /// The bytes, never encoded again.
    pub bytes: Arc<[u8]>,
    /// keccak256 of the bytes: the link.
    pub hash: Digest,
}

impl Sealed {
    /// A record from its bytes as stored.
    #[must_use]
    pub fn from_bytes(seq: Seq, bytes: Arc<[u8]>) -> Self {
        let hash = Digest::of(&bytes);
        Self { seq, bytes, hash }
    }

    /// The record inside.
    ///
    /// # Errors
    /// When the bytes are not a record's.
    pub fn record(&self) -> Result<Record, DecodeError> {
        Record::decode(&self.bytes)
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} {})", self.seq, self.hash)
    }
}
