//! Where long calls go: behind each other, so that all of them together keep at most
//! half of the processors from the quick ones.
//!
//! A call begins beside all others and yields its thread every millisecond. Once it
//! has used more than a quick one does it goes on in the lane, a millisecond at a
//! time, when it is its turn there. A module that is known for long calls begins
//! there. What does not fit into the lane is put off.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that may be in the lane, as a part of all: the others' messages find a free
/// worker however many long ones there are.
const MEMBERS: u32 = 4;

/// The lane.
pub(crate) struct Lane {
    /// Who may run now.
    turns: Arc<Semaphore>,
    /// Who may be in it.
    members: Arc<Semaphore>,
}

/// There is no room in the lane.
#[derive(Debug, thiserror::Error)]
#[error("there are as many long calls as may be at a time")]
pub(crate) struct Crowded;

/// What one call has used, and its place in the lane.
#[derive(Clone)]
pub(crate) struct Share(Arc<Mutex<State>>);

struct State {
    used: Duration,
    /// Since when it has a thread, if it has.
    since: Option<Instant>,
    member: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Lane {
    /// A lane beside so many calls.
    pub(crate) fn new(concurrency: u32) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let members = (concurrency / MEMBERS).max(1);
        Self {
            turns: Arc::new(Semaphore::new((processors / 2).max(1))),
            members: Arc::new(Semaphore::new(members as usize)),
        }
    }

    /// Makes a call a member, if it is not yet.
    pub(crate) fn join(&self, share: &Share) -> Result<(), Crowded> {
        let mut state = share.lock();
        if state.member.is_none() {
            let member = Arc::clone(&self.members).try_acquire_owned();
            state.member = Some(member.map_err(|_| Crowded)?);
        }
        Ok(())
    }

    /// Gives the thread to others, and comes back; a member when it is its turn.
    pub(crate) async fn turn(self: Arc<Self>, share: Share) {
        // wasmtime's own yield goes to the end of the runtime's queue, which looks for
        // input and for wake-ups from other threads only once in dozens of turns.
        // Behind tokio's it looks every time.
        tokio::task::yield_now().await;
        if share.lock().member.is_some() {
            // Never closed. Taken in the very poll that goes on, see `Share::metered`.
            let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
            share.lock().turn = turn;
        }
    }
}

impl Share {
    pub(crate) fn new() -> Self {
        let state = State { used: Duration::ZERO, since: None, member: None, turn: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Runs a call, and counts the time for which it has a thread. Whatever it waits
    /// for, it waits without a turn.
    pub(crate) async fn metered<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|context| {
            self.lock().since = Some(Instant::now());
            let polled = call.as_mut().poll(context);
            let mut state = self.lock();
            let had = state.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            state.used += had;
            state.turn = None;
            polled
        })
        .await
    }

    /// What it has used until now.
    pub(crate) fn used(&self) -> Duration {
        let state = self.lock();
        state.used + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_member_has_its_turn_only_while_it_has_a_thread() {
        let lane = Arc::new(Lane::new(256));
        let turns = lane.turns.available_permits();
        let (long, quick) = (Share::new(), Share::new());
        lane.join(&long).unwrap();
        let seen = |share: Share| {
            let lane = Arc::clone(&lane);
            async move {
                Arc::clone(&lane).turn(share).await;
                let running = lane.turns.available_permits();
                tokio::time::sleep(Duration::from_millis(1)).await;
                (running, lane.turns.available_permits())
            }
        };
        assert_eq!(long.metered(seen(long.clone())).await, (turns - 1, turns));
        assert_eq!(quick.metered(seen(quick.clone())).await, (turns, turns));
        assert_eq!(lane.turns.available_permits(), turns);
    }

    #[tokio::test]
    async fn waiting_is_not_using() {
        let share = Share::new();
        let call = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            std::thread::sleep(Duration::from_millis(10));
        };
        share.metered(call).await;
        let used = share.used();
        assert!((Duration::from_millis(10)..Duration::from_millis(45)).contains(&used), "{used:?}");
    }

    #[test]
    fn the_lane_has_room_for_a_part_of_all() {
        let lane = Lane::new(8);
        let shares: Vec<Share> = (0..3).map(|_| Share::new()).collect();
        lane.join(&shares[0]).unwrap();
        lane.join(&shares[0]).unwrap(); // is one already
        lane.join(&shares[1]).unwrap();
        assert!(lane.join(&shares[2]).is_err());
        drop(shares);
        assert!(lane.join(&Share::new()).is_ok());
    }
}
