//! A client that dies or sleeps at one of its calls, seen from the servers: who is dead
//! makes no call that has an effect or is answered; who sleeps gets its answer late.

use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// What happens behind a call, before it is answered.
type Behind = Box<dyn Fn(&str, &[u8]) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Counts calls over all servers that have it, and closes at one of them.
pub struct Gate {
    calls: AtomicU64,
    /// Twice the call's number, plus one for "after it took effect".
    closes_at: u64,
    closed: watch::Sender<bool>,
    behind: Option<Behind>,
}

impl Gate {
    /// A gate that closes at this point: point 2n is before call n, 2n + 1 after it.
    #[must_use]
    pub fn at(point: u64) -> Arc<Self> {
        Arc::new(Self::new(point, None))
    }

    /// One that never closes.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Self::at(u64::MAX)
    }

    /// One that never closes, and lets this happen behind every call that took effect,
    /// before the caller is answered. It is given the operation and the request's body.
    #[must_use]
    pub fn behind<F>(act: impl Fn(&str, &[u8]) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let behind: Behind = Box::new(move |operation, body| Box::pin(act(operation, body)));
        Arc::new(Self::new(u64::MAX, Some(behind)))
    }

    fn new(closes_at: u64, behind: Option<Behind>) -> Self {
        let closed = watch::Sender::new(false);
        Self { calls: AtomicU64::new(0), closes_at, closed, behind }
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
    pub(crate) async fn pass<T>(
        &self,
        operation: &str,
        body: &[u8],
        call: impl Future<Output = T>,
    ) -> T {
        let point = self.calls.fetch_add(1, Ordering::SeqCst) * 2;
        self.stop_at(point).await;
        let answer = call.await;
        if let Some(behind) = &self.behind {
            behind(operation, body).await;
        }
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

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("calls", &self.calls)
            .field("closes_at", &self.closes_at)
            .field("closed", &*self.closed.borrow())
            .finish_non_exhaustive()
    }
}
