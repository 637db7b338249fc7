//! The feeder queue on SQLite: the table is what a start is filled from, the
//! queue in memory is what is leased. A ticket that is due much later rests in
//! the table alone, marked as such, until its time comes near.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use surety_core::machine::Loaded;
use surety_core::ports::{Fault, Feeder, Lease, Ticket};
use surety_core::types::{Seq, Time};

use super::{Embedded, integer, msg_id, number};
use crate::queue::{Queue, Work};

/// Tickets that one fetch takes into memory, so that a flood of timers does not
/// hold up the committer.
const FETCHED_MAX: u32 = 4_096;

/// A ticket as it was written.
pub(super) struct Fed {
    mid: i64,
    at: Time,
    rests: bool,
}

/// Writes a ticket. One a message: the newer replaces the older.
pub(super) fn feed(
    db: &Connection,
    queue: &Queue,
    mid: i64,
    seq: Seq,
    at: Time,
) -> rusqlite::Result<Fed> {
    let rests = at > queue.horizon();
    let sql = "INSERT OR REPLACE INTO ticket VALUES (?, ?, ?, ?)";
    let values = params![mid, integer(seq), integer(at.as_millis()), rests];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(Fed { mid, at, rests })
}

impl Fed {
    /// After COMMIT: hands the ticket to the workers, or notes that it rests.
    pub(super) fn hand(&self, queue: &Queue, ticket: Ticket, loaded: Option<Loaded>) {
        if self.rests {
            queue.rests(self.at);
        } else {
            queue.push(ticket, self.at, number(self.mid), loaded);
        }
    }
}

/// Makes the tickets of the file ready to be leased.
pub(super) fn fill(queue: &Queue, db: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT t.mid, i.msg_id, t.seq, t.at FROM ticket t JOIN ids i USING (mid) WHERE NOT t.later ORDER BY t.at, t.mid";
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let ticket = Ticket { msg_id: msg_id(row.get(1)?), seq: number(row.get(2)?) };
        queue.push(ticket, Time::from_millis(number(row.get(3)?)), number(row.get(0)?), None);
    }
    if let Some(first) = first_resting(db)? {
        queue.rests(first);
    }
    Ok(())
}

fn first_resting(db: &Connection) -> rusqlite::Result<Option<Time>> {
    let sql = "SELECT min(at) FROM ticket WHERE later";
    let first: Option<i64> = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(first.map(|at| Time::from_millis(number(at))))
}

/// What a fetch brings: tickets with their handles and times, and when the next
/// fetch is due.
type Fetched = (Vec<(Ticket, Time, i64)>, Option<Time>);

/// Takes tickets that are due soon out of their rest.
fn fetch(db: &Connection, until: Time) -> rusqlite::Result<Fetched> {
    let sql = "UPDATE ticket SET later = 0 WHERE mid IN
            (SELECT mid FROM ticket WHERE later AND at <= ? ORDER BY at LIMIT ?)
        RETURNING mid, seq, at, (SELECT msg_id FROM ids WHERE ids.mid = ticket.mid)";
    let read = |row: &rusqlite::Row<'_>| {
        let ticket = Ticket { msg_id: msg_id(row.get(3)?), seq: number(row.get(1)?) };
        Ok((ticket, Time::from_millis(number(row.get(2)?)), row.get(0)?))
    };
    let mut statement = db.prepare_cached(sql)?;
    let values = params![integer(until.as_millis()), FETCHED_MAX];
    let tickets = statement.query_map(values, read)?.collect::<Result<_, _>>()?;
    Ok((tickets, first_resting(db)?))
}

impl Embedded {
    async fn fetch_resting(&self) -> Result<(), Fault> {
        let queue = Arc::clone(&self.queue);
        let until = queue.horizon();
        let after = move |(tickets, next): &Fetched| {
            for (ticket, at, mid) in tickets {
                queue.push(*ticket, *at, number(*mid), None);
            }
            if let Some(next) = *next {
                queue.rests(next);
            }
        };
        self.committer.write(move |db| fetch(db, until), after).await.map(|_| ())
    }
}

#[async_trait]
impl Feeder for Embedded {
    async fn push(&self, ticket: Ticket, at: Time) -> Result<(), Fault> {
        let (queue, at_hand) = (Arc::clone(&self.queue), Arc::clone(&self.queue));
        let job = move |db: &Connection| {
            let sql = "SELECT mid FROM ids WHERE msg_id = ?";
            let id = ticket.msg_id.as_bytes();
            let mid: Option<i64> = db.query_row(sql, [id], |row| row.get(0)).optional()?;
            mid.map(|mid| feed(db, &queue, mid, ticket.seq, at)).transpose()
        };
        let after = move |fed: &Option<Fed>| {
            if let Some(fed) = fed {
                fed.hand(&at_hand, ticket, None);
            }
        };
        self.committer.write(job, after).await.map(|_| ())
    }

    async fn lease(&self) -> Result<Lease, Fault> {
        loop {
            match self.queue.work().await {
                Work::Lease(lease) => return Ok(lease),
                Work::Fetch(turn) => {
                    self.fetch_resting().await?;
                    turn.done();
                }
            }
        }
    }

    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault> {
        let (mid, seq) = (integer(lease.handle), integer(lease.ticket.seq));
        // Only this ticket: the message's next one may be in its place already.
        let sql = "DELETE FROM ticket WHERE mid = ? AND seq = ?";
        let job =
            move |db: &Connection| db.prepare_cached(sql)?.execute(params![mid, seq]).map(|_| ());
        self.committer.write_later(job).await
    }

    async fn release(&self, lease: Lease, at: Time) -> Result<(), Fault> {
        let Lease { ticket, handle, .. } = lease;
        if at <= self.queue.horizon() {
            self.queue.push(ticket, at, handle, None);
            return Ok(());
        }
        let sql = "UPDATE ticket SET at = ?, later = 1 WHERE mid = ? AND seq = ?";
        let values = (integer(at.as_millis()), integer(handle), integer(ticket.seq));
        let job = move |db: &Connection| db.prepare_cached(sql)?.execute(values).map(|_| ());
        let queue = Arc::clone(&self.queue);
        let rested = self.committer.write(job, move |&()| queue.rests(at)).await;
        if rested.is_err() {
            // Its row says that somebody has it in hand, so nobody would fetch it.
            self.queue.push(ticket, at, handle, None);
        }
        rested
    }
}
