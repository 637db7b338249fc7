//! A store in a folder of plain files, on its way from one backend to another.
//!
//! ```text
//!  manifest.json          what there is, the digests of the files below, and whether
//!                         the export was finished
//!  clients.jsonl          clients
//!  modules.jsonl          deployments, canaries, revocations, digests of components
//!  workflows.jsonl        texts of workflows
//!  ids-000000.jsonl …     Msg_IDs: whose, until when, what used them; of messages
//!                         the digest of their file
//!  components/DIGEST      components
//!  open/MSG_ID            open messages, as `Loaded::encode` writes them
//!  archive/MSG_ID         packed bundles
//! ```
//!
//! The manifest says which digests the lists have, and the lists say which the
//! messages have, so nothing can be changed without another manifest. What the
//! messages say is proven by their own signatures.

mod export;
mod folder;
mod import;
mod lines;

use std::path::{Path, PathBuf};

use serde::Serialize;
use surety_core::ports::{Fault, PlaceError};
use surety_core::reconcile::Report;
use thiserror::Error;

use crate::Stores;

/// What an export holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// Open messages.
    pub open: u64,
    /// Archived messages.
    pub archived: u64,
    /// Msg_IDs, those of messages and signals included.
    pub msg_ids: u64,
    /// Clients.
    pub clients: u64,
    /// Deployments of modules, those that have ended included.
    pub deployments: u64,
    /// Components.
    pub components: u64,
    /// Workflows.
    pub workflows: u64,
}

/// What an import put, and what was there from one before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// What the export holds.
    pub export: Exported,
    /// Of its messages, those that were not in the store.
    pub messages_new: u64,
    /// Of its other Msg_IDs, those that were not in the store.
    pub msg_ids_new: u64,
    /// Reference as it was found behind the import; what differed was mended.
    pub reference: Report,
}

/// Why a store was not moved.
#[derive(Debug, Error)]
pub enum MoveError {
    /// A file cannot be read or written.
    #[error("{0:?}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// There is no finished export.
    #[error("{0:?} holds no finished export: {1}; run `surety export` into it again")]
    Unfinished(PathBuf, String),
    /// A file of the export is not what was exported.
    #[error(
        "the file {0:?} of the export is not as it was exported: {1}; export again, or restore it"
    )]
    Altered(PathBuf, String),
    /// The store holds something else already.
    #[error(
        "{0}; import into an empty store, or into one that nothing but this export was put into"
    )]
    Taken(String),
    /// The backend failed. The same command goes on.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<PlaceError> for MoveError {
    fn from(e: PlaceError) -> Self {
        match e {
            PlaceError::Taken(_) => Self::Taken(e.to_string()),
            PlaceError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Stores {
    /// Writes everything into a folder, which is made if it is not there; one of an
    /// export before is brought up to date. No host may work on the store meanwhile.
    ///
    /// # Errors
    /// When something cannot be read or written; the same call goes on.
    pub async fn export(&self, to: &Path) -> Result<Exported, MoveError> {
        export::export(self, to).await
    }

    /// Puts an export into this store. It is checked whole before anything of it is
    /// put; nothing that is there is replaced. What was put by a call before is found
    /// to be the same, so one that was interrupted is made again.
    ///
    /// # Errors
    /// When the export is not whole or not as it was, or the store holds something
    /// else.
    pub async fn import(&self, from: &Path) -> Result<Imported, MoveError> {
        import::import(self, from).await
    }
}
