//! Typed data: what a wallet needs to show a message and sign it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::refusal::Code;
use surety_core::typed_data::TypedData;
use surety_core::types::{Digest, MsgType};
use utoipa::ToSchema;

use super::App;
use super::auth::Read;
use super::extract::Path;
use super::problem::Problem;

/// Domain, types and primary type, as ethers, viem and eth-account take them.
/// Together with the parsed message text they are what is signed. `EIP712Domain`
/// is not among the types: those libraries add it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TypedData)]
pub struct TypedDataView {
    /// For what the signature is.
    pub domain: DomainView,
    /// The struct types by name.
    pub types: BTreeMap<String, Vec<MemberView>>,
    /// The one that a message is of.
    pub primary_type: String,
}

/// As it is shown.
pub(super) fn view(typed_data: &TypedData) -> Result<TypedDataView, Problem> {
    serde_json::from_str(typed_data.as_str())
        .map_err(|_| Problem::new(Code::Internal, "the typed data cannot be shown"))
}

/// The EIP-712 domain.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TypedDataDomain)]
pub struct DomainView {
    /// As the workflow has it.
    pub name: String,
    /// As the workflow has it.
    pub version: String,
    /// As the workflow has it.
    pub chain_id: u64,
    /// keccak256 of the schema of what is signed.
    #[schema(value_type = String)]
    pub salt: Digest,
}

/// A member of a struct type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = TypedDataMember)]
pub struct MemberView {
    /// Its name, as in the message.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Get what a wallet signs for a message type
#[utoipa::path(
    get,
    path = "/v1/message-types/{type}/typed-data",
    operation_id = "get_typed_data",
    tag = "messages",
    params(("type" = String, Path, description = "Message type")),
    responses((status = 200, description = "The typed data", body = TypedDataView)),
    security(("token" = [])),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    _: Read,
    Path(msg_type): Path<MsgType>,
) -> Result<Answer<TypedDataView>, Problem> {
    let missing = |why: &str| Problem::new(Code::NotFound, format!("{why} `{msg_type}`"));
    let workflow = app.workflows.newest(&msg_type);
    let workflow = workflow.ok_or_else(|| missing("no workflow takes messages of the type"))?;
    let typed_data = workflow.typed_data.as_ref();
    let typed_data =
        typed_data.ok_or_else(|| missing("there are no typed data for messages of the type"))?;
    Ok(Answer(view(typed_data)?))
}
