//! Where the backend's parts are, and how they are used.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the bodies of open messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bodies {
    /// In a queue of each message's own.
    Sqs,
    /// In an item beside the message's row, for accounts that reach the rate at
    /// which queues may be created.
    Dynamodb,
}

/// What the queues of messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueKind {
    /// Cheaper, and without a limit of their own.
    Standard,
    /// Repeated sends within five minutes are dropped by SQS.
    Fifo,
}

/// Where the data lies, and how it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsConfig {
    /// What the names of tables and queues begin with; one for each deployment.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// Another endpoint of SQS than the region's; empty for that.
    pub sqs_endpoint: String,
    /// Another endpoint of DynamoDB than the region's; empty for that.
    pub dynamodb_endpoint: String,
    /// Where bundles, components and large bodies are: `s3://bucket/folder`, or
    /// `file:///folder` that all processes share.
    pub objects: String,
    /// Another endpoint of S3 than the region's; empty for that.
    pub objects_endpoint: String,
    /// Where the bodies of open messages are.
    pub guarantee: Bodies,
    /// What the queues of messages are.
    pub queues: QueueKind,
    /// How many feeder queues there are.
    pub feeder_queues: u16,
    /// Over how many partitions an index is spread. Fixed when the tables are made.
    pub index_shards: u16,
    /// How long a ticket and its message are kept from others, unless it is said
    /// again that they are in hand.
    pub lease_s: u16,
    /// How long a receive waits for a message.
    pub receive_wait_s: u16,
    /// Queues that this process creates in a second.
    pub create_queue_per_s_max: u16,
    /// Queues that this process deletes in a second.
    pub delete_queue_per_s_max: u16,
    /// How often a process looks for timers that are due.
    pub timers_every_s: u16,
    /// How often a process looks at every open message, for what was forgotten and
    /// what grows too old.
    pub sweep_every_s: u32,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            prefix: "surety".to_owned(),
            region: String::new(),
            sqs_endpoint: String::new(),
            dynamodb_endpoint: String::new(),
            objects: String::new(),
            objects_endpoint: String::new(),
            guarantee: Bodies::Sqs,
            queues: QueueKind::Standard,
            feeder_queues: 1,
            index_shards: 4,
            lease_s: 30,
            receive_wait_s: 20,
            create_queue_per_s_max: 50,
            delete_queue_per_s_max: 50,
            timers_every_s: 10,
            sweep_every_s: 3_600,
        }
    }
}

impl AwsConfig {
    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// The key and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.prefix.is_empty() || self.prefix.len() > 32 || !self.prefix.chars().all(name) {
            return Err("`prefix` is 1 to 32 letters, digits and `-`".to_owned());
        }
        let schemes = ["s3://", "file://"];
        if !schemes.iter().any(|scheme| self.objects.starts_with(scheme)) {
            return Err("`objects` is `s3://bucket/folder` or `file:///folder`".to_owned());
        }
        if self.region.is_empty() {
            return Err("`region` names the region of tables and queues".to_owned());
        }
        let bounds = [
            ("feeder_queues", self.feeder_queues, 64),
            ("index_shards", self.index_shards, 256),
            ("receive_wait_s", self.receive_wait_s, 20),
            ("create_queue_per_s_max", self.create_queue_per_s_max, 10_000),
            ("delete_queue_per_s_max", self.delete_queue_per_s_max, 10_000),
            ("timers_every_s", self.timers_every_s, 600),
        ];
        for (key, value, max) in bounds {
            if value == 0 || value > max {
                return Err(format!("`{key}` is {value}; it is 1 to {max}"));
            }
        }
        if !(3..=43_200).contains(&self.lease_s) {
            return Err(format!("`lease_s` is {}; it is 3 to 43200", self.lease_s));
        }
        if !(60..=86_400).contains(&self.sweep_every_s) {
            return Err(format!("`sweep_every_s` is {}; it is 60 to 86400", self.sweep_every_s));
        }
        Ok(())
    }

    pub(super) fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_s.into())
    }
}
