//! The way out of surety: sends the requests of sandboxed actions. Nothing else of
//! the host opens a connection on a module's behalf.
//!
//! ```text
//!  Order → place → ┌ permit → fill → resolve → connect → send ┐ → redact → Response
//!                  │ (grant)  (secrets) (every    (pinned,    │
//!                  │                   address)     TLS)      │
//!                  └──────────── each redirect ───────────────┘
//! ```
//!
//! A request goes to an address that was checked, on a connection of its own. There
//! are no proxies, no cookies, no pool and no decompression: what is sent is what
//! the action made, and what comes back is what it gets, without secrets.

mod config;
mod connect;
mod hop;
mod places;
mod redirect;
mod resolve;
mod secrets;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use surety_core::effect::{Outcome, Response, Unsent, UnsentKind};
use surety_core::ports::{Egress, Order};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::Instant;

use connect::Connector;
use places::Places;

pub use config::EgressConfig;
pub use resolve::{Resolver, SystemResolver};
pub use secrets::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secrets, SecretsError};

/// Why there is no way out.
#[derive(Debug, Error)]
pub enum GateError {
    /// The file with further certificate authorities cannot be used.
    #[error("`ca_file` {path}: {why}")]
    Authorities {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// TLS does not start.
    #[error("TLS does not start: {0}")]
    Tls(String),
}

/// The way out.
pub struct Gate {
    inner: Arc<Inner>,
    /// Where connections are driven, apart from the threads that run actions.
    handle: Handle,
}

struct Inner {
    config: EgressConfig,
    secrets: Secrets,
    connector: Connector,
    places: Places,
}

impl Gate {
    /// A way out whose connections are driven by the runtime that this is called in.
    ///
    /// # Errors
    /// See [`GateError`].
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn open(
        config: EgressConfig,
        secrets: Secrets,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, GateError> {
        let connector = Connector::new(&config, resolver)?;
        let places = Places::new(config.connections_max, config.connections_per_module_max);
        let inner = Arc::new(Inner { config, secrets, connector, places });
        Ok(Self { inner, handle: Handle::current() })
    }
}

/// Ends a task with who waits for it.
struct Tied<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl Egress for Gate {
    async fn send(&self, order: Order) -> Outcome {
        let inner = Arc::clone(&self.inner);
        let mut task = Tied(self.handle.spawn(async move { inner.send(&order).await }));
        (&mut task.0).await.unwrap_or_else(|e| {
            tracing::error!(%e, "a request ended early");
            Err(Unsent::new(UnsentKind::Protocol, "the host failed to send it"))
        })
    }
}

impl Inner {
    async fn send(&self, order: &Order) -> Outcome {
        let ms = order.budget.ms_max;
        let deadline = Instant::now() + Duration::from_millis(ms);
        let timeout = |_| {
            Err(Unsent::new(UnsentKind::Timeout, format!("there was no answer within {ms} ms")))
        };
        let outcome = tokio::time::timeout_at(deadline, self.follow(order)).await;
        let outcome = outcome.unwrap_or_else(timeout);
        let (method, place) = (order.request.method.as_str(), order.request.place());
        match &outcome {
            Ok(response) => {
                tracing::debug!(module = %order.module, method, place, status = response.status, "request sent");
            }
            Err(e) => tracing::warn!(module = %order.module, method, place, %e, "request failed"),
        }
        outcome
    }

    /// Sends the request, and to where it is redirected.
    async fn follow(&self, order: &Order) -> Outcome {
        let _place = self.places.take(&order.module).await?;
        let mut request = order.request.clone();
        for redirected in 0..=self.config.redirects_max {
            let response = self.hop(order, &request).await?;
            match redirect::next(&request, &response)? {
                None => return Ok(response),
                Some(next) if redirected < self.config.redirects_max => request = next,
                Some(_) => break,
            }
        }
        let max = self.config.redirects_max;
        Err(Unsent::new(UnsentKind::Redirect, format!("it was redirected more than {max} times")))
    }

    /// One request to one place, with every check.
    async fn hop(
        &self,
        order: &Order,
        request: &surety_core::effect::Request,
    ) -> Result<Response, Unsent> {
        let denied = |e: &dyn std::fmt::Display| Unsent::new(UnsentKind::Denied, e.to_string());
        let permit = order
            .grant
            .permit(request.tls, &request.host, request.port, request.method)
            .map_err(|e| denied(&e))?;
        let filled = self.secrets.fill(request, &permit).map_err(|e| denied(&e))?;
        let connection = self.connector.connect(request, &permit).await?;
        let head = hop::Head { request: &filled, idempotency_key: &order.idempotency_key };
        let response = hop::exchange(connection, head, order.budget.response_bytes_max).await?;
        let redacted = self.secrets.redact(response, &order.grant);
        // A marker may be longer than the value.
        if redacted.size() > order.budget.response_bytes_max {
            return Err(Unsent::too_large(order.budget.response_bytes_max));
        }
        Ok(redacted)
    }
}
