//! The backend of many machines on the test's clock: on servers in this process, the
//! SQS double and DynamoDB on SQLite, or on ministack.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use surety_cloud::{Chaos, Dynamo, FaultPlan, Gate, Sqs};
use surety_core::ports::{Clock, Fault, Feeder, Lease, Ticket};
use surety_core::types::Time;
use surety_store::{AwsAdmin, AwsConfig, Bodies, Finding, QueueKind, Stores};
use tempfile::TempDir;

use crate::clock::VirtualClock;
use crate::emulators::Emulator;
use crate::servers::{queues, wait};

/// The clouds by the clock that they were last opened with, so that who has only the
/// clock finds the cloud.
static BY_CLOCK: Mutex<Vec<(usize, Weak<Cloud>)>> = Mutex::new(Vec::new());

/// The time that the servers see: that of whoever opened the backend last.
struct Seen(RwLock<Arc<dyn Clock>>);

impl Seen {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl surety_cloud::Clock for Seen {
    fn now_ms(&self) -> u64 {
        self.clock().now().as_millis()
    }

    async fn sleep_until_ms(&self, time_ms: u64) {
        self.clock().sleep_until(Time::from_millis(time_ms)).await;
    }
}

/// What answers for AWS.
enum Servers {
    /// Servers in this process, with all that may go wrong at AWS.
    Doubles { sqs: Sqs, dynamo: Dynamo },
    /// Somebody else's reading of AWS, where nothing goes wrong.
    Ministack { emulator: Emulator, sqs: aws_sdk_sqs::Client },
}

/// Queues, tables and objects.
pub struct Cloud {
    servers: Servers,
    seen: Arc<Seen>,
    objects: TempDir,
    bodies: Bodies,
    /// What the queues of messages are.
    queues: QueueKind,
    /// What goes wrong, and how often it was made calm.
    faults: Mutex<(Chaos, FaultPlan, u64)>,
    opened: AtomicBool,
    /// When its messages were last looked at, in milliseconds.
    swept_at: AtomicU64,
    /// Tickets that are leased of the stores that were opened last.
    leased: Mutex<HashMap<Ticket, usize>>,
}

impl Cloud {
    /// An empty one with all that a host needs.
    ///
    /// # Panics
    /// When a server does not start.
    #[must_use]
    pub fn start(bodies: Bodies) -> Arc<Self> {
        Self::start_at(bodies, Arc::new(VirtualClock::default()))
    }

    /// The same, at this time.
    ///
    /// # Panics
    /// When a server does not start.
    #[must_use]
    pub fn start_at(bodies: Bodies, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::doubles(bodies, QueueKind::Standard, clock)
    }

    /// An empty one whose messages lie in FIFO queues.
    ///
    /// # Panics
    /// When a server does not start.
    #[must_use]
    pub fn with_fifo() -> Arc<Self> {
        Self::doubles(Bodies::Sqs, QueueKind::Fifo, Arc::new(VirtualClock::default()))
    }

    fn doubles(bodies: Bodies, queues: QueueKind, clock: Arc<dyn Clock>) -> Arc<Self> {
        let seen = Arc::new(Seen(RwLock::new(clock)));
        let servers = wait(async {
            let sqs = Sqs::start(Arc::clone(&seen) as _, Chaos::none()).await.expect("SQS starts");
            let dynamo = Dynamo::start(FaultPlan::none()).await.expect("DynamoDB starts");
            Servers::Doubles { sqs, dynamo }
        });
        Self::on(servers, bodies, queues, seen)
    }

    /// The same on ministack.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn ministack(bodies: Bodies) -> Arc<Self> {
        let seen = Arc::new(Seen(RwLock::new(Arc::new(VirtualClock::default()))));
        let emulator = Emulator::ministack_at(Arc::clone(&seen) as _, "sqs,dynamodb");
        let sqs = queues(&emulator.url());
        Self::on(Servers::Ministack { emulator, sqs }, bodies, QueueKind::Standard, seen)
    }

    /// Another one of the same kind, empty.
    #[must_use]
    pub fn another(&self) -> Arc<Self> {
        match self.servers {
            Servers::Doubles { .. } => {
                Self::doubles(self.bodies, self.queues, Arc::new(VirtualClock::default()))
            }
            Servers::Ministack { .. } => Self::ministack(self.bodies),
        }
    }

    fn on(servers: Servers, bodies: Bodies, queues: QueueKind, seen: Arc<Seen>) -> Arc<Self> {
        let objects = TempDir::new().expect("a folder");
        let (leased, faults) = (Mutex::default(), Mutex::default());
        let (opened, swept_at) = (AtomicBool::new(false), AtomicU64::new(0));
        let cloud =
            Self { servers, seen, objects, bodies, queues, faults, opened, swept_at, leased };
        let cloud = Arc::new(cloud);
        let config = cloud.config();
        let admin = AwsAdmin::new(&config, cloud.seen.clock()).expect("the configuration is whole");
        wait(async {
            admin.apply(&mut |_| {}).await.expect("the tables are made");
        });
        cloud
    }

    /// The double of SQS.
    ///
    /// # Panics
    /// On ministack, which has no knobs.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        match &self.servers {
            Servers::Doubles { sqs, .. } => sqs,
            Servers::Ministack { .. } => panic!("{KNOBS}"),
        }
    }

    /// The double of DynamoDB.
    ///
    /// # Panics
    /// On ministack, which has no knobs.
    #[must_use]
    pub fn dynamo(&self) -> &Dynamo {
        match &self.servers {
            Servers::Doubles { dynamo, .. } => dynamo,
            Servers::Ministack { .. } => panic!("{KNOBS}"),
        }
    }

    /// What the suites call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match (&self.servers, self.bodies, self.queues) {
            (Servers::Doubles { .. }, Bodies::Sqs, QueueKind::Standard) => "aws",
            (Servers::Doubles { .. }, Bodies::Sqs, QueueKind::Fifo) => "aws with FIFO queues",
            (Servers::Doubles { .. }, Bodies::Dynamodb, _) => "aws without queues",
            (Servers::Ministack { .. }, Bodies::Sqs, _) => "aws on ministack",
            (Servers::Ministack { .. }, Bodies::Dynamodb, _) => "aws on ministack without queues",
        }
    }

    /// How a host is configured for it.
    #[must_use]
    pub fn config(&self) -> AwsConfig {
        let (sqs_endpoint, dynamodb_endpoint) = match &self.servers {
            Servers::Doubles { sqs, dynamo } => (sqs.url(), dynamo.url()),
            Servers::Ministack { emulator, .. } => (emulator.url(), emulator.url()),
        };
        AwsConfig {
            region: "eu-central-1".to_owned(),
            sqs_endpoint,
            dynamodb_endpoint,
            objects: format!("file://{}", self.objects.path().display()),
            guarantee: self.bodies,
            queues: self.queues,
            // As short as it may be: after a crash the next host waits for it.
            lease_s: 3,
            ..AwsConfig::default()
        }
    }

    /// Its folder of objects.
    #[must_use]
    pub fn objects(&self) -> &Path {
        self.objects.path()
    }

    /// Lets whoever asks the servers die at one of its calls.
    pub fn set_gate(&self, gate: &Arc<Gate>) {
        self.sqs().set_gate(Arc::clone(gate));
        self.dynamo().set_gate(Arc::clone(gate));
    }

    /// Makes things go wrong.
    pub fn chaos(&self, queues: Chaos, tables: FaultPlan) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = (queues, tables, 0);
        self.calm(false);
    }

    /// The longest step of the time without a sweep: a message is sent again once it is
    /// seven days old and forgotten when it is fourteen, and a host that sweeps each
    /// hour has many attempts between. Where they fail, some must be left.
    pub(crate) fn step_max(&self) -> Duration {
        const DAY: Duration = Duration::from_secs(86_400);
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let things_go_wrong = faults.2 > 0;
        if things_go_wrong { DAY } else { 3 * DAY }
    }

    /// Lets nothing go wrong, or what did before, with other dice.
    pub fn calm(&self, calm: bool) {
        if calm {
            self.sqs().set_chaos(Chaos::none());
            self.dynamo().set_plan(FaultPlan::none());
            return;
        }
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let (queues, tables, times) = &mut *faults;
        *times += 1;
        let dice = |seed: u64| seed.wrapping_add(times.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.sqs().set_chaos(Chaos { seed: dice(queues.seed), ..queues.clone() });
        self.dynamo().set_plan(FaultPlan { seed: dice(tables.seed), ..tables.clone() });
    }

    /// Opens it, as at a start of the host.
    ///
    /// # Panics
    /// When it does not open.
    #[must_use]
    pub fn open(self: &Arc<Self>, clock: Arc<dyn Clock>) -> Stores {
        Self::forget(&clock);
        let mut known = BY_CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        known.push((Arc::as_ptr(&clock).cast::<()>() as usize, Arc::downgrade(self)));
        drop(known);
        self.watch(&clock);
        // What a host had in hand that crashed comes back when its leases are over, and
        // a start finds it so. The tests' clock jumps there.
        if self.opened.swap(true, Ordering::SeqCst) {
            let lease = Duration::from_secs(self.config().lease_s.into());
            wait(clock.sleep_until(clock.now().after(lease)));
        }
        self.leased().clear();
        let config = surety_store::Config::Aws(self.config());
        let mut stores = surety_store::open(&config, clock).expect("the backend opens");
        let feeder = Tracking { feeder: Arc::clone(&stores.feeder), cloud: Arc::clone(self) };
        stores.feeder = Arc::new(feeder);
        stores
    }

    /// Whether a host that ran all the time would have looked at its messages since
    /// it was asked last: what it does each hour is done after this long, for speed.
    pub(crate) fn must_sweep(&self, now: Time) -> bool {
        let before = self.swept_at.load(Ordering::SeqCst);
        let late = u64::try_from(SWEEP_LATE.as_millis()).unwrap_or(u64::MAX);
        let must = before == 0 || now.as_millis() >= before + late;
        if must {
            self.swept_at.store(now.as_millis(), Ordering::SeqCst);
        }
        must && before != 0
    }

    /// Makes the servers see this time.
    fn watch(&self, clock: &Arc<dyn Clock>) {
        *self.seen.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(clock);
    }

    /// What the doctor says of the open messages.
    ///
    /// # Panics
    /// When the configuration is refused.
    pub async fn examine_messages(&self, clock: Arc<dyn Clock>) -> Vec<Finding> {
        AwsAdmin::new(&self.config(), clock).expect("configured").deep().await
    }

    /// Sends something to a queue that no host would.
    ///
    /// # Panics
    /// When it is not taken.
    pub async fn send(&self, queue: &str, body: &str) {
        let url = format!("{}/000000000000/{queue}", self.sqs().url());
        let send = queues(&self.sqs().url()).send_message().queue_url(url).message_body(body);
        send.send().await.expect("SQS takes it");
    }

    /// Creates a queue beside all hosts.
    ///
    /// # Panics
    /// When it is not created.
    pub async fn create_queue(&self, queue: &str) {
        let create = queues(&self.sqs().url()).create_queue().queue_name(queue);
        create.send().await.expect("SQS creates it");
    }

    /// Notes that something else was opened with this clock.
    pub(crate) fn forget(clock: &Arc<dyn Clock>) {
        let mut known = BY_CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let address = Arc::as_ptr(clock).cast::<()>() as usize;
        known.retain(|(at, cloud)| *at != address && cloud.strong_count() > 0);
    }

    /// The one that was last opened with this clock.
    pub(crate) fn of(clock: &Arc<VirtualClock>) -> Option<Arc<Self>> {
        let known = BY_CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let address = Arc::as_ptr(clock).cast::<()>() as usize;
        known.iter().find(|(at, _)| *at == address)?.1.upgrade()
    }

    fn leased(&self) -> std::sync::MutexGuard<'_, HashMap<Ticket, usize>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a ticket would be leased: one that nobody has in hand. Of those that
    /// are not visible yet only when the time may pass.
    ///
    /// # Panics
    /// When something else is in a feeder queue.
    pub async fn has_ticket(&self, now: Time, time_passes: bool) -> bool {
        match &self.servers {
            Servers::Doubles { sqs, .. } => self.sees_ticket(sqs, now, time_passes),
            Servers::Ministack { sqs, .. } => self.counts_ticket(sqs, time_passes).await,
        }
    }

    fn sees_ticket(&self, sqs: &Sqs, now: Time, time_passes: bool) -> bool {
        let mut leased = self.leased().clone();
        let messages = sqs.queues().into_iter().filter(|name| is_feeder(name));
        let messages = messages.flat_map(|name| sqs.messages(&name));
        let mut free = 0;
        for message in messages {
            let body: serde_json::Value =
                serde_json::from_str(&message.body).expect("a ticket is JSON");
            let ticket = Ticket {
                msg_id: body["msg_id"].as_str().and_then(|id| id.parse().ok()).expect("an id"),
                seq: body["seq"].as_u64().expect("a revision"),
            };
            match leased.get_mut(&ticket).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => free += usize::from(time_passes || message.visible_at <= now.as_millis()),
            }
        }
        free > 0
    }

    /// The same where nobody can look into a queue: its counts are exact there.
    async fn counts_ticket(&self, sqs: &aws_sdk_sqs::Client, time_passes: bool) -> bool {
        use aws_sdk_sqs::types::QueueAttributeName as Count;
        const VISIBLE: Count = Count::ApproximateNumberOfMessages;
        let (mut visible, mut all) = (0, 0);
        let list = sqs.list_queues().queue_name_prefix("surety-feeder-").send().await;
        for url in list.expect("SQS lists").queue_urls.unwrap_or_default() {
            if !is_feeder(&url) {
                continue;
            }
            let counts = sqs.get_queue_attributes().queue_url(url).attribute_names(Count::All);
            let counts = counts.send().await.expect("SQS counts").attributes.unwrap_or_default();
            let count = |name| counts[&name].parse::<usize>().expect("a count");
            visible += count(VISIBLE);
            all += count(VISIBLE)
                + count(Count::ApproximateNumberOfMessagesDelayed)
                + count(Count::ApproximateNumberOfMessagesNotVisible);
        }
        let free = all.saturating_sub(self.leased().values().sum());
        free > 0 && (time_passes || visible > 0)
    }
}

/// What a test meant for the doubles says on another server.
const KNOBS: &str = "only the doubles can be looked into and made to fail";

/// Whether this is a queue of tickets, not of those that were given up.
fn is_feeder(queue: &str) -> bool {
    queue.contains("-feeder-") && !queue.ends_with("-dead")
}

/// The longest that sweeps are left out: messages are sent again when they are seven
/// days old, and forgotten when they are fourteen.
const SWEEP_LATE: Duration = Duration::from_secs(6 * 86_400);

/// A feeder that knows what is leased.
struct Tracking {
    feeder: Arc<dyn Feeder>,
    cloud: Arc<Cloud>,
}

impl Tracking {
    fn ended(&self, ticket: Ticket) {
        // What was in hand of stores that were opened before is not counted any more.
        if let Some(count) = self.cloud.leased().get_mut(&ticket) {
            *count = count.saturating_sub(1);
        }
    }
}

#[async_trait]
impl Feeder for Tracking {
    async fn push(&self, ticket: Ticket, at: Time) -> Result<(), Fault> {
        self.feeder.push(ticket, at).await
    }

    async fn lease(&self) -> Result<Lease, Fault> {
        let lease = self.feeder.lease().await?;
        *self.cloud.leased().entry(lease.ticket).or_default() += 1;
        Ok(lease)
    }

    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault> {
        let ticket = lease.ticket;
        let ended = self.feeder.acknowledge(lease).await;
        self.ended(ticket);
        ended
    }

    async fn release(&self, lease: Lease, at: Time) -> Result<(), Fault> {
        let ticket = lease.ticket;
        let ended = self.feeder.release(lease, at).await;
        self.ended(ticket);
        ended
    }
}
