//! The history of modules on SQLite: what a change of them writes, and what of it
//! is read.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use surety_core::canary::{Canary, Counts};
use surety_core::deployment::{self, Change, Deployed, NewDeployment};
use surety_core::ports::{DeployError, Deployment};
use surety_core::types::{Digest, ModuleName, Time};

use super::{integer, number};

const COLUMNS: &str =
    "number, name, version, digest, settings, deployed_at, endorsements, ended_at";

/// Writes a whole change, within the caller's transaction. What is refused is
/// refused before anything is written.
pub(super) fn change(
    db: &Connection,
    change: &Change,
) -> rusqlite::Result<Result<(), DeployError>> {
    let Change { at, end, put, canary } = change;
    if let Some(digest) = put.as_ref().map(|new| taken(db, &new.deployment)).transpose()?.flatten()
    {
        return Ok(Err(DeployError::AlreadyExists(digest)));
    }
    for ended in end {
        let sql = "UPDATE deployment SET ended_at = ? WHERE number = ? AND ended_at IS NULL";
        db.execute(sql, params![integer(at.as_millis()), integer(*ended)])?;
    }
    if let Some(new) = put {
        insert(db, new)?;
        let history = history(db, &new.deployment.name)?;
        for forgotten in deployment::forgettable(&history) {
            db.execute("DELETE FROM deployment WHERE number = ?", [integer(forgotten)])?;
        }
    }
    if let Some(canary) = canary {
        put_canary(db, canary)?;
    }
    Ok(Ok(()))
}

fn put_canary(db: &Connection, canary: &Canary) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO canary VALUES (?, ?)";
    db.execute(sql, params![canary.name.as_str(), text(canary)?]).map(|_| ())
}

/// Adds to what was counted of a canary, unless it has ended.
pub(super) fn count(
    db: &Connection,
    name: &ModuleName,
    started_at: Time,
    counts: &Counts,
) -> rusqlite::Result<Option<Canary>> {
    let sql = "SELECT canary FROM canary WHERE name = ?";
    let canary = db.query_row(sql, [name.as_str()], |row| json::<Canary>(row, 0)).optional()?;
    let Some(mut canary) = canary.filter(|canary| canary.is_trial_of(started_at)) else {
        return Ok(None);
    };
    if *counts != Counts::default() {
        canary.add(counts);
        put_canary(db, &canary)?;
    }
    Ok(Some(canary))
}

/// The other content that a version has.
fn taken(db: &Connection, new: &Deployment) -> rusqlite::Result<Option<Digest>> {
    let sql = "SELECT digest FROM deployment WHERE name = ? AND version = ? AND digest <> ?";
    let key = params![new.name.as_str(), new.version.to_string(), new.digest.0];
    Ok(db.query_row(sql, key, |row| row.get(0)).optional()?.map(Digest))
}

fn insert(db: &Connection, new: &NewDeployment) -> rusqlite::Result<()> {
    let NewDeployment { deployment, endorsements, component } = new;
    let Deployment { name, version, digest, settings, deployed_at } = deployment;
    db.execute("INSERT OR IGNORE INTO component VALUES (?, ?)", params![digest.0, component])?;
    let sql = "INSERT INTO deployment (name, version, digest, settings, deployed_at, endorsements) VALUES (?, ?, ?, ?, ?, ?)";
    let at = integer(deployed_at.as_millis());
    let (version, signed) = (version.to_string(), text(endorsements)?);
    db.execute(sql, params![name.as_str(), version, digest.0, &**settings, at, signed])?;
    Ok(())
}

/// All deployments of a name, the last one first.
pub(super) fn history(db: &Connection, name: &ModuleName) -> rusqlite::Result<Vec<Deployed>> {
    let sql = format!("SELECT {COLUMNS} FROM deployment WHERE name = ? ORDER BY number DESC");
    db.prepare(&sql)?.query_map([name.as_str()], read)?.collect()
}

/// All deployments of all names, by their numbers.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Deployed>> {
    let sql = format!("SELECT {COLUMNS} FROM deployment ORDER BY number");
    db.prepare(&sql)?.query_map([], read)?.collect()
}

/// Whether one of the numbers is another deployment's.
pub(super) fn is_taken(db: &Connection, history: &[Deployed]) -> rusqlite::Result<bool> {
    for deployed in history {
        let sql = "SELECT 1 FROM deployment WHERE number = ?";
        if db.prepare_cached(sql)?.exists([integer(deployed.number)])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a deployment as it was elsewhere. SQLite gives out no number below it again.
pub(super) fn place(db: &Connection, deployed: &Deployed) -> rusqlite::Result<()> {
    let Deployed { number, deployment, endorsements, ended_at } = deployed;
    let Deployment { name, version, digest, settings, deployed_at } = deployment;
    let ended_at = ended_at.map(|at| integer(at.as_millis()));
    let values = params![
        integer(*number),
        name.as_str(),
        version.to_string(),
        digest.0,
        &**settings,
        integer(deployed_at.as_millis()),
        text(endorsements)?,
        ended_at,
    ];
    let sql = format!("INSERT INTO deployment ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    db.execute(&sql, values).map(|_| ())
}

/// The deployments in effect, of all names.
pub(super) fn in_effect(db: &Connection) -> rusqlite::Result<Vec<Deployed>> {
    let sql = format!("SELECT {COLUMNS} FROM deployment WHERE ended_at IS NULL");
    let live: Vec<_> = db.prepare(&sql)?.query_map([], read)?.collect::<Result<_, _>>()?;
    Ok(deployment::in_effect(&live).into_iter().cloned().collect())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Deployed> {
    let deployment = Deployment {
        name: row.get_ref(1)?.as_str()?.parse().map_err(|e| malformed(1, e))?,
        version: row.get_ref(2)?.as_str()?.parse().map_err(|e| malformed(2, e))?,
        digest: Digest(row.get(3)?),
        settings: row.get_ref(4)?.as_str()?.into(),
        deployed_at: Time::from_millis(number(row.get(5)?)),
    };
    let ended_at: Option<i64> = row.get(7)?;
    Ok(Deployed {
        number: number(row.get(0)?),
        deployment,
        endorsements: json(row, 6)?,
        ended_at: ended_at.map(|at| Time::from_millis(number(at))),
    })
}

/// A column of JSON text.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|e| malformed(column, e))
}

fn text(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

fn malformed(column: usize, e: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e))
}
