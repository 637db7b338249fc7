//! Workflows: the declared state machine of a message type. Data, deployed like
//! a module and pinned by each message at its admission.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use semver::{Version, VersionReq};
use serde::Deserialize;
use serde_json::Value;

use crate::refusal::{Code, Refusal};
use crate::schema::Schema;
use crate::types::{Digest, Malformed, ModuleName, MsgState, MsgType};
use crate::{json, schemas};

/// The largest workflow, its message schema included: 1,000 states with long
/// descriptions fit, and parsing one stays in milliseconds.
pub const WORKFLOW_BYTES_MAX: usize = 1 << 20;

/// A workflow that was checked and can run.
#[derive(Debug)]
pub struct Workflow {
    /// The message type that it is for.
    pub msg_type: MsgType,
    /// Its version; the highest deployed one admits.
    pub version: u32,
    /// The digest of its text as deployed.
    pub digest: Digest,
    /// The text as deployed.
    pub text: Arc<str>,
    /// The state of a message that was just admitted.
    pub initial: MsgState,
    /// The message type's schema.
    pub schema: Schema,
    states: BTreeMap<MsgState, State>,
}

/// What a state does.
#[derive(Debug)]
pub enum State {
    /// An action decides.
    Invoke(Invoke),
    /// The message is done.
    Final,
    /// The message waits for a person.
    Parked,
}

/// A state with an action.
#[derive(Debug)]
pub struct Invoke {
    /// Which module.
    pub module: ModuleSpec,
    /// The states that it may return.
    pub targets: BTreeSet<MsgState>,
    /// Attempts after a failure that may heal.
    pub retry: Retry,
    /// Where the message goes when there is no attempt left.
    pub on_failure: MsgState,
}

/// Attempts and the delays between them.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The first attempt included.
    pub max_attempts: u32,
    first_delay: Duration,
    factor: f64,
    delay_max: Duration,
}

impl Retry {
    const NONE: Self = Self {
        max_attempts: 1,
        first_delay: Duration::ZERO,
        factor: 1.0,
        delay_max: Duration::ZERO,
    };

    /// The delay behind this failed attempt, counted from 1.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.first_delay.as_secs_f64() * self.factor.powi(exponent);
        // Compared as floats, because the product may be beyond any Duration.
        if seconds < self.delay_max.as_secs_f64() {
            Duration::from_secs_f64(seconds)
        } else {
            self.delay_max
        }
    }
}

/// Which module a state wants: a name with a version range or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSpec {
    /// The module's name.
    pub name: ModuleName,
    wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Range(VersionReq),
    Digest(Digest),
}

impl ModuleSpec {
    /// Whether a deployed module is one of those wanted.
    #[must_use]
    pub fn admits(&self, name: &ModuleName, version: &Version, digest: Digest) -> bool {
        *name == self.name
            && match &self.wanted {
                Wanted::Range(range) => range.matches(version),
                Wanted::Digest(wanted) => *wanted == digest,
            }
    }
}

impl FromStr for ModuleSpec {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("module", text, "is not `name@range` or `name@0x…`");
        let (name, wanted) = text.split_once('@').ok_or_else(malformed)?;
        let wanted = match wanted.starts_with("0x") {
            true => Wanted::Digest(wanted.parse()?),
            false => Wanted::Range(wanted.parse().map_err(|_| malformed())?),
        };
        Ok(Self { name: name.parse()?, wanted })
    }
}

impl fmt::Display for ModuleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Range(range) => write!(f, "{}@{range}", self.name),
            Wanted::Digest(digest) => write!(f, "{}@{digest}", self.name),
        }
    }
}

/// The file's form, after the schema has passed it.
#[derive(Deserialize)]
struct File {
    msg_type: MsgType,
    version: u32,
    schema: Value,
    initial: MsgState,
    states: BTreeMap<MsgState, FileState>,
}

#[derive(Deserialize)]
struct FileState {
    invoke: Option<String>,
    #[serde(default)]
    targets: BTreeSet<MsgState>,
    retry: Option<FileRetry>,
    on_failure: Option<MsgState>,
    #[serde(default, rename = "final")]
    is_final: bool,
}

#[derive(Deserialize)]
struct FileRetry {
    max_attempts: u32,
    first_delay: String,
    factor: Option<f64>,
    delay_max: Option<String>,
}

/// Words of the workflow format that this version does not run. They are
/// refused by name, so that nobody takes them for misspelt.
const UNSUPPORTED: [&str; 4] = ["choose", "on", "after", "cancel"];

impl Workflow {
    /// Reads a workflow as it is deployed.
    ///
    /// # Errors
    /// The strict parser's codes, `workflow_unsupported`, `workflow_invalid`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > WORKFLOW_BYTES_MAX {
            let detail = format!(
                "the workflow has {} bytes; the limit `workflow_bytes_max` is {WORKFLOW_BYTES_MAX}",
                text.len()
            );
            return Err(invalid(detail));
        }
        let value = json::parse(text.as_bytes())?;
        refuse_unsupported(&value)?;
        let findings = schemas::workflow().check(&value);
        if !findings.is_empty() {
            return Err(Refusal {
                errors: findings,
                ..invalid("the workflow is not of its schema")
            });
        }
        let file: File = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
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
        let states = file
            .states
            .into_iter()
            .map(|(name, state)| Ok((name.clone(), read_state(&name, state)?)))
            .collect::<Result<_, Refusal>>()?;
        let workflow = Self {
            msg_type: file.msg_type,
            version: file.version,
            digest: Digest::of(text.as_bytes()),
            text: text.into(),
            initial: file.initial,
            schema,
            states,
        };
        workflow.check_names()?;
        Ok(workflow)
    }

    /// The state of this name.
    #[must_use]
    pub fn state(&self, name: &MsgState) -> Option<&State> {
        self.states.get(name)
    }

    /// All states that have an action.
    pub fn invokes(&self) -> impl Iterator<Item = (&MsgState, &Invoke)> {
        self.states.iter().filter_map(|(name, state)| match state {
            State::Invoke(invoke) => Some((name, invoke)),
            State::Final | State::Parked => None,
        })
    }

    /// Every state that is named is declared, and a message can start.
    fn check_names(&self) -> Result<(), Refusal> {
        let mut refusal = invalid("the workflow names states that it does not declare");
        let mut check = |pointer: String, state: &MsgState| {
            if !self.states.contains_key(state) {
                refusal = refusal.clone().at(&pointer, format!("there is no state `{state}`"));
            }
        };
        check("/initial".to_owned(), &self.initial);
        for (name, invoke) in self.invokes() {
            for (i, target) in invoke.targets.iter().enumerate() {
                check(format!("/states/{name}/targets/{i}"), target);
            }
            check(format!("/states/{name}/on_failure"), &invoke.on_failure);
        }
        if !refusal.errors.is_empty() {
            return Err(refusal);
        }
        match self.state(&self.initial) {
            Some(State::Invoke(_)) => Ok(()),
            _ => Err(invalid("a message cannot start in a final or parked state")
                .at("/initial", "must name a state with an action")),
        }
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::WorkflowInvalid, detail)
}

fn refuse_unsupported(value: &Value) -> Result<(), Refusal> {
    let states = value["states"].as_object().into_iter().flatten();
    let mut refusal =
        Refusal::new(Code::WorkflowUnsupported, "the workflow uses what this version does not run");
    for (name, state) in states {
        for word in UNSUPPORTED {
            if state.get(word).is_some() {
                let pointer =
                    format!("/states/{}/{word}", name.replace('~', "~0").replace('/', "~1"));
                refusal = refusal.at(&pointer, format!("`{word}` is not supported yet"));
            }
        }
    }
    if refusal.errors.is_empty() { Ok(()) } else { Err(refusal) }
}

fn read_state(name: &MsgState, state: FileState) -> Result<State, Refusal> {
    let (Some(module), Some(on_failure)) = (state.invoke, state.on_failure) else {
        return Ok(if state.is_final { State::Final } else { State::Parked });
    };
    let wrong = |member: &str, detail: String| {
        invalid("a state cannot be read").at(&format!("/states/{name}/{member}"), detail)
    };
    Ok(State::Invoke(Invoke {
        module: module.parse().map_err(|e: Malformed| wrong("invoke", e.to_string()))?,
        targets: state.targets,
        retry: state.retry.map_or(Ok(Retry::NONE), read_retry).map_err(|e| wrong("retry", e))?,
        on_failure,
    }))
}

fn read_retry(retry: FileRetry) -> Result<Retry, String> {
    /// As the schema says it.
    const DELAY_MAX: &str = "1h";
    const FACTOR: f64 = 2.0;
    let delay_max = duration(retry.delay_max.as_deref().unwrap_or(DELAY_MAX))?;
    Ok(Retry {
        max_attempts: retry.max_attempts,
        first_delay: duration(&retry.first_delay)?,
        factor: retry.factor.unwrap_or(FACTOR),
        delay_max,
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
