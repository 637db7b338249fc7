//! A token bucket: how many calls of a kind this process makes in a second. AWS does
//! not say how many queues may be created and deleted; who reaches the rate is
//! refused for a while, also with what matters more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use surety_core::ports::{Busy, Fault};

/// Tokens for at most one second.
pub(super) struct Bucket {
    per_s: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub(super) fn new(per_s: u16) -> Self {
        let per_s = f64::from(per_s);
        Self { per_s, state: Mutex::new((per_s, Instant::now())) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// When there is none; it says when there will be.
    pub(super) fn take(&self, what: &str) -> Result<(), Fault> {
        let taken = self.try_take();
        taken.map_err(|after| Fault::Busy(Busy { why: self.why(what), after }))
    }

    /// Takes one as soon as there is one: for what nobody waits for.
    pub(super) async fn wait(&self) {
        while let Err(after) = self.try_take() {
            tokio::time::sleep(after).await;
        }
    }

    fn try_take(&self) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = &mut *state;
        let now = Instant::now();
        let earned = now.duration_since(*since).as_secs_f64() * self.per_s;
        (*tokens, *since) = ((*tokens + earned).min(self.per_s), now);
        if *tokens >= 1.0 {
            *tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - *tokens) / self.per_s))
    }

    fn why(&self, what: &str) -> String {
        format!("{what}: this process makes at most {} of these calls in a second", self.per_s)
    }
}
