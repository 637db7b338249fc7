//! What tables, queues and objects are called.

use surety_core::types::{Digest, MsgId};

use super::config::{AwsConfig, QueueKind};

/// The names of one deployment.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    prefix: String,
    fifo: bool,
    shards: u16,
    feeders: u16,
}

impl Names {
    pub(crate) fn new(config: &AwsConfig) -> Self {
        Self {
            prefix: config.prefix.clone(),
            fifo: config.queues == QueueKind::Fifo,
            shards: config.index_shards,
            feeders: config.feeder_queues,
        }
    }

    /// Rows L(m), which are the Msg_IDs as well.
    pub(crate) fn messages(&self) -> String {
        format!("{}-messages", self.prefix)
    }

    /// Records H(m), journals, and bodies that are not in queues.
    pub(crate) fn records(&self) -> String {
        format!("{}-records", self.prefix)
    }

    /// Reference.
    pub(crate) fn reference(&self) -> String {
        format!("{}-reference", self.prefix)
    }

    /// Clients, deployments, workflows, and what the tables are.
    pub(crate) fn catalog(&self) -> String {
        format!("{}-catalog", self.prefix)
    }

    /// What the names of the messages' queues begin with.
    pub(crate) fn queue_prefix(&self) -> String {
        format!("{}-g-", self.prefix)
    }

    /// The queue of a message.
    pub(crate) fn queue(&self, id: MsgId) -> String {
        let suffix = if self.fifo { ".fifo" } else { "" };
        format!("{}{id}{suffix}", self.queue_prefix())
    }

    /// Whose queue a name is.
    pub(crate) fn msg_id(&self, queue: &str) -> Option<MsgId> {
        let name = queue.strip_prefix(&self.queue_prefix())?;
        name.strip_suffix(".fifo").unwrap_or(name).parse().ok()
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.fifo
    }

    /// The feeder queues.
    pub(crate) fn feeders(&self) -> Vec<String> {
        (0..self.feeders).map(|n| format!("{}-feeder-{n}", self.prefix)).collect()
    }

    /// Where tickets go that were received too often.
    pub(crate) fn dead_tickets(&self) -> String {
        format!("{}-feeder-dead", self.prefix)
    }

    /// The place of a message among so many.
    pub(crate) fn place(id: MsgId, places: u16) -> u16 {
        // The id begins with its time, so that its bytes are hashed.
        let [a, b, ..] = Digest::of(id.as_bytes()).0;
        u16::from_be_bytes([a, b]) % places
    }

    /// The shard of a message in the indexes.
    pub(crate) fn shard(&self, id: MsgId) -> u16 {
        Self::place(id, self.shards)
    }

    /// All shards of an index.
    pub(crate) fn shards(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.shards
    }
}

/// The folder of the bundles.
pub(crate) const BUNDLES: &str = "bundles";

/// The folder of bodies that are too large elsewhere; they go with their messages.
pub(crate) const LARGE: &str = "large";

/// The folder of what the doctor tries.
pub(crate) const DOCTOR: &str = "doctor";

/// The object with a message's bundle.
pub(crate) fn bundle(id: MsgId) -> String {
    format!("{BUNDLES}/{id}")
}

/// The folder of the components.
pub(crate) const COMPONENTS: &str = "components";

/// The object with a component.
pub(crate) fn component(digest: Digest) -> String {
    format!("{COMPONENTS}/{}", hex(digest))
}

/// The object with a workflow's text.
pub(crate) fn workflow(digest: Digest) -> String {
    format!("workflows/{}", hex(digest))
}

/// The object with a body that is too large for a row or a queue.
pub(crate) fn large(id: MsgId, digest: Digest) -> String {
    format!("{LARGE}/{id}/{}", hex(digest))
}

/// A digest without its prefix.
fn hex(digest: Digest) -> String {
    digest.to_string().trim_start_matches("0x").to_owned()
}
