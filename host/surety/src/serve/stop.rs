//! Telling everybody that the host stops.

use tokio::sync::watch;

/// Says when to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Hears when to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Somebody who hears it.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Stop.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was said.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when it was said, or when nobody is left to say it.
    pub async fn stopped(&self) {
        let _ = self.0.clone().wait_for(|&stopped| stopped).await;
    }
}
