//! How many requests are under way at once, in all and of each module.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use surety_core::effect::{Unsent, UnsentKind};
use surety_core::types::ModuleName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) struct Places {
    all: Arc<Semaphore>,
    each: usize,
    /// As many as there are modules with a grant.
    modules: Mutex<HashMap<ModuleName, Arc<Semaphore>>>,
}

/// A place; given back when it is dropped.
pub(crate) struct Place {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), each, modules: Mutex::default() }
    }

    /// Waits for a place: first among the module's own requests, so that those of
    /// one module do not stand in the way of others'.
    pub(crate) async fn take(&self, module: &ModuleName) -> Result<Place, Unsent> {
        let closed = |_| Unsent::new(UnsentKind::Busy, "the host is stopping");
        let own = {
            let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(self.each));
            Arc::clone(modules.entry(module.clone()).or_insert_with(new))
        };
        let own = own.acquire_owned().await.map_err(closed)?;
        let all = Arc::clone(&self.all).acquire_owned().await.map_err(closed)?;
        Ok(Place { _own: own, _all: all })
    }
}
