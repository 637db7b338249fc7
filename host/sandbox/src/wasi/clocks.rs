//! Clocks that stand at the call's recorded time. Only a timer that is waited for
//! moves the monotonic one.

use wasmtime::component::Resource;

use super::Pollable;
use super::bindings::wasi::clocks as wit;
use crate::guest::Guest;

/// What the clocks can tell apart: the recorded time is in milliseconds.
const RESOLUTION_NS: u64 = 1_000_000;

impl Guest {
    pub(super) fn monotonic_ns(&self) -> u64 {
        self.wasi.now.as_millis().saturating_mul(RESOLUTION_NS).saturating_add(self.wasi.slept_ns)
    }

    /// Lets the time pass until then, at once.
    pub(super) fn sleep_until(&mut self, ns: u64) {
        self.wasi.slept_ns += ns.saturating_sub(self.monotonic_ns());
    }
}

impl wit::wall_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<wit::wall_clock::Datetime> {
        self.count_call()?;
        let millis = self.wasi.now.as_millis();
        let nanoseconds = u32::try_from(millis % 1_000).unwrap_or(0) * 1_000_000;
        Ok(wit::wall_clock::Datetime { seconds: millis / 1_000, nanoseconds })
    }

    fn resolution(&mut self) -> wasmtime::Result<wit::wall_clock::Datetime> {
        self.count_call()?;
        Ok(wit::wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl wit::monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.count_call()?;
        Ok(self.monotonic_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        self.count_call()?;
        Ok(RESOLUTION_NS)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.count_call()?;
        Ok(self.wasi.table.push(Pollable::At(when))?)
    }

    fn subscribe_duration(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.count_call()?;
        let at = self.monotonic_ns().saturating_add(when);
        Ok(self.wasi.table.push(Pollable::At(at))?)
    }
}
