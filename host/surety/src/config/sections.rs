//! The sections of the configuration.

use std::path::PathBuf;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use surety_store::AwsConfig;

/// Which backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// One SQLite file in the data folder.
    Embedded,
    /// This process's memory, gone when it ends.
    Memory,
    /// SQS, DynamoDB and an object store, for any number of processes.
    Aws,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// Which backend.
    pub backend: Backend,
    /// Where the backend `aws` finds its parts.
    pub aws: AwsConfig,
}

impl Default for Store {
    fn default() -> Self {
        Self { backend: Backend::Embedded, aws: AwsConfig::default() }
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Open connections; further ones wait to be accepted.
    pub connections_max: usize,
    /// How long a request's head may take, and a connection may idle.
    pub header_read_ms_max: u64,
    /// How long a request's body may take.
    pub body_read_ms_max: u64,
    /// Submissions in hand at once; further ones are told to come again.
    pub admissions_max: usize,
    /// Long polls at once; further ones are told to come again.
    pub waiters_max: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections_max: 768,
            header_read_ms_max: 30_000,
            body_read_ms_max: 30_000,
            admissions_max: 512,
            waiters_max: 512,
        }
    }
}

/// `[intake]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intake {
    /// The largest message text.
    pub message_bytes_max: usize,
    /// The most Msg_IDs of one request.
    pub msg_ids_count_max: u32,
    /// The most unused Msg_IDs of a client that has no cap of its own.
    pub msg_ids_outstanding_max: u32,
    /// How long a Msg_ID may be used.
    pub msg_id_ttl_ms: u64,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 << 10,
            msg_ids_count_max: 1_000,
            msg_ids_outstanding_max: 10_000,
            msg_id_ttl_ms: 24 * 3_600_000,
        }
    }
}

/// `[controller]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Controller {
    /// Messages in hand at once.
    pub concurrency: usize,
    /// Threads that run actions; 0 for one a processor.
    pub threads: usize,
    /// How long a stop waits for what is in hand.
    pub shutdown_grace_ms: u64,
}

impl Default for Controller {
    fn default() -> Self {
        Self { concurrency: 256, threads: 0, shutdown_grace_ms: 10_000 }
    }
}

/// `[policy]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyFiles {
    /// The policy; empty for the one that denies everything.
    pub file: PathBuf,
    /// The secrets that it grants; empty for none.
    pub secrets_file: PathBuf,
    /// Whether modules run that nobody signed; on loopback only.
    pub development: bool,
}

/// `[canary]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CanarySection {
    /// The calls of a canary before it is judged.
    pub calls_min: u64,
    /// Percent of its calls that may fail beyond those of the version before it.
    pub failures_above_percent_max: u64,
}

/// The greatest difference that can be exceeded: 100 percent more than none cannot.
const FAILURES_PERCENT_MOST: u64 = 99;

impl CanarySection {
    /// Whether a canary can be stopped by it.
    ///
    /// # Errors
    /// With the limit that is out of its range.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let percent = self.failures_above_percent_max;
        ensure!(
            (1..=FAILURES_PERCENT_MOST).contains(&percent),
            "the limit `failures_above_percent_max` is {percent}; it must be 1 to {FAILURES_PERCENT_MOST}"
        );
        Ok(())
    }
}

impl Default for CanarySection {
    fn default() -> Self {
        Self { calls_min: 50, failures_above_percent_max: 5 }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// A level, or a filter as tracing-subscriber reads it.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}
