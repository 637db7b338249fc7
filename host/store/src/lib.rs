//! The backends of the engine's ports. [`open`] alone names them; the rest of
//! the host knows the ports.

#[cfg(feature = "aws")]
mod aws;
mod embedded;
mod findings;
mod memory;
mod queue;

use std::path::PathBuf;
use std::sync::Arc;

use surety_core::ports::{Archive, Catalog, Clients, Clock, Feeder, Guarantee, Reference};
use thiserror::Error;

#[cfg(feature = "aws")]
pub use aws::{AwsAdmin, AwsChange, AwsConfig, AwsPlan, Bodies, QueueKind, Role, aws_policy};
pub use embedded::{EmbeddedConfig, examine};
pub use findings::{Finding, Grade};
pub use memory::Memory;

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
    close: Arc<dyn Close>,
}

/// What a backend does when it is not needed any more.
trait Close: Send + Sync {
    /// Blocks until everything that was accepted is durable and files are closed.
    fn close(&self);
}

impl Stores {
    fn of<B>(backend: Arc<B>) -> Self
    where
        B: Guarantee + Feeder + Reference + Archive + Clients + Catalog + Close + 'static,
    {
        Self {
            guarantee: Arc::clone(&backend) as _,
            feeder: Arc::clone(&backend) as _,
            reference: Arc::clone(&backend) as _,
            archive: Arc::clone(&backend) as _,
            clients: Arc::clone(&backend) as _,
            catalog: Arc::clone(&backend) as _,
            close: backend,
        }
    }

    /// Finishes what was accepted and closes the backend. Calls on a closed
    /// backend are answered as unavailable.
    pub async fn close(self) {
        let closed = tokio::task::spawn_blocking(move || self.close.close()).await;
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
        Config::Aws(_) => Err(OpenError::Config("it is not put together yet".to_owned())),
    }
}
