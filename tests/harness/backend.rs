//! The backends that every suite runs on.

use std::sync::Arc;

use surety_core::ports::Clock;
use surety_store::{
    Bodies, Config, EmbeddedConfig, Finding, Grade, Memory, Stores, examine_messages,
};
use tempfile::TempDir;

use crate::cloud::Cloud;

/// Something durable that stores can be opened on, again and again.
pub enum Backend {
    /// In memory.
    Memory(Memory),
    /// A SQLite file in a folder that goes with the value.
    Embedded(TempDir),
    /// Queues, tables and objects.
    Aws(Arc<Cloud>),
}

/// Those that are one.
#[must_use]
pub fn problems(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| finding.grade == Grade::Problem).collect()
}

impl Backend {
    /// One fresh backend of each kind.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::Memory(Memory::new()),
            Self::Embedded(TempDir::new().expect("a folder")),
            Self::Aws(Cloud::start(Bodies::Sqs)),
            Self::Aws(Cloud::start(Bodies::Dynamodb)),
        ]
    }

    /// The same, with FIFO queues, and on ministack: somebody else's reading of AWS.
    #[must_use]
    pub fn everywhere() -> Vec<Self> {
        let mut all = Self::all();
        all.push(Self::Aws(Cloud::with_fifo()));
        all.extend([Bodies::Sqs, Bodies::Dynamodb].map(|of| Self::Aws(Cloud::ministack(of))));
        all
    }

    /// A fresh one of the default kind.
    ///
    /// # Panics
    /// When there is no folder for it.
    #[must_use]
    pub fn embedded() -> Self {
        Self::Embedded(TempDir::new().expect("a folder"))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Embedded(_) => "embedded",
            Self::Aws(cloud) => cloud.name(),
        }
    }

    /// A fresh one of the same kind.
    #[must_use]
    pub fn another(&self) -> Self {
        match self {
            Self::Memory(_) => Self::Memory(Memory::new()),
            Self::Embedded(_) => Self::Embedded(TempDir::new().expect("a folder")),
            Self::Aws(cloud) => Self::Aws(cloud.another()),
        }
    }

    /// What the doctor says of open messages that nothing will move.
    pub async fn stuck(&self, clock: Arc<dyn Clock>) -> Vec<Finding> {
        let findings = match self {
            Self::Memory(_) => Vec::new(),
            Self::Embedded(folder) => {
                examine_messages(&EmbeddedConfig::new(folder.path()), clock.now())
            }
            Self::Aws(cloud) => cloud.examine_messages(clock).await,
        };
        problems(findings)
    }

    /// Opens it, as at a start of the host.
    #[must_use]
    pub fn open(&self, clock: Arc<dyn Clock>) -> Stores {
        Cloud::forget(&clock);
        match self {
            Self::Memory(memory) => memory.stores(clock),
            Self::Embedded(folder) => {
                let config = Config::Embedded(EmbeddedConfig::new(folder.path()));
                surety_store::open(&config, clock).expect("the backend opens")
            }
            Self::Aws(cloud) => cloud.open(clock),
        }
    }
}
