//! Connections that only read, each lent to one caller at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use surety_core::ports::Fault;
use tokio::sync::Semaphore;

use super::fault;

/// Reads at one time. Each holds a thread and a connection with its page cache.
const READS_MAX: usize = 8;

/// How long a read waits for SQLite's own short locks.
const BUSY_MS: u64 = 5_000;

#[derive(Clone)]
pub(super) struct Readers {
    file: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Self {
        let free = Arc::new(Semaphore::new(READS_MAX));
        Self { file, idle: Arc::default(), free }
    }

    /// Runs `read` on a snapshot that holds all that was committed before.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let unavailable = |e: &dyn std::fmt::Display| Fault::Unavailable(e.to_string());
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|e| unavailable(&e))?;
        let this = self.clone();
        let work = move || {
            let _permit = permit;
            this.read_here(read)
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| unavailable(&e))?
    }

    /// The same on the caller's thread: for a row by its key, which takes less
    /// than handing it to another thread and back.
    pub(super) fn read_here<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let attempt = || {
            let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = taken.map_or_else(|| connect(&self.file), Ok)?;
            let transaction = db.unchecked_transaction()?;
            let answer = read(&db);
            transaction.finish()?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            answer
        };
        attempt().map_err(|e: rusqlite::Error| fault(&e))
    }

    pub(super) fn close(&self) {
        self.free.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn connect(file: &std::path::Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    Ok(db)
}
