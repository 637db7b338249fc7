//! All queues, behind one lock.

use std::collections::BTreeMap;

use super::chaos::{Adversary, draw};
use super::errors::{Fault, NO_QUEUE};
use super::queue::Queue;
use super::settings::Settings;

/// The account and the region that everything is in.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";
/// How long the deletion of a queue may take, and its name is blocked.
const DELETED_MS: u64 = 60_000;
/// How long it takes until a new queue is found everywhere.
const CREATED_MS: u64 = 1_000;

/// What the server knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) queues: BTreeMap<String, Queue>,
    /// Deleted queues that work on.
    ghosts: BTreeMap<String, Ghost>,
    /// Names that are blocked, until when.
    pub(crate) blocked: BTreeMap<String, u64>,
    pub(crate) adversary: Adversary,
    /// By operation.
    pub(crate) calls: BTreeMap<String, u64>,
    /// The last number that was given to a message, a queue or a request.
    serial: u64,
    /// `http://127.0.0.1:port`.
    pub(crate) base: String,
}

#[derive(Debug)]
struct Ghost {
    queue: Queue,
    gone_ms: u64,
}

impl State {
    /// No queues.
    pub(crate) fn new(adversary: Adversary) -> Self {
        Self { adversary, ..Self::default() }
    }

    /// A number that nothing else has; they rise.
    pub(crate) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// The URL of a queue.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.base)
    }

    /// The queue of this URL, with what is too old forgotten.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn queue(&mut self, now: u64, url: &str) -> Result<(String, &mut Queue), Fault> {
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        let live = self.queues.get_mut(&name).filter(|queue| queue.usable_ms <= now);
        let ghost = self.ghosts.get_mut(&name).filter(|ghost| ghost.gone_ms > now);
        let queue = live.or(ghost.map(|g| &mut g.queue)).ok_or_else(|| no_queue(&name))?;
        queue.expire(now);
        Ok((name, queue))
    }

    /// Takes a queue away. It may work on for a while, and its name be blocked.
    pub(crate) fn delete(&mut self, now: u64, name: &str) {
        let Some(queue) = self.queues.remove(name) else { return };
        if draw!(&mut self.adversary, name_blocked, "DeleteQueue") {
            self.blocked.insert(name.to_owned(), now + DELETED_MS);
        }
        if draw!(&mut self.adversary, lingers, "DeleteQueue") {
            let gone_ms = now + 1 + self.adversary.dice().below(DELETED_MS);
            self.ghosts.insert(name.to_owned(), Ghost { queue, gone_ms });
        }
    }

    /// A new queue in the place of one of this name.
    pub(crate) fn create(&mut self, now: u64, name: &str, settings: Settings) -> &mut Queue {
        let incarnation = self.serial();
        let mut queue = Queue::new(now, settings, incarnation);
        if draw!(&mut self.adversary, slow_create, "CreateQueue") {
            queue.usable_ms = now + CREATED_MS;
        }
        self.ghosts.remove(name);
        self.queues.insert(name.to_owned(), queue);
        self.queues.get_mut(name).expect("it was just put there")
    }
}

/// The name by which policies refer to a queue.
pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// The name in an ARN.
pub(crate) fn name_of_arn(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

pub(crate) fn no_queue(name: &str) -> Fault {
    NO_QUEUE.because(format!("The specified queue does not exist: {name}."))
}
