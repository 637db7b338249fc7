//! The stored form of a message's head, the same in every backend; and that of an
//! open message whole, in which it is moved from one to another.

use crate::codec::{DecodeError, Reader, Writer};
use crate::effect::Entry;
use crate::ext::MsgExt;
use crate::machine::{Given, Head, Loaded, Phase};
use crate::message::Message;
use crate::receipt::Receipt;
use crate::record::Sealed;
use crate::types::{Address, Digest, Time};

impl Phase {
    fn number(self) -> u64 {
        match self {
            Self::Running => 0,
            Self::Parked => 1,
            Self::Final => 2,
            Self::Waiting => 3,
        }
    }
}

impl Head {
    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new()
            .number(self.seq)
            .text(self.state.as_str())
            .number(self.phase.number())
            .number(self.step)
            .number(self.attempt.into())
            .number(self.due.as_millis())
            .text(self.ext.text())
            .bytes(&self.workflow.0)
            .bytes(&self.link.0)
            .number(self.updated_at.as_millis())
            .text(self.last_error.as_deref().unwrap_or_default())
            .number(self.given.len() as u64);
        for Given { name, signer } in &self.given {
            writer = writer.text(name.as_str()).bytes(&signer.0);
        }
        writer.finish()
    }

    /// The pinned workflow, read from the stored form alone: for counting many.
    ///
    /// # Errors
    /// When the bytes are not what [`Head::encode`] writes.
    pub fn workflow_of(stored: &[u8]) -> Result<Digest, DecodeError> {
        /// The fields before it, in the order of [`Head::encode`].
        const BEFORE: usize = 7;
        let mut r = Reader::new(stored)?;
        for _ in 0..BEFORE {
            r.bytes()?;
        }
        r.array("workflow").map(Digest)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the bytes are not what [`Head::encode`] writes.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(stored)?;
        let mut head = Self {
            seq: r.number("seq")?,
            state: r.text("state")?.parse().map_err(|_| DecodeError::Field("state"))?,
            phase: match r.number("phase")? {
                0 => Phase::Running,
                1 => Phase::Parked,
                2 => Phase::Final,
                3 => Phase::Waiting,
                _ => return Err(DecodeError::Field("phase")),
            },
            step: r.number("step")?,
            attempt: u32::try_from(r.number("attempt")?)
                .map_err(|_| DecodeError::Field("attempt"))?,
            due: Time::from_millis(r.number("due")?),
            ext: MsgExt::parse(r.text("ext")?).map_err(|_| DecodeError::Field("ext"))?,
            workflow: Digest(r.array("workflow")?),
            link: Digest(r.array("link")?),
            updated_at: Time::from_millis(r.number("updated_at")?),
            last_error: Some(r.text("last_error")?).filter(|e| !e.is_empty()).map(Into::into),
            given: Vec::new(),
        };
        for _ in 0..r.number("given")? {
            let name = r.text("given")?.parse().map_err(|_| DecodeError::Field("given"))?;
            head.given.push(Given { name, signer: Address(r.array("signer")?) });
        }
        r.finish()?;
        Ok(head)
    }
}

/// What the first field of an open message holds.
const OPEN_TAG: &str = "surety-open";

impl Loaded {
    /// The stored form of all of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new()
            .text(OPEN_TAG)
            .bytes(&self.message.encode())
            .bytes(&self.receipt.encode())
            .bytes(&self.head.encode())
            .number(self.records.len() as u64);
        for record in &self.records {
            writer = writer.bytes(&record.bytes);
        }
        writer = writer.number(self.journal.len() as u64);
        for entry in &self.journal {
            writer = writer.bytes(&entry.encode());
        }
        writer.finish()
    }

    /// Reads the stored form. It proves nothing yet: see [`Loaded::verify`].
    ///
    /// # Errors
    /// When the bytes are not what [`Loaded::encode`] writes.
    pub fn decode(stored: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(stored)?;
        if r.text("tag")? != OPEN_TAG {
            return Err(DecodeError::Field("tag"));
        }
        let message = Message::decode(r.bytes()?)?.into();
        let receipt = Receipt::decode(r.bytes()?)?.into();
        let head = Head::decode(r.bytes()?)?;
        let mut records = Vec::new();
        for seq in 0..r.number("records")? {
            records.push(Sealed::from_bytes(seq, r.bytes()?.into()));
        }
        let mut journal = Vec::new();
        for _ in 0..r.number("journal")? {
            journal.push(Entry::decode(r.bytes()?)?);
        }
        r.finish()?;
        Ok(Self { message, receipt, head, records, journal })
    }
}
