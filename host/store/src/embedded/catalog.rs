//! Modules and workflows on SQLite.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use surety_core::canary::{Canary, Counts};
use surety_core::deployment::{Change, Deployed, Revocation};
use surety_core::ports::{Catalog, DeployError, Fault};
use surety_core::types::{Digest, ModuleName, MsgType, Time};

use super::deployments::{self, json};
use super::{Embedded, integer, number};

#[async_trait]
impl Catalog for Embedded {
    async fn change_modules(&self, change: Change) -> Result<(), DeployError> {
        let job = move |db: &Connection| deployments::change(db, &change);
        self.committer.write(job, self.catalog_changed()).await?
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Fault> {
        let sql = "SELECT bytes FROM component WHERE digest = ?";
        let get = move |db: &Connection| db.query_row(sql, [digest.0], |row| row.get(0)).optional();
        self.readers.read(get).await
    }

    async fn modules(&self) -> Result<Vec<Deployed>, Fault> {
        self.readers.read(deployments::in_effect).await
    }

    async fn history(&self, name: &ModuleName) -> Result<Vec<Deployed>, Fault> {
        let name = name.clone();
        self.readers.read(move |db| deployments::history(db, &name)).await
    }

    async fn canaries(&self) -> Result<Vec<Canary>, Fault> {
        let sql = "SELECT canary FROM canary ORDER BY name";
        let read = |row: &Row<'_>| json(row, 0);
        self.readers.read(move |db| db.prepare(sql)?.query_map([], read)?.collect()).await
    }

    async fn count_canary(
        &self,
        name: &ModuleName,
        started_at: Time,
        counts: &Counts,
    ) -> Result<Option<Canary>, Fault> {
        let (name, counts) = (name.clone(), counts.clone());
        let job = move |db: &Connection| deployments::count(db, &name, started_at, &counts);
        self.committer.write(job, |_: &Option<Canary>| {}).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), Fault> {
        let job = move |db: &Connection| {
            let Revocation { digest, reason, revoked_at, revoked_by } = &revocation;
            let at = integer(revoked_at.as_millis());
            let sql = "INSERT OR IGNORE INTO revocation VALUES (?, ?, ?, ?)";
            db.execute(sql, params![digest.0, reason, at, revoked_by]).map(|_| ())
        };
        self.committer.write(job, self.catalog_changed()).await
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, Fault> {
        let sql = "SELECT digest, reason, revoked_at, revoked_by FROM revocation ORDER BY digest";
        let read = |row: &Row<'_>| {
            Ok(Revocation {
                digest: Digest(row.get(0)?),
                reason: row.get(1)?,
                revoked_at: Time::from_millis(number(row.get(2)?)),
                revoked_by: row.get(3)?,
            })
        };
        self.readers.read(move |db| db.prepare(sql)?.query_map([], read)?.collect()).await
    }

    async fn put_workflow(
        &self,
        msg_type: MsgType,
        version: u32,
        text: Arc<str>,
    ) -> Result<(), DeployError> {
        let job = move |db: &Connection| {
            let sql = "SELECT text FROM workflow WHERE msg_type = ? AND version = ?";
            let key = params![msg_type.as_str(), version];
            let deployed: Option<String> = db.query_row(sql, key, |row| row.get(0)).optional()?;
            match deployed {
                Some(deployed) if *deployed == *text => Ok(Ok(())),
                Some(deployed) => {
                    Ok(Err(DeployError::AlreadyExists(Digest::of(deployed.as_bytes()))))
                }
                None => {
                    let sql = "INSERT INTO workflow VALUES (?, ?, ?)";
                    db.execute(sql, params![msg_type.as_str(), version, &*text])?;
                    Ok(Ok(()))
                }
            }
        };
        self.committer.write(job, self.catalog_changed()).await?
    }

    async fn remove_workflow(&self, msg_type: &MsgType, version: u32) -> Result<(), Fault> {
        let name = msg_type.clone();
        let job = move |db: &Connection| {
            let sql = "DELETE FROM workflow WHERE msg_type = ? AND version = ?";
            db.execute(sql, params![name.as_str(), version]).map(|_| ())
        };
        self.committer.write(job, self.catalog_changed()).await
    }

    async fn workflows(&self) -> Result<Vec<Arc<str>>, Fault> {
        let sql = "SELECT text FROM workflow ORDER BY msg_type, version";
        let text = |row: &Row<'_>| Ok(Arc::from(row.get_ref(0)?.as_str()?));
        self.readers.read(move |db| db.prepare(sql)?.query_map([], text)?.collect()).await
    }

    async fn revision(&self) -> Result<u64, Fault> {
        Ok(self.catalog_changes.load(Ordering::Acquire))
    }
}

impl Embedded {
    /// What follows a COMMIT that may have changed the catalog.
    pub(super) fn catalog_changed<T>(&self) -> impl FnOnce(&T) + Send + use<T> {
        let changes = Arc::clone(&self.catalog_changes);
        move |_| {
            changes.fetch_add(1, Ordering::Release);
        }
    }
}
