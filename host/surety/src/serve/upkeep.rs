//! What a backend of many machines needs beside the ports: its timers, and a sweep
//! over all open messages. Every host does both; whoever comes first does the work.

use std::time::Duration;

use surety_core::ports::Clock;
use surety_store::{Stores, Swept, UpkeepTimes};

use super::Stop;

/// Keeps a backend up until told to stop. A failure is said and tried again at the
/// next turn.
pub(super) async fn keep_up(stores: Stores, clock: std::sync::Arc<dyn Clock>, stop: Stop) {
    let Some(UpkeepTimes { timers, sweep }) = stores.upkeep_times() else { return };
    // Hosts that start together should not look together.
    let apart = |every: Duration| every * u32::from(clock.random()[9]) / 256;
    let feed = async {
        rest(apart(timers), &stop).await;
        while !stop.is_stopped() {
            if let Err(fault) = stores.feed_due().await {
                tracing::warn!(%fault, "timers are late");
            }
            rest(timers, &stop).await;
        }
    };
    let sweep = async {
        rest(apart(sweep), &stop).await;
        while !stop.is_stopped() {
            match stores.sweep().await {
                Ok(swept) => say(swept),
                Err(fault) => tracing::warn!(%fault, "the sweep was not finished"),
            }
            rest(sweep, &stop).await;
        }
    };
    tokio::join!(feed, sweep);
}

fn say(swept: Swept) {
    let Swept { messages, fed_again, renewed, admissions_ended, queues_removed, failed } = swept;
    if fed_again > 0 {
        tracing::warn!(fed_again, "messages had lost their tickets");
    }
    tracing::info!(messages, renewed, admissions_ended, queues_removed, failed, "swept");
}

async fn rest(time: Duration, stop: &Stop) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.stopped() => {}
    }
}
