//! A client that dies at one of its calls, seen from the servers: from there on none
//! of its calls has an effect, and none is answered.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Counts calls over all servers that have it, and closes at one of them.
#[derive(Debug)]
pub struct Gate {
    calls: AtomicU64,
    /// Twice the call's number, plus one for "after it took effect".
    closes_at: u64,
    closed: watch::Sender<bool>,
}

impl Gate {
    /// A gate that closes at this point: point 2n is before call n, 2n + 1 after it.
    #[must_use]
    pub fn at(point: u64) -> Arc<Self> {
        let closed = watch::Sender::new(false);
        Arc::new(Self { calls: AtomicU64::new(0), closes_at: point, closed })
    }

    /// One that never closes.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Self::at(u64::MAX)
    }

    /// How many points were passed.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.calls.load(Ordering::SeqCst) * 2
    }

    /// Returns when it is closed.
    pub async fn closed(&self) {
        // It cannot fail: the sender is here.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// A call passes, or does not.
    pub(crate) async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        let point = self.calls.fetch_add(1, Ordering::SeqCst) * 2;
        self.stop_at(point).await;
        let answer = call.await;
        self.stop_at(point + 1).await;
        answer
    }

    async fn stop_at(&self, point: u64) {
        if point >= self.closes_at || *self.closed.borrow() {
            self.closed.send_replace(true);
            pending::<()>().await;
        }
    }
}
