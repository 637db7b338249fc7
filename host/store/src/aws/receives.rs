//! Receives of tickets that are under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use surety_core::ports::Fault;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::feeder::Tickets;

/// How long a close waits for the receives that are under way. Where tickets come they
/// end at once; on a quiet queue they wait up to 20 s, for which nobody should wait. A
/// ticket that comes to one that was cut off is hidden for a lease, as after a crash.
const RECEIVES_END_MAX: Duration = Duration::from_secs(5);

/// The receives that are under way. They are the backend's own and not of who waits:
/// who stops waiting would take an answer with it that is on its way, and hide its
/// tickets for a lease. Dropped, they end at once, as in a crash.
#[derive(Default)]
pub(super) struct Receives(Mutex<JoinSet<()>>);

impl Receives {
    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one, on the runtime of who waits, and tells how it ended.
    pub(super) fn begin(
        &self,
        tickets: &Arc<Tickets>,
        poll: OwnedSemaphorePermit,
    ) -> oneshot::Receiver<Result<(), Fault>> {
        let (tell, told) = oneshot::channel();
        let tickets = Arc::clone(tickets);
        let mut under_way = self.lock();
        while under_way.try_join_next().is_some() {}
        under_way.spawn(async move {
            let received = tickets.receive().await;
            drop(poll);
            if let Err(Err(fault)) = tell.send(received) {
                tracing::debug!(%fault, "a receive that nobody waits for any more");
            }
        });
        told
    }

    /// Waits for those that are under way, and cuts off what takes too long.
    pub(super) async fn end(&self) {
        let mut under_way = std::mem::take(&mut *self.lock());
        let all = async { while under_way.join_next().await.is_some() {} };
        if timeout(RECEIVES_END_MAX, all).await.is_err() {
            under_way.shutdown().await;
        }
    }
}
