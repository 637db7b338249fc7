//! SQS as AWS documents it, over the AWS JSON 1.0 protocol.
//!
//! ```text
//! message settings        one message; a queue's attributes
//! queue fifo              one queue; groups and deduplication
//! state                   all queues
//! admin send receive settle batch   the operations
//! errors                  what they refuse with
//! chaos                   what goes wrong on purpose
//! inspect                 what a test sees and does past the protocol
//! ```
//!
//! It takes any credentials and any region. It does not have: permissions, message
//! move tasks, `ReceiveRequestAttemptId`, and the rates that AWS allows.

mod admin;
mod batch;
mod chaos;
mod errors;
mod fifo;
mod inspect;
mod message;
mod queue;
mod receive;
mod send;
mod settings;
mod settle;
mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::{Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::gate::Gate;
use crate::http::{Answer, Server, respond};
use chaos::{Adversary, Fate, draw};
use errors::{ACTION, Fault, SERIALIZATION};
use receive::{Look, RECEIVE, Receive};
use state::State;

pub use chaos::{Chaos, Throttle};
pub use inspect::Seen;

/// What precedes the operation's name in `X-Amz-Target`.
const TARGET: &str = "AmazonSQS.";
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/x-amz-json-1.0");

/// A server of queues. Dropped, it is gone with all that is in it.
pub struct Sqs {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Told of every change, because it may let a long poll go on.
    changed: Notify,
}

type Operation = fn(&mut State, u64, Value) -> Result<Value, Fault>;

/// All operations but ReceiveMessage, which may wait.
const OPERATIONS: [(&str, Operation); 16] = [
    ("ChangeMessageVisibility", settle::change),
    ("ChangeMessageVisibilityBatch", settle::change_batch),
    ("CreateQueue", admin::create),
    ("DeleteMessage", settle::delete),
    ("DeleteMessageBatch", settle::delete_batch),
    ("DeleteQueue", admin::delete),
    ("GetQueueAttributes", admin::attributes),
    ("GetQueueUrl", admin::url),
    ("ListQueueTags", admin::tags),
    ("ListQueues", admin::list),
    ("PurgeQueue", admin::purge),
    ("SendMessage", send::single),
    ("SendMessageBatch", send::batch),
    ("SetQueueAttributes", admin::set),
    ("TagQueue", admin::tag),
    ("UntagQueue", admin::untag),
];

impl Sqs {
    /// Starts a server on a free port of the loopback interface. It lives in the
    /// runtime of the caller.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(clock: Arc<dyn Clock>, chaos: Chaos) -> io::Result<Self> {
        let state = Mutex::new(State::new(Adversary::new(chaos)));
        let shared = Arc::new(Shared { clock, state, changed: Notify::new() });
        let handler = shared.clone();
        let server = Server::start(move |request| {
            let shared = handler.clone();
            async move { shared.answer(request).await }
        })
        .await?;
        shared.state().base = format!("http://{}", server.address());
        Ok(Self { server, shared })
    }

    /// Goes on with other knobs and their seed.
    pub fn set_chaos(&self, chaos: Chaos) {
        self.shared.state().adversary = Adversary::new(chaos);
    }

    /// What all chance comes from. Whoever fails prints it, so that the run can be
    /// repeated.
    pub fn seed(&self) -> u64 {
        self.shared.state().adversary.seed()
    }

    /// How often each knob of `Chaos` hit since it was set, by the field's name.
    pub fn hits(&self) -> BTreeMap<&'static str, u64> {
        self.shared.state().adversary.hits().clone()
    }

    /// Puts a gate before all further calls.
    pub fn set_gate(&self, gate: Arc<Gate>) {
        self.server.set_gate(gate);
    }

    /// Where a client finds it: `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs")
            .field("url", &self.url())
            .field("seed", &self.seed())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a test that held the lock left whole operations behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Bytes>) -> Answer {
        let target = request.headers().get("x-amz-target").and_then(|t| t.to_str().ok());
        let name = target.and_then(|t| t.strip_prefix(TARGET)).unwrap_or_default().to_owned();
        let (id, fate) = {
            let mut state = self.state();
            *state.calls.entry(name.clone()).or_default() += 1;
            let id = format!("00000000-0000-4000-8000-{:012x}", state.serial());
            (id, state.adversary.fate(&name))
        };
        let result = match fate {
            Fate::LostBefore => return None,
            Fate::Refused(fault) => Err(fault),
            fate => {
                let result = self.call(&name, request.body()).await;
                self.changed.notify_waiters();
                match fate {
                    Fate::LostAfter => return None,
                    Fate::ErrorAfter(fault) => Err(fault),
                    _ => result,
                }
            }
        };
        Some(match result {
            Ok(value) => respond(
                StatusCode::OK,
                &[CONTENT_TYPE, ("x-amzn-requestid", &id)],
                value.to_string().into(),
            ),
            Err(fault) => respond(
                StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST),
                &[
                    CONTENT_TYPE,
                    ("x-amzn-requestid", &id),
                    ("x-amzn-query-error", &fault.query_error()),
                ],
                fault.body().to_string().into(),
            ),
        })
    }

    async fn call(&self, name: &str, body: &[u8]) -> Result<Value, Fault> {
        let input = serde_json::from_slice(body)
            .map_err(|e| SERIALIZATION.because(format!("The body is not JSON: {e}.")))?;
        if name == RECEIVE {
            return self.receive(parse(input)?).await;
        }
        let operation = OPERATIONS.iter().find(|(known, _)| *known == name);
        let Some((_, operation)) = operation else {
            return Err(ACTION.because(format!("The action {name:?} is not valid here.")));
        };
        operation(&mut self.state(), self.clock.now_ms(), input)
    }

    /// Looks until something is there or the wait is over; between the looks it
    /// sleeps until the next message is visible, or something changes.
    async fn receive(&self, receive: Receive) -> Result<Value, Fault> {
        let began = self.clock.now_ms();
        let (end, mut blind) = {
            let mut state = self.state();
            let wait = receive.wait_ms(&mut state, began)?;
            (began + wait, draw!(&mut state.adversary, blind, RECEIVE))
        };
        loop {
            // Listening before looking: no change in between is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let now = self.clock.now_ms();
            let next = if blind {
                None
            } else {
                match receive.look(&mut self.state(), now, end > began)? {
                    Look::Found(reply) => return Ok(reply),
                    Look::Nothing(next) => next,
                }
            };
            if now >= end {
                return Ok(json!({}));
            }
            let until = next.unwrap_or(end).min(end);
            tokio::select! {
                () = self.clock.sleep_until_ms(until) => {}
                () = changed => blind = false,
            }
        }
    }
}

/// Reads what an operation takes.
fn parse<T: DeserializeOwned>(input: Value) -> Result<T, Fault> {
    serde_json::from_value(input)
        .map_err(|e| SERIALIZATION.because(format!("The request is not of its shape: {e}.")))
}
