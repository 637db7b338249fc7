//! What compiling a component may use.

use serde::{Deserialize, Serialize};

use crate::limits::LimitError;

/// What the process that compiles may use. A component that takes more is refused,
/// with the limit's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompileLimits {
    /// Address space, in bytes: that of the program itself included.
    pub memory_bytes_max: u64,
    /// Seconds of processor time.
    pub cpu_s_max: u64,
    /// Milliseconds from start to end.
    pub wall_ms_max: u64,
    /// What the component becomes, in bytes.
    pub output_bytes_max: usize,
}

impl Default for CompileLimits {
    /// What a host without configuration enforces.
    fn default() -> Self {
        Self {
            // Ten times what SpiderMonkey (12 MB) and CPython (19 MB) need, 0.4 GiB.
            memory_bytes_max: 4 << 30,
            // Twice what the largest scripting engines take on two busy processors:
            // SpiderMonkey 27 s, CPython 22 s.
            cpu_s_max: 60,
            // The same with as much work beside it on the processor.
            wall_ms_max: 120_000,
            // Code grows to a few times the component's size.
            output_bytes_max: 256 << 20,
        }
    }
}

/// What the program needs for itself.
const PROGRAM_BYTES: u64 = 256 << 20;
/// Where an amount stops to be a limit: 1 TiB, an hour.
const MEMORY_BYTES: u64 = 1 << 40;
const HOUR_S: u64 = 3_600;
/// What is read into memory as a whole.
const OUTPUT_BYTES: u64 = 4 << 30;

impl CompileLimits {
    /// Whether a compiler can run within them.
    ///
    /// # Errors
    /// The first limit that is out of its range.
    pub fn check(&self) -> Result<(), LimitError> {
        LimitError::first([
            ("memory_bytes_max", self.memory_bytes_max, PROGRAM_BYTES, MEMORY_BYTES),
            ("cpu_s_max", self.cpu_s_max, 1, HOUR_S),
            ("wall_ms_max", self.wall_ms_max, 1, HOUR_S * 1_000),
            ("output_bytes_max", self.output_bytes_max as u64, 1, OUTPUT_BYTES),
        ])
    }
}
