//! The operations on queues themselves.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::chaos::draw;
use super::errors::{
    ATTRIBUTE_NAME, Fault, PARAMETER, PURGE_IN_PROGRESS, QUEUE_DELETED, QUEUE_EXISTS,
};
use super::queue::Queue;
use super::settings::{self, Settings};
use super::state::{State, arn, name_of_arn};

/// Most characters of a queue's name.
const NAME_MAX: usize = 80;
/// Most names of one page.
const PAGE_MAX: usize = 1_000;
/// The service refuses to purge again so soon.
const PURGE_MS: u64 = 60_000;
/// Most tags of a queue.
const TAGS_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    // In small letters on the wire, unlike everything else.
    #[serde(default, rename = "tags")]
    tags: BTreeMap<String, String>,
}

/// CreateQueue.
pub(crate) fn create(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let Create { queue_name: name, attributes, tags } = super::parse(input)?;
    let fifo = attributes.contains_key("FifoQueue");
    let stem = name.strip_suffix(".fifo");
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let named = stem.unwrap_or(&name);
    if named.is_empty() || name.len() > NAME_MAX || !named.chars().all(word) {
        return Err(PARAMETER.because(format!(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to {NAME_MAX} in \
             length: {name:?}."
        )));
    }
    if fifo != stem.is_some() {
        return Err(PARAMETER.because(format!(
            "The name of a FIFO queue ends with .fifo, and such a queue has the attribute \
             FifoQueue: {name:?}."
        )));
    }
    check_tags(&tags)?;
    check_target(state, &name, &attributes)?;
    let url = json!({"QueueUrl": state.url(&name)});
    if let Some(queue) = state.queues.get(&name) {
        return match queue.settings.compare(&attributes) {
            Ok(()) => Ok(url),
            Err(other) => Err(QUEUE_EXISTS.because(format!(
                "A queue already exists with the same name and a different value for attribute \
                 {other}."
            ))),
        };
    }
    if state.blocked.get(&name).is_some_and(|until| *until > now) {
        return Err(QUEUE_DELETED.because(
            "You must wait 60 seconds after deleting a queue before you can create another with \
             the same name.",
        ));
    }
    let mut settings = Settings::new(fifo);
    settings.change(&attributes)?;
    state.create(now, &name, settings).tags = tags;
    Ok(url)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByUrl {
    queue_url: String,
}

/// DeleteQueue.
pub(crate) fn delete(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let ByUrl { queue_url } = super::parse(input)?;
    let (name, _) = state.queue(now, &queue_url)?;
    state.delete(now, &name);
    Ok(json!({}))
}

/// PurgeQueue.
pub(crate) fn purge(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let ByUrl { queue_url } = super::parse(input)?;
    let (name, queue) = state.queue(now, &queue_url)?;
    if queue.purged_ms.is_some_and(|purged| purged + PURGE_MS > now) {
        return Err(PURGE_IN_PROGRESS.because(format!(
            "Only one PurgeQueue operation on {name} is allowed every 60 seconds."
        )));
    }
    queue.purged_ms = Some(now);
    queue.messages.clear();
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByName {
    queue_name: String,
}

/// GetQueueUrl.
pub(crate) fn url(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let ByName { queue_name } = super::parse(input)?;
    let (name, _) = state.queue(now, &queue_name)?;
    Ok(json!({"QueueUrl": state.url(&name)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    queue_name_prefix: String,
    next_token: Option<String>,
    max_results: Option<usize>,
}

/// ListQueues. Only who gives `MaxResults` gets a token, as with the service.
pub(crate) fn list(state: &mut State, _now: u64, input: Value) -> Result<Value, Fault> {
    let List { queue_name_prefix: prefix, next_token, max_results } = super::parse(input)?;
    let most = max_results.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&most) {
        return Err(PARAMETER.because(format!(
            "Value {most} for parameter MaxResults is invalid. Reason: MaxResults must be an \
             integer between 1 and {PAGE_MAX}."
        )));
    }
    let after = next_token.unwrap_or_default();
    let adversary = &mut state.adversary;
    let mut names = state.queues.keys().filter(|n| n.starts_with(&prefix) && **n > after);
    let page: Vec<_> = names.by_ref().take(most).collect();
    let rest = names.next().is_some();
    let mut reply = json!({});
    if let (Some(last), true, Some(_)) = (page.last(), rest, max_results) {
        reply["NextToken"] = json!(last);
    }
    let listed: Vec<_> =
        page.into_iter().filter(|_| !draw!(adversary, unlisted, "ListQueues")).cloned().collect();
    if !listed.is_empty() {
        reply["QueueUrls"] = listed.iter().map(|name| json!(state.url(name))).collect();
    }
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

/// GetQueueAttributes.
pub(crate) fn attributes(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let Asked { queue_url, attribute_names } = super::parse(input)?;
    let (name, queue) = state.queue(now, &queue_url)?;
    if let Some(unknown) = attribute_names.iter().find(|a| !settings::known(a)) {
        return Err(ATTRIBUTE_NAME.because(format!("Unknown Attribute {unknown}.")));
    }
    let mut all = queue.settings.all().clone();
    all.extend(computed(&name, queue, now));
    all.retain(|name, _| attribute_names.iter().any(|a| a == name || a == "All"));
    Ok(if all.is_empty() { json!({}) } else { json!({"Attributes": all}) })
}

fn computed(name: &str, queue: &Queue, now: u64) -> BTreeMap<String, String> {
    let (visible, delayed, in_flight) = queue.counts(now);
    let values = [
        visible.to_string(),
        delayed.to_string(),
        in_flight.to_string(),
        (queue.created_ms / 1_000).to_string(),
        (queue.changed_ms / 1_000).to_string(),
        arn(name),
    ];
    settings::COMPUTED.iter().map(|name| (*name).to_owned()).zip(values).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Set {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}

/// SetQueueAttributes.
pub(crate) fn set(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let Set { queue_url, attributes } = super::parse(input)?;
    let (name, _) = state.queue(now, &queue_url)?;
    check_target(state, &name, &attributes)?;
    let (_, queue) = state.queue(now, &queue_url)?;
    queue.settings.change(&attributes)?;
    queue.changed_ms = now;
    Ok(json!({}))
}

/// A dead-letter queue is there, and of the same kind.
fn check_target(
    state: &State,
    name: &str,
    attributes: &BTreeMap<String, String>,
) -> Result<(), Fault> {
    let mut settings = Settings::new(name.ends_with(".fifo"));
    settings.change(attributes)?;
    let Some(redrive) = settings.redrive else { return Ok(()) };
    let target = state.queues.get(name_of_arn(&redrive.target_arn));
    match target {
        Some(target) if target.settings.fifo == settings.fifo => Ok(()),
        Some(_) => Err(PARAMETER.because(format!(
            "Value {} for parameter RedrivePolicy is invalid. Reason: Dead-letter queue must be \
             same type of queue as the source.",
            redrive.target_arn
        ))),
        None => Err(PARAMETER.because(format!(
            "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not \
             exist.",
            redrive.target_arn
        ))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    queue_url: String,
    tags: BTreeMap<String, String>,
}

/// TagQueue.
pub(crate) fn tag(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let Tag { queue_url, tags } = super::parse(input)?;
    let (_, queue) = state.queue(now, &queue_url)?;
    let mut next = queue.tags.clone();
    next.extend(tags);
    check_tags(&next)?;
    queue.tags = next;
    Ok(json!({}))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    if tags.len() > TAGS_MAX {
        return Err(PARAMETER.because(format!("Too many tags added for queue: most {TAGS_MAX}.")));
    }
    let wrong = |name: &&String| name.is_empty() || name.starts_with("aws:");
    match tags.keys().find(wrong) {
        Some(name) => Err(PARAMETER.because(format!("Tag key is invalid: {name:?}."))),
        None => Ok(()),
    }
}

/// ListQueueTags.
pub(crate) fn tags(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let ByUrl { queue_url } = super::parse(input)?;
    let (_, queue) = state.queue(now, &queue_url)?;
    Ok(if queue.tags.is_empty() { json!({}) } else { json!({"Tags": queue.tags}) })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Untag {
    queue_url: String,
    tag_keys: Vec<String>,
}

/// UntagQueue.
pub(crate) fn untag(state: &mut State, now: u64, input: Value) -> Result<Value, Fault> {
    let Untag { queue_url, tag_keys } = super::parse(input)?;
    let (_, queue) = state.queue(now, &queue_url)?;
    queue.tags.retain(|key, _| !tag_keys.contains(key));
    Ok(json!({}))
}
