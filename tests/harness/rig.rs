//! A host without its faces: stores, intake, controller, and a client with a key.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use surety_core::controller::Controller;
use surety_core::crypto::PrivateKey;
use surety_core::intake::{Accepted, Intake, IntakeError, IntakeLimits};
use surety_core::machine::{Loaded, Phase};
use surety_core::operator::Operator;
use surety_core::ports::{Actions, Client, Clock, Egress, Fault, Found, Lease};
use surety_core::receipt::Receipt;
use surety_core::types::{ClientId, Digest, MsgId, MsgState};
use surety_core::workflow::Workflow;
use surety_core::workflows::Workflows;
use surety_store::{Stores, Swept};

use crate::clock::VirtualClock;
use crate::cloud::Cloud;
use crate::scripted::{Scripted, workflow};

/// The first account of the well-known test mnemonic "test test … junk".
pub const CLIENT_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// The second.
pub const HOST_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// The third to the fifth: the board. The workflow lets the first two approve.
pub const BOARD_KEYS: [&str; 3] = [
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];

/// Compiled once: the crash tests put hundreds of hosts together.
static SCRIPTED: LazyLock<Arc<Workflow>> = LazyLock::new(|| {
    Arc::new(Workflow::parse(&workflow(1)).expect("the scripted workflow parses"))
});

/// How often a backend is kept up until a ticket must have come: a year of waiting
/// with its sweeps, and some more.
const UPKEEP_MAX: u32 = 1_000;

/// How often a sweep is made again that failed.
const SWEEPS_MAX: u32 = 100;

/// The time between two sweeps, by default.
const SWEEP_EACH: Duration = Duration::from_secs(3_600);

/// How long a ticket may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host on some stores.
pub struct Rig {
    /// Its stores.
    pub stores: Stores,
    /// The way in.
    pub intake: Intake,
    /// The way through.
    pub controller: Controller,
    /// The way of a person.
    pub operator: Operator,
    /// What moves messages.
    pub actions: Arc<Scripted>,
    /// Its time.
    pub clock: Arc<VirtualClock>,
}

impl Rig {
    /// Puts a host together. `clock` and `actions` outlive simulated crashes.
    ///
    /// # Panics
    /// When the scripted workflow does not parse.
    #[must_use]
    pub fn new(stores: Stores, clock: &Arc<VirtualClock>, actions: &Arc<Scripted>) -> Self {
        let workflows = Arc::new(Workflows::default());
        workflows.add(Arc::clone(&SCRIPTED));
        let key: Arc<PrivateKey> = Arc::new(HOST_KEY.parse().expect("a key"));
        let time: Arc<dyn Clock> = Arc::clone(clock) as _;
        let intake = Intake {
            workflows: Arc::clone(&workflows),
            clients: Arc::clone(&stores.clients),
            guarantee: Arc::clone(&stores.guarantee),
            reference: Arc::clone(&stores.reference),
            archive: Arc::clone(&stores.archive),
            actions: Arc::clone(actions) as Arc<dyn Actions>,
            clock: Arc::clone(&time),
            key: Arc::clone(&key),
            limits: IntakeLimits {
                message_bytes_max: 16 << 10,
                msg_ids_count_max: 100,
                msg_ids_outstanding_max: 200,
                msg_id_ttl_ms: 3_600_000,
            },
        };
        let operator = Operator {
            workflows: Arc::clone(&workflows),
            guarantee: Arc::clone(&stores.guarantee),
            reference: Arc::clone(&stores.reference),
            actions: Arc::clone(actions) as Arc<dyn Actions>,
            clock: Arc::clone(&time),
        };
        let controller = Controller {
            workflows,
            guarantee: Arc::clone(&stores.guarantee),
            feeder: Arc::clone(&stores.feeder),
            reference: Arc::clone(&stores.reference),
            archive: Arc::clone(&stores.archive),
            actions: Arc::clone(actions) as Arc<dyn Actions>,
            egress: Arc::clone(&actions.remote) as Arc<dyn Egress>,
            clock: time,
            key,
        };
        let (actions, clock) = (Arc::clone(actions), Arc::clone(clock));
        Self { stores, intake, controller, operator, actions, clock }
    }

    /// Registers the clients `acme`, whose signer is [`CLIENT_KEY`], and `board`.
    ///
    /// # Panics
    /// When the backend fails.
    pub async fn register(&self) {
        register_clients(&self.stores).await;
    }

    /// Puts the scripted workflow into the catalog, as a host has it.
    ///
    /// # Panics
    /// When it is not put.
    pub async fn deploy(&self) {
        let msg_type = SCRIPTED.msg_type.clone();
        let put = self.stores.catalog.put_workflow(msg_type, SCRIPTED.version, workflow(1).into());
        put.await.expect("the workflow is put");
    }

    /// A fresh Msg_ID for `acme`.
    ///
    /// # Panics
    /// When none is issued.
    pub async fn msg_id(&self) -> MsgId {
        self.intake.issue(&acme(), 1).await.expect("an id is issued").msg_ids[0]
    }

    /// Submits a message with this payload under a fresh id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn submit(&self, payload: Value) -> MsgId {
        let id = self.msg_id().await;
        self.submit_body(&envelope(id, &payload)).await.expect("the message is accepted");
        id
    }

    /// Submits a body.
    ///
    /// # Errors
    /// As [`Intake::submit`].
    pub async fn submit_body(&self, body: &str) -> Result<Accepted, IntakeError> {
        self.intake.submit(body.as_bytes()).await
    }

    /// The time, in milliseconds since the epoch.
    #[must_use]
    pub fn clock_now(&self) -> u64 {
        self.clock.now().as_millis()
    }

    /// A ticket that is at hand, or that the backend fetches without any time
    /// passing; none when none is.
    ///
    /// # Panics
    /// When the feeder fails.
    pub async fn at_hand(&self) -> Option<Lease> {
        if let Some(cloud) = Cloud::of(&self.clock) {
            if cloud.must_sweep(self.clock.now()) {
                self.stores.sweep().await.expect("the sweep works");
            }
            if !cloud.has_ticket(self.clock.now(), !self.clock.stands_still()).await {
                return None;
            }
            let lease = tokio::time::timeout(PATIENCE, self.stores.feeder.lease()).await;
            let lease =
                lease.unwrap_or_else(|_| panic!("a ticket does not come on {}", cloud.name()));
            return Some(lease.expect("the feeder leases"));
        }
        // Ordered behind what the lease orders, so answered behind it.
        let nobody = MsgId::from_bytes([0; 16]);
        let mut lease = pin!(self.stores.feeder.lease());
        let lease = tokio::select! {
            biased;
            lease = &mut lease => Some(lease),
            removed = self.stores.reference.remove(nobody) => {
                removed.expect("nothing is removed");
                // Both may have been answered after the first was looked at.
                lease.now_or_never()
            }
        };
        lease.map(|lease| lease.expect("the feeder leases"))
    }

    /// A ticket that is due now or, time jumping, later; none when no message
    /// moves any more by itself.
    ///
    /// # Panics
    /// When the feeder fails, or has none though a message must move.
    pub async fn lease(&self) -> Option<Lease> {
        if let Some(lease) = self.at_hand().await {
            return Some(lease);
        }
        if !self.moves().await {
            return None;
        }
        if Cloud::of(&self.clock).is_some() {
            return Some(self.kept_up().await);
        }
        let lease = tokio::time::timeout(PATIENCE, self.stores.feeder.lease()).await;
        Some(lease.expect("a message that moves has a ticket").expect("the feeder leases"))
    }

    /// A ticket of a backend that has to be kept up, as a host does it.
    async fn kept_up(&self) -> Lease {
        for _ in 0..UPKEEP_MAX {
            if let Some(lease) = self.at_hand().await {
                return lease;
            }
            self.keep_up().await.expect("the backend is kept up");
        }
        panic!("a message that moves has neither ticket nor timer");
    }

    /// What a host does of itself while it waits for a ticket, with the time that
    /// passes meanwhile: timers, and sweeps, which are not left out for long.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn keep_up(&self) -> Result<(), Fault> {
        let now = self.clock.now();
        // The look before the next one is due sees it.
        let look = self.stores.upkeep_times().map_or(Duration::ZERO, |times| times.timers);
        let next = match self.stores.feed_due().await? {
            Some(next) => next.before(look),
            None => now.after(SWEEP_EACH),
        };
        if next < now.after(SWEEP_EACH) {
            self.clock.sleep_until(next).await;
            return Ok(());
        }
        let step_max = Cloud::of(&self.clock).map_or(SWEEP_EACH, |cloud| cloud.step_max());
        self.clock.sleep_until(next.min(now.after(step_max))).await;
        // A host would have swept each hour until now.
        let mut swept = self.stores.sweep().await;
        for _ in 0..SWEEPS_MAX {
            if matches!(swept, Ok(Swept { failed: 0, .. })) {
                break;
            }
            swept = self.stores.sweep().await;
        }
        swept.map(|_| ())
    }

    /// Whether a message is open that does not wait for a person.
    ///
    /// # Panics
    /// When the backend fails.
    pub async fn moves(&self) -> bool {
        let guarantee = &self.stores.guarantee;
        let open = guarantee.open(None, usize::MAX >> 1).await.expect("readable");
        for id in open {
            if let Found::Open(loaded) = guarantee.load(id).await.expect("readable")
                && loaded.head.phase != Phase::Parked
            {
                return true;
            }
        }
        false
    }

    /// Moves messages until all rest, and lets the time pass that it takes.
    ///
    /// # Panics
    /// When the feeder fails.
    pub async fn run(&self) {
        while let Some(lease) = self.lease().await {
            self.controller.handle(lease).await.expect("the turn ends");
        }
    }

    /// Moves messages as far as they come without any time passing.
    ///
    /// # Panics
    /// When the feeder fails.
    pub async fn run_now(&self) {
        self.clock.stand_still(true);
        while let Some(lease) = self.at_hand().await {
            self.controller.handle(lease).await.expect("the turn ends");
        }
        self.clock.stand_still(false);
    }

    /// An open message.
    ///
    /// # Panics
    /// When it is not open.
    pub async fn load(&self, id: MsgId) -> Loaded {
        match self.stores.guarantee.load(id).await.expect("readable") {
            Found::Open(loaded) => *loaded,
            other => panic!("{id} is not open: {other:?}"),
        }
    }

    /// What a message waits for as a signal names it: its state and subject.
    ///
    /// # Panics
    /// When it is not open.
    pub async fn subject(&self, id: MsgId) -> (MsgState, Digest) {
        let loaded = self.load(id).await;
        let step = usize::try_from(loaded.head.step).expect("a place");
        (loaded.head.state, loaded.records[step].hash)
    }

    /// The envelope of a signal about a message as it is now, by one of the board.
    ///
    /// # Panics
    /// When the message is not open or no Msg_ID is issued.
    pub async fn signal_envelope(&self, id: MsgId, name: &str, member: usize) -> String {
        let (state, subject) = self.subject(id).await;
        let own = self.intake.issue(&board(), 1).await.expect("an id is issued").msg_ids[0];
        signal_envelope(own, id, name, &state, subject, member)
    }

    /// Gives a message a signal about it as it is now.
    ///
    /// # Errors
    /// As [`Intake::signal`].
    pub async fn signal(
        &self,
        id: MsgId,
        name: &str,
        member: usize,
    ) -> Result<Receipt, IntakeError> {
        let body = self.signal_envelope(id, name, member).await;
        self.intake.signal(id, &name.parse().expect("a name"), body.as_bytes()).await
    }
}

/// The envelope of a signal with all that it is bound to.
#[must_use]
pub fn signal_envelope(
    own: MsgId,
    id: MsgId,
    name: &str,
    state: &MsgState,
    subject: Digest,
    member: usize,
) -> String {
    let text = json!({
        "msg_id": own, "msg_type": "signal", "client_id": "board",
        "creation_date": "2026-11-23T10:00:00Z",
        "payload": {"signal": name, "msg_id": id, "msg_state": state, "subject": subject},
    })
    .to_string();
    let signature = board_key(member).sign_text(&text);
    json!({"scheme": "eip191", "message": text, "signature": signature}).to_string()
}

/// Registers the clients `acme`, whose signer is [`CLIENT_KEY`], and `board`.
///
/// # Panics
/// When the backend fails.
pub async fn register_clients(stores: &Stores) {
    let client = Client {
        client_id: acme(),
        signers: [client_key().address()].into(),
        msg_types: ["transfer".parse().expect("a name")].into(),
        msg_ids_outstanding_max: None,
    };
    stores.clients.put(client).await.expect("the client is put");
    let board = Client {
        client_id: board(),
        signers: (0..BOARD_KEYS.len()).map(|member| board_key(member).address()).collect(),
        msg_types: ["signal".parse().expect("a name")].into(),
        msg_ids_outstanding_max: None,
    };
    stores.clients.put(board).await.expect("the client is put");
}

/// The name of those who give signals.
///
/// # Panics
/// Never.
#[must_use]
pub fn board() -> ClientId {
    "board".parse().expect("a name")
}

/// The key of one of the board.
///
/// # Panics
/// When there are not so many.
#[must_use]
pub fn board_key(member: usize) -> PrivateKey {
    BOARD_KEYS[member].parse().expect("a key")
}

/// The client's name.
///
/// # Panics
/// Never.
#[must_use]
pub fn acme() -> ClientId {
    "acme".parse().expect("a name")
}

/// The client's key.
///
/// # Panics
/// Never.
#[must_use]
pub fn client_key() -> PrivateKey {
    CLIENT_KEY.parse().expect("a key")
}

/// The text of a message.
#[must_use]
pub fn text(id: MsgId, payload: &Value) -> String {
    json!({
        "msg_id": id, "msg_type": "transfer", "client_id": "acme",
        "creation_date": "2026-11-23T10:00:00Z", "payload": payload,
    })
    .to_string()
}

/// The envelope of a message, signed by the client.
#[must_use]
pub fn envelope(id: MsgId, payload: &Value) -> String {
    envelope_of(&text(id, payload))
}

/// The envelope of any text, signed by the client.
#[must_use]
pub fn envelope_of(text: &str) -> String {
    let signature = client_key().sign_text(text);
    json!({"scheme": "eip191", "message": text, "signature": signature}).to_string()
}
