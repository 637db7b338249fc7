//! DeleteMessage and ChangeMessageVisibility, and their batches.

use serde::Deserialize;
use serde_json::{Value, json};

use super::batch;
use super::errors::{Fault, NOT_IN_FLIGHT, PARAMETER};
use super::receive::VISIBILITY_S_MAX;
use super::state::State;

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
    receipt_handle: String,
    #[serde(default)]
    visibility_timeout: u64,
}

type One = fn(&mut State, u64, &str, &Entry) -> Result<Value, Fault>;

/// DeleteMessage.
pub(crate) fn delete(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    single(state, now, input, remove)
}

/// DeleteMessageBatch.
pub(crate) fn delete_batch(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    several(state, now, input, remove)
}

/// ChangeMessageVisibility.
pub(crate) fn change(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    single(state, now, input, hide)
}

/// ChangeMessageVisibilityBatch.
pub(crate) fn change_batch(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    several(state, now, input, hide)
}

fn single(state: &mut State, now: u64, input: Value, one: One) -> Result<Value, Fault> {
    let Single { queue_url, entry } = super::parse(input)?;
    one(state, now, &queue_url, &entry)
}

fn several(state: &mut State, now: u64, input: Value, one: One) -> Result<Value, Fault> {
    let Batch { queue_url, entries } = super::parse(input)?;
    state.queue(now, &queue_url)?;
    batch::check(entries.iter().map(|e| e.id.as_str()))?;
    let results: Vec<_> =
        entries.iter().map(|e| (e.id.clone(), one(state, now, &queue_url, e))).collect();
    Ok(batch::answer(results.into_iter()))
}

fn remove(state: &mut State, now: u64, url: &str, entry: &Entry) -> Result<Value, Fault> {
    let (_, queue) = state.queue(now, url)?;
    let receipt = queue.receipt(&entry.receipt_handle)?;
    let Some(message) = queue.messages.get(&receipt.serial) else { return Ok(json!({})) };
    if queue.settings.fifo && !message.in_flight(now) {
        return Err(expired(&entry.receipt_handle));
    }
    queue.messages.remove(&receipt.serial);
    Ok(json!({}))
}

fn hide(state: &mut State, now: u64, url: &str, entry: &Entry) -> Result<Value, Fault> {
    let (_, queue) = state.queue(now, url)?;
    let receipt = queue.receipt(&entry.receipt_handle)?;
    let seconds = entry.visibility_timeout;
    if seconds > VISIBILITY_S_MAX {
        return Err(PARAMETER.because(format!(
            "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: \
             VisibilityTimeout must be an integer between 0 and {VISIBILITY_S_MAX}."
        )));
    }
    let fifo = queue.settings.fifo;
    match queue.messages.get_mut(&receipt.serial) {
        Some(message) if message.in_flight(now) => {
            message.visible_ms = now + seconds * 1_000;
            Ok(json!({}))
        }
        Some(_) if fifo => Err(expired(&entry.receipt_handle)),
        Some(_) => Err(NOT_IN_FLIGHT.because("The specified message isn't in flight.")),
        None => Err(PARAMETER.because(format!(
            "Value {} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is \
             not available for visibility timeout change.",
            entry.receipt_handle
        ))),
    }
}

fn expired(handle: &str) -> Fault {
    PARAMETER.because(format!(
        "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has \
         expired."
    ))
}
