//! Signals: what a message waits for, and giving it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use surety_core::intake::body_bytes_max;
use surety_core::machine::{Awaited, awaited};
use surety_core::ports::{Fault, Found};
use surety_core::types::{Address, Digest, MsgId, MsgState, SignalName, Time};
use utoipa::ToSchema;

use super::submit::{EnvelopeView, ReceiptView};
use super::{archived, unknown};
use crate::api::App;
use crate::api::auth::Read;
use crate::api::extract::{Path, Paths, read};
use crate::api::problem::Problem;
use crate::api::typed_data::{self, TypedDataView};

/// What a message waits for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Signals)]
pub struct SignalsView {
    /// The state that the message is in; a signal names it as `msg_state`.
    #[schema(value_type = String)]
    pub msg_state: MsgState,
    /// What a signal approves and names as `subject`: the hash of the record by
    /// which the message entered the state. None if it does not wait.
    #[schema(value_type = Option<String>)]
    pub subject: Option<Digest>,
    /// When the wait ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Time>,
    /// The signals that it waits for.
    pub signals: Vec<SignalView>,
    /// What a wallet needs to sign one by `eip712`; none if the message's workflow
    /// has no typed data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typed_data: Option<TypedDataView>,
}

/// A signal that a message waits for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Signal)]
pub struct SignalView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: SignalName,
    /// Who may give it, and when: a condition in CEL.
    pub guard: String,
    /// How many different signers must give it.
    pub quorum: u32,
    /// Who has given it.
    #[schema(value_type = Vec<String>)]
    pub given: Vec<Address>,
    /// The state that it leads to.
    #[schema(value_type = String)]
    pub target: MsgState,
}

/// List the signals that a message waits for
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/signals",
    operation_id = "list_signals",
    tag = "messages",
    params(("id" = String, Path, description = "Msg_ID")),
    responses((status = 200, description = "What it waits for", body = SignalsView)),
    security(("token" = [])),
)]
pub(in crate::api) async fn list(
    State(app): State<Arc<App>>,
    _: Read,
    Path(id): Path<MsgId>,
) -> Result<Answer<SignalsView>, Problem> {
    let none = |msg_state| SignalsView {
        msg_state,
        subject: None,
        until: None,
        signals: vec![],
        typed_data: None,
    };
    let loaded = match app.guarantee.load(id).await? {
        Found::Open(loaded) => loaded,
        Found::Archived => {
            let last = archived(&app, id).await?.records.last().map(|record| record.record());
            let last = last.transpose().map_err(Fault::from)?;
            return last.map(|last| Answer(none(last.to))).ok_or_else(|| unknown(id));
        }
        Found::Nothing => return Err(unknown(id)),
    };
    let workflow = app.workflows.of(&loaded)?;
    let state = loaded.head.state.clone();
    let Some(Awaited { subject, until, signals }) = awaited(&workflow, &loaded) else {
        return Ok(Answer(none(state)));
    };
    let signals = signals.into_iter().map(|(name, on, given)| SignalView {
        name: name.clone(),
        guard: on.guard.text().to_owned(),
        quorum: on.quorum,
        given,
        target: on.target.clone(),
    });
    let typed_data = workflow.signal_typed_data.as_deref().map(typed_data::view).transpose()?;
    Ok(Answer(SignalsView {
        msg_state: state,
        subject: Some(subject),
        until: Some(until),
        signals: signals.collect(),
        typed_data,
    }))
}

/// Give a message a signal
///
/// The body is a signed envelope of the type `signal`, with a Msg_ID of its own.
/// When this answers 202, the signal is in a durable record of the message's
/// chain. The receipt's `msg_id` is the signal's, its `msg_state` the state in
/// which the message was then. The same signal again gets the same receipt.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/signals/{name}",
    operation_id = "give_signal",
    tag = "messages",
    params(
        ("id" = String, Path, description = "Msg_ID of the message that waits"),
        ("name" = String, Path, description = "The signal's name"),
    ),
    request_body = EnvelopeView,
    responses((status = 202, description = "The signal is kept", body = ReceiptView)),
)]
pub(in crate::api) async fn give(
    State(app): State<Arc<App>>,
    Paths(id, name): Paths<MsgId, SignalName>,
    body: Body,
) -> Result<(axum::http::StatusCode, Answer<ReceiptView>), Problem> {
    let max = body_bytes_max(app.config.intake.message_bytes_max);
    let bytes = read(&app, body, max, "the limit `message_bytes_max`, with its envelope,").await?;
    let full = |_| Problem::busy("the host has its hands full of submissions");
    let _admission = app.admissions.try_acquire().map_err(full)?;
    let receipt = app.intake.signal(id, &name, &bytes).await?;
    Ok((axum::http::StatusCode::ACCEPTED, Answer((&receipt).into())))
}
