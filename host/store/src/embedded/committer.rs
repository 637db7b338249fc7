//! The committer: the one thread that writes. It takes whatever is queued, runs
//! all of it in one transaction, and answers after the COMMIT. There is no
//! timer: while one COMMIT syncs, the next batch gathers.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use surety_core::ports::Fault;
use tokio::sync::{mpsc, oneshot};

use super::{fault, is_failed_sync};

/// The most jobs of one transaction. Beyond some hundreds the cost of the sync
/// is spread thin enough, and the first job should not wait for more.
const BATCH_MAX: usize = 512;

/// Jobs that wait for the committer. When they are that many, callers wait too.
const QUEUED_MAX: usize = 4096;

/// A piece of a transaction.
trait Write: Send {
    /// Runs the statements and keeps the answer. Runs again after a rollback.
    fn apply(&mut self, db: &Connection) -> rusqlite::Result<()>;

    /// Tells the caller, after COMMIT or for good.
    fn finish(self: Box<Self>, committed: Result<(), Fault>);
}

struct Job<T, F, A> {
    run: F,
    answer: Option<T>,
    after: A,
    reply: Option<oneshot::Sender<Result<T, Fault>>>,
}

impl<T, F, A> Write for Job<T, F, A>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
    A: FnOnce(&T) + Send,
{
    fn apply(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.answer = Some((self.run)(db)?);
        Ok(())
    }

    fn finish(self: Box<Self>, committed: Result<(), Fault>) {
        let result = match (committed, self.answer) {
            (Ok(()), Some(answer)) => {
                (self.after)(&answer);
                Ok(answer)
            }
            (Ok(()), None) => Err(Fault::Unavailable("the job was not run".to_owned())),
            (Err(fault), _) => Err(fault),
        };
        // Nobody may be waiting any more; what is committed is committed.
        if let Some(reply) = self.reply {
            drop(reply.send(result));
        }
    }
}

enum Order {
    Write(Box<dyn Write>),
    Stop,
}

/// A handle on the thread.
pub(super) struct Committer {
    orders: mpsc::Sender<Order>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Committer {
    pub(super) fn start(db: Connection) -> Self {
        let (orders, queue) = mpsc::channel(QUEUED_MAX);
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || run(db, queue))
            .expect("a thread can be started");
        Self { orders, thread: Mutex::new(Some(thread)) }
    }

    /// Runs `run` in the next transaction and `after` right behind its COMMIT, on
    /// the committer's thread, whether the caller still waits or not.
    pub(super) async fn write<T, F, A>(&self, run: F, after: A) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.order(Job { run, answer: None, after, reply: Some(reply) }).await?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs `run` in one of the next transactions, behind all that was ordered
    /// before. Returns at once: for what may be lost in a crash.
    pub(super) async fn write_later<F>(&self, run: F) -> Result<(), Fault>
    where
        F: FnMut(&Connection) -> rusqlite::Result<()> + Send + 'static,
    {
        let after = |(): &()| {};
        self.order(Job { run, answer: None, after, reply: None }).await
    }

    async fn order(&self, write: impl Write + 'static) -> Result<(), Fault> {
        self.orders.send(Order::Write(Box::new(write))).await.map_err(|_| closed())
    }

    /// Blocks until all that was ordered is committed and the file is closed.
    pub(super) fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // An error means that the thread has ended already.
            drop(self.orders.blocking_send(Order::Stop));
            if thread.join().is_err() {
                tracing::error!("the committer panicked");
            }
        }
    }
}

fn closed() -> Fault {
    Fault::Unavailable("the store is closed".to_owned())
}

fn run(db: Connection, mut queue: mpsc::Receiver<Order>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut stopped = false;
    while !stopped {
        let mut next = queue.blocking_recv();
        stopped = next.is_none();
        while let Some(order) = next.take() {
            match order {
                Order::Write(write) => batch.push(write),
                Order::Stop => {
                    stopped = true;
                    queue.close();
                }
            }
            if stopped || batch.len() < BATCH_MAX {
                next = queue.try_recv().ok();
            }
        }
        commit(&db, &mut batch);
    }
    if let Err((_, e)) = db.close() {
        // Everything is in the log; the next start reads it from there.
        tracing::warn!(%e, "the store did not close cleanly");
    }
}

/// Commits the batch, or, when one of it fails, each of it alone, so that one
/// bad job costs nobody else's.
fn commit(db: &Connection, batch: &mut Vec<Box<dyn Write>>) {
    match transact(db, batch) {
        Ok(()) => batch.drain(..).for_each(|write| write.finish(Ok(()))),
        Err(e) if batch.len() == 1 => {
            let fault = fault(&e);
            tracing::error!(%fault, "a write failed");
            batch.drain(..).for_each(|write| write.finish(Err(fault.clone())));
        }
        Err(_) => {
            for write in batch.drain(..) {
                commit(db, &mut vec![write]);
            }
        }
    }
}

fn transact(db: &Connection, batch: &mut [Box<dyn Write>]) -> rusqlite::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let execute = |sql: &str| db.prepare_cached(sql)?.execute([]).map(|_| ());
    let attempt = || {
        execute("BEGIN IMMEDIATE")?;
        batch.iter_mut().try_for_each(|write| write.apply(db))?;
        execute("COMMIT")
    };
    let outcome = { attempt }();
    if let Err(e) = &outcome {
        if is_failed_sync(e) {
            tracing::error!(error = %e, "the disk failed to sync; stopping, so that nothing is acknowledged that may be lost");
            std::process::abort();
        }
        // SQLite may have rolled back by itself.
        if !db.is_autocommit() {
            execute("ROLLBACK")?;
        }
    }
    outcome
}
