//! Loading a message: its version as the row names it, and the records beside it.

use std::time::Duration;

use surety_core::machine::Loaded;
use surety_core::ports::{Busy, Fault};
use surety_core::types::MsgId;

use super::Aws;
use super::config::Bodies;
use super::ids::row;
use super::queues::{Held, Search};
use super::records::Beside;
use super::row::Open;
use super::versions::{Cid, Current, Version};

/// How long a message rests whose version was not seen: somebody has it, or SQS gave
/// too little.
const NOT_SEEN_DELAY: Duration = Duration::from_secs(2);

impl Aws {
    /// Whether the row bears this cid: then the change that was not answered, or was
    /// refused because it had been made already, was made.
    pub(super) async fn is_mine(&self, id: MsgId, cid: Cid) -> Result<bool, Fault> {
        let row = row(&self.sdk, &self.names, id).await?;
        Ok(row.and_then(|row| row.open).is_some_and(|open| open.current.cid == cid))
    }

    /// The message that a row says is open, with all that lies elsewhere.
    pub(super) async fn read(&self, id: MsgId, open: &Open) -> Result<Loaded, Fault> {
        let current = open.current;
        // With a journal, what was written here is not all.
        let recent = self.recent.take(id, current.cid);
        let recent = recent.filter(|_| open.journaled != Some(current.rev));
        let beside = match &recent {
            Some(_) => Beside::default(),
            None => self.records.load(id, current).await?,
        };
        let mut loaded = match (self.bodies, recent) {
            (Bodies::Dynamodb, Some(recent)) => return Ok(recent),
            (Bodies::Dynamodb, None) => {
                let is = |v: &Version| {
                    (v.rev, v.cid, v.digest()) == (current.rev, current.cid, current.digest)
                };
                match beside.version.filter(is) {
                    Some(version) => version.read()?,
                    None => return Err(self.moved_or_corrupt(id, current.cid).await?),
                }
            }
            (Bodies::Sqs, recent) => {
                let mut loaded = match self.leases.version(id, current.cid) {
                    Some(loaded) => loaded,
                    None => self.find(id, open).await?,
                };
                if let Some(recent) = recent {
                    loaded.records = recent.records;
                    return Ok(loaded);
                }
                loaded
            }
        };
        let chain = beside.records.last().map(|record| (record.seq, record.hash));
        if chain != Some((current.rev, loaded.head.link)) {
            return Err(self.moved_or_corrupt(id, current.cid).await?);
        }
        loaded.records = beside.records;
        let entries = beside.journal.into_iter().filter(|(seq, _)| *seq == current.rev);
        loaded.journal = entries.map(|(_, entry)| entry).collect();
        Ok(loaded)
    }

    /// What it means that parts do not fit: the message has moved meanwhile, or what
    /// is stored is not what was committed.
    async fn moved_or_corrupt(&self, id: MsgId, cid: Cid) -> Result<Fault, Fault> {
        if self.is_mine(id, cid).await? {
            return Ok(Fault::Corrupt(format!(
                "what the tables hold of {id} is not what was committed; restore its items"
            )));
        }
        Ok(Fault::Unavailable(format!("{id} was moved while it was read")))
    }

    /// Finds the current version in the message's queue.
    async fn find(&self, id: MsgId, open: &Open) -> Result<Loaded, Fault> {
        let hold = self.leases.wants(id, open.current.rev);
        match self.queues.find(id, open.current, hold).await? {
            Search::Found(Held { version, handles, .. }) => {
                let loaded = version.read()?;
                if hold {
                    let Current { rev, cid, .. } = open.current;
                    self.leases.took(rev, cid, loaded.clone(), handles);
                }
                Ok(loaded)
            }
            Search::Tampered => Err(self.tampered(id, open.current)),
            Search::NotSeen | Search::NoQueue if !self.is_mine(id, open.current.cid).await? => {
                Err(Fault::Unavailable(format!("{id} was moved while it was read")))
            }
            Search::NotSeen => {
                let why = format!(
                    "version {} of {id} is not to be seen in the queue {}: another process has it in hand",
                    open.current.rev,
                    self.names.queue(id)
                );
                Err(Fault::Busy(Busy { why, after: NOT_SEEN_DELAY }))
            }
            Search::NoQueue => Err(self.no_queue(id)),
        }
    }

    /// What it means that what bears the name of the current version is another one.
    pub(super) fn tampered(&self, id: MsgId, current: Current) -> Fault {
        Fault::Corrupt(format!(
            "the queue {} holds another version {} of {id} than was committed; it was changed there",
            self.names.queue(id),
            current.rev
        ))
    }

    /// What it means that an open message has no queue.
    pub(super) fn no_queue(&self, id: MsgId) -> Fault {
        Fault::Corrupt(format!(
            "the queue {} with the open message {id} is gone: somebody deleted it; row and records are kept, and `surety import` brings the message back from an older export, into tables under another `prefix`",
            self.names.queue(id)
        ))
    }
}
