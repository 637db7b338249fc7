//! A clock that only waiting moves.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use surety_core::ports::Clock;
use surety_core::types::Time;

/// Time stands still until somebody waits; then it jumps. Chance is a counter.
#[derive(Debug)]
pub struct VirtualClock {
    now: AtomicU64,
    drawn: AtomicU64,
    still: AtomicBool,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self {
            now: AtomicU64::new(1_800_000_000_000),
            drawn: AtomicU64::new(0),
            still: AtomicBool::new(false),
        }
    }
}

impl VirtualClock {
    /// One whose chance begins here: two processes draw different numbers, also one
    /// behind the other.
    #[must_use]
    pub fn drawing_from(drawn: u64) -> Self {
        Self { drawn: AtomicU64::new(drawn), ..Self::default() }
    }

    /// Makes waiting wait, and the time stand still, or not.
    pub fn stand_still(&self, still: bool) {
        self.still.store(still, Ordering::SeqCst);
    }

    /// Whether waiting waits.
    #[must_use]
    pub fn stands_still(&self) -> bool {
        self.still.load(Ordering::SeqCst)
    }

    /// Sets the time back, as an operator may do.
    pub fn set_back(&self, millis: u64) {
        self.now.fetch_sub(millis, Ordering::SeqCst);
    }

    /// Moves the time forward.
    pub fn advance(&self, millis: u64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Time {
        Time::from_millis(self.now.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, time: Time) {
        if self.still.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.now.fetch_max(time.as_millis(), Ordering::SeqCst);
    }

    fn random(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        let drawn = self.drawn.fetch_add(1, Ordering::SeqCst);
        bytes[2..].copy_from_slice(&drawn.to_be_bytes());
        bytes
    }
}

/// The machine's own clock, for what cannot be tried on another.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Time {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, time: Time) {
        let left = time.as_millis().saturating_sub(self.now().as_millis());
        tokio::time::sleep(std::time::Duration::from_millis(left)).await;
    }

    fn random(&self) -> [u8; 10] {
        // The keys of std's own hash tables are random, each time others.
        let draw = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&draw().to_be_bytes());
        bytes[8..].copy_from_slice(&draw().to_be_bytes()[..2]);
        bytes
    }
}
