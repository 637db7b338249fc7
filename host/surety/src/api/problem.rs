//! Refusals and failures as `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use surety_core::intake::IntakeError;
use surety_core::operator::OperateError;
use surety_core::ports::Fault;
use surety_core::receipt::RefusalReceipt;
use surety_core::refusal::{Code, Refusal};
use utoipa::ToSchema;

use crate::deploy::NotDeployed;

/// The media type of every answer that is not a success.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds after which one who was sent away should come again: by then a full
/// queue of a busy host has been worked off many times over.
const RETRY_AFTER_S: &str = "1";

/// Why a request did not get what it asked for.
#[derive(Debug)]
pub struct Problem {
    refusal: Refusal,
    receipt: Option<Box<RefusalReceipt>>,
}

/// A problem as it is sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// A URN made of the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:surety:problem:schema_invalid")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code that clients match on.
    #[schema(example = "schema_invalid")]
    pub code: String,
    /// One sentence about this case.
    pub detail: String,
    /// All findings, where there are several or their place matters.
    #[serde(default)]
    pub errors: Vec<FindingView>,
    /// The host's signed word that it refused the message, where it could read one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<RefusalReceiptView>,
}

/// One finding.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingView {
    /// JSON Pointer (RFC 6901) into what was sent.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// The host's signature (EIP-191) over four lines: `surety refusal v1`, content
/// hash, code and time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = RefusalReceipt)]
pub struct RefusalReceiptView {
    /// keccak256 of the text that was refused.
    pub content_hash: String,
    /// When, by the host's clock.
    pub refused_at: String,
    /// The host's address.
    pub host: String,
    /// The signature.
    pub signature: String,
}

impl Problem {
    /// A problem without findings.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Refusal::new(code, detail).into()
    }

    /// The host has no room for the request now.
    #[must_use]
    pub fn busy(what: &str) -> Self {
        Self::new(Code::Busy, format!("{what}; send the request again"))
    }

    pub(crate) fn view(&self) -> ProblemView {
        let Refusal { code, detail, errors } = &self.refusal;
        let (status, title) = row(*code);
        let finding = |f: &surety_core::refusal::Finding| FindingView {
            pointer: f.pointer.clone(),
            detail: f.detail.clone(),
        };
        ProblemView {
            kind: format!("urn:surety:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: code.to_string(),
            detail: detail.clone(),
            errors: errors.iter().map(finding).collect(),
            receipt: self.receipt.as_ref().map(|receipt| RefusalReceiptView {
                content_hash: receipt.content_hash.to_string(),
                refused_at: receipt.refused_at.to_string(),
                host: receipt.host.to_string(),
                signature: receipt.signature.to_string(),
            }),
        }
    }
}

/// Status and title of each code: 400 for what is malformed in itself, 422 for
/// what is well-formed and does not fit what the host knows.
fn row(code: Code) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match code {
        Code::MessageTooLarge => (S::PAYLOAD_TOO_LARGE, "Too large"),
        Code::JsonSyntax => (S::BAD_REQUEST, "Not JSON"),
        Code::JsonUtf8 => (S::BAD_REQUEST, "Not UTF-8"),
        Code::JsonBom => (S::BAD_REQUEST, "Byte order mark"),
        Code::JsonSurrogate => (S::BAD_REQUEST, "Half a surrogate pair"),
        Code::JsonDuplicateKey => (S::BAD_REQUEST, "Duplicate key"),
        Code::JsonNumber => (S::BAD_REQUEST, "Inexact number"),
        Code::JsonDepth => (S::BAD_REQUEST, "Nested too deep"),
        Code::JsonTrailing => (S::BAD_REQUEST, "Trailing bytes"),
        Code::EnvelopeInvalid => (S::BAD_REQUEST, "Envelope not of its schema"),
        Code::SchemeUnknown => (S::BAD_REQUEST, "Signing scheme unknown"),
        Code::SchemeNotOffered => (S::UNPROCESSABLE_ENTITY, "Signing scheme not offered"),
        Code::TextNotCanonical => (S::UNPROCESSABLE_ENTITY, "Message text not canonical"),
        Code::MsgTypeUnknown => (S::UNPROCESSABLE_ENTITY, "Message type unknown"),
        Code::SchemaInvalid => (S::UNPROCESSABLE_ENTITY, "Message not of its schema"),
        Code::SignatureHex => (S::BAD_REQUEST, "Signature not hex"),
        Code::SignatureLength => (S::BAD_REQUEST, "Signature of wrong length"),
        Code::SignatureCompact => (S::BAD_REQUEST, "Compact signature"),
        Code::SignatureBadV => (S::BAD_REQUEST, "Recovery id unknown"),
        Code::SignatureZero => (S::BAD_REQUEST, "Signature with a zero"),
        Code::SignatureOutOfRange => (S::BAD_REQUEST, "Signature out of range"),
        Code::SignatureHighS => (S::BAD_REQUEST, "Signature with a high s"),
        Code::SignatureUnrecoverable => (S::UNPROCESSABLE_ENTITY, "Signature of no key"),
        Code::ClientUnknown => (S::UNPROCESSABLE_ENTITY, "Client unknown"),
        Code::SignerNotAllowed => (S::FORBIDDEN, "Signer not allowed"),
        Code::MsgTypeNotAllowed => (S::FORBIDDEN, "Message type not allowed"),
        Code::MsgIdMalformed => (S::UNPROCESSABLE_ENTITY, "Msg_ID malformed"),
        Code::MsgIdUnknown => (S::UNPROCESSABLE_ENTITY, "Msg_ID never issued"),
        Code::MsgIdForeign => (S::UNPROCESSABLE_ENTITY, "Msg_ID of another client"),
        Code::MsgIdExpired => (S::UNPROCESSABLE_ENTITY, "Msg_ID expired"),
        Code::MsgIdUsed => (S::CONFLICT, "Msg_ID used"),
        Code::MsgIdCap => (S::TOO_MANY_REQUESTS, "Too many unused Msg_IDs"),
        Code::SignalUnknown => (S::UNPROCESSABLE_ENTITY, "Signal unknown"),
        Code::SignalEarly => (S::CONFLICT, "Signal too early"),
        Code::SignalLate => (S::CONFLICT, "Signal too late"),
        Code::SignalSubject => (S::CONFLICT, "Signal about something else"),
        Code::SignalTwice => (S::CONFLICT, "Signal given before"),
        Code::SignalNotAllowed => (S::FORBIDDEN, "Signal not allowed"),
        Code::GuardFailed => (S::UNPROCESSABLE_ENTITY, "Guard without an answer"),
        Code::RuleBroken => (S::UNPROCESSABLE_ENTITY, "Rule of the message type broken"),
        Code::ValidatorRefused => (S::UNPROCESSABLE_ENTITY, "Refused by a validator"),
        Code::ValidatorFailed => (S::UNPROCESSABLE_ENTITY, "Validator without an answer"),
        Code::NotParked => (S::CONFLICT, "Message not parked"),
        Code::RedriveNotDeclared => (S::CONFLICT, "Redrive not declared"),
        Code::CancelNotDeclared => (S::CONFLICT, "Cancel not declared"),
        Code::MigrationRefused => (S::CONFLICT, "Message cannot move to that version"),
        Code::WorkflowPinned => (S::CONFLICT, "Workflow in use"),
        Code::WorkflowUnknown => (S::NOT_FOUND, "Workflow not deployed"),
        Code::WorkflowInvalid => (S::UNPROCESSABLE_ENTITY, "Workflow not valid"),
        Code::WorkflowVersionUsed => (S::CONFLICT, "Workflow version used"),
        Code::ModuleInvalid => (S::UNPROCESSABLE_ENTITY, "Module not valid"),
        Code::ModuleImport => (S::UNPROCESSABLE_ENTITY, "Import not allowed"),
        Code::ModuleNotGranted => (S::FORBIDDEN, "Module not granted what it asks for"),
        Code::ModuleCompileLimit => (S::UNPROCESSABLE_ENTITY, "Module too dear to compile"),
        Code::ModuleVersionUsed => (S::CONFLICT, "Module version used"),
        Code::ModuleUnknown => (S::UNPROCESSABLE_ENTITY, "Module not deployed"),
        Code::ModuleUnfit => (S::UNPROCESSABLE_ENTITY, "Module breaks workflows"),
        Code::SettingsInvalid => (S::UNPROCESSABLE_ENTITY, "Settings not of their schema"),
        Code::RequestInvalid => (S::BAD_REQUEST, "Request malformed"),
        Code::Unauthorized => (S::UNAUTHORIZED, "Token missing or unknown"),
        Code::Forbidden => (S::FORBIDDEN, "Not allowed with this token"),
        Code::NotFound => (S::NOT_FOUND, "Not found"),
        Code::NotArchived => (S::CONFLICT, "Not archived yet"),
        Code::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "Method not allowed"),
        Code::Busy => (S::SERVICE_UNAVAILABLE, "Busy"),
        Code::Unavailable => (S::SERVICE_UNAVAILABLE, "Unavailable"),
        Code::Internal => (S::INTERNAL_SERVER_ERROR, "Host failure"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, _) = row(self.refusal.code);
        let body = serde_json::to_vec(&self.view()).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, receipt: None }
    }
}

impl From<Fault> for Problem {
    /// What is wrong inside goes to the log and not to the caller.
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(_) => {
                tracing::warn!(%fault, "request not answered");
                Self::new(
                    Code::Unavailable,
                    "the host cannot keep or read data now, and may or may not have done what was asked; send the same request again",
                )
            }
            Fault::Busy(_) => {
                tracing::debug!(%fault, "request not answered");
                Self::busy(
                    "a module that is needed has as many calls as it may or is being made ready; nothing was done",
                )
            }
            Fault::Corrupt(_) => {
                tracing::error!(%fault, "request not answered");
                Self::new(Code::Internal, "the host failed; its log says why")
            }
        }
    }
}

impl From<IntakeError> for Problem {
    fn from(e: IntakeError) -> Self {
        match e {
            IntakeError::Refused(refusal, receipt) => Self { refusal, receipt },
            IntakeError::Fault(fault) => fault.into(),
        }
    }
}

impl From<OperateError> for Problem {
    fn from(e: OperateError) -> Self {
        match e {
            OperateError::Refused(refusal) => refusal.into(),
            OperateError::Fault(fault) => fault.into(),
        }
    }
}

impl From<NotDeployed> for Problem {
    fn from(e: NotDeployed) -> Self {
        match e {
            NotDeployed::Refused(refusal) => refusal.into(),
            NotDeployed::Fault(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_an_error_status_and_its_own_title() {
        let mut titles = HashSet::new();
        for &code in Code::ALL {
            let (status, title) = row(code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}: {status}");
            assert!(!title.is_empty() && titles.insert(title), "{code}: {title:?}");
        }
    }

    #[test]
    fn what_is_wrong_inside_stays_inside() {
        for fault in [Fault::Unavailable("secret".into()), Fault::Corrupt("secret".into())] {
            let view = Problem::from(fault).view();
            assert!(!serde_json::to_string(&view).unwrap().contains("secret"));
        }
    }
}
