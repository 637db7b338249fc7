//! A message's transition records.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use surety_core::effect::Effect;
use surety_core::ports::{Fault, Found};
use surety_core::record::Sealed;
use surety_core::types::{Digest, MsgId, MsgState, Seq, Time};
use utoipa::ToSchema;

use super::{archived, unknown};
use crate::api::App;
use crate::api::auth::Read;
use crate::api::extract::Path;
use crate::api::problem::Problem;

/// One transition.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Record)]
pub struct RecordView {
    /// The revision that it made.
    #[schema(value_type = u64)]
    pub seq: Seq,
    /// When it was decided, by the host's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// The state before; none at admission.
    #[schema(value_type = Option<String>)]
    pub from: Option<MsgState>,
    /// The state after.
    #[schema(value_type = String)]
    pub to: MsgState,
    /// Why: `admission`, `action`, `choice`, `signal`, `timer`, `redrive`,
    /// `cancel`, `migration`, `limit`.
    pub cause: String,
    /// The module that ran, as `name@version`.
    pub action: Option<String>,
    /// The digest of that module's component.
    #[schema(value_type = Option<String>)]
    pub module: Option<Digest>,
    /// The digest of the settings that it ran with.
    #[schema(value_type = Option<String>)]
    pub settings: Option<Digest>,
    /// The digest of the workflow.
    #[schema(value_type = String)]
    pub workflow: Digest,
    /// The revision at which the message had entered `from`.
    #[schema(value_type = u64)]
    pub step: Seq,
    /// The attempt of that step, from 1.
    pub attempt: u32,
    /// The time that the action or guard was given as now.
    #[schema(value_type = String, format = DateTime)]
    pub now: Time,
    /// The merge patch (RFC 7396) to Msg_Ext; none when nothing was written.
    pub ext_patch: Option<Value>,
    /// What the action noted; the guard of a choice; who gave a signal; an
    /// operator's reason.
    pub note: Option<String>,
    /// How the attempt failed, if it did.
    pub error: Option<String>,
    /// What the action did outside, in its order; whole in the bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectView>,
    /// Fuel that the action used.
    pub fuel: u64,
    /// The engine that ran it.
    pub engine: Option<String>,
    /// keccak256 of the record's bytes: the link.
    #[schema(value_type = String)]
    pub hash: Digest,
    /// The hash of the record before; at admission that of the signed text.
    #[schema(value_type = String)]
    pub prev: Digest,
}

impl RecordView {
    /// What a stored record says.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(sealed: &Sealed) -> Result<Self, Fault> {
        let record = sealed.record()?;
        let some = |text: String| (!text.is_empty()).then_some(text);
        let unreadable = |e| Fault::Corrupt(format!("the ext patch of a record: {e}"));
        let module = record.module.as_ref();
        Ok(Self {
            seq: record.seq,
            at: record.at,
            from: record.from,
            to: record.to,
            cause: record.cause.as_str().to_owned(),
            action: module.map(|m| format!("{}@{}", m.name, m.version)),
            module: module.map(|m| m.digest),
            settings: module.map(|m| m.settings),
            workflow: record.workflow,
            step: record.step,
            attempt: record.attempt,
            now: record.now,
            ext_patch: some(record.ext_patch)
                .map(|text| serde_json::from_str(&text).map_err(unreadable))
                .transpose()?,
            note: some(record.note),
            error: record.failure.map(|failure| failure.to_string()),
            effects: record.effects.iter().map(EffectView::of).collect(),
            fuel: record.fuel,
            engine: some(record.engine),
            hash: sealed.hash,
            prev: record.prev,
        })
    }
}

/// A request of an action, and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Effect)]
pub struct EffectView {
    /// Its method.
    pub method: String,
    /// Its URL without the query, which may be private.
    pub url: String,
    /// The secrets that it named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The response's status, where there was one.
    pub status: Option<u16>,
    /// How it came to nothing, where it did.
    pub error: Option<String>,
}

impl EffectView {
    fn of(effect: &Effect) -> Self {
        let Effect { request, outcome } = effect;
        Self {
            method: request.method.as_str().to_owned(),
            url: request.place(),
            secrets: request.secrets().iter().map(ToString::to_string).collect(),
            status: outcome.as_ref().ok().map(|response| response.status),
            error: outcome.as_ref().err().map(ToString::to_string),
        }
    }
}

/// A message's records, from its admission.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = History)]
pub struct HistoryView {
    /// In their order.
    pub records: Vec<RecordView>,
}

/// Get a message's history
///
/// Each record names the hash of the one before, and the first that of the
/// signed text.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/history",
    operation_id = "get_history",
    tag = "messages",
    params(("id" = String, Path, description = "Msg_ID")),
    responses((status = 200, description = "The records", body = HistoryView)),
    security(("token" = [])),
)]
pub(in crate::api) async fn history(
    State(app): State<Arc<App>>,
    _: Read,
    Path(id): Path<MsgId>,
) -> Result<Answer<HistoryView>, Problem> {
    let records = match app.guarantee.load(id).await? {
        Found::Open(loaded) => loaded.records,
        Found::Archived => archived(&app, id).await?.records,
        Found::Nothing => return Err(unknown(id)),
    };
    let records = records.iter().map(RecordView::of).collect::<Result<_, _>>()?;
    Ok(Answer(HistoryView { records }))
}
