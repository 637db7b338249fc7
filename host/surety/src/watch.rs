//! Who waits for a message to move, and what wakes them.
//!
//! [`Watched`] stands in front of Guarantee and Reference: whenever a message is
//! shown anew, by a commit that shows it too or by a `put`, it wakes who waits for
//! that message in this process, with what is shown. Another process may move it as
//! well, so a waiter also looks again by itself, each [`LOOK_AGAIN`].

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use surety_core::effect::Entry;
use surety_core::machine::Step;
use surety_core::ports::{
    Admission, AdmitError, Admitted, CommitError, Fault, Found, Guarantee, Page, Query, Reference,
    Reservation, ReserveError, Settled,
};
use surety_core::projection::Projection;
use surety_core::types::{Digest, MsgId, MsgState, MsgType, Seq};
use tokio::sync::watch;

/// How long a waiter trusts that it would be woken.
pub const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Guarantee and Reference, and who waits for a message to be shown anew.
pub struct Watched {
    guarantee: Arc<dyn Guarantee>,
    reference: Arc<dyn Reference>,
    waiters_max: usize,
    /// How many wait. Read without the lock, so that a `put` costs one load
    /// when nobody does.
    waiters: AtomicUsize,
    by_message: Mutex<HashMap<MsgId, Watch>>,
}

/// What wakes a waiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// That the message is final, parked or archived. What moves it before wakes
    /// nobody, which is most of what happens to a message.
    Rest,
    /// Every move.
    Moved,
}

/// What was last shown of a message while somebody waited for it.
type Shown = watch::Sender<Option<Projection>>;

/// Who waits for one message.
#[derive(Default)]
struct Watch {
    shown: Shown,
    waiters: usize,
    /// How many of them wait for every move.
    moved: usize,
}

/// A place among the waiters of one message; given back when dropped.
pub struct Waiter {
    watched: Arc<Watched>,
    msg_id: MsgId,
    until: Until,
    shown: watch::Receiver<Option<Projection>>,
}

impl Watched {
    /// Guarantee and Reference with room for so many waiters.
    #[must_use]
    pub fn new(
        guarantee: Arc<dyn Guarantee>,
        reference: Arc<dyn Reference>,
        waiters_max: usize,
    ) -> Arc<Self> {
        let (waiters, by_message) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { guarantee, reference, waiters_max, waiters, by_message })
    }

    /// A place among the waiters, or none when all are taken. Take it before
    /// reading, so that no change falls in between.
    #[must_use]
    pub fn wait_for(self: &Arc<Self>, msg_id: MsgId, until: Until) -> Option<Waiter> {
        let mut by_message = self.by_message.lock().unwrap_or_else(PoisonError::into_inner);
        if self.waiters.load(Ordering::SeqCst) >= self.waiters_max {
            return None;
        }
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let watch = by_message.entry(msg_id).or_default();
        watch.waiters += 1;
        watch.moved += usize::from(until == Until::Moved);
        Some(Waiter { watched: Arc::clone(self), msg_id, until, shown: watch.shown.subscribe() })
    }

    /// Whether anybody waits at all.
    fn is_watched(&self) -> bool {
        self.waiters.load(Ordering::SeqCst) > 0
    }

    /// Wakes who waits for a message, with what it is shown as now. Of two that
    /// commit one behind the other the later may come here first.
    fn wake(&self, projection: Projection) {
        self.with(projection.msg_id, |watch| {
            if watch.moved == 0 && !projection.is_final && !projection.parked {
                return;
            }
            watch.shown.send_if_modified(|shown| {
                let later = shown.as_ref().is_none_or(|shown| shown.seq < projection.seq);
                if later {
                    *shown = Some(projection);
                }
                later
            });
        });
    }

    fn with(&self, msg_id: MsgId, wake: impl FnOnce(&Watch)) {
        if !self.is_watched() {
            return;
        }
        let by_message = self.by_message.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = by_message.get(&msg_id) {
            wake(watch);
        }
    }
}

impl Waiter {
    /// What the message is shown as since the place was taken or this was last
    /// asked, if that is what is waited for; none when it is time to look again anyway.
    pub async fn change(&mut self) -> Option<Projection> {
        match tokio::time::timeout(LOOK_AGAIN, self.shown.changed()).await {
            Ok(Ok(())) => self.shown.borrow_and_update().clone(),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut by_message = self.watched.by_message.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = by_message.get_mut(&self.msg_id) {
            watch.waiters -= 1;
            watch.moved -= usize::from(self.until == Until::Moved);
            if watch.waiters == 0 {
                by_message.remove(&self.msg_id);
            }
        }
        self.watched.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Guarantee for Watched {
    async fn reserve(&self, reservation: Reservation) -> Result<(), ReserveError> {
        self.guarantee.reserve(reservation).await
    }

    async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        self.guarantee.admit(admission).await
    }

    async fn load(&self, msg_id: MsgId) -> Result<Found, Fault> {
        self.guarantee.load(msg_id).await
    }

    async fn commit(&self, step: Step) -> Result<Settled, CommitError> {
        let projection = Projection::of(&step.loaded);
        let settled = self.guarantee.commit(step).await?;
        if settled == Settled::All {
            self.wake(projection);
        }
        Ok(settled)
    }

    async fn journal(
        &self,
        msg_id: MsgId,
        seq: Seq,
        n: usize,
        entry: Entry,
    ) -> Result<(), CommitError> {
        self.guarantee.journal(msg_id, seq, n, entry).await
    }

    /// The state was shown before, but who asked for the bundle waits for this.
    async fn retire(
        &self,
        msg_id: MsgId,
        seq: Seq,
        bundle: Vec<u8>,
    ) -> Result<Settled, CommitError> {
        let settled = self.guarantee.retire(msg_id, seq, bundle).await?;
        self.with(msg_id, |watch| watch.shown.send_modify(|_| {}));
        Ok(settled)
    }

    async fn open(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        self.guarantee.open(after, limit).await
    }

    async fn pins(&self) -> Result<BTreeMap<Digest, u64>, Fault> {
        self.guarantee.pins().await
    }
}

#[async_trait]
impl Reference for Watched {
    async fn put(&self, projection: &Projection) -> Result<(), Fault> {
        self.reference.put(projection).await?;
        if self.is_watched() {
            self.wake(projection.clone());
        }
        Ok(())
    }

    async fn get(&self, msg_id: MsgId) -> Result<Option<Projection>, Fault> {
        self.reference.get(msg_id).await
    }

    async fn list(&self, query: &Query) -> Result<Page, Fault> {
        self.reference.list(query).await
    }

    async fn counts(&self) -> Result<BTreeMap<(MsgType, MsgState), u64>, Fault> {
        self.reference.counts().await
    }

    async fn remove(&self, msg_id: MsgId) -> Result<(), Fault> {
        self.reference.remove(msg_id).await
    }
}

#[cfg(test)]
mod tests {
    use surety_core::types::{Address, Time};

    use super::*;
    use crate::clock::SystemClock;

    fn watched(waiters_max: usize) -> Arc<Watched> {
        let stores = surety_store::Memory::new().stores(Arc::new(SystemClock));
        Watched::new(stores.guarantee, stores.reference, waiters_max)
    }

    fn projection(msg_id: MsgId) -> Projection {
        Projection {
            msg_id,
            msg_type: "t".parse().unwrap(),
            client_id: "c".parse().unwrap(),
            creation_date: "2026-01-01T00:00:00Z".into(),
            signer: Address([0; 20]),
            msg_state: "s".parse().unwrap(),
            seq: 1,
            is_final: false,
            parked: false,
            last_error: None,
            attempts: None,
            module: None,
            waits_until: None,
            updated_at: Time::from_millis(0),
        }
    }

    #[tokio::test]
    async fn a_put_wakes_the_waiters_of_its_message_only() {
        let watched = watched(8);
        let [one, other] = [1, 2].map(|n| MsgId::from_bytes([n; 16]));
        let mut waiter = watched.wait_for(one, Until::Moved).unwrap();

        watched.put(&projection(one)).await.unwrap();
        let change = waiter.change().await;
        assert_eq!(change, Some(projection(one)), "nobody woke the waiter");

        watched.put(&projection(other)).await.unwrap();
        let change = waiter.change().await;
        assert_eq!(change, None, "another message woke the waiter");

        // The later of two commits may be the first to wake.
        let at = |seq| Projection { seq, ..projection(one) };
        watched.wake(at(5));
        watched.wake(at(4));
        assert_eq!(waiter.change().await, Some(at(5)));
        assert_eq!(waiter.change().await, None, "woken with what was shown before");
    }

    #[tokio::test]
    async fn who_waits_for_rest_sleeps_through_moves() {
        let watched = watched(8);
        let id = MsgId::from_bytes([1; 16]);
        let at = |seq| Projection { seq, ..projection(id) };
        let mut waiter = watched.wait_for(id, Until::Rest).unwrap();
        watched.put(&at(1)).await.unwrap();
        assert_eq!(waiter.change().await, None, "a move woke the waiter");

        let parked = Projection { parked: true, ..at(2) };
        watched.put(&parked).await.unwrap();
        assert_eq!(waiter.change().await, Some(parked));
        let last = Projection { is_final: true, ..at(3) };
        watched.put(&last).await.unwrap();
        assert_eq!(waiter.change().await, Some(last));

        // One who waits for every move is heard as well, and no longer than that.
        let mut eager = watched.wait_for(id, Until::Moved).unwrap();
        watched.put(&at(4)).await.unwrap();
        assert_eq!(eager.change().await, Some(at(4)));
        drop(eager);
        assert_eq!(waiter.change().await, Some(at(4)));
        watched.put(&at(5)).await.unwrap();
        assert_eq!(waiter.change().await, None, "a move woke the waiter");
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let watched = watched(2);
        let id = MsgId::from_bytes([1; 16]);
        let first = watched.wait_for(id, Until::Rest).unwrap();
        let second = watched.wait_for(id, Until::Rest).unwrap();
        assert!(watched.wait_for(id, Until::Rest).is_none());
        drop(first);
        assert!(watched.wait_for(id, Until::Rest).is_some());
        drop(second);
        assert!(watched.by_message.lock().unwrap().is_empty());
    }
}
