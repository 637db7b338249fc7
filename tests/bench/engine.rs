//! The engine on the embedded store alone: no HTTP, no sandbox, actions that
//! cost nothing. What is left is validation, machine, records and commits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::{Value, json};
use surety_core::controller::Controller;
use surety_core::intake::{Intake, IntakeLimits};
use surety_core::ports::Clock;
use surety_core::types::Time;
use surety_core::workflow::Workflow;
use surety_core::workflows::Workflows;
use surety_store::{Config, EmbeddedConfig, Stores};
use surety_tests::remote::Remote;
use surety_tests::rig::{HOST_KEY, acme, envelope, register_clients};
use surety_tests::scripted::{Scripted, workflow};
use tokio::task::JoinHandle;

/// Records of one of its messages: the admission and two actions.
pub const RECORDS: usize = 3;

/// The machine's clock.
#[derive(Default)]
pub struct RealClock(AtomicU64);

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep_until(&self, time: Time) {
        let wait = time.as_millis().saturating_sub(self.now().as_millis());
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    fn random(&self) -> [u8; 10] {
        // Ids need only differ here.
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    }
}

/// An engine on the embedded store in a folder.
pub struct Engine {
    pub stores: Stores,
    pub intake: Arc<Intake>,
    pub controller: Arc<Controller>,
}

impl Engine {
    /// With the scripted workflow.
    pub async fn open(folder: &Path) -> Self {
        Self::open_with(folder, &workflow(1)).await
    }

    /// With this workflow for the scripted actions.
    pub async fn open_with(folder: &Path, workflow: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let config = Config::Embedded(EmbeddedConfig::new(folder));
        let stores = surety_store::open(&config, Arc::clone(&clock)).expect("the store opens");
        register_clients(&stores).await;
        let workflows = Arc::new(Workflows::default());
        workflows.add(Workflow::parse(workflow).expect("a workflow").into());
        let key = Arc::new(HOST_KEY.parse().expect("a key"));
        let intake = Intake {
            archive: Arc::clone(&stores.archive),
            actions: Arc::new(Scripted::default()),
            workflows: Arc::clone(&workflows),
            clients: Arc::clone(&stores.clients),
            guarantee: Arc::clone(&stores.guarantee),
            reference: Arc::clone(&stores.reference),
            clock: Arc::clone(&clock),
            key: Arc::clone(&key),
            limits: IntakeLimits {
                message_bytes_max: 64 << 10,
                msg_ids_count_max: 1_000,
                msg_ids_outstanding_max: 1_000_000,
                msg_id_ttl_ms: 3_600_000,
            },
        };
        let controller = Controller {
            workflows,
            guarantee: Arc::clone(&stores.guarantee),
            feeder: Arc::clone(&stores.feeder),
            reference: Arc::clone(&stores.reference),
            archive: Arc::clone(&stores.archive),
            actions: Arc::new(Scripted::default()),
            egress: Arc::new(Remote::default()),
            clock,
            key,
        };
        let (intake, controller) = (Arc::new(intake), Arc::new(controller));
        Self { stores, intake, controller }
    }

    /// Admits messages with these many at a time.
    pub async fn admit(&self, messages: usize, at_once: usize) {
        let bodies = self.bodies(messages, &json!({"first": "ok"})).await;
        self.submit(&bodies, at_once).await;
    }

    /// Signed messages with this payload, each under a fresh id.
    pub async fn bodies(&self, messages: usize, payload: &Value) -> Vec<String> {
        let mut bodies = Vec::with_capacity(messages);
        while bodies.len() < messages {
            let count = (messages - bodies.len()).min(1_000);
            let count = u32::try_from(count).expect("a small count");
            for id in self.intake.issue(&acme(), count).await.expect("ids").msg_ids {
                bodies.push(envelope(id, payload));
            }
        }
        bodies
    }

    /// Submits bodies with these many at a time.
    pub async fn submit(&self, bodies: &[String], at_once: usize) {
        let chunk = bodies.len().div_ceil(at_once);
        let tasks: Vec<_> = bodies
            .chunks(chunk)
            .map(|bodies| {
                let (intake, bodies) = (Arc::clone(&self.intake), bodies.to_vec());
                tokio::spawn(async move {
                    for body in bodies {
                        intake.submit(body.as_bytes()).await.expect("accepted");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a task ends");
        }
    }

    /// Starts workers; they move messages until they are aborted.
    pub fn workers(&self, in_flight: usize) -> Vec<JoinHandle<()>> {
        let worker = || {
            let controller = Arc::clone(&self.controller);
            tokio::spawn(async move { while controller.turn().await.is_ok() {} })
        };
        (0..in_flight).map(|_| worker()).collect()
    }

    /// Waits until no message is open.
    pub async fn drained(&self) {
        while !self.stores.guarantee.open(None, 1).await.expect("ids").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Runs `messages` that are open already, with `in_flight` workers, and gives
/// records a second, admissions left out.
pub async fn drain(folder: &Path, messages: usize, in_flight: usize) -> f64 {
    let engine = Engine::open(folder).await;
    engine.admit(messages, 64).await;
    let started = Instant::now();
    let workers = engine.workers(in_flight);
    engine.drained().await;
    let seconds = started.elapsed().as_secs_f64();
    for worker in workers {
        worker.abort();
    }
    engine.stores.close().await;
    (messages * (RECORDS - 1)) as f64 / seconds
}
