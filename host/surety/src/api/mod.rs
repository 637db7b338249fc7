//! The HTTP API. One file an endpoint group; a new endpoint is a line in
//! `endpoints`, and thereby in the OpenAPI document, which cannot drift from
//! what is served.
//!
//! ```text
//!  request → auth → extract (path, query, body) → endpoint → engine or port
//!                                                    └→ problem
//! ```

mod auth;
mod body;
mod extract;
mod openapi;
pub mod problem;

pub mod canaries;
pub mod clients;
pub mod deployments;
pub mod health;
pub mod logs;
pub mod message_types;
pub mod messages;
pub mod migrate;
pub mod module_audit;
pub mod modules;
pub mod msg_ids;
pub mod revocations;
pub mod typed_data;
pub mod workflow_graph;
pub mod workflow_touches;
pub mod workflows;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use surety_core::intake::Intake;
use surety_core::operator::Operator;
use surety_core::ports::{Archive, Clients, Guarantee};
use surety_core::refusal::Code;
use surety_core::workflows::Workflows;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Config;
use crate::deploy::Deployer;
use crate::guest_logs::GuestLogs;
use crate::routes::Routes;
use crate::serve::Stop;
use crate::tokens::Tokens;
use crate::watch::Watched;
use problem::Problem;

/// What the endpoints work with.
pub struct App {
    /// Issues and admits.
    pub intake: Intake,
    /// Moves messages for a person.
    pub operator: Operator,
    /// The truth, for histories and for what Reference lost.
    pub guarantee: Arc<dyn Guarantee>,
    /// The read model, and who waits for it to change.
    pub watched: Arc<Watched>,
    /// Finished messages.
    pub archive: Arc<dyn Archive>,
    /// Registered clients.
    pub clients: Arc<dyn Clients>,
    /// Deploys.
    pub deployer: Arc<Deployer>,
    /// Deployments as they are kept.
    pub catalog: Arc<dyn surety_core::ports::Catalog>,
    /// Deployed workflows.
    pub workflows: Arc<Workflows>,
    /// Deployed modules.
    pub routes: Arc<Routes>,
    /// What modules wrote lately.
    pub guest_logs: Arc<GuestLogs>,
    /// Room for who follows it.
    pub log_followers: Semaphore,
    /// Who may do what.
    pub tokens: Tokens,
    /// Room for submissions.
    pub admissions: Semaphore,
    /// Limits.
    pub config: Arc<Config>,
    /// Tells when the host stops.
    pub stop: Stop,
}

/// On every answer of a host that runs modules which nobody signed.
const DEVELOPMENT: HeaderName = HeaderName::from_static("surety-development");

/// The endpoints. Each is served exactly as it is documented beside its code.
fn endpoints() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::preamble())
        .routes(routes!(msg_ids::issue))
        .routes(routes!(messages::submit::submit, messages::list::list))
        .routes(routes!(messages::get::get))
        .routes(routes!(messages::history::history))
        .routes(routes!(messages::bundle::bundle))
        .routes(routes!(messages::signals::list))
        .routes(routes!(messages::signals::give))
        .routes(routes!(messages::redrive::one))
        .routes(routes!(messages::redrive::many))
        .routes(routes!(messages::cancel::cancel))
        .routes(routes!(modules::put, modules::list))
        .routes(routes!(modules::get))
        .routes(routes!(deployments::history))
        .routes(routes!(deployments::rollback))
        .routes(routes!(deployments::remove))
        .routes(routes!(canaries::get))
        .routes(routes!(canaries::end))
        .routes(routes!(revocations::revoke))
        .routes(routes!(revocations::list))
        .routes(routes!(module_audit::get))
        .routes(routes!(workflows::put, workflows::list))
        .routes(routes!(workflows::get, workflows::remove))
        .routes(routes!(migrate::migrate))
        .routes(routes!(workflow_graph::get))
        .routes(routes!(workflow_touches::get))
        .routes(routes!(message_types::get))
        .routes(routes!(typed_data::get))
        .routes(routes!(clients::list))
        .routes(routes!(clients::put, clients::get))
        .routes(routes!(logs::get))
        .routes(routes!(health::status))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// The OpenAPI document of the endpoints.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::finish(endpoints().into_openapi())
}

/// The endpoints, ready to be served.
///
/// # Panics
/// Never: the document has only keys that are strings.
pub fn router(app: Arc<App>) -> Router {
    let document: Arc<str> = document().to_json().expect("the document is JSON").into();
    let serve_document = move || {
        let document = document.to_string();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    };
    let (router, _) = endpoints().split_for_parts();
    let development = app.config.policy.development;
    let mode = move |mut response: Response| async move {
        if development {
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert(DEVELOPMENT, yes);
        }
        response
    };
    router
        .route("/openapi.json", get(serve_document))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(guard))
        .layer(map_response(mode))
        .with_state(app)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("there is nothing at `{}`", uri.path()))
}

async fn method_not_allowed(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(Code::MethodNotAllowed, format!("`{path}` does not take {method}"))
}

/// A panic is a bug in the host; who sent the request should still be told.
async fn guard(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answer.unwrap_or_else(|_| {
        tracing::error!(%method, path, "an endpoint panicked");
        Problem::new(Code::Internal, "the host failed").into_response()
    });
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    response
}
