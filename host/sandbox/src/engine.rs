//! The engines, deterministic and fast, and the clock that interrupts their guests.
//!
//! There are several, all alike, because the instances of one share its pool's locks
//! and its counters: a call runs on that of the processor it begins on.

use std::io;
use std::num::NonZero;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmparser::WasmFeatures;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::Limits;

/// The engine and its version, as records name it.
pub(crate) const ENGINE: (&str, &str) = ("wasmtime", wasmtime_environ::VERSION);

/// How often a guest yields to others: the delay that one looping guest can add
/// to the next message on its thread. A thousand wake-ups a second cost about
/// 2 % of a processor under load, by the benchmark.
pub(crate) const TICK_MS: u64 = 1;

/// What stays mapped of a used memory, instead of being given back to the
/// kernel and faulted in again by the next call. Covers all that an ordinary
/// call writes: with it a fresh instance costs a third.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

/// The same for tables, which are smaller.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;

/// Stack beside the guest's own, for the host's functions that it calls. The
/// log subscriber runs there.
const HOST_STACK_BYTES: usize = 1 << 20;

/// The metadata of one component or core instance. 18 MiB of Python need less
/// than half.
const INSTANCE_BYTES_MAX: usize = 1 << 20;

/// The most engines. Each holds the code of every small module and keeps memories of
/// its own warm; four processors on one engine get in each other's way a little.
const ENGINES_MAX: usize = 4;

/// Code that is larger is on the first engine alone: what a scripting engine compiles
/// to has tens of MB, and its calls take so long that what they share is nothing.
pub(crate) const SMALL_CODE_BYTES_MAX: usize = 4 << 20;

/// What guests are built from: WebAssembly 2.0 and what today's toolchains add.
/// No threads, garbage collection, exceptions, 64-bit memory or asynchronous
/// components: no guest needs them, and each is more to trust.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        .difference(WasmFeatures::GC_TYPES)
        .union(WasmFeatures::TAIL_CALL)
        .union(WasmFeatures::EXTENDED_CONST)
        .union(WasmFeatures::MULTI_MEMORY)
        .union(WasmFeatures::RELAXED_SIMD)
        .union(WasmFeatures::COMPONENT_MODEL)
}

/// Builds the engines that run guests, as many as processors can use. Each has room
/// for all calls, because they may come to run on any.
pub(crate) fn build(limits: &Limits) -> wasmtime::Result<Vec<Engine>> {
    let mut config = config(limits);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let count = processors.min(ENGINES_MAX).min(limits.pools_max());
    (0..count).map(|_| Engine::new(&config)).collect()
}

/// That of these, one for each engine or a single one, which is for the processor on
/// which this thread runs now.
pub(crate) fn here<T>(each: &[T]) -> &T {
    &each[processor() % each.len()]
}

#[cfg(target_os = "linux")]
fn processor() -> usize {
    rustix::thread::sched_getcpu()
}

#[cfg(not(target_os = "linux"))]
fn processor() -> usize {
    0
}

/// Builds the engine that compiles for it: the same without the pool, which takes
/// more addresses than a compiler may have, and on one processor, so that the others
/// stay free for messages.
pub(crate) fn compiler(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = config(limits);
    config.parallel_compilation(false);
    Engine::new(&config)
}

/// What both have in common, which is all that code depends on.
fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(features(), true);
    config.concurrency_support(false);

    // The same call gives the same answer, on every machine.
    config.consume_fuel(true);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);

    config.epoch_interruption(true);
    config.max_wasm_stack(limits.stack_bytes_max);
    config.async_stack_size(limits.stack_bytes_max + HOST_STACK_BYTES);

    // Nobody reads a guest's backtrace; without the map modules are smaller.
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);

    config.memory_init_cow(true);
    config
}

/// Room for `concurrency` instances of the largest component.
fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let total = |each: u32| limits.concurrency.saturating_mul(each);
    pool.total_component_instances(limits.concurrency)
        .total_stacks(limits.concurrency)
        .total_core_instances(total(limits.core_instances_max))
        .total_memories(total(limits.memories_max))
        .total_tables(total(limits.tables_max))
        .max_core_instances_per_component(limits.core_instances_max)
        .max_memories_per_component(limits.memories_max)
        .max_memories_per_module(limits.memories_max)
        .max_tables_per_component(limits.tables_max)
        .max_tables_per_module(limits.tables_max)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .table_elements(limits.table_elements_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes);
    } else {
        tracing::warn!(
            "this kernel has no PAGEMAP_SCAN (Linux 6.7 has): actions run, but each call costs more"
        );
    }
    pool
}

/// The clock that interrupts the guests of all engines: a thread, as long as this lives.
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engines: Vec<Engine>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let tick = Duration::from_millis(TICK_MS);
        let thread = thread::Builder::new().name("surety-epoch".to_owned()).spawn(move || {
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                engines.iter().for_each(Engine::increment_epoch);
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it cannot panic
        }
    }
}
