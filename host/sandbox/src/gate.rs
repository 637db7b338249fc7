//! How many calls of a module run at once, and how many begin in a second.
//!
//! Nobody waits at the gate. Who is not let in is told when to come again, each a
//! little later than the one before, so that as many come as can be let in: a crowd
//! before one gate costs the messages of other modules nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use surety_core::ports::Busy;

use crate::limits::Limits;

/// How far the calls of a second may bunch up.
const BUNCH: Duration = Duration::from_millis(100);

/// The soonest and the latest that somebody is told to come again: not to be asked
/// all the time, and to notice when a crowd has gone.
const AGAIN_MIN: Duration = Duration::from_millis(10);
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// A call that takes longer than this on a processor is a long one, and so is every
/// call of a module that takes longer on average. The demo's actions take 0.1 ms,
/// ones in a scripting language 2 ms.
pub(crate) const QUICK: Duration = Duration::from_millis(5);

/// How many calls the averages go over, about.
const AVERAGED: u32 = 8;

/// The gate of the modules of one name.
pub(crate) struct Gate(Mutex<State>);

struct State {
    running: u32,
    /// When the next call begins if each begins in its own part of the second.
    next: Instant,
    /// When the last of those who were told to come again comes.
    last: Instant,
    /// From start to end.
    length: Duration,
    /// On a processor.
    used: Duration,
    /// Some call has come to its end. Until then the module is taken for one of long
    /// calls, but for the one that is to show it.
    known: bool,
}

/// A call that was let in, until it is dropped.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    began: Instant,
    /// The module's calls are long ones.
    pub(crate) long: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let (length, used) = (AGAIN_MIN, QUICK * 2);
        let state = State { running: 0, next: now, last: now, length, used, known: false };
        Self(Mutex::new(state))
    }

    /// Lets a call in, or says when to come again and which limit says so.
    pub(crate) fn enter(self: &Arc<Self>, limits: &Limits) -> Result<Pass, Busy> {
        let now = Instant::now();
        let mut state = self.lock();
        let every = Duration::from_secs(1) / limits.module_calls_per_second_max;
        if state.running >= limits.module_calls_max {
            let (name, value) = ("module_calls_max", limits.module_calls_max);
            return Err(state.put_off(now, limits, limit(name, value)));
        }
        if state.next > now + BUNCH {
            let (name, value) = ("module_calls_per_second_max", limits.module_calls_per_second_max);
            return Err(state.put_off(now, limits, limit(name, value)));
        }
        state.next = state.next.max(now) + every;
        let long = state.used > QUICK && (state.known || state.running > 0);
        state.running += 1;
        Ok(Pass { gate: Arc::clone(self), began: now, long })
    }

    /// The module cannot be called now, for a reason of the host's.
    pub(crate) fn put_off(&self, limits: &Limits, why: String) -> Busy {
        self.lock().put_off(Instant::now(), limits, why)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A place behind those who were put off before.
    fn put_off(&mut self, now: Instant, limits: &Limits, why: String) -> Busy {
        let by_rate = Duration::from_secs(1) / limits.module_calls_per_second_max;
        let every = by_rate.max(self.length / limits.module_calls_max);
        let place = self.last.max(now + AGAIN_MIN) + every;
        self.last = place.min(now + AGAIN_MAX);
        Busy { why, after: self.last - now }
    }
}

impl Pass {
    /// The call is put off after all.
    pub(crate) fn put_off(&self, limits: &Limits, why: String) -> Busy {
        self.gate.put_off(limits, why)
    }

    /// The call has become a long one; the next ones are taken for such at once.
    pub(crate) fn is_long(&self) {
        let mut state = self.gate.lock();
        state.used = state.used.max(QUICK * 2);
        state.known = true;
    }

    /// The call took so long on a processor.
    pub(crate) fn used(&self, used: Duration) {
        let mut state = self.gate.lock();
        state.used = if state.known { averaged(state.used, used) } else { used };
        state.known = true;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let length = self.began.elapsed();
        let mut state = self.gate.lock();
        state.running -= 1;
        state.length = averaged(state.length, length);
    }
}

fn averaged(average: Duration, next: Duration) -> Duration {
    (average * (AVERAGED - 1) + next) / AVERAGED
}

fn limit(name: &str, value: u32) -> String {
    format!("the limit `{name}` of {value} is reached")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(calls: u32, per_second: u32) -> Limits {
        Limits {
            module_calls_max: calls,
            module_calls_per_second_max: per_second,
            ..Limits::default()
        }
    }

    #[test]
    fn as_many_calls_run_as_may() {
        let (gate, limits) = (Arc::new(Gate::new()), limits(2, 1_000_000));
        let first = gate.enter(&limits).ok().unwrap();
        let _second = gate.enter(&limits).ok().unwrap();
        let busy = gate.enter(&limits).err().unwrap();
        assert_eq!(busy.why, "the limit `module_calls_max` of 2 is reached");
        drop(first);
        assert!(gate.enter(&limits).is_ok());
    }

    #[test]
    fn as_many_calls_begin_in_a_second_as_may() {
        let (gate, limits) = (Arc::new(Gate::new()), limits(100, 50));
        let let_in = (0..1_000).filter(|_| gate.enter(&limits).is_ok()).count();
        // Those of the first 100 ms, and the one that begins at once.
        assert!((5..=8).contains(&let_in), "{let_in}");
        let busy = gate.enter(&limits).err().unwrap();
        assert_eq!(busy.why, "the limit `module_calls_per_second_max` of 50 is reached");
    }

    #[test]
    fn a_crowd_is_told_to_come_one_after_another_and_not_too_late() {
        let (gate, limits) = (Arc::new(Gate::new()), limits(1, 100));
        let _pass = gate.enter(&limits).ok().unwrap();
        let after: Vec<Duration> =
            (0..10_000).map(|_| gate.enter(&limits).err().unwrap().after).collect();
        for (one, next) in after.iter().zip(&after[1..100]) {
            let apart = next.saturating_sub(*one);
            assert!(apart > Duration::from_millis(5), "{one:?} {next:?}");
        }
        assert!(after.iter().all(|after| (AGAIN_MIN..=AGAIN_MAX).contains(after)));
    }

    #[test]
    fn a_module_is_long_until_it_shows_otherwise_and_when_it_is_again() {
        let (gate, limits) = (Arc::new(Gate::new()), limits(10, 1_000_000));
        let enter = || gate.enter(&limits).ok().unwrap();
        let first = enter();
        assert!(!first.long && enter().long);
        drop(first);
        for _ in 0..2 * AVERAGED {
            enter().used(Duration::from_micros(50));
        }
        assert!(!enter().long);
        enter().is_long();
        assert!(enter().long);
    }
}
