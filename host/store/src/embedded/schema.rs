//! The tables. Integers are the keys everywhere; `ids` alone knows which Msg_ID
//! has which. The immutable body stands apart from the small, mutable head.

use rusqlite::Connection;

/// The version of the tables, kept in SQLite's `user_version`.
pub(super) const VERSION: i64 = 3;

/// Pages of the write-ahead log after which it is folded into the file: 16 MiB.
/// Folding holds up the committer, and a page that was written often in between
/// is folded once; so more seldom than SQLite's own 1,000.
const WAL_PAGES: i64 = 4096;

/// Memory for pages, in KiB: more than the ends of all tables and what one batch
/// changes. Not more than that, because SQLite looks through all pages at hand after
/// each commit that split one.
const CACHE_KIB: i64 = 8 << 10;

const TABLES: &str = "
-- used: 0 issued, 1 by a message (open or archived), 2 by a signal.
CREATE TABLE IF NOT EXISTS ids (
    mid INTEGER PRIMARY KEY, msg_id BLOB NOT NULL UNIQUE, client_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS ids_unused ON ids (client_id, expires_at) WHERE used = 0;

CREATE TABLE IF NOT EXISTS body (mid INTEGER PRIMARY KEY, message BLOB NOT NULL, receipt BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS head (mid INTEGER PRIMARY KEY, seq INTEGER NOT NULL, head BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS record (
    mid INTEGER NOT NULL, seq INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (mid, seq)) WITHOUT ROWID;
-- What an attempt did outside, until it is committed.
CREATE TABLE IF NOT EXISTS journal (
    mid INTEGER NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, entry BLOB NOT NULL,
    PRIMARY KEY (mid, seq, n)) WITHOUT ROWID;
-- later: rests here until it is due soon; all others are in the hands of the process.
CREATE TABLE IF NOT EXISTS ticket (
    mid INTEGER PRIMARY KEY, seq INTEGER NOT NULL, at INTEGER NOT NULL, later INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS ticket_later ON ticket (at) WHERE later;
CREATE TABLE IF NOT EXISTS archive (mid INTEGER PRIMARY KEY, bundle BLOB NOT NULL);

-- Derived: may be emptied and rebuilt.
CREATE TABLE IF NOT EXISTS reference (
    msg_id BLOB PRIMARY KEY, client_id TEXT NOT NULL, msg_type TEXT NOT NULL,
    msg_state TEXT NOT NULL, created INTEGER NOT NULL, creation_date TEXT NOT NULL,
    signer BLOB NOT NULL, seq INTEGER NOT NULL, final INTEGER NOT NULL,
    parked INTEGER NOT NULL, last_error TEXT, attempts INTEGER, module TEXT, waits_until INTEGER,
    updated_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reference_created ON reference (created);
CREATE INDEX IF NOT EXISTS reference_client ON reference (client_id, created);
CREATE INDEX IF NOT EXISTS reference_parked ON reference (created) WHERE parked;
CREATE INDEX IF NOT EXISTS reference_state ON reference (msg_state, msg_type, created);

CREATE TABLE IF NOT EXISTS client (client_id TEXT PRIMARY KEY, client TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS component (digest BLOB PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS module (
    name TEXT NOT NULL, version TEXT NOT NULL, digest BLOB NOT NULL, settings TEXT NOT NULL,
    deployed_at INTEGER NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workflow (
    msg_type TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (msg_type, version)) WITHOUT ROWID;
";

/// Sets the connection up, makes the tables of a new file, and gives the
/// version of what is there.
pub(super) fn prepare(db: &Connection, pages_max: Option<u32>) -> rusqlite::Result<i64> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: an answered COMMIT has been synced.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if let Some(pages) = pages_max {
        db.pragma_update(None, "max_page_count", pages)?;
    }
    db.set_prepared_statement_cache_capacity(64);
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        db.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT"))?;
        return Ok(VERSION);
    }
    Ok(version)
}
