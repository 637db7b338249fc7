//! What DynamoDB does to its clients besides answering them: a proxy in front of any
//! server of its protocol.
//!
//! ```text
//! plan       the knobs
//! fate       what happens to a request, drawn when it arrives
//! refusal    what it is refused with
//! rewrite    what it is changed to
//! ```

mod fate;
mod plan;
mod refusal;
mod rewrite;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Request;
use serde_json::Value;

use crate::forward::{Forward, Reply};
use crate::gate::Gate;
use crate::http::{Answer, Server, operation};
use fate::{Fate, State};

pub use plan::{FaultPlan, Refusal, Spelling};
pub(crate) use refusal::refuse;

/// The answer to an operation that what is behind the proxy does not have.
pub(crate) type Local = Box<dyn Fn(&str, &Value) -> Option<Reply> + Send + Sync>;

/// The proxy. Dropped, it stops.
pub struct Faults {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    forward: Forward,
    local: Local,
    state: Mutex<State>,
}

impl Faults {
    /// Starts on a free port of the loopback interface, in front of the server at
    /// this address (`127.0.0.1:8000`).
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(upstream: &str, plan: FaultPlan) -> io::Result<Self> {
        Self::with_local(upstream, plan, Box::new(|_, _| None)).await
    }

    pub(crate) async fn with_local(
        upstream: &str,
        plan: FaultPlan,
        local: Local,
    ) -> io::Result<Self> {
        let state = Mutex::new(State::new(plan));
        let shared = Arc::new(Shared { forward: Forward::to(upstream), local, state });
        let handler = shared.clone();
        let server = Server::start(move |request| {
            let shared = handler.clone();
            async move { shared.answer(request).await }
        })
        .await?;
        Ok(Self { server, shared })
    }

    /// Puts a gate before all further calls.
    pub fn set_gate(&self, gate: Arc<Gate>) {
        self.server.set_gate(gate);
    }

    /// Where a client finds it: `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Goes on with another plan and its seed.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.shared.state().set_plan(plan);
    }

    /// What all chance comes from. Whoever fails prints it, so that the run can be
    /// repeated.
    pub fn seed(&self) -> u64 {
        self.shared.state().dice.seed
    }

    /// How often each knob of the plan hit since it was set, by the field's name.
    pub fn hits(&self) -> BTreeMap<&'static str, u64> {
        self.shared.state().dice.hits.clone()
    }

    /// How often each operation was called.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.state().calls.clone()
    }

    /// Counts from nothing again.
    pub fn reset_calls(&self) {
        self.shared.state().calls.clear();
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Faults");
        debug.field("url", &self.url()).field("seed", &self.seed()).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Bytes>) -> Answer {
        let operation = operation(&request);
        let (head, body) = request.into_parts();
        let input = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let fate = self.state().fate(&operation, &body, &input);
        let sent = match &fate {
            Fate::LostBefore => return None,
            Fate::Answered(reply) => return Some(reply.response()),
            Fate::Changed { request, .. } => Bytes::from(request.to_string()),
            _ => body.clone(),
        };
        let mut reply = match (self.local)(&operation, &input) {
            Some(reply) => reply,
            None => self.forward.send(Request::from_parts(head, sent)).await,
        };
        match fate {
            Fate::LostAfter => return None,
            Fate::ErrorAfter(error) => return Some(error.response()),
            Fate::Changed { later: Some(later), .. } => {
                reply = reply.map_json(|value| rewrite::give_back(&operation, value, later));
            }
            _ => {}
        }
        self.state().keep(&operation, &body, &input, &reply);
        Some(reply.response())
    }
}
