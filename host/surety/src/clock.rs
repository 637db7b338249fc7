//! The system's time and chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use surety_core::ports::Clock;
use surety_core::types::Time;

/// The longest sleep at a stretch. The system's time may be set meanwhile, and
/// a sleeper should notice within a minute.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The clock and the random numbers of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, time: Time) {
        loop {
            let left = time.as_millis().saturating_sub(self.now().as_millis());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left).min(SLEEP_MAX)).await;
        }
    }

    fn random(&self) -> [u8; 10] {
        random_bytes()
    }
}

/// Bytes that nobody can foretell.
///
/// # Panics
/// When the operating system gives none: nothing could be issued or signed.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeps_no_less_than_it_should() {
        let clock = SystemClock;
        let until = clock.now().after(Duration::from_millis(20));
        clock.sleep_until(until).await;
        assert!(clock.now() >= until);
        // What is past returns at once.
        clock.sleep_until(Time::from_millis(0)).await;
    }

    #[test]
    fn chance_differs() {
        assert_ne!(SystemClock.random(), SystemClock.random());
    }
}
