//! The embedded backend: one SQLite file, one thread that writes it.
//!
//! ```text
//!  ports ──jobs──→ committer: BEGIN, all that is queued, COMMIT ──→ answers
//!    │                                                      └────→ queue (work at hand)
//!    └──reads──→ readers
//! ```
//!
//! Everything that a port promises to be durable is durable when its job is
//! answered, because a job is answered after the COMMIT that holds it.

mod archive;
mod catalog;
mod clients;
mod committer;
mod deep;
mod deployments;
mod doctor;
mod feeder;
mod guarantee;
mod moving;
mod readers;
mod reference;
mod schema;

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::{Connection, ErrorCode, ffi};
use surety_core::ports::{Client, Clock, Fault};
use surety_core::types::{ClientId, MsgId};

use self::committer::Committer;
use self::readers::Readers;
use crate::queue::Queue;
use crate::{OpenError, Upkeep};

pub use deep::examine_messages;
pub use doctor::examine;

/// Where the data lies, and how much of it there may be.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The data folder. Made if it is not there, for its owner alone.
    pub path: PathBuf,
    /// The most pages of 4 KiB that the file may have. When they are used up,
    /// the store answers as on a full disk.
    pub pages_max: Option<u32>,
}

impl EmbeddedConfig {
    /// Data in this folder, bounded by the disk alone.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), pages_max: None }
    }
}

/// The open file.
pub(crate) struct Embedded {
    committer: Committer,
    readers: Readers,
    queue: Arc<Queue>,
    /// Read for each submission, so kept at hand.
    clients: Arc<RwLock<HashMap<ClientId, Arc<Client>>>>,
    /// Since the start. No other process changes the catalog.
    catalog_changes: Arc<AtomicU64>,
    /// Held as long as the file is open.
    lock: Mutex<Option<File>>,
}

impl Embedded {
    pub(crate) fn open(
        config: &EmbeddedConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        let folder = &config.path;
        let lock = lock(folder)?;
        let file = folder.join("surety.db");
        let corrupt = |e: rusqlite::Error| OpenError::Corrupt(file.clone(), e.to_string());
        // SQLite gives its log and index the file's own mode.
        let io = |e| OpenError::Io(folder.to_owned(), e);
        let mut private = OpenOptions::new();
        private.create(true).append(true).mode(0o600).open(&file).map_err(io)?;
        let db = Connection::open(&file).map_err(corrupt)?;
        let version = schema::prepare(&db, config.pages_max).map_err(corrupt)?;
        if version != schema::VERSION {
            return Err(OpenError::OtherVersion(file, version, schema::VERSION));
        }
        let clients = clients::all(&db).map_err(corrupt)?;
        let queue = Arc::new(Queue::new(clock));
        feeder::fill(&queue, &db).map_err(corrupt)?;
        Ok(Arc::new(Self {
            committer: Committer::start(db),
            readers: Readers::new(file),
            queue,
            clients: Arc::new(RwLock::new(clients)),
            catalog_changes: Arc::default(),
            lock: Mutex::new(Some(lock)),
        }))
    }
}

impl Upkeep for Embedded {
    fn close(&self) {
        // The readers first: the last connection to close folds the log into the
        // file and removes it.
        self.readers.close();
        self.committer.stop();
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// One process at a time: two would each hand out the same tickets.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let io = |e| OpenError::Io(folder.to_owned(), e);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let mut private = OpenOptions::new();
    private.create(true).append(true).mode(0o600);
    let file = private.open(folder.join("lock")).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(folder.to_owned())),
        Err(TryLockError::Error(e)) => Err(io(e)),
    }
}

// SQLite's integers are signed. Ours are counters and times, far below 2^63.

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

fn msg_id(bytes: [u8; 16]) -> MsgId {
    MsgId::from_bytes(bytes)
}

/// What a failed statement means to the caller.
fn fault(e: &rusqlite::Error) -> Fault {
    match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            Fault::Unavailable("the disk of the data folder is full; free space on it".to_owned())
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fault::Corrupt(e.to_string()),
        _ => Fault::Unavailable(e.to_string()),
    }
}

/// Whether the error is a failed fsync. What was written before it may be lost
/// and the kernel will not say so again, so nothing may be believed any more.
fn is_failed_sync(e: &rusqlite::Error) -> bool {
    let code = e.sqlite_error().map(|e| e.extended_code);
    matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC))
}
