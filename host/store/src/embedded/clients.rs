//! Clients on SQLite, kept at hand in memory.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, params};
use surety_core::ports::{Client, Clients, Fault};
use surety_core::types::ClientId;

use super::Embedded;

/// All clients of the file.
pub(super) fn all(db: &Connection) -> rusqlite::Result<HashMap<ClientId, Arc<Client>>> {
    let mut statement = db.prepare("SELECT client FROM client")?;
    let read = |row: &rusqlite::Row<'_>| {
        let text: String = row.get(0)?;
        let client: Client = serde_json::from_str(&text).map_err(|e| {
            rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e))
        })?;
        Ok((client.client_id.clone(), Arc::new(client)))
    };
    statement.query_map([], read)?.collect()
}

#[async_trait]
impl Clients for Embedded {
    async fn put(&self, client: Client) -> Result<(), Fault> {
        let text = serde_json::to_string(&client).map_err(|e| Fault::Corrupt(e.to_string()))?;
        let (name, known) = (client.client_id.clone(), Arc::clone(&self.clients));
        let job = move |db: &Connection| {
            let sql = "INSERT OR REPLACE INTO client VALUES (?, ?)";
            db.execute(sql, params![name.as_str(), text]).map(|_| ())
        };
        let after = move |&(): &()| {
            let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(client.client_id.clone(), Arc::new(client));
        };
        self.committer.write(job, after).await
    }

    async fn get(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Fault> {
        let known = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        Ok(known.get(client_id).cloned())
    }

    async fn list(&self) -> Result<Vec<Arc<Client>>, Fault> {
        let known = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.values().cloned().collect();
        all.sort_by(|a, b| a.client_id.cmp(&b.client_id));
        Ok(all)
    }
}
