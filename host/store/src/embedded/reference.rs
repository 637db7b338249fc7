//! Reference on SQLite: a table with the indexes that its queries want.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use surety_core::ports::{Fault, Page, Query, Reference};
use surety_core::projection::Projection;
use surety_core::types::{Address, MsgId, MsgState, MsgType, Time};

use super::{Embedded, integer, msg_id, number};

const COLUMNS: &str = "msg_id, client_id, msg_type, msg_state, creation_date, signer, seq, final, parked, last_error, attempts, module, waits_until, updated_at";

const SHOW: &str = "
INSERT INTO reference (msg_id, client_id, msg_type, msg_state, creation_date, signer, seq, final,
    parked, last_error, attempts, module, waits_until, updated_at, created)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (msg_id) DO UPDATE SET msg_state = excluded.msg_state, seq = excluded.seq,
    final = excluded.final, parked = excluded.parked, last_error = excluded.last_error,
    attempts = excluded.attempts, module = excluded.module, waits_until = excluded.waits_until,
    updated_at = excluded.updated_at
WHERE excluded.seq >= reference.seq";

#[async_trait]
impl Reference for Embedded {
    async fn put(&self, projection: &Projection) -> Result<(), Fault> {
        let projection = projection.clone();
        self.committer.write(move |db| show(db, &projection), |&()| {}).await
    }

    async fn get(&self, msg_id: MsgId) -> Result<Option<Projection>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM reference WHERE msg_id = ?");
        self.readers.read_here(|db| {
            db.prepare_cached(&sql)?.query_row([msg_id.as_bytes()], read).optional()
        })
    }

    async fn list(&self, query: &Query) -> Result<Page, Fault> {
        let query = query.clone();
        self.readers.read(move |db| list(db, &query)).await
    }

    async fn counts(&self) -> Result<BTreeMap<(MsgType, MsgState), u64>, Fault> {
        let sql =
            "SELECT msg_type, msg_state, count(*) FROM reference GROUP BY msg_state, msg_type";
        let counts = move |db: &Connection| {
            let mut statement = db.prepare_cached(sql)?;
            let row = |row: &Row<'_>| Ok(((text(row, 0)?, text(row, 1)?), number(row.get(2)?)));
            statement.query_map([], row)?.collect()
        };
        self.readers.read(counts).await
    }

    async fn remove(&self, msg_id: MsgId) -> Result<(), Fault> {
        let sql = "DELETE FROM reference WHERE msg_id = ?";
        let job = move |db: &Connection| db.execute(sql, [msg_id.as_bytes()]).map(|_| ());
        self.committer.write(job, |&()| {}).await
    }
}

/// Unless a later revision is shown, shows this one.
pub(super) fn show(db: &Connection, p: &Projection) -> rusqlite::Result<()> {
    let values = params![
        p.msg_id.as_bytes(),
        p.client_id.as_str(),
        p.msg_type.as_str(),
        p.msg_state.as_str(),
        &*p.creation_date,
        p.signer.0,
        integer(p.seq),
        p.is_final,
        p.parked,
        p.last_error.as_deref(),
        p.attempts,
        p.module.as_deref(),
        p.waits_until.map(|time| integer(time.as_millis())),
        integer(p.updated_at.as_millis()),
        integer(p.created().as_millis()),
    ];
    db.prepare_cached(SHOW)?.execute(values).map(|_| ())
}

fn list(db: &Connection, query: &Query) -> rusqlite::Result<Page> {
    let mut sql = format!("SELECT {COLUMNS} FROM reference WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    let mut filter = |condition: &str, filter: Vec<Value>| {
        // Writing into a String does not fail.
        let _ = write!(sql, " AND {condition}");
        values.extend(filter);
    };
    let time = |time: Time| Value::from(integer(time.as_millis()));
    if let Some(client) = &query.client_id {
        filter("client_id = ?", vec![client.to_string().into()]);
    }
    if let Some(msg_type) = &query.msg_type {
        filter("msg_type = ?", vec![msg_type.to_string().into()]);
    }
    if let Some(state) = &query.msg_state {
        filter("msg_state = ?", vec![state.to_string().into()]);
    }
    if let Some(parked) = query.parked {
        filter(if parked { "parked" } else { "NOT parked" }, vec![]);
    }
    if let Some(from) = query.created_from {
        filter("created >= ?", vec![time(from)]);
    }
    if let Some(to) = query.created_to {
        filter("created < ?", vec![time(to)]);
    }
    if let Some((created, id)) = query.after {
        filter("(created, msg_id) < (?, ?)", vec![time(created), id.as_bytes().to_vec().into()]);
    }
    values.push(integer(query.limit as u64 + 1).into());
    sql.push_str(" ORDER BY created DESC, msg_id DESC LIMIT ?");

    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), read)?;
    let mut messages = rows.collect::<Result<Vec<_>, _>>()?;
    let more = messages.len() > query.limit;
    messages.truncate(query.limit);
    let cursor = messages.last().filter(|_| more).map(|p| (p.created(), p.msg_id));
    Ok(Page { messages, cursor })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Projection> {
    Ok(Projection {
        msg_id: msg_id(row.get(0)?),
        client_id: text(row, 1)?,
        msg_type: text(row, 2)?,
        msg_state: text(row, 3)?,
        creation_date: row.get_ref(4)?.as_str()?.into(),
        signer: Address(row.get(5)?),
        seq: number(row.get(6)?),
        is_final: row.get(7)?,
        parked: row.get(8)?,
        last_error: row.get::<_, Option<String>>(9)?.map(Into::into),
        attempts: row.get(10)?,
        module: row.get::<_, Option<String>>(11)?.map(Into::into),
        waits_until: row.get::<_, Option<i64>>(12)?.map(|at| Time::from_millis(number(at))),
        updated_at: Time::from_millis(number(row.get(13)?)),
    })
}

/// A name as stored.
pub(super) fn text<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let malformed = |e: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    };
    row.get_ref(column)?.as_str()?.parse().map_err(malformed)
}
