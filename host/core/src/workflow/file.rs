//! The workflow's file: JSON of `workflow.schema.json`, read into the declared
//! states.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{
    After, Branch, Invoke, Kind, ModuleSpec, On, OnFailure, Retry, Rule, SIGNAL_TYPE, State, Wait,
    Workflow, invalid,
};
use crate::guard::{Guard, Sees};
use crate::record::FailureKind;
use crate::refusal::{Finding, Refusal};
use crate::schema::Schema;
use crate::typed_data::TypedData;
use crate::types::{Digest, Malformed, MsgState, MsgType, SignalName};
use crate::{json, schemas};

/// The largest workflow, its message schema included: 1,000 states with long
/// descriptions fit, and parsing one stays in milliseconds.
pub const WORKFLOW_BYTES_MAX: usize = 1 << 20;

/// The longest timer: ten years. A longer one is a typing error.
const DELAY_MAX: Duration = Duration::from_secs(3_653 * 86_400);

/// The file's form, after the schema has passed it.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    description: String,
    msg_type: MsgType,
    version: u32,
    schema: Value,
    typed_data: Option<FileTypedData>,
    #[serde(default)]
    rules: Vec<FileRule>,
    #[serde(default)]
    validators: Vec<String>,
    initial: MsgState,
    states: BTreeMap<MsgState, FileState>,
}

#[derive(Deserialize)]
struct FileTypedData {
    name: String,
    version: String,
    chain_id: u64,
}

#[derive(Deserialize)]
struct FileRule {
    rule: String,
    detail: String,
    #[serde(default)]
    pointer: String,
}

#[derive(Deserialize)]
struct FileState {
    #[serde(default)]
    description: String,
    cancel: Option<MsgState>,
    invoke: Option<String>,
    #[serde(default)]
    targets: BTreeSet<MsgState>,
    retry: Option<FileRetry>,
    on_failure: Option<FileOnFailure>,
    choose: Option<Vec<FileBranch>>,
    on: Option<BTreeMap<SignalName, FileOn>>,
    after: Option<Vec<FileAfter>>,
    #[serde(default, rename = "final")]
    is_final: bool,
    #[serde(default)]
    redrive: BTreeSet<MsgState>,
}

#[derive(Deserialize)]
struct FileRetry {
    max_attempts: u32,
    first_delay: String,
    factor: Option<f64>,
    delay_max: Option<String>,
    jitter: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileOnFailure {
    All(MsgState),
    ByKind(BTreeMap<String, MsgState>),
}

#[derive(Deserialize)]
struct FileBranch {
    guard: Option<String>,
    target: MsgState,
}

#[derive(Deserialize)]
struct FileOn {
    guard: String,
    quorum: Option<u32>,
    target: MsgState,
}

#[derive(Deserialize)]
struct FileAfter {
    delay: String,
    guard: Option<String>,
    target: MsgState,
}

/// What is wrong at a place in the file.
type Wrong = (String, String);

pub(super) fn read(text: &str) -> Result<Workflow, Refusal> {
    if text.len() > WORKFLOW_BYTES_MAX {
        let detail = format!(
            "the workflow has {} bytes; the limit `workflow_bytes_max` is {WORKFLOW_BYTES_MAX}",
            text.len()
        );
        return Err(invalid(detail));
    }
    let value = json::parse(text.as_bytes())?;
    let findings = schemas::workflow().check(&value);
    if !findings.is_empty() {
        return Err(Refusal { errors: findings, ..invalid("the workflow is not of its schema") });
    }
    let file: File = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
    if file.msg_type.as_str() == SIGNAL_TYPE {
        return Err(invalid("the message type `signal` is that of signals")
            .at("/msg_type", "cannot have a workflow"));
    }
    if !file.schema.is_object() {
        return Err(invalid("the message type's schema is not inlined").at(
            "/schema",
            "must be the schema itself; `surety workflow push` puts it in place of its path",
        ));
    }
    let schema = Schema::compile(&file.schema).map_err(|finding| {
        invalid("the message type's schema does not compile")
            .at(&format!("/schema{}", finding.pointer), finding.detail)
    })?;
    let mut wrong = invalid("the workflow cannot be read");
    let typed_data = read_typed_data(&file, &file.schema, &mut wrong);
    let signal_typed_data = read_typed_data(&file, &schemas::signal_json(), &mut wrong);
    let mut states = BTreeMap::new();
    for (name, state) in file.states {
        match read_state(state) {
            Ok(state) => drop(states.insert(name, state)),
            Err((at, detail)) => wrong = wrong.at(&format!("/states/{name}{at}"), detail),
        }
    }
    let mut rules = Vec::new();
    for (i, FileRule { rule, detail, pointer }) in file.rules.into_iter().enumerate() {
        match Guard::compile(&rule, Sees::Message) {
            Ok(guard) => rules.push(Rule { guard, detail, pointer }),
            Err(detail) => wrong = wrong.at(&format!("/rules/{i}/rule"), detail),
        }
    }
    let mut validators = Vec::new();
    for (i, spec) in file.validators.into_iter().enumerate() {
        match spec.parse::<ModuleSpec>() {
            Ok(spec) => validators.push(spec),
            Err(e) => wrong = wrong.at(&format!("/validators/{i}"), e.to_string()),
        }
    }
    if !wrong.errors.is_empty() {
        return Err(wrong);
    }
    Ok(Workflow {
        msg_type: file.msg_type,
        version: file.version,
        digest: Digest::of(text.as_bytes()),
        text: text.into(),
        description: file.description,
        initial: file.initial,
        schema,
        typed_data,
        signal_typed_data,
        rules,
        validators,
        states,
    })
}

fn read_typed_data(file: &File, schema: &Value, wrong: &mut Refusal) -> Option<Arc<TypedData>> {
    let FileTypedData { name, version, chain_id } = file.typed_data.as_ref()?;
    match TypedData::of_schema(schema, name, version, *chain_id) {
        Ok(typed_data) => Some(typed_data.into()),
        Err(findings) => {
            let placed = findings.into_iter().map(|finding| {
                let Finding { pointer, detail } = finding;
                Finding { pointer: format!("/schema{pointer}"), detail }
            });
            wrong.errors.extend(placed);
            None
        }
    }
}

fn read_state(mut state: FileState) -> Result<State, Wrong> {
    let (description, cancel) = (std::mem::take(&mut state.description), state.cancel.take());
    let kind = if let Some(module) = state.invoke {
        Kind::Invoke(Invoke {
            module: module.parse().map_err(|e: Malformed| at("/invoke")(e.to_string()))?,
            targets: state.targets,
            retry: state.retry.map_or(Ok(Retry::NONE), read_retry).map_err(at("/retry"))?,
            on_failure: read_on_failure(state.on_failure)?,
        })
    } else if let Some(branches) = state.choose {
        Kind::Choose(read_choose(branches)?)
    } else if let Some(after) = state.after {
        Kind::Wait(read_wait(state.on.unwrap_or_default(), after)?)
    } else if state.is_final {
        Kind::Final
    } else {
        Kind::Parked(state.redrive)
    };
    Ok(State { description, cancel, kind })
}

/// Puts a place before what is wrong there.
fn at(pointer: impl Into<String>) -> impl FnOnce(String) -> Wrong {
    let pointer = pointer.into();
    move |detail| (pointer, detail)
}

fn read_on_failure(on_failure: Option<FileOnFailure>) -> Result<OnFailure, Wrong> {
    let missing = || at("/on_failure")("must say where failures go".to_owned());
    match on_failure.ok_or_else(missing)? {
        FileOnFailure::All(default) => Ok(OnFailure { default, by_kind: BTreeMap::new() }),
        FileOnFailure::ByKind(mut by_kind) => {
            let default = by_kind.remove("default").ok_or_else(|| {
                at("/on_failure")("must have a `default` for all other kinds".to_owned())
            })?;
            let kind = |(name, to): (String, MsgState)| match FailureKind::parse(&name) {
                Some(kind) => Ok((kind, to)),
                None => Err(at(format!("/on_failure/{name}"))(format!(
                    "there is no kind of failure `{name}`"
                ))),
            };
            Ok(OnFailure {
                default,
                by_kind: by_kind.into_iter().map(kind).collect::<Result<_, _>>()?,
            })
        }
    }
}

fn read_choose(branches: Vec<FileBranch>) -> Result<Vec<Branch>, Wrong> {
    let last = branches.len().saturating_sub(1);
    let branch = |(i, FileBranch { guard, target }): (usize, FileBranch)| {
        let place = format!("/choose/{i}");
        match guard {
            None if i < last => {
                Err(at(place)("has no guard, so the branches behind it are never taken".to_owned()))
            }
            Some(_) if i == last => Err(at(place)(
                "is the last branch and must have no guard, so that one is always taken".to_owned(),
            )),
            None => Ok(Branch { guard: None, target }),
            Some(guard) => {
                let guard =
                    Guard::compile(&guard, Sees::State).map_err(at(format!("{place}/guard")))?;
                Ok(Branch { guard: Some(guard), target })
            }
        }
    };
    branches.into_iter().enumerate().map(branch).collect()
}

fn read_wait(on: BTreeMap<SignalName, FileOn>, after: Vec<FileAfter>) -> Result<Wait, Wrong> {
    let signal = |(name, FileOn { guard, quorum, target }): (SignalName, FileOn)| {
        let guard =
            Guard::compile(&guard, Sees::Signal).map_err(at(format!("/on/{name}/guard")))?;
        Ok((name, On { guard, quorum: quorum.unwrap_or(1), target }))
    };
    let on = on.into_iter().map(signal).collect::<Result<_, Wrong>>()?;
    let mut timers: Vec<After> = Vec::with_capacity(after.len());
    let last = after.len().saturating_sub(1);
    for (i, FileAfter { delay, guard, target }) in after.into_iter().enumerate() {
        let place = format!("/after/{i}");
        let delay = duration(&delay).map_err(at(format!("{place}/delay")))?;
        if delay > DELAY_MAX {
            return Err(at(format!("{place}/delay"))("is longer than 3653d".to_owned()));
        }
        if timers.last().is_some_and(|before| before.delay >= delay) {
            return Err(at(format!("{place}/delay"))(
                "is not longer than the one before".to_owned(),
            ));
        }
        if guard.is_none() != (i == last) {
            let detail = if i == last {
                "is the last timer and must have no guard, so that the wait ends"
            } else {
                "has no guard, so the timers behind it are never reached"
            };
            return Err(at(place)(detail.to_owned()));
        }
        let guard = guard.map(|guard| Guard::compile(&guard, Sees::State)).transpose();
        let guard = guard.map_err(at(format!("{place}/guard")))?;
        timers.push(After { delay, guard, target });
    }
    Ok(Wait { on, after: timers })
}

fn read_retry(retry: FileRetry) -> Result<Retry, String> {
    /// As the schema says it.
    const DELAY_MAX: &str = "1h";
    const FACTOR: f64 = 2.0;
    const JITTER: f64 = 0.2;
    let delay_max = duration(retry.delay_max.as_deref().unwrap_or(DELAY_MAX))?;
    Ok(Retry {
        max_attempts: retry.max_attempts,
        first_delay: duration(&retry.first_delay)?,
        factor: retry.factor.unwrap_or(FACTOR),
        delay_max,
        jitter: retry.jitter.unwrap_or(JITTER),
    })
}

/// Reads `200ms`, `5s`, `1m`, `24h`, `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("{text:?} has no unit of ms, s, m, h, d")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} has no number"))?;
    Ok(Duration::from_millis(number.saturating_mul(millis)))
}
