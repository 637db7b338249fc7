//! Submitting a signed message. Needs no token: the signature is one.

use std::sync::Arc;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use surety_core::crypto::Signature;
use surety_core::intake::body_bytes_max;
use surety_core::receipt::Receipt;
use surety_core::types::{Address, Digest, MsgId, MsgState, Time};
use utoipa::ToSchema;

use crate::api::App;
use crate::api::extract::read;
use crate::api::problem::Problem;

/// What is submitted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Envelope)]
pub struct EnvelopeView {
    /// How the text was signed: `eip191`, which is `personal_sign`; or `eip712`, as
    /// typed data, for message types that offer it.
    #[schema(example = "eip191")]
    pub scheme: String,
    /// The message's JSON text, byte for byte as it was signed, as a string. With
    /// `eip712` the canonical text (RFC 8785) of what was signed.
    pub message: String,
    /// r, s and v, as `0x` and 130 hex digits.
    pub signature: String,
}

/// The host's signed word that it keeps a message. `signature` (EIP-191) is over
/// five lines: `surety receipt v1`, msg_id, msg_state, content_hash, accepted_at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptView {
    /// Which message.
    #[schema(value_type = String)]
    pub msg_id: MsgId,
    /// The state that it starts in.
    #[schema(value_type = String)]
    pub msg_state: MsgState,
    /// keccak256 of the signed text.
    #[schema(value_type = String)]
    pub content_hash: Digest,
    /// When it was accepted, by the host's clock.
    #[schema(value_type = String, format = DateTime)]
    pub accepted_at: Time,
    /// The host's address.
    #[schema(value_type = String)]
    pub host: Address,
    /// The host's signature.
    #[schema(value_type = String)]
    pub signature: Signature,
}

impl From<&Receipt> for ReceiptView {
    fn from(r: &Receipt) -> Self {
        Self {
            msg_id: r.msg_id,
            msg_state: r.msg_state.clone(),
            content_hash: r.content_hash,
            accepted_at: r.accepted_at,
            host: r.host,
            signature: r.signature,
        }
    }
}

/// Submit a signed message
///
/// When this answers 202, the message is kept durably and will be run. The same
/// content again gives the same receipt.
#[utoipa::path(
    post,
    path = "/v1/messages",
    operation_id = "submit_message",
    tag = "messages",
    request_body = EnvelopeView,
    responses(
        (status = 202, description = "The message is kept", body = ReceiptView),
        (status = 200, description = "It was kept before", body = ReceiptView),
    ),
)]
pub(in crate::api) async fn submit(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<(StatusCode, Answer<ReceiptView>), Problem> {
    let max = body_bytes_max(app.config.intake.message_bytes_max);
    let limit = "the limit `message_bytes_max`, with its envelope,";
    let bytes = read(&app, body, max, limit).await?;
    // Taken with the body at hand, so that nobody holds a place by sending slowly.
    let full = |_| Problem::busy("the host has its hands full of submissions");
    let _admission = app.admissions.try_acquire().map_err(full)?;
    let accepted = app.intake.submit(&bytes).await?;
    let status = if accepted.before { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Answer(accepted.receipt.as_ref().into())))
}
