//! Where long calls go: behind each other and with rests, so that all of them together
//! keep at most an eighth of the processors from the quick ones.
//!
//! A call begins beside all others and yields its thread every millisecond. Once it
//! has used more than a quick one does it goes on in the lane, a millisecond at a
//! time, when it is its turn there. A module that is known for long calls begins
//! there. What does not fit into the lane is put off.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::block_in_place;

/// Calls that may be in the lane, as a part of all: the others' messages find a free
/// worker however many long ones there are.
const MEMBERS: u32 = 4;

/// How long the lane rests after each turn, as a multiple of what the turn used: all
/// long calls together get a quarter of the processors that they may run on. What
/// they can use without being interrupted, for filling memory, is up to 30 ms.
const REST: u32 = 3;

/// The lane.
pub(crate) struct Lane {
    /// Who may run now.
    turns: Arc<Semaphore>,
    /// Who may be in it.
    members: Arc<Semaphore>,
    /// How many may run at a time.
    width: u32,
    /// When the next may run.
    rested: Mutex<Instant>,
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
    /// What its thread had used when it got it, if it has one.
    since: Option<Duration>,
    member: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Lane {
    /// A lane beside so many calls.
    pub(crate) fn new(concurrency: u32) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let width = u32::try_from(processors / 2).unwrap_or(1).max(1);
        let members = (concurrency / MEMBERS).max(1);
        Self {
            turns: Arc::new(Semaphore::new(width as usize)),
            members: Arc::new(Semaphore::new(members as usize)),
            width,
            rested: Mutex::new(Instant::now()),
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

    /// Gives the thread to others, and comes back; a member when it is its turn and
    /// the lane has rested.
    pub(crate) async fn turn(self: Arc<Self>, share: Share) {
        let mut turn = None;
        if share.lock().member.is_some() {
            // Never closed.
            turn = Arc::clone(&self.turns).acquire_owned().await.ok();
            let rested = *self.rested();
            tokio::time::sleep_until(rested.into()).await;
        }
        // wasmtime's own yield goes to the end of the runtime's queue, which looks for
        // input and for wake-ups from other threads only once in dozens of turns.
        // Behind tokio's it looks every time.
        tokio::task::yield_now().await;
        // Kept until the thread is given back, see `Share::metered`.
        share.lock().turn = turn;
    }

    /// After a turn that used so much.
    pub(crate) fn rest(&self, used: Duration) {
        let mut rested = self.rested();
        *rested = (*rested).max(Instant::now() + used * REST / self.width);
    }

    fn rested(&self) -> MutexGuard<'_, Instant> {
        self.rested.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    pub(crate) fn new() -> Self {
        let state = State { used: Duration::ZERO, since: None, member: None, turn: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Runs a call, and counts the time that its threads have a processor for it.
    /// Whatever it waits for, it waits without a turn.
    pub(crate) async fn metered<T>(&self, lane: &Lane, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|context| {
            let begun = thread_time();
            let long = {
                let mut state = self.lock();
                state.since = Some(begun);
                state.member.is_some()
            };
            let mut poll = || call.as_mut().poll(context);
            // A long call cannot be interrupted while it fills memory: others' messages
            // should not stand behind it in its thread's queue.
            let polled = if long && may_block() { block_in_place(poll) } else { poll() };
            let used = thread_time().saturating_sub(begun);
            let mut state = self.lock();
            state.used += used;
            state.since = None;
            if let Some(turn) = state.turn.take() {
                lane.rest(used);
                drop(turn);
            }
            polled
        })
        .await
    }

    /// What it has used until now. Asked by another thread than the call's while that
    /// runs, it would say nonsense.
    pub(crate) fn used(&self) -> Duration {
        let state = self.lock();
        state.used + state.since.map_or(Duration::ZERO, |since| thread_time().saturating_sub(since))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another thread takes over what this one would have done.
fn may_block() -> bool {
    Handle::try_current().is_ok_and(|own| own.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// How long this thread has had a processor, so that time which the machine gives to
/// others is nobody's.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
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
        assert_eq!(long.metered(&lane, seen(long.clone())).await, (turns - 1, turns));
        assert_eq!(quick.metered(&lane, seen(quick.clone())).await, (turns, turns));
        assert_eq!(lane.turns.available_permits(), turns);
    }

    #[tokio::test]
    async fn waiting_is_not_using() {
        let share = Share::new();
        let call = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let begun = thread_time();
            while thread_time() - begun < Duration::from_millis(10) {}
        };
        share.metered(&Lane::new(8), call).await;
        let used = share.used();
        assert!((Duration::from_millis(10)..Duration::from_millis(45)).contains(&used), "{used:?}");
    }

    #[tokio::test]
    async fn the_lane_rests_after_a_turn() {
        let lane = Arc::new(Lane::new(256));
        let share = Share::new();
        lane.join(&share).unwrap();
        lane.rest(Duration::from_millis(20) * lane.width);
        let started = Instant::now();
        Arc::clone(&lane).turn(share.clone()).await;
        assert!(started.elapsed() >= Duration::from_millis(59), "{:?}", started.elapsed());
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
