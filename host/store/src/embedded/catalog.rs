//! Modules and workflows on SQLite.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use surety_core::ports::{Catalog, DeployError, Deployment, Fault};
use surety_core::types::{Digest, MsgType, Time};

use super::{Embedded, integer, number};

#[async_trait]
impl Catalog for Embedded {
    async fn put_module(&self, module: Deployment, component: Vec<u8>) -> Result<(), DeployError> {
        let job = move |db: &Connection| put_module(db, &module, &component);
        self.committer.write(job, |_| {}).await?
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Fault> {
        let sql = "SELECT bytes FROM component WHERE digest = ?";
        let get = move |db: &Connection| db.query_row(sql, [digest.0], |row| row.get(0)).optional();
        self.readers.read(get).await
    }

    async fn modules(&self) -> Result<Vec<Deployment>, Fault> {
        let sql = "SELECT name, version, digest, settings, deployed_at FROM module ORDER BY name, version";
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
        self.committer.write(job, |_| {}).await?
    }

    async fn remove_workflow(&self, msg_type: &MsgType, version: u32) -> Result<(), Fault> {
        let name = msg_type.clone();
        let job = move |db: &Connection| {
            let sql = "DELETE FROM workflow WHERE msg_type = ? AND version = ?";
            db.execute(sql, params![name.as_str(), version]).map(|_| ())
        };
        self.committer.write(job, |&()| {}).await
    }

    async fn workflows(&self) -> Result<Vec<Arc<str>>, Fault> {
        let sql = "SELECT text FROM workflow ORDER BY msg_type, version";
        let text = |row: &Row<'_>| Ok(Arc::from(row.get_ref(0)?.as_str()?));
        self.readers.read(move |db| db.prepare(sql)?.query_map([], text)?.collect()).await
    }
}

fn put_module(
    db: &Connection,
    module: &Deployment,
    component: &[u8],
) -> rusqlite::Result<Result<(), DeployError>> {
    let (name, version) = (module.name.as_str(), module.version.to_string());
    let sql = "SELECT digest FROM module WHERE name = ? AND version = ?";
    let deployed = db.query_row(sql, params![name, version], |row| row.get(0)).optional()?;
    if let Some(deployed) = deployed.map(Digest).filter(|digest| *digest != module.digest) {
        return Ok(Err(DeployError::AlreadyExists(deployed)));
    }
    let sql = "INSERT OR IGNORE INTO component VALUES (?, ?)";
    db.execute(sql, params![module.digest.0, component])?;
    let sql = "INSERT OR REPLACE INTO module VALUES (?, ?, ?, ?, ?)";
    let at = integer(module.deployed_at.as_millis());
    db.execute(sql, params![name, version, module.digest.0, &*module.settings, at])?;
    Ok(Ok(()))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Deployment> {
    let malformed = |column, e: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e)
    };
    Ok(Deployment {
        name: row.get_ref(0)?.as_str()?.parse().map_err(|e| malformed(0, Box::new(e)))?,
        version: row.get_ref(1)?.as_str()?.parse().map_err(|e| malformed(1, Box::new(e)))?,
        digest: Digest(row.get(2)?),
        settings: row.get_ref(3)?.as_str()?.into(),
        deployed_at: Time::from_millis(number(row.get(4)?)),
    })
}
