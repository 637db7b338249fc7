//! A host without its faces: stores, intake, controller, and a client with a key.

use std::sync::Arc;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use surety_core::controller::Controller;
use surety_core::crypto::PrivateKey;
use surety_core::intake::{Accepted, Intake, IntakeError, IntakeLimits};
use surety_core::ports::{Actions, Client, Clock, Lease};
use surety_core::types::{ClientId, MsgId};
use surety_core::workflow::Workflow;
use surety_core::workflows::Workflows;
use surety_store::Stores;

use crate::clock::VirtualClock;
use crate::scripted::{Scripted, workflow};

/// The first account of the well-known test mnemonic "test test … junk".
pub const CLIENT_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// The second.
pub const HOST_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// A host on some stores.
pub struct Rig {
    /// Its stores.
    pub stores: Stores,
    /// The way in.
    pub intake: Intake,
    /// The way through.
    pub controller: Controller,
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
        workflows.add(Workflow::parse(&workflow(1)).expect("the scripted workflow parses"));
        let key: Arc<PrivateKey> = Arc::new(HOST_KEY.parse().expect("a key"));
        let time: Arc<dyn Clock> = Arc::clone(clock) as _;
        let intake = Intake {
            workflows: Arc::clone(&workflows),
            clients: Arc::clone(&stores.clients),
            guarantee: Arc::clone(&stores.guarantee),
            reference: Arc::clone(&stores.reference),
            clock: Arc::clone(&time),
            key: Arc::clone(&key),
            limits: IntakeLimits {
                message_bytes_max: 16 << 10,
                msg_ids_count_max: 100,
                msg_ids_outstanding_max: 200,
                msg_id_ttl_ms: 3_600_000,
            },
        };
        let controller = Controller {
            workflows,
            guarantee: Arc::clone(&stores.guarantee),
            feeder: Arc::clone(&stores.feeder),
            reference: Arc::clone(&stores.reference),
            archive: Arc::clone(&stores.archive),
            actions: Arc::clone(actions) as Arc<dyn Actions>,
            clock: time,
            key,
        };
        Self { stores, intake, controller, actions: Arc::clone(actions), clock: Arc::clone(clock) }
    }

    /// Registers the client `acme`, whose signer is [`CLIENT_KEY`].
    ///
    /// # Panics
    /// When the backend fails.
    pub async fn register(&self) {
        register_acme(&self.stores).await;
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

    /// A ticket that is due now or, time jumping, later; none when all rest.
    ///
    /// # Panics
    /// When the feeder fails.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        self.stores.feeder.lease().now_or_never().map(|lease| lease.expect("the feeder leases"))
    }

    /// Moves messages until all rest.
    ///
    /// # Panics
    /// When the feeder fails.
    pub async fn run(&self) {
        while let Some(lease) = self.lease() {
            self.controller.handle(lease).await.expect("the turn ends");
        }
    }
}

/// Registers the client `acme`, whose signer is [`CLIENT_KEY`].
///
/// # Panics
/// When the backend fails.
pub async fn register_acme(stores: &Stores) {
    let client = Client {
        client_id: acme(),
        signers: [client_key().address()].into(),
        msg_types: ["transfer".parse().expect("a name")].into(),
        msg_ids_outstanding_max: None,
    };
    stores.clients.put(client).await.expect("the client is put");
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
