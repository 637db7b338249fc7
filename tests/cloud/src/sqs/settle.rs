//! DeleteMessage and ChangeMessageVisibility, and their batches.

use serde::Deserialize;
use serde_json::{Value, json};

use super::batch;
use super::chaos::draw;
use super::errors::{Fault, NOT_IN_FLIGHT, PARAMETER};
use super::message::Message;
use super::queue::Receipt;
use super::receive::VISIBILITY_S_MAX;
use super::state::State;

/// Within which a zombie comes back.
const ZOMBIE_MS: u64 = 60_000;

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

type One = fn(&mut State, u64, Place<'_>, &Entry) -> Result<Value, Fault>;

/// Where an entry is settled, and by which operation.
#[derive(Clone, Copy)]
struct Place<'a> {
    url: &'a str,
    operation: &'static str,
}

/// DeleteMessage.
pub(crate) fn delete(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    single(state, now, input, "DeleteMessage", remove)
}

/// DeleteMessageBatch.
pub(crate) fn delete_batch(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    several(state, now, input, "DeleteMessageBatch", remove)
}

/// ChangeMessageVisibility.
pub(crate) fn change(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    single(state, now, input, "ChangeMessageVisibility", hide)
}

/// ChangeMessageVisibilityBatch.
pub(crate) fn change_batch(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    several(state, now, input, "ChangeMessageVisibilityBatch", hide)
}

fn single(
    state: &mut State,
    now: u64,
    input: Value,
    operation: &'static str,
    one: One,
) -> Result<Value, Fault> {
    let Single { queue_url, entry } = super::parse(input)?;
    one(state, now, Place { url: &queue_url, operation }, &entry)
}

fn several(
    state: &mut State,
    now: u64,
    input: Value,
    operation: &'static str,
    one: One,
) -> Result<Value, Fault> {
    let Batch { queue_url, entries } = super::parse(input)?;
    state.queue(now, &queue_url)?;
    batch::check(entries.iter().map(|e| e.id.as_str()))?;
    let place = Place { url: &queue_url, operation };
    let results: Vec<_> =
        entries.iter().map(|e| (e.id.clone(), one(state, now, place, e))).collect();
    Ok(batch::answer(results.into_iter()))
}

fn remove(state: &mut State, now: u64, at: Place<'_>, entry: &Entry) -> Result<Value, Fault> {
    let done = Ok(json!({}));
    let Some(receipt) = effective(state, now, at, entry)? else { return done };
    let (_, queue) = state.queue(now, at.url)?;
    let fifo = queue.settings.fifo;
    let Some(message) = queue.messages.get(&receipt.serial) else { return done };
    if fifo && !message.in_flight(now) {
        return Err(expired(&entry.receipt_handle));
    }
    let may_return = !fifo && !message.zombie;
    let adversary = &mut state.adversary;
    if draw!(adversary, delete_ignored, at.operation) {
        return done;
    }
    let returns = may_return && draw!(adversary, zombie, at.operation);
    let back_ms = returns.then(|| now + adversary.dice().below(ZOMBIE_MS));
    let (_, queue) = state.queue(now, at.url)?;
    match (queue.messages.get_mut(&receipt.serial), back_ms) {
        (Some(message), Some(back_ms)) => {
            message.zombie = true;
            message.twin = false;
            message.visible_ms = back_ms;
        }
        _ => drop(queue.messages.remove(&receipt.serial)),
    }
    done
}

fn hide(state: &mut State, now: u64, at: Place<'_>, entry: &Entry) -> Result<Value, Fault> {
    let seconds = entry.visibility_timeout;
    if seconds > VISIBILITY_S_MAX {
        return Err(PARAMETER.because(format!(
            "Value {seconds} for parameter VisibilityTimeout is invalid. Reason: \
             VisibilityTimeout must be an integer between 0 and {VISIBILITY_S_MAX}."
        )));
    }
    let done = Ok(json!({}));
    let Some(receipt) = effective(state, now, at, entry)? else { return done };
    if draw!(&mut state.adversary, change_ignored, at.operation) {
        return done;
    }
    let (_, queue) = state.queue(now, at.url)?;
    let fifo = queue.settings.fifo;
    match queue.messages.get_mut(&receipt.serial) {
        Some(message) if message.in_flight(now) => {
            message.visible_ms = now + seconds * 1_000;
            done
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

/// What the handle stands for; nothing when it is an old one that has no effect.
fn effective(
    state: &mut State,
    now: u64,
    at: Place<'_>,
    entry: &Entry,
) -> Result<Option<Receipt>, Fault> {
    let (_, queue) = state.queue(now, at.url)?;
    let receipt = queue.receipt(&entry.receipt_handle)?;
    let old = |m: &Message| m.received != receipt.received || !m.in_flight(now);
    let old = queue.messages.get(&receipt.serial).is_some_and(old);
    let ignored = old && draw!(&mut state.adversary, old_handle, at.operation);
    Ok((!ignored).then_some(receipt))
}

fn expired(handle: &str) -> Fault {
    PARAMETER.because(format!(
        "Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has \
         expired."
    ))
}
