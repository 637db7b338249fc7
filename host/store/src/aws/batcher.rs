//! Calls that travel together. Whoever comes first sends what is there, up to ten;
//! whoever comes meanwhile waits for the next batch. Nobody waits for company.

use std::sync::{Mutex, PoisonError};

use surety_core::ports::Fault;
use tokio::sync::{Semaphore, oneshot};

/// What SQS takes in one batch.
pub(super) const BATCH_MAX: usize = 10;

/// Batches on their way at once: enough that one slow answer holds up nobody, few
/// enough that batches fill under load.
const ON_THE_WAY_MAX: usize = 4;

type Pending<T> = (T, oneshot::Sender<Result<(), Fault>>);

/// Collects calls of one kind.
pub(super) struct Batcher<T> {
    pending: Mutex<Vec<Pending<T>>>,
    turns: Semaphore,
}

impl<T> Default for Batcher<T> {
    fn default() -> Self {
        Self { pending: Mutex::default(), turns: Semaphore::new(ON_THE_WAY_MAX) }
    }
}

impl<T> Batcher<T> {
    /// Makes a call, with others; `send` gives an outcome for each of a batch.
    pub(super) async fn call<F>(&self, call: T, send: impl Fn(Vec<T>) -> F) -> Result<(), Fault>
    where
        F: Future<Output = Vec<Result<(), Fault>>>,
    {
        let (answer, mut answered) = oneshot::channel();
        self.lock().push((call, answer));
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut answered => break outcome,
                turn = self.turns.acquire() => {
                    let (calls, answers): (Vec<_>, Vec<_>) = {
                        let mut pending = self.lock();
                        let size = pending.len().min(BATCH_MAX);
                        pending.drain(..size).unzip()
                    };
                    if calls.is_empty() {
                        // Mine is on its way with somebody else's, who needs no turn of mine.
                        drop(turn);
                        break answered.await;
                    }
                    for (answer, outcome) in answers.into_iter().zip(send(calls).await) {
                        // Who has gone does not want to know.
                        let _gone = answer.send(outcome);
                    }
                }
            }
        };
        outcome.unwrap_or_else(|_| Err(Fault::Unavailable("a batch was given up".to_owned())))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Pending<T>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
