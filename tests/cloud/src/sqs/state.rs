//! All queues, behind one lock.

use std::collections::BTreeMap;

use super::errors::{Fault, NO_QUEUE};
use super::queue::Queue;
use super::settings::Settings;

/// The account and the region that everything is in.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// What the server knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) queues: BTreeMap<String, Queue>,
    /// By operation.
    pub(crate) calls: BTreeMap<String, u64>,
    /// The last number that was given to a message, a queue or a request.
    serial: u64,
    /// `http://127.0.0.1:port`.
    pub(crate) base: String,
}

impl State {
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
        let queue = self.queues.get_mut(&name).ok_or_else(|| no_queue(&name))?;
        queue.expire(now);
        Ok((name, queue))
    }

    /// A new queue in the place of one of this name.
    pub(crate) fn create(&mut self, now: u64, name: &str, settings: Settings) -> &mut Queue {
        let incarnation = self.serial();
        self.queues.insert(name.to_owned(), Queue::new(now, settings, incarnation));
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
