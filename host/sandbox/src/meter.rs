//! Counts what one instance allocates: all its memories and tables together.

use wasmtime::ResourceLimiter;

use crate::limits::Limits;

/// What the pool takes for a table element.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// What wasmtime says when a guest asks for more than its memory's type can
/// address. It says everything else that fails behind the meter's permission,
/// and those are the host's failures, in the same way.
const TYPE_LIMIT: &str = "memory growth exceeds memory type's limits";

/// The instance's account.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    used: usize,
    denied: Option<(&'static str, u64)>,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, used: 0, denied: None }
    }

    /// The limit that something was denied for, with its value.
    pub(crate) fn denied(&self) -> Option<(&'static str, u64)> {
        self.denied
    }

    /// What was taken so far, in bytes.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    fn memory_denied(&mut self) -> bool {
        self.denied = Some(("memory_bytes_max", self.limits.memory_bytes_max as u64));
        false
    }

    /// Takes `bytes` more, if there are so many left and the guest's own
    /// declaration allows it.
    fn take(&mut self, bytes: usize, declared: bool) -> bool {
        match self.used.checked_add(bytes) {
            Some(used) if used <= self.limits.memory_bytes_max => {
                if declared {
                    self.used = used;
                }
                declared
            }
            _ => self.memory_denied(),
        }
    }
}

/// The host has no memory left for what the guest may have.
#[derive(Debug, thiserror::Error)]
#[error("the host cannot give the memory that the limit allows")]
pub(crate) struct HostMemory(#[source] wasmtime::Error);

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let declared = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(self.take(desired.saturating_sub(current), declared))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if error.to_string() == TYPE_LIMIT {
            self.memory_denied();
            return Ok(());
        }
        // Seen by the guest this would make its answer depend on the host's
        // state, so it never sees it.
        Err(HostMemory(error).into())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.limits.table_elements_max {
            self.denied = Some(("table_elements_max", self.limits.table_elements_max as u64));
            return Ok(false);
        }
        let declared = maximum.is_none_or(|maximum| desired <= maximum);
        let bytes = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.take(bytes, declared))
    }

    fn instances(&self) -> usize {
        self.limits.core_instances_max as usize
    }

    fn tables(&self) -> usize {
        self.limits.tables_max as usize
    }

    fn memories(&self) -> usize {
        self.limits.memories_max as usize
    }
}
