//! The archive on SQLite: a table of packed bundles, written by `retire`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};
use surety_core::ports::{Archive, Fault};
use surety_core::types::MsgId;

use super::{Embedded, guarantee};

#[async_trait]
impl Archive for Embedded {
    async fn get(&self, msg_id: MsgId) -> Result<Option<Vec<u8>>, Fault> {
        let sql = "SELECT bundle FROM archive JOIN ids USING (mid) WHERE msg_id = ?";
        let get = move |db: &Connection| {
            db.prepare_cached(sql)?.query_row([msg_id.as_bytes()], |row| row.get(0)).optional()
        };
        self.readers.read(get).await
    }

    async fn list(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        let sql = "SELECT msg_id FROM ids CROSS JOIN archive USING (mid) WHERE msg_id > ? ORDER BY msg_id LIMIT ?";
        self.readers.read(move |db| guarantee::ids(db, sql, after, limit)).await
    }
}
