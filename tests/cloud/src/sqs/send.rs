//! SendMessage and SendMessageBatch.

use serde::Deserialize;
use serde_json::{Value, json};

use super::batch;
use super::errors::{BATCH_TOO_LONG, Fault, MISSING, PARAMETER};
use super::fifo;
use super::message::{self, Attributes, Message};
use super::state::State;

/// Most seconds of a delay.
const DELAY_S_MAX: u64 = 900;
/// Most bytes of all bodies and attributes of a batch.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Most characters of a group id or a deduplication id.
const FIFO_ID_MAX: usize = 128;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Single {
    queue_url: String,
    #[serde(flatten)]
    entry: Entry,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    queue_url: String,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    id: String,
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<u64>,
    #[serde(default)]
    message_attributes: Attributes,
    #[serde(default)]
    message_system_attributes: Attributes,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

/// SendMessage.
pub(crate) fn single(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let Single { queue_url, entry } = super::parse(input)?;
    put(state, now, &queue_url, entry)
}

/// SendMessageBatch.
pub(crate) fn batch(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let Batch { queue_url, entries } = super::parse(input)?;
    state.queue(now, &queue_url)?;
    batch::check(entries.iter().map(|e| e.id.as_str()))?;
    let bytes: usize =
        entries.iter().map(|e| message::size(&e.message_body, &e.message_attributes)).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(BATCH_TOO_LONG.because(format!(
            "Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {bytes} \
             bytes."
        )));
    }
    let results: Vec<_> = entries
        .into_iter()
        .map(|entry| (entry.id.clone(), put(state, now, &queue_url, entry)))
        .collect();
    Ok(batch::answer(results.into_iter()))
}

fn put(state: &mut State, now: u64, url: &str, entry: Entry) -> Result<Value, Fault> {
    let serial = state.serial();
    let (_, queue) = state.queue(now, url)?;
    let settings = &queue.settings;
    message::check(&entry.message_body, &entry.message_attributes, settings.bytes_max())?;
    let dedup = if settings.fifo {
        Some(fifo_ids(&entry, settings.is("ContentBasedDeduplication", "true"))?)
    } else if entry.message_deduplication_id.is_some() {
        return Err(not_of_this_queue("MessageDeduplicationId"));
    } else {
        None
    };
    let delay = entry.delay_seconds.unwrap_or(settings.delay_s());
    if delay > DELAY_S_MAX {
        return Err(PARAMETER.because(format!(
            "Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= \
             0 and <= {DELAY_S_MAX}."
        )));
    }
    let mut reply = json!({"MD5OfMessageBody": message::md5_of(&entry.message_body)});
    if let Some(md5) = message::md5_of_attributes(&entry.message_attributes) {
        reply["MD5OfMessageAttributes"] = json!(md5);
    }
    let mut id = message_id(serial);
    let mut sequence = serial;
    let mut sent_before = false;
    if let Some(dedup) = &dedup {
        let group = entry.message_group_id.clone().unwrap_or_default();
        let scope =
            if settings.is("DeduplicationScope", "messageGroup") { group.as_str() } else { "" };
        if let Some(sent) = queue.dedup.find(now, scope, dedup) {
            (id, sequence, sent_before) = (sent.id.clone(), sent.serial, true);
        } else {
            queue.dedup.note(now, scope, dedup, &id, serial);
        }
        reply["SequenceNumber"] = json!(sequence_number(sequence));
    }
    reply["MessageId"] = json!(id);
    if !sent_before {
        let trace = entry.message_system_attributes.get("AWSTraceHeader");
        let message = Message {
            id,
            trace: trace.and_then(|t| t.string_value.clone()),
            body: entry.message_body,
            attributes: entry.message_attributes,
            group: entry.message_group_id,
            dedup,
            sent_ms: now,
            visible_ms: now + delay * 1_000,
            first_received_ms: None,
            received: 0,
            source_arn: None,
            twin: false,
            zombie: false,
        };
        queue.messages.insert(serial, message);
    }
    Ok(reply)
}

/// Checks what a FIFO queue asks of a message; gives its deduplication id.
fn fifo_ids(entry: &Entry, by_content: bool) -> Result<String, Fault> {
    let Some(group) = &entry.message_group_id else {
        return Err(MISSING.because("The request must contain the parameter MessageGroupId."));
    };
    if entry.delay_seconds.is_some_and(|delay| delay > 0) {
        return Err(not_of_this_queue("DelaySeconds"));
    }
    let dedup = match &entry.message_deduplication_id {
        Some(dedup) => dedup.clone(),
        None if by_content => fifo::content_id(&entry.message_body),
        None => {
            return Err(PARAMETER.because(
                "The queue should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly.",
            ));
        }
    };
    for (name, id) in [("MessageGroupId", group), ("MessageDeduplicationId", &dedup)] {
        if id.is_empty() || id.len() > FIFO_ID_MAX || !id.chars().all(|c| c.is_ascii_graphic()) {
            return Err(PARAMETER.because(format!(
                "Value {id} for parameter {name} is invalid. Reason: {name} can only include \
                 alphanumeric and punctuation characters. 1 to {FIFO_ID_MAX} in length."
            )));
        }
    }
    Ok(dedup)
}

fn not_of_this_queue(parameter: &str) -> Fault {
    PARAMETER.because(format!(
        "Value for parameter {parameter} is invalid. Reason: The request include parameter that is \
         not valid for this queue type."
    ))
}

/// Twenty digits, as the service's.
pub(crate) fn sequence_number(serial: u64) -> String {
    format!("{:020}", 1_885_000_000_000_000_000_u64 + serial)
}

/// Looks like the service's, and tells nothing of the order.
fn message_id(serial: u64) -> String {
    let mixed = u128::from(serial).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let hex = format!("{mixed:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
