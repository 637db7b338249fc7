//! The backend for more than one machine: Guarantee on SQS and DynamoDB,
//! Reference on DynamoDB, what is large on an object store.
//!
//! ```text
//!  row L(m)      DynamoDB   status, revision, cid: which version of m is current
//!  queue Q(m)    SQS        the versions: signed bytes, head, Msg_Ext
//!  records H(m)  DynamoDB   the chain, and the journal
//!  feeder F      SQS        tickets
//!  Reference R   DynamoDB   what is shown
//!  objects       S3, files  bundles, components, what is too large for a row
//! ```
//!
//! A step sends a version under a fresh `cid` to Q(m), and commits by moving L(m)
//! to that cid, fenced by the revision. Whatever else lies in Q(m) is garbage or
//! not yet committed, and `versions` says which. Any number of processes may work
//! on one set of tables.

mod admin;
mod admit;
mod archive;
mod batch;
mod batcher;
mod bucket;
mod catalog;
mod change;
mod clients;
mod config;
mod deployments;
mod entries;
mod fault;
mod feeder;
mod guarantee;
mod identity;
mod ids;
mod item;
mod leases;
mod load;
mod meta;
mod moving;
mod names;
mod objects;
mod open;
mod queues;
mod receives;
mod recent;
mod records;
mod reference;
mod row;
mod sdk;
mod sweep;
mod tables;
mod transact;
mod versions;

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use surety_core::ports::{Clock, Fault};
use surety_core::types::Time;
use tokio::task::JoinHandle;

use self::clients::Known;
use self::feeder::Tickets;
use self::leases::Leases;
use self::meta::Meta;
use self::names::Names;
use self::objects::Objects;
use self::queues::Queues;
use self::receives::Receives;
use self::recent::Recent;
use self::records::Records;
use self::sdk::Sdk;
use crate::{OpenError, Swept, Upkeep, UpkeepTimes};

pub use admin::{AwsAdmin, Change as AwsChange, Plan as AwsPlan, Role, policy as aws_policy};
pub use config::{AwsConfig, Bodies, QueueKind};

/// The open backend.
pub(crate) struct Aws {
    sdk: Sdk,
    names: Names,
    objects: Objects,
    clock: Arc<dyn Clock>,
    bodies: Bodies,
    /// What the tables must be made for.
    wanted: Meta,
    lease: Duration,
    times: UpkeepTimes,
    queues: Queues,
    records: Records,
    tickets: Arc<Tickets>,
    receives: Receives,
    leases: Leases,
    recent: Recent,
    this: Weak<Self>,
    /// The task that says leases again.
    keeping: Mutex<Option<JoinHandle<()>>>,
    clients: Known,
}

impl Aws {
    /// Puts the backend together. Nothing is asked of AWS yet.
    pub(crate) fn open(config: &AwsConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, OpenError> {
        config.check().map_err(OpenError::Config)?;
        let sdk = Sdk::new(config).map_err(|e| OpenError::Config(format!("the SDK: {e}")))?;
        let names = Names::new(config);
        let objects = Objects::open(config)
            .map_err(|e| OpenError::Config(format!("`objects` is {}: {e}", config.objects)))?;
        Ok(Arc::new_cyclic(|this| Self {
            queues: Queues::new(config, &sdk, &names, &objects, &clock),
            records: Records::new(&sdk, &names, &objects),
            tickets: Arc::new(Tickets::new(config, &sdk, &names)),
            receives: Receives::default(),
            leases: Leases::default(),
            recent: Recent::default(),
            bodies: config.guarantee,
            wanted: Meta::wanted(config),
            lease: config.lease(),
            times: UpkeepTimes {
                timers: Duration::from_secs(config.timers_every_s.into()),
                sweep: Duration::from_secs(config.sweep_every_s.into()),
            },
            sdk,
            names,
            objects,
            clock,
            this: Weak::clone(this),
            keeping: Mutex::default(),
            clients: Known::default(),
        }))
    }
}

#[async_trait]
impl Upkeep for Aws {
    fn times(&self) -> Option<UpkeepTimes> {
        Some(self.times)
    }

    async fn check(&self) -> Result<(), Fault> {
        self.check_tables().await
    }

    async fn feed_due(&self) -> Result<Option<Time>, Fault> {
        self.feed_all_due().await
    }

    async fn sweep(&self) -> Result<Swept, Fault> {
        self.sweep_all().await
    }

    async fn hand_over(&self) {
        self.give_all_back().await;
    }

    fn close(&self) {
        // Everything that was accepted is durable already.
    }
}

/// The fault that an error of a call on a table is.
fn table_fault<E, R>(doing: &str, table: &str, error: SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    fault::fault(&format!("{doing} the table {table}"), error)
}
