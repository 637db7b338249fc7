//! The backends of the engine's ports. [`open`] alone names them; the rest of
//! the host knows the ports.

#[cfg(feature = "aws")]
mod aws;
mod deep;
mod embedded;
mod findings;
mod memory;
mod moving;
mod queue;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use surety_core::ports::{
    Archive, Catalog, Clients, Clock, Fault, Feeder, Guarantee, Moving, Reference,
};
use surety_core::types::Time;
use thiserror::Error;

#[cfg(feature = "aws")]
pub use aws::{AwsAdmin, AwsChange, AwsConfig, AwsPlan, Bodies, QueueKind, Role, aws_policy};
pub use embedded::{EmbeddedConfig, examine, examine_messages};
pub use findings::{Finding, Grade};
pub use memory::Memory;
pub use moving::{Exported, Imported, MoveError};

/// Which backend.
#[derive(Debug, Clone)]
pub enum Config {
    /// In this process's memory: gone when it ends. For tests.
    Memory,
    /// One SQLite file in a folder. The default.
    Embedded(EmbeddedConfig),
    /// SQS, DynamoDB and an object store, for any number of processes.
    #[cfg(feature = "aws")]
    Aws(AwsConfig),
}

/// A backend that could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data folder {0:?} is in use by another process; stop that one first")]
    Locked(PathBuf),
    /// Another version of surety wrote it.
    #[error("the data in {0:?} has version {1}, this host reads {2}; use the surety that wrote it")]
    OtherVersion(PathBuf, i64, i64),
    /// The folder cannot be used.
    #[error("the data folder {0:?} cannot be used: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// The file cannot be read.
    #[error("the data in {0:?} cannot be read: {1}; restore the folder from a backup")]
    Corrupt(PathBuf, String),
    /// It is not configured as it must be.
    #[error("`[store.aws]`: {0}")]
    Config(String),
}

/// An open backend: one value behind every port.
#[derive(Clone)]
pub struct Stores {
    /// The system of record.
    pub guarantee: Arc<dyn Guarantee>,
    /// The feeder queue.
    pub feeder: Arc<dyn Feeder>,
    /// The read model.
    pub reference: Arc<dyn Reference>,
    /// Finished messages.
    pub archive: Arc<dyn Archive>,
    /// Registered clients.
    pub clients: Arc<dyn Clients>,
    /// Deployed modules and workflows.
    pub catalog: Arc<dyn Catalog>,
    /// What moves all of it elsewhere.
    pub moving: Arc<dyn Moving>,
    upkeep: Arc<dyn Upkeep>,
}

/// What a sweep over all open messages found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Messages that were looked at.
    pub messages: u64,
    /// Those whose ticket was lost, and which are given another.
    pub fed_again: u64,
    /// Those that were sent again, because their queues would have forgotten them.
    pub renewed: u64,
    /// Admissions that were ended, because nobody finished them in time.
    pub admissions_ended: u64,
    /// Queues that were removed, because their messages are archived.
    pub queues_removed: u64,
    /// Messages that could not be looked at; the next sweep tries again.
    pub failed: u64,
}

impl std::ops::AddAssign for Swept {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.fed_again += other.fed_again;
        self.renewed += other.renewed;
        self.admissions_ended += other.admissions_ended;
        self.queues_removed += other.queues_removed;
        self.failed += other.failed;
    }
}

/// How often a backend wants to be kept up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpkeepTimes {
    /// Between two looks at what is due.
    pub timers: Duration,
    /// Between two sweeps.
    pub sweep: Duration,
}

/// What a backend does beside its ports. One that forgets nothing needs none of it.
#[async_trait]
trait Upkeep: Send + Sync {
    /// How often it is wanted, if it is.
    fn times(&self) -> Option<UpkeepTimes> {
        None
    }

    /// Whether everything is there that it works on.
    async fn check(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Feeds what is due and has no ticket; gives when the next one will be due.
    async fn feed_due(&self) -> Result<Option<Time>, Fault> {
        Ok(None)
    }

    /// Looks at every open message.
    async fn sweep(&self) -> Result<Swept, Fault> {
        Ok(Swept::default())
    }

    /// Takes nothing more into hand. On return others can get what was.
    async fn hand_over(&self) {}

    /// Blocks until everything that was accepted is durable and files are closed.
    fn close(&self);
}

impl Stores {
    fn of<B>(backend: Arc<B>) -> Self
    where
        B: Guarantee + Feeder + Reference + Archive + Clients + Catalog + Moving + Upkeep + 'static,
    {
        Self {
            guarantee: Arc::clone(&backend) as _,
            feeder: Arc::clone(&backend) as _,
            reference: Arc::clone(&backend) as _,
            archive: Arc::clone(&backend) as _,
            clients: Arc::clone(&backend) as _,
            catalog: Arc::clone(&backend) as _,
            moving: Arc::clone(&backend) as _,
            upkeep: backend,
        }
    }

    /// Whether everything is there that the backend works on.
    ///
    /// # Errors
    /// What is missing or of another version, and what to do.
    pub async fn check(&self) -> Result<(), Fault> {
        self.upkeep.check().await
    }

    /// How often [`feed_due`](Self::feed_due) and [`sweep`](Self::sweep) are to be
    /// called; none when never.
    #[must_use]
    pub fn upkeep_times(&self) -> Option<UpkeepTimes> {
        self.upkeep.times()
    }

    /// Gives tickets to messages that are due, or soon will be, and have none. Any
    /// number of processes may at once. Gives when the next one will be due.
    ///
    /// # Errors
    /// When the backend fails; what was not done is done the next time.
    pub async fn feed_due(&self) -> Result<Option<Time>, Fault> {
        self.upkeep.feed_due().await
    }

    /// Looks at every open message for what was forgotten, half made or grows old,
    /// and mends it. Any number of processes may at once.
    ///
    /// # Errors
    /// When the backend fails; what was not done is done the next time.
    pub async fn sweep(&self) -> Result<Swept, Fault> {
        self.upkeep.sweep().await
    }

    /// Finishes what was accepted, gives back what is in hand and closes the backend.
    /// Calls on a closed backend are answered as unavailable.
    pub async fn close(self) {
        self.upkeep.hand_over().await;
        let closed = tokio::task::spawn_blocking(move || self.upkeep.close()).await;
        if let Err(e) = closed {
            tracing::error!(%e, "closing the store failed");
        }
    }
}

/// Opens a backend. Messages that were open in it are ready to be leased.
///
/// # Errors
/// When it cannot be opened; the error says what to do.
pub fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Stores, OpenError> {
    match config {
        Config::Memory => Ok(Memory::new().stores(clock)),
        Config::Embedded(config) => Ok(Stores::of(embedded::Embedded::open(config, clock)?)),
        #[cfg(feature = "aws")]
        Config::Aws(config) => Ok(Stores::of(aws::Aws::open(config, clock)?)),
    }
}
