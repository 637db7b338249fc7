//! Messages as this process committed them last. Who leases the next ticket of one
//! need not read again what it wrote itself, if the row says that nobody wrote since.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use surety_core::machine::Loaded;
use surety_core::types::MsgId;

use super::versions::Cid;

/// The most that are kept; beyond it all are forgotten and read again. A thousand of
/// 10 KB are 10 MB.
const KEPT_MAX: usize = 1_024;

/// The messages, by the cid of their last commit.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<MsgId, (Cid, Loaded)>>);

impl Recent {
    fn lock(&self) -> MutexGuard<'_, HashMap<MsgId, (Cid, Loaded)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a message that was committed.
    pub(super) fn keep(&self, cid: Cid, loaded: &Loaded) {
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(loaded.message.msg_id, (cid, loaded.clone()));
    }

    /// Takes a message out, if it is the one that the row names.
    pub(super) fn take(&self, id: MsgId, cid: Cid) -> Option<Loaded> {
        let (kept, loaded) = self.lock().remove(&id)?;
        (kept == cid).then_some(loaded)
    }
}
