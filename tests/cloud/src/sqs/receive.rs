//! ReceiveMessage.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::chaos::{Adversary, draw};
use super::errors::{Fault, OVER_LIMIT, PARAMETER};
use super::message::{Attributes, Message, md5_of, md5_of_attributes};
use super::send::sequence_number;
use super::state::{State, arn, name_of_arn};

/// The operation's name.
pub(crate) const RECEIVE: &str = "ReceiveMessage";
/// Most messages of a reply.
const MESSAGES_MAX: u64 = 10;
/// Longest wait.
const WAIT_S_MAX: u64 = 20;
/// Longest time that a message is hidden from others.
pub(crate) const VISIBILITY_S_MAX: u64 = 43_200;
/// Most messages in flight of one queue.
const IN_FLIGHT_MAX: usize = 120_000;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Receive {
    pub(crate) queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<u64>,
    visibility_timeout: Option<u64>,
    wait_time_seconds: Option<u64>,
}

/// What a look into the queue came to.
#[derive(Debug)]
pub(crate) enum Look {
    /// The reply.
    Found(Value),
    /// Nothing; the next message may be visible at this time.
    Nothing(Option<u64>),
}

impl Receive {
    /// How long it waits, in milliseconds.
    ///
    /// # Errors
    /// When there is no such queue, or a number is out of its range.
    pub(crate) fn wait_ms(&self, state: &mut State, now: u64) -> Result<u64, Fault> {
        let (_, queue) = state.queue(now, &self.queue_url)?;
        let wait = self.wait_time_seconds.unwrap_or(queue.settings.wait_s());
        let ranges = [
            ("WaitTimeSeconds", Some(wait), 0, WAIT_S_MAX),
            ("MaxNumberOfMessages", self.max_number_of_messages, 1, MESSAGES_MAX),
            ("VisibilityTimeout", self.visibility_timeout, 0, VISIBILITY_S_MAX),
        ];
        for (name, value, least, most) in ranges {
            if let Some(value) = value.filter(|v| !(least..=most).contains(v)) {
                return Err(PARAMETER.because(format!(
                    "Value {value} for parameter {name} is invalid. Reason: Must be >= {least} and \
                     <= {most}, if provided."
                )));
            }
        }
        Ok(wait * 1_000)
    }

    /// Takes what is there. A long poll is not empty-handed when something is.
    ///
    /// # Errors
    /// When there is no such queue (any more), or too much is in flight.
    pub(crate) fn look(&self, state: &mut State, now: u64, long: bool) -> Result<Look, Fault> {
        self.bury(state, now)?;
        let (_, queue) = state.queue(now, &self.queue_url)?;
        let fifo = queue.settings.fifo;
        if queue.messages.len() > IN_FLIGHT_MAX && queue.counts(now).2 >= IN_FLIGHT_MAX {
            return Err(OVER_LIMIT
                .because(format!("Too many messages in flight: the limit is {IN_FLIGHT_MAX}.")));
        }
        let most = usize::try_from(self.max_number_of_messages.unwrap_or(1)).unwrap_or(1);
        let mut taken = queue.receivable(now);
        disturb(&mut state.adversary, &mut taken, fifo, long);
        taken.truncate(most);
        let (_, queue) = state.queue(now, &self.queue_url)?;
        if taken.is_empty() {
            return Ok(Look::Nothing(queue.next_visible(now)));
        }
        let hidden = self.visibility_timeout.unwrap_or(queue.settings.visibility_s()) * 1_000;
        let twins: Vec<_> = taken
            .iter()
            .map(|_| !fifo && draw!(&mut state.adversary, duplicate, RECEIVE))
            .collect();
        let (_, queue) = state.queue(now, &self.queue_url)?;
        let mut messages = Vec::new();
        for (serial, twin) in taken.into_iter().zip(twins) {
            let Some(message) = queue.messages.get_mut(&serial) else { continue };
            message.received += 1;
            message.twin = twin;
            message.first_received_ms.get_or_insert(now);
            message.visible_ms = now + hidden;
            let message = &queue.messages[&serial];
            messages.push(self.show(serial, message, queue.handle(serial, message.received)));
        }
        Ok(Look::Found(json!({"Messages": messages})))
    }

    /// Moves what was received too often to the dead letters.
    fn bury(&self, state: &mut State, now: u64) -> Result<(), Fault> {
        let (name, queue) = state.queue(now, &self.queue_url)?;
        let Some(redrive) = queue.settings.redrive.clone() else { return Ok(()) };
        let too_often = |serial: &u64| queue.messages[serial].received >= redrive.receives_max;
        let dead: Vec<_> = queue.receivable(now).into_iter().filter(too_often).collect();
        let dead: Vec<_> =
            dead.iter().filter_map(|s| Some((*s, queue.messages.remove(s)?))).collect();
        let Some(letters) = state.queues.get_mut(name_of_arn(&redrive.target_arn)) else {
            // The service leaves them where they are when the target is gone.
            let (_, queue) = state.queue(now, &self.queue_url)?;
            queue.messages.extend(dead);
            return Ok(());
        };
        for (serial, mut message) in dead {
            // Of a standard queue the age goes with the message, and so the retention.
            if letters.settings.fifo {
                message.sent_ms = now;
            }
            message.visible_ms = now;
            message.twin = false;
            message.received = 0;
            message.first_received_ms = None;
            message.source_arn = Some(arn(&name));
            letters.messages.insert(serial, message);
        }
        Ok(())
    }

    fn show(&self, serial: u64, message: &Message, handle: String) -> Value {
        let mut shown = json!({
            "MessageId": message.id,
            "ReceiptHandle": handle,
            "MD5OfBody": md5_of(&message.body),
            "Body": message.body,
        });
        let system = self.system_attributes(serial, message);
        if !system.is_empty() {
            shown["Attributes"] = Value::Object(system);
        }
        let attributes = self.attributes(message);
        if !attributes.is_empty() {
            shown["MD5OfMessageAttributes"] = json!(md5_of_attributes(&attributes));
            shown["MessageAttributes"] = json!(attributes);
        }
        shown
    }

    fn system_attributes(&self, serial: u64, message: &Message) -> Map<String, Value> {
        let first = message.first_received_ms.map(|ms| ms.to_string());
        let sequence = message.dedup.is_some().then(|| sequence_number(serial));
        let all = [
            ("AWSTraceHeader", message.trace.clone()),
            ("ApproximateFirstReceiveTimestamp", first),
            ("ApproximateReceiveCount", Some(message.received.to_string())),
            ("DeadLetterQueueSourceArn", message.source_arn.clone()),
            ("MessageDeduplicationId", message.dedup.clone()),
            ("MessageGroupId", message.group.clone()),
            ("SenderId", Some("AIDAITEST".to_owned())),
            ("SentTimestamp", Some(message.sent_ms.to_string())),
            ("SequenceNumber", sequence),
        ];
        let asked: Vec<_> =
            self.attribute_names.iter().chain(&self.message_system_attribute_names).collect();
        all.into_iter()
            .filter(|(name, _)| asked.iter().any(|a| *a == name || *a == "All"))
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
            .collect()
    }

    fn attributes(&self, message: &Message) -> Attributes {
        let asked = |name: &str| {
            self.message_attribute_names.iter().any(|a| {
                a == name
                    || a == "All"
                    || a.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
            })
        };
        let kept = message.attributes.iter().filter(|(name, _)| asked(name));
        kept.map(|(name, attribute)| (name.clone(), attribute.clone())).collect()
    }
}

/// Leaves away some of what a receive would see, and changes the order.
fn disturb(adversary: &mut Adversary, seen: &mut Vec<u64>, fifo: bool, long: bool) {
    if seen.is_empty() {
        return;
    }
    let sampled = draw!(adversary, sample, RECEIVE);
    let shuffled = !fifo && (sampled || draw!(adversary, shuffle, RECEIVE));
    if shuffled {
        adversary.dice().shuffle(seen);
    }
    if sampled {
        let least = usize::from(long);
        let left = least + adversary.dice().index(seen.len() - least);
        seen.truncate(left);
    }
}
