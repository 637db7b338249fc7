//! Guarantee on SQLite: each method is one job, so one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use surety_core::bundle::Bundle;
use surety_core::effect::Entry;
use surety_core::machine::{Head, Loaded, Next, Step};
use surety_core::message::Message;
use surety_core::ports::{
    Admission, AdmitError, Admitted, CommitError, Fault, Found, Guarantee, IdRefused, Reservation,
    ReserveError, Settled, Ticket,
};
use surety_core::projection::Projection;
use surety_core::receipt::Receipt;
use surety_core::record::Sealed;
use surety_core::types::{ClientId, Digest, MsgId, Seq, Time};

use super::feeder::{Fed, feed};
use super::reference::show;
use super::{Embedded, integer, msg_id, number};
use crate::queue::{Queue, due};

/// How long an expired Msg_ID is remembered as expired before it is unknown.
const EXPIRED_KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// Expired ids that one reservation clears away, so that none takes long.
const EXPIRED_CLEARED: u32 = 1_000;

/// What `ids.used` says.
pub(super) const FREE: i64 = 0;
pub(super) const BY_MESSAGE: i64 = 1;
pub(super) const BY_SIGNAL: i64 = 2;

/// What became of an admission.
enum Admit {
    Refused(IdRefused),
    /// With the parts in which the first content is found.
    Used {
        receipt: Option<Vec<u8>>,
        bundle: Option<Vec<u8>>,
    },
    Done(Option<Fed>),
}

/// What became of a commit.
enum Committed {
    Conflict,
    Refused(IdRefused),
    Done(Option<Fed>),
}

#[async_trait]
impl Guarantee for Embedded {
    async fn reserve(&self, r: Reservation) -> Result<(), ReserveError> {
        let job = move |db: &Connection| reserve(db, &r);
        self.committer.write(job, |_| {}).await?
    }

    async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        let (loaded, next) = admission.into_parts();
        let (message, content) = (loaded.message.encode(), loaded.message.content_hash);
        let (receipt, head) = (loaded.receipt.encode(), loaded.head.encode());
        let (first, queue, at_hand) =
            (loaded.clone(), Arc::clone(&self.queue), Arc::clone(&self.queue));
        let projection = Projection::of(&loaded);
        let job = move |db: &Connection| {
            let mid = match check(db, &first)? {
                Ok(mid) => mid,
                Err(refused) => return Ok(refused),
            };
            use_up(db, mid, BY_MESSAGE)?;
            execute(db, "INSERT INTO body VALUES (?, ?, ?)", params![mid, message, receipt])?;
            let values = params![mid, integer(first.head.seq), head];
            execute(db, "INSERT INTO head VALUES (?, ?, ?)", values)?;
            append(db, mid, &first.records)?;
            let fed = follow(db, &queue, mid, &first.head, next)?;
            show(db, &projection)?;
            Ok(Admit::Done(fed))
        };
        let after = move |admit: &Admit| {
            if let Admit::Done(Some(fed)) = admit {
                let ticket = Ticket { msg_id: loaded.message.msg_id, seq: loaded.head.seq };
                fed.hand(&at_hand, ticket, Some(loaded));
            }
        };
        let receipt = match self.committer.write(job, after).await? {
            Admit::Done(_) => return Ok(Admitted::Now(Settled::All)),
            Admit::Refused(refused) => return Err(refused.into()),
            Admit::Used { receipt: Some(receipt), .. } => {
                Arc::new(Receipt::decode(&receipt).map_err(Fault::from)?)
            }
            Admit::Used { bundle: Some(bundle), .. } => {
                Bundle::unpack(&bundle).map_err(Fault::from)?.receipt
            }
            Admit::Used { .. } => {
                return Err(
                    Fault::Corrupt("a used msg_id has neither body nor bundle".into()).into()
                );
            }
        };
        let same = receipt.content_hash == content;
        if same { Ok(Admitted::Before(receipt)) } else { Err(IdRefused::Used.into()) }
    }

    async fn load(&self, msg_id: MsgId) -> Result<Found, Fault> {
        let parts = self.readers.read(move |db| read_parts(db, msg_id)).await?;
        parts.map_or(Ok(Found::Nothing), Parts::read)
    }

    async fn commit(&self, step: Step) -> Result<Settled, CommitError> {
        let (msg_id, expect, seq) = (step.msg_id(), step.expect, step.loaded.head.seq);
        let head = step.loaded.head.encode();
        let projection = Projection::of(&step.loaded);
        let (loaded, at_hand) = (step.loaded.clone(), Arc::clone(&self.queue));
        let queue = Arc::clone(&self.queue);
        let job = move |db: &Connection| {
            let Some(mid) = mid(db, msg_id)? else {
                return Ok(Committed::Conflict);
            };
            let used = match &step.uses {
                None => None,
                Some(id) => match free(db, id.msg_id, &id.client_id, id.at)? {
                    Id::Free(mid) => Some(mid),
                    Id::Refused(refused) => return Ok(Committed::Refused(refused)),
                    Id::Used(..) => return Ok(Committed::Refused(IdRefused::Used)),
                },
            };
            let sql = "UPDATE head SET seq = ?, head = ? WHERE mid = ? AND seq = ?";
            let moved = params![integer(seq), head, mid, integer(expect)];
            if execute(db, sql, moved)? == 0 {
                return Ok(Committed::Conflict);
            }
            if let Some(used) = used {
                use_up(db, used, BY_SIGNAL)?;
            }
            append(db, mid, step.records())?;
            if step.journaled {
                forget(db, mid)?;
            }
            let fed = follow(db, &queue, mid, &step.loaded.head, step.next)?;
            show(db, &projection)?;
            Ok(Committed::Done(fed))
        };
        let after = move |committed: &Committed| {
            if let Committed::Done(Some(fed)) = committed {
                fed.hand(&at_hand, Ticket { msg_id, seq }, Some(loaded));
            }
        };
        match self.committer.write(job, after).await? {
            Committed::Done(_) => Ok(Settled::All),
            Committed::Refused(refused) => Err(refused.into()),
            Committed::Conflict => Err(CommitError::Conflict(expect)),
        }
    }

    async fn journal(
        &self,
        msg_id: MsgId,
        seq: Seq,
        n: usize,
        entry: Entry,
    ) -> Result<(), CommitError> {
        let (entry, n) = (entry.encode(), n as u64);
        let job = move |db: &Connection| {
            let sql = "SELECT mid, (SELECT count(*) FROM journal AS j WHERE j.mid = head.mid AND j.seq = head.seq)
                FROM head JOIN ids USING (mid) WHERE msg_id = ? AND seq = ?";
            let place = params![msg_id.as_bytes(), integer(seq)];
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, number(row.get(1)?)));
            let found = db.prepare_cached(sql)?.query_row(place, read).optional()?;
            let Some((mid, _)) = found.filter(|(_, entries)| *entries == n) else {
                return Ok(false);
            };
            let values = params![mid, integer(seq), integer(n), entry];
            execute(db, "INSERT INTO journal VALUES (?, ?, ?, ?)", values)?;
            Ok(true)
        };
        let kept = self.committer.write(job, |_| {}).await?;
        if kept { Ok(()) } else { Err(CommitError::Conflict(seq)) }
    }

    async fn retire(
        &self,
        msg_id: MsgId,
        seq: Seq,
        bundle: Vec<u8>,
    ) -> Result<Settled, CommitError> {
        let job = move |db: &Connection| {
            let Some(mid) = mid(db, msg_id)? else {
                return Ok(false);
            };
            let gone = "DELETE FROM head WHERE mid = ? AND seq = ?";
            if execute(db, gone, params![mid, integer(seq)])? == 0 {
                return Ok(false);
            }
            execute(db, "INSERT INTO archive VALUES (?, ?)", params![mid, bundle])?;
            execute(db, "DELETE FROM body WHERE mid = ?", params![mid])?;
            execute(db, "DELETE FROM record WHERE mid = ?", params![mid])?;
            forget(db, mid)?;
            unfeed(db, mid)?;
            Ok(true)
        };
        let retired = self.committer.write(job, |_| {}).await?;
        if retired { Ok(Settled::All) } else { Err(CommitError::Conflict(seq)) }
    }

    async fn open(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        let sql =
            "SELECT msg_id FROM head JOIN ids USING (mid) WHERE msg_id > ? ORDER BY msg_id LIMIT ?";
        self.readers.read(move |db| ids(db, sql, after, limit)).await
    }

    async fn pins(&self) -> Result<BTreeMap<Digest, u64>, Fault> {
        let count = move |db: &Connection| {
            let mut pins = BTreeMap::new();
            let mut statement = db.prepare("SELECT head FROM head")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let pinned = Head::workflow_of(row.get_ref(0)?.as_blob()?);
                *pins.entry(pinned.ok()).or_default() += 1;
            }
            Ok(pins)
        };
        let pins: BTreeMap<Option<Digest>, u64> = self.readers.read(count).await?;
        let readable = |(digest, count): (Option<Digest>, u64)| Some((digest?, count));
        match pins.get(&None) {
            Some(count) => Err(Fault::Corrupt(format!("{count} heads cannot be read"))),
            None => Ok(pins.into_iter().filter_map(readable).collect()),
        }
    }
}

pub(super) fn execute(
    db: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(values)
}

fn mid(db: &Connection, msg_id: MsgId) -> rusqlite::Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT mid FROM ids WHERE msg_id = ?")?;
    statement.query_row([msg_id.as_bytes()], |row| row.get(0)).optional()
}

pub(super) fn append(db: &Connection, mid: i64, records: &[Sealed]) -> rusqlite::Result<()> {
    for record in records {
        let values = params![mid, integer(record.seq), &*record.bytes];
        execute(db, "INSERT INTO record VALUES (?, ?, ?)", values)?;
    }
    Ok(())
}

/// Writes the ticket that follows, or takes the old one away.
pub(super) fn follow(
    db: &Connection,
    queue: &Queue,
    mid: i64,
    head: &Head,
    next: Next,
) -> rusqlite::Result<Option<Fed>> {
    match next {
        Next::Feed(at) => feed(db, queue, mid, head.seq, due(head, at)).map(Some),
        Next::Rest => unfeed(db, mid).map(|()| None),
    }
}

fn forget(db: &Connection, mid: i64) -> rusqlite::Result<()> {
    execute(db, "DELETE FROM journal WHERE mid = ?", params![mid]).map(|_| ())
}

fn unfeed(db: &Connection, mid: i64) -> rusqlite::Result<()> {
    execute(db, "DELETE FROM ticket WHERE mid = ?", params![mid]).map(|_| ())
}

pub(super) fn ids(
    db: &Connection,
    sql: &str,
    after: Option<MsgId>,
    limit: usize,
) -> rusqlite::Result<Vec<MsgId>> {
    let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    let limit = integer(limit as u64);
    let mut statement = db.prepare_cached(sql)?;
    statement.query_map(params![after, limit], |row| row.get(0).map(msg_id))?.collect()
}

fn reserve(db: &Connection, r: &Reservation) -> rusqlite::Result<Result<(), ReserveError>> {
    let client = r.client_id.as_str();
    let now = r.now.as_millis();
    let sql = "DELETE FROM ids WHERE mid IN (SELECT mid FROM ids WHERE used = 0 AND client_id = ? AND expires_at < ? LIMIT ?)";
    let forgotten = integer(now.saturating_sub(EXPIRED_KEPT_MS));
    execute(db, sql, params![client, forgotten, EXPIRED_CLEARED])?;

    let sql = "SELECT count(*) FROM ids WHERE used = 0 AND client_id = ? AND expires_at >= ?";
    let values = params![client, integer(now)];
    let outstanding: i64 = db.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
    let outstanding = number(outstanding);
    if outstanding + r.msg_ids.len() as u64 > u64::from(r.outstanding_max) {
        return Ok(Err(ReserveError::Cap { outstanding }));
    }
    let sql = "INSERT INTO ids (msg_id, client_id, expires_at) VALUES (?, ?, ?)";
    for id in &r.msg_ids {
        execute(db, sql, params![id.as_bytes(), client, integer(r.expires_at.as_millis())])?;
    }
    Ok(Ok(()))
}

/// What the ids say of a Msg_ID.
enum Id {
    Refused(IdRefused),
    /// By what it was used.
    Used(i64, i64),
    Free(i64),
}

/// Whether a client may use a Msg_ID at a time.
fn free(db: &Connection, id: MsgId, client: &ClientId, at: Time) -> rusqlite::Result<Id> {
    let sql = "SELECT mid, client_id, expires_at, used FROM ids WHERE msg_id = ?";
    let read = |row: &rusqlite::Row<'_>| {
        let foreign = row.get_ref(1)?.as_str()? != client.as_str();
        let expires_at = Time::from_millis(number(row.get(2)?));
        Ok((row.get(0)?, foreign, expires_at, row.get::<_, i64>(3)?))
    };
    let found = db.prepare_cached(sql)?.query_row([id.as_bytes()], read).optional()?;
    Ok(match found {
        None => Id::Refused(IdRefused::Unknown),
        Some((_, true, ..)) => Id::Refused(IdRefused::Foreign),
        Some((mid, _, _, used)) if used != FREE => Id::Used(mid, used),
        Some((_, _, expires_at, _)) if expires_at < at => {
            Id::Refused(IdRefused::Expired(expires_at))
        }
        Some((mid, ..)) => Id::Free(mid),
    })
}

fn use_up(db: &Connection, mid: i64, by: i64) -> rusqlite::Result<()> {
    execute(db, "UPDATE ids SET used = ? WHERE mid = ?", params![by, mid]).map(|_| ())
}

/// Whether the message may be admitted under its Msg_ID.
fn check(db: &Connection, loaded: &Loaded) -> rusqlite::Result<Result<i64, Admit>> {
    let Message { msg_id, client_id, .. } = &*loaded.message;
    Ok(match free(db, *msg_id, client_id, loaded.receipt.accepted_at)? {
        Id::Free(mid) => Ok(mid),
        Id::Refused(refused) => Err(Admit::Refused(refused)),
        Id::Used(_, BY_SIGNAL) => Err(Admit::Refused(IdRefused::Used)),
        Id::Used(mid, _) => {
            let blob = |sql: &str| db.query_row(sql, [mid], |row| row.get(0)).optional();
            let receipt = blob("SELECT receipt FROM body WHERE mid = ?")?;
            let bundle = blob("SELECT bundle FROM archive WHERE mid = ?")?;
            Err(Admit::Used { receipt, bundle })
        }
    })
}

/// A message as the rows have it.
pub(super) enum Parts {
    Open {
        message: Vec<u8>,
        receipt: Vec<u8>,
        head: Vec<u8>,
        records: Vec<(i64, Vec<u8>)>,
        journal: Vec<Vec<u8>>,
    },
    Archived,
}

pub(super) fn read_parts(db: &Connection, msg_id: MsgId) -> rusqlite::Result<Option<Parts>> {
    let Some(mid) = mid(db, msg_id)? else {
        return Ok(None);
    };
    let sql = "SELECT message, receipt, head FROM body JOIN head USING (mid) WHERE mid = ?";
    let columns = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let open = db.prepare_cached(sql)?.query_row([mid], columns).optional()?;
    let Some((message, receipt, head)) = open else {
        let sql = "SELECT 1 FROM archive WHERE mid = ?";
        let archived = db.prepare_cached(sql)?.exists([mid])?;
        return Ok(archived.then_some(Parts::Archived));
    };
    let mut records =
        db.prepare_cached("SELECT seq, record FROM record WHERE mid = ? ORDER BY seq")?;
    let records = records.query_map([mid], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let records = records.collect::<Result<_, _>>()?;
    let sql = "SELECT entry FROM journal JOIN head USING (mid, seq) WHERE mid = ? ORDER BY n";
    let mut journal = db.prepare_cached(sql)?;
    let journal = journal.query_map([mid], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Some(Parts::Open { message, receipt, head, records, journal }))
}

impl Parts {
    fn read(self) -> Result<Found, Fault> {
        let Self::Open { message, receipt, head, records, journal } = self else {
            return Ok(Found::Archived);
        };
        let sealed = |(seq, bytes): (i64, Vec<u8>)| Sealed::from_bytes(number(seq), bytes.into());
        Ok(Found::Open(Box::new(Loaded {
            message: Message::decode(&message)?.into(),
            receipt: Receipt::decode(&receipt)?.into(),
            head: Head::decode(&head)?,
            records: records.into_iter().map(sealed).collect(),
            journal: journal.iter().map(|e| Entry::decode(e)).collect::<Result<_, _>>()?,
        })))
    }
}
