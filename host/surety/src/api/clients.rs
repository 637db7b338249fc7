//! Clients: who may submit what.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::ports::Client;
use surety_core::refusal::{Code, Refusal};
use surety_core::types::{Address, ClientId, MsgType};
use utoipa::ToSchema;

use super::App;
use super::auth::{Operate, Read};
use super::extract::{Json, Path};
use super::problem::Problem;

/// What a client may do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientRequest {
    /// The Ethereum addresses that may sign for it.
    #[schema(value_type = Vec<String>, min_items = 1)]
    pub signers: BTreeSet<Address>,
    /// The message types that it may submit.
    #[schema(value_type = Vec<String>)]
    pub msg_types: BTreeSet<MsgType>,
    /// The most unused Msg_IDs that it may hold; the host's default if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg_ids_outstanding_max: Option<u32>,
}

/// A registered client.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    /// Its name.
    #[schema(value_type = String)]
    pub client_id: ClientId,
    /// What it may do.
    #[serde(flatten)]
    pub client: ClientBody,
}

/// What a registered client may do.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ClientBody {
    /// The addresses that may sign for it.
    #[schema(value_type = Vec<String>)]
    pub signers: BTreeSet<Address>,
    /// The message types that it may submit.
    #[schema(value_type = Vec<String>)]
    pub msg_types: BTreeSet<MsgType>,
    /// The most unused Msg_IDs that it may hold; the host's default if none.
    pub msg_ids_outstanding_max: Option<u32>,
}

/// All registered clients.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Clients)]
pub struct ClientsView {
    /// By name.
    pub clients: Vec<ClientView>,
}

impl From<&Client> for ClientView {
    fn from(client: &Client) -> Self {
        Self {
            client_id: client.client_id.clone(),
            client: ClientBody {
                signers: client.signers.clone(),
                msg_types: client.msg_types.clone(),
                msg_ids_outstanding_max: client.msg_ids_outstanding_max,
            },
        }
    }
}

/// Register a client
///
/// In place of what was registered under its name.
#[utoipa::path(
    put,
    path = "/v1/clients/{id}",
    operation_id = "put_client",
    tag = "clients",
    params(("id" = String, Path, description = "Its client_id")),
    request_body = ClientRequest,
    responses((status = 200, description = "The client is registered", body = ClientView)),
    security(("token" = [])),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    _: Operate,
    Path(client_id): Path<ClientId>,
    Json(request): Json<ClientRequest>,
) -> Result<Answer<ClientView>, Problem> {
    if request.msg_ids_outstanding_max == Some(0) {
        let detail = "a client that may hold no Msg_ID could submit nothing";
        return Err(Refusal::new(Code::RequestInvalid, detail)
            .at("/msg_ids_outstanding_max", "must be 1 or more")
            .into());
    }
    let ClientRequest { signers, msg_types, msg_ids_outstanding_max } = request;
    let client = Client { client_id, signers, msg_types, msg_ids_outstanding_max };
    let view = ClientView::from(&client);
    app.clients.put(client).await?;
    tracing::info!(client_id = %view.client_id, "client registered");
    Ok(Answer(view))
}

/// Get a client
#[utoipa::path(
    get,
    path = "/v1/clients/{id}",
    operation_id = "get_client",
    tag = "clients",
    params(("id" = String, Path, description = "Its client_id")),
    responses((status = 200, description = "The client", body = ClientView)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Path(client_id): Path<ClientId>,
) -> Result<Answer<ClientView>, Problem> {
    let client =
        app.clients.get(&client_id).await?.ok_or_else(|| {
            Problem::new(Code::NotFound, format!("there is no client `{client_id}`"))
        })?;
    Ok(Answer(client.as_ref().into()))
}

/// List clients
#[utoipa::path(
    get,
    path = "/v1/clients",
    operation_id = "list_clients",
    tag = "clients",
    responses((status = 200, description = "All registered clients", body = ClientsView)),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Read,
) -> Result<Answer<ClientsView>, Problem> {
    let clients = app.clients.list().await?;
    Ok(Answer(ClientsView { clients: clients.iter().map(|c| c.as_ref().into()).collect() }))
}
