//! Moving on SQLite: what is put is compared and written in one job, so in one
//! transaction.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use surety_core::deployment::Deployed;
use surety_core::machine::Loaded;
use surety_core::ports::{Fault, Issued, Moving, PlaceError, Placed, Ticket, Use};
use surety_core::projection::Projection;
use surety_core::types::{Digest, MsgId, Time};

use super::feeder::Fed;
use super::guarantee::{BY_MESSAGE, BY_SIGNAL, FREE, Parts, append, execute, follow, read_parts};
use super::reference::show;
use super::{Embedded, deployments, integer, msg_id, number};

/// What became of what was put.
enum Put<T> {
    Now(T),
    Before,
    Taken,
}

impl<T> Put<T> {
    fn placed(self, what: impl FnOnce() -> String) -> Result<Placed, PlaceError> {
        match self {
            Self::Now(_) => Ok(Placed::Now),
            Self::Before => Ok(Placed::Before),
            Self::Taken => Err(PlaceError::Taken(what())),
        }
    }
}

fn used(number: i64) -> Option<Use> {
    match number {
        BY_MESSAGE => Some(Use::Message),
        BY_SIGNAL => Some(Use::Signal),
        _ => None,
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Issued> {
    Ok(Issued {
        msg_id: msg_id(row.get(0)?),
        client_id: super::reference::text(row, 1)?,
        expires_at: Time::from_millis(number(row.get(2)?)),
        used: used(row.get(3)?),
    })
}

/// The key of a Msg_ID as it was put now, or that it was there.
fn put_id(db: &Connection, id: &Issued) -> rusqlite::Result<Put<i64>> {
    let sql = "SELECT msg_id, client_id, expires_at, used FROM ids WHERE msg_id = ?";
    let found = db.prepare_cached(sql)?.query_row([id.msg_id.as_bytes()], read).optional()?;
    match found {
        Some(found) if found == *id => return Ok(Put::Before),
        Some(_) => return Ok(Put::Taken),
        None => {}
    }
    let used = match id.used {
        None => FREE,
        Some(Use::Message) => BY_MESSAGE,
        Some(Use::Signal) => BY_SIGNAL,
    };
    let sql = "INSERT INTO ids (msg_id, client_id, expires_at, used) VALUES (?, ?, ?, ?)";
    let at = integer(id.expires_at.as_millis());
    execute(db, sql, params![id.msg_id.as_bytes(), id.client_id.as_str(), at, used])?;
    Ok(Put::Now(db.last_insert_rowid()))
}

/// Whether an open message is exactly this one.
fn is_open(db: &Connection, loaded: &Loaded) -> rusqlite::Result<bool> {
    let Some(Parts::Open { message, receipt, head, records, journal }) =
        read_parts(db, loaded.message.msg_id)?
    else {
        return Ok(false);
    };
    Ok(message == loaded.message.encode()
        && receipt == loaded.receipt.encode()
        && head == loaded.head.encode()
        && records.iter().map(|(_, bytes)| &**bytes).eq(loaded.records.iter().map(|r| &*r.bytes))
        && journal.iter().eq(loaded
            .journal
            .iter()
            .map(|entry| entry.encode())
            .collect::<Vec<_>>()
            .iter()))
}

#[async_trait]
impl Moving for Embedded {
    async fn msg_ids(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<Issued>, Fault> {
        let sql = "SELECT msg_id, client_id, expires_at, used FROM ids WHERE msg_id > ? ORDER BY msg_id LIMIT ?";
        let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
        let values = (after, integer(limit as u64));
        self.readers
            .read(move |db| db.prepare_cached(sql)?.query_map(values, read)?.collect())
            .await
    }

    async fn place_ids(&self, ids: Vec<Issued>) -> Result<u64, PlaceError> {
        let job = move |db: &Connection| {
            let mut new = 0;
            for id in &ids {
                match put_id(db, id)? {
                    Put::Now(_) => new += 1,
                    Put::Before => {}
                    // What was put before it is as it must be.
                    Put::Taken => return Ok(Err(id.msg_id)),
                }
            }
            Ok(Ok(new))
        };
        let done = self.committer.write(job, |_| {}).await?;
        done.map_err(|id| PlaceError::Taken(format!("the msg_id {id}")))
    }

    async fn place_open(&self, id: Issued, loaded: Loaded) -> Result<Placed, PlaceError> {
        let msg_id = id.msg_id;
        let ticket = Ticket { msg_id, seq: loaded.head.seq };
        let (queue, at_hand) = (Arc::clone(&self.queue), Arc::clone(&self.queue));
        let job = move |db: &Connection| {
            let mid = match put_id(db, &id)? {
                Put::Now(mid) => mid,
                Put::Before if is_open(db, &loaded)? => return Ok(Put::Before),
                Put::Before | Put::Taken => return Ok(Put::Taken),
            };
            let Loaded { message, receipt, head, records, journal } = &loaded;
            let values = params![mid, message.encode(), receipt.encode()];
            execute(db, "INSERT INTO body VALUES (?, ?, ?)", values)?;
            let values = params![mid, integer(head.seq), head.encode()];
            execute(db, "INSERT INTO head VALUES (?, ?, ?)", values)?;
            append(db, mid, records)?;
            for (n, entry) in (0_u64..).zip(journal) {
                let values = params![mid, integer(head.seq), integer(n), entry.encode()];
                execute(db, "INSERT INTO journal VALUES (?, ?, ?, ?)", values)?;
            }
            let fed = follow(db, &queue, mid, head, head.next())?;
            show(db, &Projection::of(&loaded))?;
            Ok(Put::Now(fed))
        };
        let after = move |put: &Put<Option<Fed>>| {
            if let Put::Now(Some(fed)) = put {
                fed.hand(&at_hand, ticket, None);
            }
        };
        let put = self.committer.write(job, after).await?;
        put.placed(|| format!("the message {msg_id}"))
    }

    async fn place_archived(&self, id: Issued, bundle: Vec<u8>) -> Result<Placed, PlaceError> {
        let msg_id = id.msg_id;
        let job = move |db: &Connection| {
            Ok(match put_id(db, &id)? {
                Put::Now(mid) => {
                    execute(db, "INSERT INTO archive VALUES (?, ?)", params![mid, bundle])?;
                    Put::Now(())
                }
                Put::Before => {
                    let sql = "SELECT 1 FROM archive JOIN ids USING (mid) WHERE msg_id = ? AND bundle = ?";
                    let same =
                        db.prepare_cached(sql)?.exists(params![msg_id.as_bytes(), bundle])?;
                    if same { Put::Before } else { Put::Taken }
                }
                Put::Taken => Put::Taken,
            })
        };
        let put = self.committer.write(job, |_| {}).await?;
        put.placed(|| format!("the message {msg_id}"))
    }

    async fn components(&self) -> Result<Vec<Digest>, Fault> {
        let read = |row: &Row<'_>| row.get(0).map(Digest);
        let sql = "SELECT digest FROM component ORDER BY digest";
        self.readers.read(move |db| db.prepare(sql)?.query_map([], read)?.collect()).await
    }

    async fn place_component(&self, component: Vec<u8>) -> Result<Placed, PlaceError> {
        let job = move |db: &Connection| {
            let sql = "INSERT OR IGNORE INTO component VALUES (?, ?)";
            execute(db, sql, params![Digest::of(&component).0, component])
        };
        let new = self.committer.write(job, self.catalog_changed()).await?;
        Ok(if new == 0 { Placed::Before } else { Placed::Now })
    }

    async fn deployments(&self) -> Result<Vec<Deployed>, Fault> {
        self.readers.read(deployments::all).await
    }

    async fn place_history(&self, history: Vec<Deployed>) -> Result<Placed, PlaceError> {
        let Some(name) = history.first().map(|first| first.deployment.name.clone()) else {
            return Ok(Placed::Before);
        };
        let of = name.clone();
        let job = move |db: &Connection| {
            let mut there = deployments::history(db, &of)?;
            there.reverse();
            if there == history {
                return Ok(Put::Before);
            }
            if !there.is_empty() || deployments::is_taken(db, &history)? {
                return Ok(Put::Taken);
            }
            history.iter().try_for_each(|deployed| deployments::place(db, deployed))?;
            Ok(Put::Now(()))
        };
        let put = self.committer.write(job, self.catalog_changed()).await?;
        put.placed(|| format!("the deployments of the module {name}"))
    }
}
