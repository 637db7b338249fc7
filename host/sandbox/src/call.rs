//! One call of an action or a validator: a fresh instance, from its first
//! instruction to an end that is always an answer or a failure.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use surety_core::effect::{self, Closed, Outside};
use surety_core::machine::{Advance, Call, Ran};
use surety_core::message::Message;
use surety_core::module::{Module, World};
use surety_core::ports::Fault;
use surety_core::record::{Failure, FailureKind};
use surety_core::refusal::Finding;
use surety_core::schema::FINDINGS_MAX;
use surety_core::text::line;
use surety_core::types::Time;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::bindings::validator::ValidatorPre;
use crate::bindings::validator::surety::action::validation::{Finding as Found, Submission};
use crate::bindings::{Action, ActionPre, Failure as GuestFailure, surety::action::types};
use crate::engine::{ENGINE, here};
use crate::entry::Entry;
use crate::guest::{Guest, GuestLog, TooManyCalls};
use crate::inspect::Imports;
use crate::lane::Crowded;
use crate::limits::Limits;
use crate::meter::HostMemory;
use crate::wasi::{self, Halted, Reached, Wasi};

/// What wasmtime says when a guest hands over more than [`Limits::output_bytes_max`].
const OUTPUT_LIMIT: &str = "fuel allocated for hostcalls has been exhausted";

/// What it says when a guest holds more than [`Limits::handles_max`].
const HANDLE_LIMIT: &str = "store handle limit exceeded";

/// The longest pointer or detail of a validator's finding, in bytes.
const FINDING_BYTES_MAX: usize = 512;

/// A module that is ready to be called.
pub(crate) struct Compiled {
    pre: Pre,
    /// Its name and version, for the log.
    label: Arc<str>,
    limits: Limits,
    log: Option<Arc<dyn GuestLog>>,
    engine_name: Arc<str>,
}

/// A call that ended, and what its instance took.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How it ended, and its fuel.
    pub ran: Ran,
    /// All memories and tables of the instance when it ended, in bytes. They never
    /// shrink, so it is also the most that there was.
    pub memory_bytes: usize,
}

/// A validator's look at a message that ended, and what its instance took.
#[derive(Debug, Clone)]
pub struct Validated {
    /// What it finds, or why it came to no end.
    pub found: Result<Vec<Finding>, Failure>,
    /// Fuel used.
    pub fuel: u64,
    /// As in [`Measured`].
    pub memory_bytes: usize,
}

/// A linked component on each engine that it is on, by what it implements.
enum Pre {
    Action(Vec<ActionPre<Guest>>),
    Validator(Vec<ValidatorPre<Guest>>),
    /// An action that asks for requests and is granted none: it is not linked, and
    /// does not run.
    Denied,
}

impl Compiled {
    /// What its calls may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Links a component to what it may call.
    pub(crate) fn link(
        loaded: &[Component],
        module: &Module,
        imports: Imports,
        label: Arc<str>,
        limits: Limits,
        log: Option<Arc<dyn GuestLog>>,
    ) -> wasmtime::Result<Self> {
        let linked = |component: &Component| {
            let mut linker = Linker::new(component.engine());
            // Both worlds import the same.
            Action::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
            if imports.wasi {
                wasi::add_deterministic(&mut linker)?;
            }
            if imports.http {
                wasi::add_http(&mut linker)?;
            }
            linker.instantiate_pre(component)
        };
        let linked = loaded.iter().map(linked);
        let pre = match module.manifest.world {
            _ if imports.http && module.grant.http.is_empty() => Pre::Denied,
            World::Action => {
                Pre::Action(linked.map(|pre| ActionPre::new(pre?)).collect::<Result<_, _>>()?)
            }
            World::Validator => {
                Pre::Validator(linked.map(|pre| ValidatorPre::new(pre?)).collect::<Result<_, _>>()?)
            }
        };
        let engine_name = format!("{} {}", ENGINE.0, ENGINE.1).into();
        Ok(Self { pre, label, limits, log, engine_name })
    }

    /// Runs one call of an action. A `Fault` is the host's own failure.
    pub(crate) async fn run(
        &self,
        module: &Module,
        call: &Call,
        outside: Arc<dyn Outside>,
        entry: &Entry,
    ) -> Result<Measured, Fault> {
        let not_run = |kind, detail: &str| Measured {
            ran: self.ran(Err(Failure::new(kind, detail)), 0),
            memory_bytes: 0,
        };
        let pre = match &self.pre {
            Pre::Action(pre) => here(pre),
            Pre::Validator(_) => {
                return Ok(not_run(FailureKind::Missing, "the module is a validator"));
            }
            Pre::Denied => {
                let detail = "the policy grants the module none of the requests that it asks for";
                return Ok(not_run(FailureKind::Denied, detail));
            }
        };
        let wasi = Wasi::of(call, outside, self.limits);
        let store = self.store(pre.engine(), &call.message, wasi, entry);
        let mut store = store.map_err(host_failure)?;
        let message = Lent::of(&call.message);
        let given = types::Call {
            message: message.lend(),
            state: call.state.as_str(),
            seq: call.seq,
            step: call.step,
            attempt: call.attempt,
            now_ms: call.now.as_millis(),
            ext: &call.ext,
            settings: &module.settings,
        };
        let ended = match pre.instantiate_async(&mut store).await {
            Ok(action) => {
                let answer = action.call_run(&mut store, given).await;
                answer.map_err(|error| (error, Phase::Running))
            }
            Err(error) => Err((error, Phase::Starting)),
        };
        let answer = self.end(ended, &store, entry)?;
        let outcome = answer.and_then(|answer| answer.map(taken).map_err(reason));
        let ran = self.ran(outcome, self.fuel(&store));
        Ok(Measured { ran, memory_bytes: store.data().meter.used() })
    }

    /// Runs a validator on a message.
    pub(crate) async fn validate(
        &self,
        module: &Module,
        message: &Message,
        now: Time,
        entry: &Entry,
    ) -> Result<Validated, Fault> {
        let Pre::Validator(pre) = &self.pre else {
            let found = Err(Failure::new(FailureKind::Missing, "the module is an action"));
            return Ok(Validated { found, fuel: 0, memory_bytes: 0 });
        };
        let pre = here(pre);
        let wasi = Wasi::new(Arc::new(Closed), message.msg_id, 0, now, self.limits);
        let mut store = self.store(pre.engine(), message, wasi, entry).map_err(host_failure)?;
        let lent = Lent::of(message);
        let given = Submission {
            message: lent.lend(),
            now_ms: now.as_millis(),
            settings: &module.settings,
        };
        let ended = match pre.instantiate_async(&mut store).await {
            Ok(validator) => {
                let answer = validator.call_validate(&mut store, given).await;
                answer.map_err(|error| (error, Phase::Running))
            }
            Err(error) => Err((error, Phase::Starting)),
        };
        let answer = self.end(ended, &store, entry)?;
        let found = answer.map(|found| found.into_iter().take(FINDINGS_MAX).map(finding).collect());
        let memory_bytes = store.data().meter.used();
        Ok(Validated { found, fuel: self.fuel(&store), memory_bytes })
    }

    fn ran(&self, outcome: Result<Advance, Failure>, fuel: u64) -> Ran {
        Ran { outcome, fuel, engine: Arc::clone(&self.engine_name), effects: Vec::new() }
    }

    /// What a call used. After a trap or a timeout a lower bound: the engine
    /// counts in a register and writes it down at calls and returns.
    fn fuel(&self, store: &Store<Guest>) -> u64 {
        self.limits.fuel_max.saturating_sub(store.get_fuel().unwrap_or(0))
    }

    /// Whatever ended a call: an answer, the guest's failure, or the host's.
    fn end<T>(
        &self,
        ended: Result<T, (wasmtime::Error, Phase)>,
        store: &Store<Guest>,
        entry: &Entry,
    ) -> Result<Result<T, Failure>, Fault> {
        store.data().finish_log();
        if let Err((error, _)) = &ended
            && error.is::<Crowded>()
        {
            return Err(entry.put_off());
        }
        match ended.map_err(|(error, phase)| self.failure(&error, store, phase)) {
            Ok(answer) => Ok(Ok(answer)),
            Err(Stopped::Guest(failure)) => Ok(Err(failure)),
            Err(Stopped::Host(fault)) => Err(fault),
        }
    }

    /// A store with all limits in force.
    fn store(
        &self,
        engine: &Engine,
        message: &Message,
        wasi: Wasi,
        entry: &Entry,
    ) -> wasmtime::Result<Store<Guest>> {
        let limits = self.limits;
        let guest = Guest::new(&self.label, message.msg_id, limits, self.log.clone(), wasi);
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.meter);
        store.set_fuel(limits.fuel_max)?;
        store.set_hostcall_fuel(limits.output_bytes_max);
        store.set_max_component_handles(limits.handles_max as usize);
        store.set_epoch_deadline(1);
        let (own, wall_max) = (entry.clone(), Duration::from_millis(limits.wall_ms_max));
        store.epoch_deadline_callback(move |_| {
            if own.used() >= wall_max {
                return Ok(UpdateDeadline::Interrupt);
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(own.yield_thread()?)))
        });
        Ok(store)
    }

    /// Why a guest did not come to its end.
    fn failure(&self, error: &wasmtime::Error, store: &Store<Guest>, phase: Phase) -> Stopped {
        if error.is::<HostMemory>() || error.is::<PoolConcurrencyLimitError>() {
            return Stopped::Host(host_failure(error));
        }
        let limit = |name, value| Stopped::Guest(reached(FailureKind::Limit, name, value));
        let trap = error.downcast_ref::<Trap>();
        match trap {
            Some(Trap::OutOfFuel) => return limit("fuel_max", self.limits.fuel_max),
            Some(Trap::Interrupt) => {
                let wall_ms_max = self.limits.wall_ms_max;
                return Stopped::Guest(reached(FailureKind::Timeout, "wall_ms_max", wall_ms_max));
            }
            _ => {}
        }
        if let Some(TooManyCalls(max)) = error.downcast_ref() {
            return limit("host_calls_max", (*max).into());
        }
        if let Some(Reached(name, max)) = error.downcast_ref() {
            return limit(name, *max);
        }
        match error.downcast_ref() {
            Some(Halted(effect::Stopped::Failed(failure))) => {
                return Stopped::Guest(failure.clone());
            }
            Some(Halted(effect::Stopped::Fault(fault))) => return Stopped::Host(fault.clone()),
            None => {}
        }
        // A guest that was denied memory often knows no better than to trap.
        if let Some((name, value)) = store.data().meter.denied() {
            return limit(name, value);
        }
        let text = error.root_cause().to_string();
        if text.ends_with(OUTPUT_LIMIT) {
            return limit("output_bytes_max", self.limits.output_bytes_max as u64);
        }
        if text.ends_with(HANDLE_LIMIT) {
            return limit("handles_max", self.limits.handles_max.into());
        }
        if let Some(trap) = trap {
            let text = trap.to_string();
            let name = text.strip_prefix("wasm trap: ").unwrap_or(&text);
            return Stopped::Guest(Failure::new(FailureKind::Trap, name));
        }
        if matches!(phase, Phase::Starting) && (self.fuel(store) == 0 || is_of_system(error)) {
            return Stopped::Host(host_failure(error));
        }
        // What is left is text or a pointer that makes no sense. A guest can hand it over
        // before it is called, from its start function, which uses fuel.
        let detail = format!("what the action handed over cannot be read: {text}");
        Stopped::Guest(Failure::new(FailureKind::Trap, detail))
    }
}

/// Whether the system refused something, which no guest can make it do: instances that
/// start behind each other are allocated one by one.
fn is_of_system(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.is::<io::Error>() || cause.is::<rustix::io::Errno>())
}

/// What a message's record in WIT borrows from.
struct Lent<'a> {
    message: &'a Message,
    msg_id: String,
}

impl<'a> Lent<'a> {
    fn of(message: &'a Message) -> Self {
        Self { message, msg_id: message.msg_id.to_string() }
    }

    fn lend(&self) -> types::Message<'_> {
        let Self { message, msg_id } = self;
        types::Message {
            msg_id,
            msg_type: message.msg_type.as_str(),
            client_id: message.client_id.as_str(),
            creation_date: &message.creation_date,
            signer: &message.signer_text,
            text: &message.text,
        }
    }
}

/// How far an instance had come.
#[derive(Clone, Copy)]
enum Phase {
    Starting,
    Running,
}

/// Who is to blame.
enum Stopped {
    Guest(Failure),
    Host(Fault),
}

fn reached(kind: FailureKind, name: &str, value: u64) -> Failure {
    Failure::new(kind, format!("the limit `{name}` of {value} is reached"))
}

fn host_failure(error: impl std::borrow::Borrow<wasmtime::Error>) -> Fault {
    Fault::Unavailable(format!("the sandbox failed: {:#}", error.borrow()))
}

fn taken(advance: types::Advance) -> Advance {
    let types::Advance { state, ext_patch, note } = advance;
    Advance { state, ext_patch, note }
}

fn reason(failure: GuestFailure) -> Failure {
    match failure {
        GuestFailure::Transient(reason) => Failure::new(FailureKind::Transient, reason),
        GuestFailure::Permanent(reason) => Failure::new(FailureKind::Permanent, reason),
    }
}

/// What a validator says, as lines that a client may see.
fn finding(found: Found) -> Finding {
    let Found { pointer, detail } = found;
    Finding { pointer: line(&pointer, FINDING_BYTES_MAX), detail: line(&detail, FINDING_BYTES_MAX) }
}
