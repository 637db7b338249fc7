//! A guest's call: a fresh instance of each of the real actions, from the message to
//! its answer, on one thread and on two. Beside it the same calls with wasmtime as
//! it comes: no limits, no fuel, no clock, and memory given back after each call; and
//! hashing, which shares nothing with anybody, as what the machine itself gives.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use surety_core::effect::Closed;
use surety_core::machine::Call;
use surety_core::message::Message;
use surety_core::module::Module;
use surety_core::ports::Actions as _;
use surety_core::types::Digest;
use surety_sandbox::Sandbox;
use surety_tests::host::guests;
use tokio::runtime::Handle;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store};

use self::plain::surety::action::types;

/// How long each is measured.
const FOR: Duration = Duration::from_millis(1_500);

/// The contract with wasmtime's own defaults.
mod plain {
    #![allow(missing_docs, unreachable_pub, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/action-1.0.0",
        world: "action",
        ownership: Borrowing { duplicate_if_necessary: false },
    });

    pub struct Nothing;

    impl surety::action::types::Host for Nothing {}

    impl surety::action::log::Host for Nothing {
        fn write(&mut self, _: surety::action::log::Level, _: String) {}
    }
}

/// A call as the pipeline makes it.
pub struct Called {
    pub module: Arc<Module>,
    pub call: Call,
}

impl Called {
    /// The same call of another message.
    fn of_another(&self) -> Self {
        let Call { message, ext, .. } = &self.call;
        let message = Message { text: (&*message.text).into(), ..Message::clone(message) };
        let call = Call { message: message.into(), ext: (&**ext).into(), ..self.call.clone() };
        Self { module: Arc::clone(&self.module), call }
    }
}

/// Makes the call of a number, on a thread of a number.
type OneCall<'a> = &'a (dyn Fn(usize, usize) -> Result<()> + Sync);

/// What some threads did together.
struct Rate {
    per_second: f64,
    cpu_us: f64,
}

/// Calls a second of both on one thread and on two, and CPU time of a call.
pub fn measure(sandbox: &Sandbox, calls: &[Called]) -> Result<Value> {
    println!("\nguest calls          threads    calls/s  µs CPU a call  to one thread  by CPU");
    let plain = Plain::new(calls).map_err(foreign)?;
    let mut rows = Vec::new();
    let runtime = Handle::current();
    // As in the pipeline: what runs at the same time is of different messages.
    let own = [(); 2].map(|()| calls.iter().map(Called::of_another).collect::<Vec<_>>());
    let ours = |on: usize, n: usize| sandboxed(&runtime, sandbox, &own[on][n % calls.len()]);
    let default = |on: usize, n: usize| {
        let at = n % calls.len();
        plain.call(at, &own[on][at]).map_err(foreign)
    };
    // What two threads can do at most here: processors share more than they say.
    let block = [7; 4_096];
    let hash = |_: usize, _: usize| {
        std::hint::black_box(Digest::of(std::hint::black_box(&block)));
        Ok(())
    };
    let sides: [(&str, OneCall<'_>); 3] =
        [("sandbox", &ours), ("wasmtime's defaults", &default), ("hashing, no memory", &hash)];
    for (name, call) in sides {
        let one = threads(name, 1, call)?;
        let two = threads(name, 2, call)?;
        for (threads, rate) in [(1_u32, &one), (2, &two)] {
            let (per_second, cpu_us) = (rate.per_second, rate.cpu_us);
            let scale = per_second / one.per_second;
            // What it would be with the processors to itself.
            let by_cpu = f64::from(threads) * one.cpu_us / cpu_us;
            println!(
                "{name:<20} {threads:>7}  {per_second:>9.0}  {cpu_us:>13.1}  {scale:>13.2}  {by_cpu:>6.2}"
            );
            rows.push(json!({
                "side": name, "threads": threads, "calls_per_second": per_second,
                "cpu_us_per_call": cpu_us, "to_one_thread": scale, "to_one_thread_by_cpu": by_cpu,
            }));
        }
    }
    Ok(rows.into())
}

fn foreign(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

fn sandboxed(runtime: &Handle, sandbox: &Sandbox, called: &Called) -> Result<()> {
    let Called { module, call } = called;
    let ran = runtime.block_on(sandbox.run(module, call.clone(), Arc::new(Closed)))?;
    ran.outcome.map(|_| ()).map_err(|failure| anyhow::anyhow!("{failure:?}"))
}

/// Calls for a while on each of so many threads, named for a profiler.
fn threads(name: &str, count: usize, call: OneCall<'_>) -> Result<Rate> {
    let work = |on: usize| -> Result<(usize, f64, f64)> {
        (0..100).try_for_each(|n| call(on, n))?;
        let (started, cpu, mut calls) = (Instant::now(), thread_cpu()?, 0);
        while started.elapsed() < FOR {
            call(on, calls)?;
            calls += 1;
        }
        Ok((calls, thread_cpu()? - cpu, started.elapsed().as_secs_f64()))
    };
    let work = &work;
    let ended: Vec<_> = thread::scope(|scope| {
        let start = |on| {
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn_scoped(scope, move || work(on))
        };
        let all: Vec<_> = (0..count).map(start).collect();
        let all = all.into_iter().map(|thread| thread.expect("a thread can be started"));
        all.map(|thread| thread.join().expect("no call panics")).collect()
    });
    let mut rate = Rate { per_second: 0.0, cpu_us: 0.0 };
    for ended in ended {
        let (calls, cpu, seconds) = ended?;
        ensure!(calls > 0, "nothing was called");
        rate.per_second += calls as f64 / seconds;
        rate.cpu_us += cpu * 1e6 / calls as f64 / count as f64;
    }
    Ok(rate)
}

/// CPU seconds of this thread.
fn thread_cpu() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: f64 = text.split(' ').next().context("no figure")?.parse()?;
    Ok(nanos / 1e9)
}

/// The calls' actions in wasmtime as it comes.
struct Plain {
    engine: Engine,
    linked: Vec<plain::ActionPre<plain::Nothing>>,
}

impl Plain {
    fn new(calls: &[Called]) -> wasmtime::Result<Self> {
        let engine = Engine::default();
        let mut linker = Linker::new(&engine);
        plain::Action::add_to_linker::<_, HasSelf<_>>(&mut linker, |nothing| nothing)?;
        let link = |Called { module, .. }: &Called| {
            let file = guests().join(format!("{}.wasm", module.manifest.name));
            let component = Component::from_file(&engine, file)?;
            plain::ActionPre::new(linker.instantiate_pre(&component)?)
        };
        let linked = calls.iter().map(link).collect::<wasmtime::Result<_>>()?;
        Ok(Self { engine, linked })
    }

    fn call(&self, at: usize, Called { module, call }: &Called) -> wasmtime::Result<()> {
        let mut store = Store::new(&self.engine, plain::Nothing);
        let message = &call.message;
        let msg_id = message.msg_id.to_string();
        let message = types::Message {
            msg_id: &msg_id,
            msg_type: message.msg_type.as_str(),
            client_id: message.client_id.as_str(),
            creation_date: &message.creation_date,
            signer: &message.signer_text,
            text: &message.text,
        };
        let given = types::Call {
            message,
            state: call.state.as_str(),
            seq: call.seq,
            step: call.step,
            attempt: call.attempt,
            now_ms: call.now.as_millis(),
            ext: &call.ext,
            settings: &module.settings,
        };
        let action = self.linked[at].instantiate(&mut store)?;
        let answer = action.call_run(&mut store, given)?;
        answer.map(|_| ()).map_err(|failure| wasmtime::Error::msg(format!("{failure:?}")))
    }
}
