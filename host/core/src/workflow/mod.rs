//! Workflows: the declared state machine of a message type. Data, deployed like
//! a module and pinned by each message at its admission.
//!
//! ```text
//!  Workflow ─ states ─ State ┬ Invoke  an action decides
//!                            ├ Choose  guards decide, at once
//!                            ├ Wait    signals and timers decide
//!                            ├ Parked  a person decides
//!                            └ Final
//! ```

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use semver::{Version, VersionReq};

use crate::guard::Guard;
use crate::record::FailureKind;
use crate::refusal::{Code, Refusal};
use crate::schema::Schema;
use crate::typed_data::TypedData;
use crate::types::{Digest, Malformed, ModuleName, MsgState, MsgType, SignalName};

pub use file::WORKFLOW_BYTES_MAX;

/// The message type of signals. No workflow can be for it.
pub const SIGNAL_TYPE: &str = "signal";

/// A workflow that was read: its form is right. Whether it can do what it
/// promises, the checker says.
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
    /// For people.
    pub description: String,
    /// The state of a message that was just admitted.
    pub initial: MsgState,
    /// The message type's schema.
    pub schema: Schema,
    /// How the type's messages are signed as typed data; not so if none.
    pub typed_data: Option<Arc<TypedData>>,
    /// How signals to them are: of the same domain, but for its salt. There if
    /// `typed_data` are.
    pub signal_typed_data: Option<Arc<TypedData>>,
    /// What a message must fulfil beyond its schema.
    pub rules: Vec<Rule>,
    /// Validator modules that a message must pass, in their order.
    pub validators: Vec<ModuleSpec>,
    states: BTreeMap<MsgState, State>,
}

/// What every message of the type must fulfil, beyond its schema.
#[derive(Debug)]
pub struct Rule {
    /// True for a message that may pass; sees `message` alone.
    pub guard: Guard,
    /// What the client is told otherwise.
    pub detail: String,
    /// The place in the message that it is about.
    pub pointer: String,
}

/// A state as declared.
#[derive(Debug)]
pub struct State {
    /// For people.
    pub description: String,
    /// Where an operator's cancel takes a message from here; nowhere if none.
    pub cancel: Option<MsgState>,
    /// What moves a message on.
    pub kind: Kind,
}

/// What moves a message out of a state.
#[derive(Debug)]
pub enum Kind {
    /// An action decides.
    Invoke(Invoke),
    /// The first branch whose guard holds, at once. The last has no guard.
    Choose(Vec<Branch>),
    /// The first signal that is complete, or the first timer that is due.
    Wait(Wait),
    /// A person. Always back to where it came from, and to the states here.
    Parked(BTreeSet<MsgState>),
    /// Nothing: the message is done.
    Final,
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
    pub on_failure: OnFailure,
}

/// Where failures go.
#[derive(Debug)]
pub struct OnFailure {
    /// Those that have no way of their own.
    pub default: MsgState,
    /// By their kind.
    pub by_kind: BTreeMap<FailureKind, MsgState>,
}

impl OnFailure {
    /// Where a failure of this kind goes.
    #[must_use]
    pub fn target(&self, kind: FailureKind) -> &MsgState {
        self.by_kind.get(&kind).unwrap_or(&self.default)
    }
}

/// One branch of a choice.
#[derive(Debug)]
pub struct Branch {
    /// When it is taken; always if none. Sees `message`, `ext`, `now`.
    pub guard: Option<Guard>,
    /// Where it leads.
    pub target: MsgState,
}

/// What a message waits for.
#[derive(Debug)]
pub struct Wait {
    /// Signals by their name.
    pub on: BTreeMap<SignalName, On>,
    /// Timers, the shortest first. The last has no guard, so that every wait ends.
    pub after: Vec<After>,
}

/// A signal that a state waits for.
#[derive(Debug)]
pub struct On {
    /// Who may give it, and when. Sees `message`, `ext`, `signal`, `now`.
    pub guard: Guard,
    /// How many different signers must give it.
    pub quorum: u32,
    /// Where it leads.
    pub target: MsgState,
}

/// A timer, from the moment in which the state was entered.
#[derive(Debug)]
pub struct After {
    /// How long.
    pub delay: Duration,
    /// Whether it counts; always if none. Sees `message`, `ext`, and as `now` the
    /// time at which it is due.
    pub guard: Option<Guard>,
    /// Where it leads.
    pub target: MsgState,
}

/// Attempts and the delays between them.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The first attempt included.
    pub max_attempts: u32,
    /// The delay behind the first attempt.
    pub first_delay: Duration,
    /// Each delay is this many times the one before.
    pub factor: f64,
    /// No delay is longer.
    pub delay_max: Duration,
    /// The share of a delay, 0 to 1, that chance may take away.
    pub jitter: f64,
}

impl Retry {
    const NONE: Self = Self {
        max_attempts: 1,
        first_delay: Duration::ZERO,
        factor: 1.0,
        delay_max: Duration::ZERO,
        jitter: 0.0,
    };

    /// The delay behind this failed attempt, counted from 1. `chance` is any
    /// number that messages do not share; the same gives the same delay.
    #[must_use]
    pub fn delay(&self, attempt: u32, chance: u64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let full = self.first_delay.as_secs_f64() * self.factor.powi(exponent);
        // Compared as floats, because the product may be beyond any Duration.
        let bounded = full.min(self.delay_max.as_secs_f64());
        let share = self.jitter * (chance as f64 / u64::MAX as f64);
        Duration::from_secs_f64(bounded * (1.0 - share).clamp(0.0, 1.0))
    }

    /// All delays together, at most.
    #[must_use]
    pub fn delays_max(&self) -> Duration {
        let delays = (1..self.max_attempts).map(|attempt| self.delay(attempt, 0));
        delays.fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// A way out of a state.
#[derive(Debug, Clone)]
pub struct Exit<'w> {
    /// Where it leads.
    pub to: &'w MsgState,
    /// What takes it.
    pub by: By<'w>,
    /// Its place in the state, as a JSON Pointer.
    pub pointer: String,
}

/// What takes a way out of a state.
#[derive(Debug, Clone, Copy)]
pub enum By<'w> {
    /// The action's answer.
    Answer,
    /// A failure: of this kind, or of any other.
    Failure(Option<FailureKind>),
    /// The choice, with its guard.
    Choice(Option<&'w Guard>),
    /// A signal.
    Signal(&'w SignalName, &'w On),
    /// A timer.
    Timer(&'w After),
    /// An operator, out of a parked state.
    Redrive,
    /// An operator.
    Cancel,
}

impl State {
    /// All declared ways out, in the order of the file. The way back out of a
    /// parked state to where the message came from is not one of them.
    #[must_use]
    pub fn exits(&self) -> Vec<Exit<'_>> {
        fn exit<'w>(pointer: impl Into<String>, to: &'w MsgState, by: By<'w>) -> Exit<'w> {
            Exit { to, by, pointer: pointer.into() }
        }
        let mut exits: Vec<Exit<'_>> = match &self.kind {
            Kind::Invoke(invoke) => {
                let answers = invoke.targets.iter().enumerate();
                let answers = answers.map(|(i, to)| exit(format!("/targets/{i}"), to, By::Answer));
                let OnFailure { default, by_kind } = &invoke.on_failure;
                let at = if by_kind.is_empty() { "/on_failure" } else { "/on_failure/default" };
                let failures = by_kind.iter().map(|(kind, to)| {
                    exit(format!("/on_failure/{}", kind.as_str()), to, By::Failure(Some(*kind)))
                });
                answers.chain([exit(at, default, By::Failure(None))]).chain(failures).collect()
            }
            Kind::Choose(branches) => branches
                .iter()
                .enumerate()
                .map(|(i, b)| {
                    exit(format!("/choose/{i}/target"), &b.target, By::Choice(b.guard.as_ref()))
                })
                .collect(),
            Kind::Wait(wait) => {
                let on = wait.on.iter().map(|(name, on)| {
                    exit(format!("/on/{name}/target"), &on.target, By::Signal(name, on))
                });
                let after = wait.after.iter().enumerate().map(|(i, after)| {
                    exit(format!("/after/{i}/target"), &after.target, By::Timer(after))
                });
                on.chain(after).collect()
            }
            Kind::Parked(redrive) => {
                let redrive = redrive.iter().enumerate();
                redrive.map(|(i, to)| exit(format!("/redrive/{i}"), to, By::Redrive)).collect()
            }
            Kind::Final => Vec::new(),
        };
        exits.extend(self.cancel.iter().map(|to| exit("/cancel", to, By::Cancel)));
        exits
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
    /// The module with this content.
    #[must_use]
    pub fn exactly(name: ModuleName, digest: Digest) -> Self {
        Self { name, wanted: Wanted::Digest(digest) }
    }

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

impl Workflow {
    /// Reads a workflow as it is deployed.
    ///
    /// # Errors
    /// The strict parser's codes, `workflow_invalid` with every finding.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let workflow = file::read(text)?;
        workflow.check_names()?;
        Ok(workflow)
    }

    /// The state of this name.
    #[must_use]
    pub fn state(&self, name: &MsgState) -> Option<&State> {
        self.states.get(name)
    }

    /// All states, by name.
    pub fn states(&self) -> impl Iterator<Item = (&MsgState, &State)> {
        self.states.iter()
    }

    /// All states that have an action.
    pub fn invokes(&self) -> impl Iterator<Item = (&MsgState, &Invoke)> {
        self.states.iter().filter_map(|(name, state)| match &state.kind {
            Kind::Invoke(invoke) => Some((name, invoke)),
            _ => None,
        })
    }

    /// All modules that it names, actions and validators.
    pub fn modules(&self) -> impl Iterator<Item = &ModuleSpec> {
        self.invokes().map(|(_, invoke)| &invoke.module).chain(&self.validators)
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
        for (name, state) in &self.states {
            for Exit { to, pointer, .. } in state.exits() {
                check(format!("/states/{name}{pointer}"), to);
            }
        }
        if !refusal.errors.is_empty() {
            return Err(refusal);
        }
        match self.state(&self.initial).map(|state| &state.kind) {
            Some(Kind::Invoke(_) | Kind::Choose(_) | Kind::Wait(_)) => Ok(()),
            _ => Err(invalid("a message cannot start in a final or parked state")
                .at("/initial", "must name a state that moves")),
        }
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::WorkflowInvalid, detail)
}
