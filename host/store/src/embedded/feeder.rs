//! The feeder queue on SQLite: the table is what a start is filled from, the
//! queue in memory is what is leased.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};
use surety_core::ports::{Fault, Feeder, Lease, Ticket};
use surety_core::types::Time;

use super::{Embedded, guarantee, integer, number};

#[async_trait]
impl Feeder for Embedded {
    async fn push(&self, ticket: Ticket, at: Time) -> Result<(), Fault> {
        let queue = std::sync::Arc::clone(&self.queue);
        let job = move |db: &rusqlite::Connection| {
            let sql = "SELECT mid FROM ids WHERE msg_id = ?";
            let id = ticket.msg_id.as_bytes();
            let mid: Option<i64> = db.query_row(sql, [id], |row| row.get(0)).optional()?;
            if let Some(mid) = mid {
                guarantee::feed(db, mid, ticket.seq, at)?;
            }
            Ok(mid)
        };
        let after = move |mid: &Option<i64>| {
            if let Some(mid) = *mid {
                queue.push(ticket, at, number(mid), None);
            }
        };
        self.committer.write(job, after).await.map(|_| ())
    }

    async fn lease(&self) -> Result<Lease, Fault> {
        Ok(self.queue.lease().await)
    }

    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault> {
        let (mid, seq) = (integer(lease.handle), integer(lease.ticket.seq));
        // Only this ticket: the message's next one may be in its place already.
        let sql = "DELETE FROM ticket WHERE mid = ? AND seq = ?";
        let job = move |db: &rusqlite::Connection| {
            db.prepare_cached(sql)?.execute(params![mid, seq]).map(|_| ())
        };
        self.committer.write_later(job).await
    }

    async fn release(&self, lease: Lease, at: Time) -> Result<(), Fault> {
        self.queue.push(lease.ticket, at, lease.handle, None);
        Ok(())
    }
}
