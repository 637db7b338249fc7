//! What a module may use. Every limit has a value at all times; none can be
//! switched off.

use serde::{Deserialize, Serialize};
use surety_core::module::{ManifestLimits, World};
use thiserror::Error;

/// What a component, an instance and a call may use. A module's manifest
/// and the policy can lower what [`ManifestLimits`] names, and raise nothing.
///
/// Going over a limit fails the call with the limit's name, which is the name
/// of the field here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// All memories and tables of an instance together, in bytes.
    pub memory_bytes_max: usize,
    /// Elements of one table.
    pub table_elements_max: usize,
    /// Memories of a component.
    pub memories_max: u32,
    /// Tables of a component.
    pub tables_max: u32,
    /// Core module instances of a component.
    pub core_instances_max: u32,
    /// Fuel of a call: one unit an instruction, and one a byte or table element
    /// that a bulk instruction moves.
    pub fuel_max: u64,
    /// Milliseconds of a call, counted while it has a processor, so that a
    /// looping neighbour does not use up the time of others.
    pub wall_ms_max: u64,
    /// Fuel of a validator's call, which a submission waits for.
    pub validator_fuel_max: u64,
    /// Milliseconds of a validator's call.
    pub validator_wall_ms_max: u64,
    /// The guest's call stack, in bytes.
    pub stack_bytes_max: usize,
    /// What the guest hands to the host at once, in bytes: its answer (state,
    /// patch and note together), or the text of one log line.
    pub output_bytes_max: usize,
    /// Log lines of a call. Further ones are dropped and counted.
    pub log_lines_max: u32,
    /// Log text of a call, in bytes. Further text is cut off.
    pub log_bytes_max: usize,
    /// Calls to the host in one call, those for log lines included.
    pub host_calls_max: u32,
    /// Resources that a guest holds at the same time: its own, and what belongs to a
    /// request. Each is an entry in a table of the host's.
    pub handles_max: u32,
    /// HTTP requests of a call.
    pub http_requests_max: u32,
    /// Requests and responses of a call together, in bytes: heads and bodies. They
    /// are kept in the message's history.
    pub http_bytes_max: usize,
    /// Milliseconds that a call waits for responses, all together. That time does
    /// not count as the call's own.
    pub http_ms_max: u64,
    /// The component's file, in bytes.
    pub component_bytes_max: usize,
    /// Calls of the modules of one name at the same time. The messages of further
    /// ones come again later.
    pub module_calls_max: u32,
    /// Calls of the modules of one name that begin in a second; the same.
    pub module_calls_per_second_max: u32,
    /// Calls at the same time. Further ones wait for their turn.
    pub concurrency: u32,
}

impl Default for Limits {
    /// What a host without configuration enforces.
    fn default() -> Self {
        Self {
            // A Rust guest needs 1 to 2 MiB, Python about 40.
            memory_bytes_max: 64 << 20,
            // LLVM and the scripting engines stay below 20,000 functions.
            table_elements_max: 1 << 17,
            // One for the guest, and one for each adapter that it was linked with.
            memories_max: 4,
            tables_max: 16,
            // componentize-py makes a little above 38.
            core_instances_max: 64,
            // 5,000 times what the dearest action of the demo uses.
            fuel_max: 1_000_000_000,
            // Above what the fuel lasts for, so that what stops is the fuel,
            // which reproduces, and not the clock, which does not.
            wall_ms_max: 5_000,
            // Some ten milliseconds, and 50 times what the demo's validator uses.
            validator_fuel_max: 20_000_000,
            validator_wall_ms_max: 250,
            // wasmtime's own default; a few thousand frames.
            stack_bytes_max: 512 << 10,
            // Twice the largest Msg_Ext, so that its limit speaks first.
            output_bytes_max: 512 << 10,
            // A log is for tracing a failure, not for data.
            log_lines_max: 100,
            log_bytes_max: 16 << 10,
            host_calls_max: 1_000,
            // Each request is some ten of them.
            handles_max: 1_000,
            // An action is one step; what needs more is more than one.
            http_requests_max: 16,
            // As large as the largest Msg_Ext: it is kept with the message.
            http_bytes_max: 256 << 10,
            // As long as most services' own limit.
            http_ms_max: 30_000,
            // componentize-py makes 18 MiB.
            component_bytes_max: 32 << 20,
            // A quarter of all, so that one module cannot keep all others waiting.
            module_calls_max: 64,
            // A third of what one machine moves messages in all.
            module_calls_per_second_max: 10_000,
            // More than the workers of any one machine have in hand.
            concurrency: 256,
        }
    }
}

/// A limit that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the limit `{name}` is {value}; it must be {least} to {most}")]
pub struct LimitError {
    name: &'static str,
    value: u64,
    least: u64,
    most: u64,
}

impl LimitError {
    /// The first of names, values and their least and most that is out of its range.
    pub(crate) fn first(
        ranges: impl IntoIterator<Item = (&'static str, u64, u64, u64)>,
    ) -> Result<(), Self> {
        let mut ranges = ranges.into_iter();
        match ranges.find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => Err(Self { name, value, least, most }),
            None => Ok(()),
        }
    }
}

/// The smallest memory that a guest can have: one page.
const PAGE_BYTES: u64 = 64 << 10;
/// What 32 bits can address; modules with 64-bit memories are refused.
const MEMORY_BYTES: u64 = 4 << 30;
/// Memories that pools have room for, all together: each reserves 4 GiB of the 128 TiB of
/// addresses that a process has, and other things need some too.
const POOL_MEMORIES: u64 = 16 << 10;
/// Where a stack stops to be one; it is reserved for each concurrent call.
const STACK_BYTES: u64 = 64 << 20;
/// The module format's own bounds.
const FORMAT_TABLE_ELEMENTS: u64 = 10_000_000;
const FORMAT_ITEMS: u64 = 10_000;
/// The largest file that is read into memory as a whole.
const COMPONENT_BYTES: u64 = 1 << 30;
/// Where a call stops to be one step: its requests, the hour it waits for them,
/// and what of it one record can hold.
const HTTP_REQUESTS: u64 = 1_000;
const HTTP_MS: u64 = 3_600_000;
const HTTP_BYTES: u64 = 16 << 20;
/// Where a rate stops to be one.
const MILLION: u64 = 1_000_000;
/// Where a time, a count or an amount of fuel stops to be a limit.
const AMOUNT: u64 = 1 << 53;

impl Limits {
    /// Whether a sandbox can be built that keeps them.
    ///
    /// # Errors
    /// The first limit that is out of its range.
    pub fn check(&self) -> Result<(), LimitError> {
        let ranges = [
            ("memory_bytes_max", self.memory_bytes_max as u64, PAGE_BYTES, MEMORY_BYTES),
            ("table_elements_max", self.table_elements_max as u64, 1, FORMAT_TABLE_ELEMENTS),
            ("memories_max", self.memories_max.into(), 1, 100),
            ("tables_max", self.tables_max.into(), 1, FORMAT_ITEMS),
            ("core_instances_max", self.core_instances_max.into(), 1, FORMAT_ITEMS),
            ("fuel_max", self.fuel_max, 1, AMOUNT),
            ("wall_ms_max", self.wall_ms_max, 1, AMOUNT),
            ("validator_fuel_max", self.validator_fuel_max, 1, AMOUNT),
            ("validator_wall_ms_max", self.validator_wall_ms_max, 1, AMOUNT),
            ("stack_bytes_max", self.stack_bytes_max as u64, PAGE_BYTES, STACK_BYTES),
            ("output_bytes_max", self.output_bytes_max as u64, 1, MEMORY_BYTES),
            ("log_lines_max", self.log_lines_max.into(), 0, AMOUNT),
            ("log_bytes_max", self.log_bytes_max as u64, 0, MEMORY_BYTES),
            ("host_calls_max", self.host_calls_max.into(), 0, AMOUNT),
            ("handles_max", self.handles_max.into(), 0, MILLION),
            ("http_requests_max", self.http_requests_max.into(), 0, HTTP_REQUESTS),
            ("http_bytes_max", self.http_bytes_max as u64, 0, HTTP_BYTES),
            ("http_ms_max", self.http_ms_max, 1, HTTP_MS),
            ("component_bytes_max", self.component_bytes_max as u64, 1, COMPONENT_BYTES),
            ("module_calls_max", self.module_calls_max.into(), 1, POOL_MEMORIES),
            ("module_calls_per_second_max", self.module_calls_per_second_max.into(), 1, MILLION),
            (
                "concurrency",
                self.concurrency.into(),
                1,
                POOL_MEMORIES / u64::from(self.memories_max.max(1)),
            ),
        ];
        LimitError::first(ranges)
    }

    /// How many pools have room in what a process can address; one at least.
    pub(crate) fn pools_max(&self) -> usize {
        let each = u64::from(self.concurrency) * u64::from(self.memories_max.max(1));
        usize::try_from(POOL_MEMORIES / each.max(1)).unwrap_or(usize::MAX).max(1)
    }

    /// The limits of modules of a world.
    #[must_use]
    pub fn of_world(self, world: World) -> Self {
        match world {
            World::Action => self,
            World::Validator => Self {
                fuel_max: self.fuel_max.min(self.validator_fuel_max),
                wall_ms_max: self.wall_ms_max.min(self.validator_wall_ms_max),
                ..self
            },
        }
    }

    /// The limits of a module: these, lowered by its manifest or a policy.
    pub(crate) fn lowered(self, by: &ManifestLimits) -> Self {
        Self {
            memory_bytes_max: least(self.memory_bytes_max, by.memory_bytes_max),
            fuel_max: least(self.fuel_max, by.fuel_max),
            wall_ms_max: least(self.wall_ms_max, by.wall_ms_max),
            output_bytes_max: least(self.output_bytes_max, by.output_bytes_max),
            log_lines_max: least(self.log_lines_max, by.log_lines_max),
            log_bytes_max: least(self.log_bytes_max, by.log_bytes_max),
            host_calls_max: least(self.host_calls_max, by.host_calls_max),
            http_requests_max: least(self.http_requests_max, by.http_requests_max),
            http_bytes_max: least(self.http_bytes_max, by.http_bytes_max),
            http_ms_max: least(self.http_ms_max, by.http_ms_max),
            module_calls_max: least(self.module_calls_max, by.module_calls_max),
            module_calls_per_second_max: least(
                self.module_calls_per_second_max,
                by.module_calls_per_second_max,
            ),
            ..self
        }
    }
}

/// The lower one. What does not fit the host's type is above the host's value.
fn least<T: Ord + TryFrom<u64>>(host: T, other: Option<u64>) -> T {
    match other.and_then(|other| T::try_from(other).ok()) {
        Some(other) => host.min(other),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_kept() {
        Limits::default().check().unwrap();
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        let limits = Limits { fuel_max: 0, ..Limits::default() };
        let error = limits.check().unwrap_err().to_string();
        assert_eq!(error, "the limit `fuel_max` is 0; it must be 1 to 9007199254740992");
        let limits = Limits { concurrency: 5_000, ..Limits::default() };
        let error = limits.check().unwrap_err().to_string();
        assert_eq!(error, "the limit `concurrency` is 5000; it must be 1 to 4096");
    }

    #[test]
    fn a_manifest_lowers_and_never_raises() {
        let host = Limits::default();
        let manifest = ManifestLimits {
            memory_bytes_max: Some(1 << 20),
            fuel_max: Some(u64::MAX),
            host_calls_max: Some(1 << 40),
            http_requests_max: Some(0),
            ..ManifestLimits::default()
        };
        let expected = Limits { memory_bytes_max: 1 << 20, http_requests_max: 0, ..host };
        assert_eq!(host.lowered(&manifest), expected);
    }
}
