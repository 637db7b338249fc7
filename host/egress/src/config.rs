//! The bounds of the way out.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What holds for all requests together. What one call may use is the sandbox's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// Certificate authorities beside the public ones, in PEM; empty for none.
    pub ca_file: PathBuf,
    /// Milliseconds for name, connection and TLS together, of each hop.
    pub connect_ms_max: u64,
    /// Redirects of one request.
    pub redirects_max: u32,
    /// Requests under way at once.
    pub connections_max: usize,
    /// Requests of one module under way at once.
    pub connections_per_module_max: usize,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            ca_file: PathBuf::new(),
            connect_ms_max: 5_000,
            redirects_max: 5,
            connections_max: 128,
            connections_per_module_max: 32,
        }
    }
}
