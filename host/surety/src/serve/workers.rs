//! The workers: each takes a ticket, and then sees it to its end.
//!
//! They have their own threads. An action may keep its thread busy, and the
//! threads that read and answer requests should not stand behind it.

use std::sync::Arc;
use std::time::Duration;

use surety_core::controller::Controller;
use surety_core::ports::Fault;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinSet};

use super::Stop;
use crate::config::Config;

/// How long a worker rests when the feeder cannot be asked: long enough not to
/// hammer it, short enough not to be noticed after it is back.
const UNAVAILABLE_DELAY: Duration = Duration::from_millis(500);

/// How long workers that are abandoned have to come to where they wait for something,
/// and end. An action gives way each millisecond.
const ABANDON_MAX: Duration = Duration::from_secs(1);

/// The workers of a host.
pub(super) struct Workers {
    /// None only while it is given away.
    runtime: Option<Runtime>,
    tasks: JoinSet<Result<(), Fault>>,
}

impl Workers {
    pub(super) fn start(
        config: &Config,
        controller: Arc<Controller>,
        stop: Stop,
    ) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(config.controller_threads())
            .thread_name("worker")
            // A backend of many machines sends its requests from here, too.
            .enable_all()
            .build()?;
        let mut tasks = JoinSet::new();
        for _ in 0..config.controller.concurrency {
            tasks.spawn_on(work(Arc::clone(&controller), stop.clone()), runtime.handle());
        }
        Ok(Self { runtime: Some(runtime), tasks })
    }

    /// Completes when a worker cannot go on.
    pub(super) async fn failed(&mut self) -> Fault {
        match self.finished().await {
            Err(fault) => fault,
            // They end by themselves only when the host stops.
            Ok(()) => std::future::pending().await,
        }
    }

    /// Completes when all have ended, or one has failed.
    pub(super) async fn finished(&mut self) -> Result<(), Fault> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|e: JoinError| Fault::Corrupt(format!("a worker ended: {e}")))??;
        }
        Ok(())
    }

    /// Lets go of what is in hand. The threads stay until this is dropped, because the
    /// backend may have calls of its own under way on them.
    pub(super) async fn abandon(&mut self) {
        // Who does not end in time goes on for a moment beside whoever gets its ticket, as
        // after a lease that ended: one of both commits.
        let _ended = tokio::time::timeout(ABANDON_MAX, self.tasks.shutdown()).await;
    }

    fn shut_down(&mut self) {
        // A runtime must not be dropped by a thread of another one; this gives
        // it away without waiting.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Only waiting for a ticket is cut short by a stop. A ticket in hand is seen to
/// its end, so that a stop never falls into the middle of a turn.
async fn work(controller: Arc<Controller>, stop: Stop) -> Result<(), Fault> {
    while !stop.is_stopped() {
        let leased = tokio::select! {
            biased;
            () = stop.stopped() => return Ok(()),
            leased = controller.feeder.lease() => leased,
        };
        let ended = match leased {
            Ok(lease) => controller.handle(lease).await,
            Err(fault) => Err(fault),
        };
        match ended {
            Ok(()) => {}
            Err(fault @ (Fault::Unavailable(_) | Fault::Busy(_))) => {
                tracing::warn!(%fault, "the feeder does not answer");
                tokio::time::sleep(UNAVAILABLE_DELAY).await;
            }
            Err(fault @ Fault::Corrupt(_)) => return Err(fault),
        }
    }
    Ok(())
}
