//! What the servers take for the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

/// The time, in milliseconds since 1970, and waiting for it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time now. It may go back; nothing breaks but the order of what is asked.
    fn now_ms(&self) -> u64;

    /// Returns when `now_ms` is `time_ms` or later. It may never return (the time
    /// stands still) and it may be what moves the time.
    async fn sleep_until_ms(&self, time_ms: u64);
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep_until_ms(&self, time_ms: u64) {
        let left = time_ms.saturating_sub(self.now_ms());
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}
