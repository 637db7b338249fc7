//! The archive bundle: everything needed to verify a finished message offline.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Arc;

use thiserror::Error;

use crate::codec::{DecodeError, Reader, Writer};
use crate::crypto::{PrivateKey, Signature};
use crate::ext::MsgExt;
use crate::json;
use crate::machine::{Loaded, Signal};
use crate::message::Message;
use crate::receipt::{Closing, Receipt};
use crate::record::{Cause, Record, Sealed};
use crate::types::{Address, Digest, MsgId, Seq};

/// What a bundle's first field holds.
const TAG: &str = "surety-bundle";

/// zstd's fastest ordinary level: bundles are small and made on the hot path.
const COMPRESSION_LEVEL: i32 = 1;

/// The largest bundle that is unpacked: the most transitions with a Msg_Ext of
/// ordinary size. A smaller packed bundle may claim any size.
pub const BUNDLE_BYTES_MAX: usize = 256 << 20;

/// A finished message with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The message as it was signed.
    pub message: Arc<Message>,
    /// The host's receipt at admission.
    pub receipt: Arc<Receipt>,
    /// The chain, from revision 0 to the final state.
    pub records: Vec<Sealed>,
    /// The host's signature over the last link.
    pub closing: Closing,
}

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unproven {
    /// The message's signature is not by its signer.
    #[error("the message's signature is not genuine: {0}")]
    Message(String),
    /// The receipt is not for this message or not by its host.
    #[error("the receipt is not genuine")]
    Receipt,
    /// A link is broken.
    #[error("record {seq} does not hold: {why}")]
    Record {
        /// The first bad one.
        seq: Seq,
        /// What is wrong with it.
        why: String,
    },
    /// The last link is not signed by the host.
    #[error("the host's signature over the last record is not genuine")]
    Closing,
    /// An open message does not stand where its chain ends.
    #[error("the message does not stand where its records end: its {0} is another")]
    Head(&'static str),
}

impl Bundle {
    /// Closes the chain of a message in its final state. The same message gives
    /// the same bundle, whenever and however often it is closed.
    #[must_use]
    pub fn close(loaded: &Loaded, key: &PrivateKey) -> Self {
        let Loaded { message, receipt, head, records, .. } = loaded.clone();
        let closing = Closing::sign(key, message.msg_id, head.link);
        Self { message, receipt, records, closing }
    }

    /// The bundle as a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new()
            .text(TAG)
            .bytes(&self.message.encode())
            .bytes(&self.receipt.encode())
            .bytes(&self.closing.host.0)
            .bytes(self.closing.signature.as_bytes())
            .number(self.records.len() as u64);
        for record in &self.records {
            writer = writer.bytes(&record.bytes);
        }
        writer.finish()
    }

    /// Reads a bundle. It proves nothing yet: see [`Bundle::verify`].
    ///
    /// # Errors
    /// When the bytes are not what [`Bundle::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes)?;
        if r.text("tag")? != TAG {
            return Err(DecodeError::Field("tag"));
        }
        let message = Message::decode(r.bytes()?)?.into();
        let receipt = Receipt::decode(r.bytes()?)?.into();
        let host = Address(r.array("host")?);
        let signature = Signature::from_bytes(r.array("closing")?)
            .map_err(|_| DecodeError::Field("closing"))?;
        let mut records = Vec::new();
        for seq in 0..r.number("records")? {
            records.push(Sealed::from_bytes(seq, r.bytes()?.into()));
        }
        r.finish()?;
        Ok(Self { message, receipt, records, closing: Closing { host, signature } })
    }

    /// The packed form that the archive keeps.
    ///
    /// # Panics
    /// Never: compressing into memory does not fail.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        thread_local! {
            /// Made anew for each bundle, its tables showed in the profile.
            static PACKER: RefCell<zstd::bulk::Compressor<'static>> = RefCell::new(
                zstd::bulk::Compressor::new(COMPRESSION_LEVEL).expect("the level is one of zstd's"),
            );
        }
        let packed = PACKER.with_borrow_mut(|packer| packer.compress(&self.encode()));
        packed.expect("memory can be compressed")
    }

    /// Reads the packed form.
    ///
    /// # Errors
    /// When it does not unpack to a bundle of at most [`BUNDLE_BYTES_MAX`].
    pub fn unpack(packed: &[u8]) -> Result<Self, DecodeError> {
        let unreadable = |_| DecodeError::Field("bundle");
        let stream = zstd::stream::read::Decoder::new(packed).map_err(unreadable)?;
        let mut bytes = Vec::new();
        // One byte over the limit is enough to tell.
        let limit = BUNDLE_BYTES_MAX as u64 + 1;
        stream.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(DecodeError::Field("bundle"));
        }
        Self::decode(&bytes)
    }

    /// Checks signatures and chain, from the message to the last link, and gives
    /// the records.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self) -> Result<Vec<Record>, Unproven> {
        let Self { message, receipt, records, closing } = self;
        let (records, link) = Chain { message, receipt, records }.verify()?;
        if records.is_empty() || !closing.is_genuine(message.msg_id, link) {
            return Err(Unproven::Closing);
        }
        Ok(records)
    }
}

impl Loaded {
    /// Checks signatures and chain of an open message, as [`Bundle::verify`] does, and
    /// that it stands where the chain ends, with the Msg_Ext that its records make.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify(&self) -> Result<(), Unproven> {
        let Self { message, receipt, head, records, .. } = self;
        let (records, link) = Chain { message, receipt, records }.verify()?;
        let last = records.last().ok_or(Unproven::Head("chain"))?;
        let ext = ext_of(&records)?;
        let same = [
            ("revision", head.seq == last.seq),
            ("state", head.state == last.to),
            ("link", head.link == link),
            ("workflow", head.workflow == last.workflow),
            ("time", head.updated_at == last.at),
            ("msg_ext", head.ext.digest() == ext.digest()),
        ];
        match same.iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(Unproven::Head(what)),
            None => Ok(()),
        }
    }
}

/// The Msg_Ext that the patches of records make.
fn ext_of(records: &[Record]) -> Result<MsgExt, Unproven> {
    let mut ext = MsgExt::empty();
    for record in records {
        let bad = |why: &str| Unproven::Record { seq: record.seq, why: why.to_owned() };
        if record.ext_before != ext.digest() {
            return Err(bad("it was made of another msg_ext than the records before it make"));
        }
        if !record.ext_patch.is_empty() {
            let patch = json::parse(record.ext_patch.as_bytes());
            ext = ext.merged(&patch.map_err(|_| bad("its patch is not JSON"))?);
        }
    }
    Ok(ext)
}

/// A message, and what was recorded of it so far.
struct Chain<'a> {
    message: &'a Message,
    receipt: &'a Receipt,
    records: &'a [Sealed],
}

impl Chain<'_> {
    /// Checks signatures and links; gives the records and the last link.
    fn verify(&self) -> Result<(Vec<Record>, Digest), Unproven> {
        self.message.verify().map_err(|e| Unproven::Message(e.to_string()))?;
        let receipt = self.receipt;
        let fits = receipt.msg_id == self.message.msg_id
            && receipt.content_hash == self.message.content_hash;
        if !fits || !receipt.is_genuine() {
            return Err(Unproven::Receipt);
        }
        let mut records: Vec<Record> = Vec::with_capacity(self.records.len());
        let mut link = self.message.content_hash;
        let mut used = BTreeSet::from([self.message.msg_id]);
        for (seq, sealed) in (0..).zip(self.records) {
            let bad = |why: String| Unproven::Record { seq, why };
            let record = sealed.record().map_err(|e| bad(e.to_string()))?;
            self.check_link(&record, seq, link, records.last())
                .map_err(|why| bad(why.to_owned()))?;
            let signal = self.check_signal(&record).map_err(|e| bad(format!("its signal: {e}")))?;
            if signal.is_some_and(|id| !used.insert(id)) {
                return Err(bad("its signal's msg_id was used before".to_owned()));
            }
            let none = matches!(record.cause, Cause::Admission | Cause::Signal | Cause::Timer);
            if none && !record.effects.is_empty() {
                return Err(bad("it holds effects, and there was no action".to_owned()));
            }
            link = Digest::of(&sealed.bytes);
            records.push(record);
        }
        Ok((records, link))
    }

    /// A signal is in its record, and genuine; nothing else is in others. Gives the
    /// signal's Msg_ID.
    fn check_signal(&self, record: &Record) -> Result<Option<MsgId>, String> {
        match (record.cause, &record.from) {
            (Cause::Signal, Some(from)) => {
                let step = usize::try_from(record.step).ok().and_then(|s| self.records.get(s));
                let subject = step.ok_or("its step is not in the bundle")?;
                let subject = Digest::of(&subject.bytes);
                Signal::verify(&record.signal, record.msg_id, from, subject).map(Some)
            }
            // A limit may stop a message at any move.
            (Cause::Limit, _) => Ok(None),
            _ if record.signal.is_empty() => Ok(None),
            _ => Err("it is none that a signal made".to_owned()),
        }
    }

    fn check_link(
        &self,
        record: &Record,
        seq: Seq,
        link: Digest,
        before: Option<&Record>,
    ) -> Result<(), &'static str> {
        if record.msg_id != self.message.msg_id {
            return Err("it belongs to another message");
        }
        if record.seq != seq {
            return Err("its revision is not the next one");
        }
        if record.prev != link {
            return Err("it does not carry the hash of the record before");
        }
        if record.from.as_ref() != before.map(|b| &b.to) {
            return Err("it does not start in the state where the one before ended");
        }
        if before.is_none() && record.to != self.receipt.msg_state {
            return Err("it does not start in the state of the receipt");
        }
        // Where a message stayed, its step did; a signal approves what began there.
        let may = match before {
            None => record.step == 0,
            Some(b) => {
                record.step == b.seq || (record.step == b.step && b.from.as_ref() == Some(&b.to))
            }
        };
        if !may {
            return Err("its step is not the one in which the message was");
        }
        Ok(())
    }
}
