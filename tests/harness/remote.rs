//! The world outside, for scripted actions: it answers each request with another
//! number, or what it is told to say, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use surety_core::effect::{Outcome, Response, Unsent, UnsentKind};
use surety_core::ports::{Egress, Order};

/// What it was asked under one idempotency key.
type Asked = Vec<String>;

/// The world.
#[derive(Default)]
pub struct Remote {
    asked: Mutex<BTreeMap<String, Asked>>,
    says: Mutex<Option<String>>,
}

impl Remote {
    /// Lets it answer with this from now on.
    pub fn say(&self, body: &str) {
        *self.says.lock().unwrap_or_else(PoisonError::into_inner) = Some(body.to_owned());
    }

    /// The requests under each idempotency key, in their order.
    pub fn asked(&self) -> BTreeMap<String, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Egress for Remote {
    async fn send(&self, order: Order) -> Outcome {
        let Order { grant, idempotency_key, request, .. } = order;
        let permit = grant.permit(request.tls, &request.host, request.port, request.method);
        if let Err(e) = permit {
            return Err(Unsent::new(UnsentKind::Denied, e.to_string()));
        }
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(idempotency_key).or_default().push(request.place());
        let number: usize = all.values().map(Vec::len).sum();
        let says = self.says.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let body = says.unwrap_or_else(|| number.to_string()).into_bytes();
        Ok(Response { status: 200, headers: Vec::new(), body })
    }
}
