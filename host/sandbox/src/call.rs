//! One call: a fresh instance, from its first instruction to an end that is
//! always one of those in [`Ran`].

use std::sync::Arc;

use surety_core::machine::{Advance, Call, Ran};
use surety_core::module::Module;
use surety_core::ports::Fault;
use surety_core::record::{Failure, FailureKind};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::bindings::{Action, ActionPre, Failure as GuestFailure, surety::action::types};
use crate::engine::{ENGINE, TICK_MS};
use crate::guest::{Guest, TooManyCalls};
use crate::limits::Limits;
use crate::meter::HostMemory;

/// What wasmtime says when a guest hands over more than [`Limits::output_bytes_max`].
const OUTPUT_LIMIT: &str = "fuel allocated for hostcalls has been exhausted";

/// A module that is ready to be called.
pub(crate) struct Compiled {
    pre: ActionPre<Guest>,
    /// Its name and version, for the log.
    label: Arc<str>,
    limits: Limits,
    engine_name: Arc<str>,
}

impl Compiled {
    /// Links a component to what it may call.
    pub(crate) fn link(
        component: &wasmtime::component::Component,
        label: Arc<str>,
        limits: Limits,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(component.engine());
        Action::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
        let pre = ActionPre::new(linker.instantiate_pre(component)?)?;
        let engine_name = format!("{} {}", ENGINE.0, ENGINE.1).into();
        Ok(Self { pre, label, limits, engine_name })
    }

    /// Runs one call. A `Fault` is the host's own failure.
    pub(crate) async fn run(&self, module: &Module, call: &Call) -> Result<Ran, Fault> {
        let mut store = self.store(call).map_err(host_failure)?;
        let (msg_id, signer) = (call.message.msg_id.to_string(), call.message.signer.to_string());
        let given = types::Call {
            message: types::Message {
                msg_id: &msg_id,
                msg_type: call.message.msg_type.as_str(),
                client_id: call.message.client_id.as_str(),
                creation_date: &call.message.creation_date,
                signer: &signer,
                text: &call.message.text,
            },
            state: call.state.as_str(),
            seq: call.seq,
            step: call.step,
            attempt: call.attempt,
            now_ms: call.now.as_millis(),
            ext: &call.ext,
            settings: &module.settings,
        };
        let outcome = match self.pre.instantiate_async(&mut store).await {
            Ok(action) => {
                let answer = action.call_run(&mut store, given).await;
                answer.map_err(|error| self.failure(&error, &store, Phase::Running))
            }
            Err(error) => Err(self.failure(&error, &store, Phase::Starting)),
        };
        store.data().finish_log();
        // After a trap or a timeout a lower bound: the engine counts in a register
        // and writes it down at calls and returns.
        let fuel = self.limits.fuel_max.saturating_sub(store.get_fuel().unwrap_or(0));
        let outcome = match outcome {
            Ok(answer) => answer.map(taken).map_err(reason),
            Err(Stopped::Guest(failure)) => Err(failure),
            Err(Stopped::Host(fault)) => return Err(fault),
        };
        Ok(Ran { outcome, fuel, engine: Arc::clone(&self.engine_name) })
    }

    /// A store with all limits in force.
    fn store(&self, call: &Call) -> wasmtime::Result<Store<Guest>> {
        let engine: &Engine = self.pre.engine();
        let limits = self.limits;
        let guest = Guest::new(&self.label, call.message.msg_id, limits);
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.meter);
        store.set_fuel(limits.fuel_max)?;
        store.set_hostcall_fuel(limits.output_bytes_max);
        store.set_epoch_deadline(1);
        let mut ticks = limits.wall_ms_max.div_ceil(TICK_MS);
        store.epoch_deadline_callback(move |_| {
            ticks = ticks.saturating_sub(1);
            if ticks == 0 {
                return Ok(UpdateDeadline::Interrupt);
            }
            // wasmtime's own yield goes to the end of the runtime's queue, which
            // looks for input and for wake-ups from other threads only once in
            // dozens of turns. Behind tokio's it looks every time.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
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
        // A guest that was denied memory often knows no better than to trap.
        if let Some((name, value)) = store.data().meter.denied() {
            return limit(name, value);
        }
        let text = error.root_cause().to_string();
        if text.ends_with(OUTPUT_LIMIT) {
            return limit("output_bytes_max", self.limits.output_bytes_max as u64);
        }
        match (trap, phase) {
            (Some(trap), _) => {
                let text = trap.to_string();
                let name = text.strip_prefix("wasm trap: ").unwrap_or(&text);
                Stopped::Guest(Failure::new(FailureKind::Trap, name))
            }
            // What is left is text or a pointer that makes no sense.
            (None, Phase::Running) => {
                let detail = format!("what the action handed over cannot be read: {text}");
                Stopped::Guest(Failure::new(FailureKind::Trap, detail))
            }
            (None, Phase::Starting) => Stopped::Host(host_failure(error)),
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
