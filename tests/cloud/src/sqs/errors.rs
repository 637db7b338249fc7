//! What SQS refuses with: the shape that the JSON protocol names, and the code
//! of the older query protocol, by which the SDKs still tell the errors apart.

use serde_json::{Value, json};

/// A kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// `__type` of the body.
    shape: &'static str,
    /// Code of the header `x-amzn-query-error`.
    pub(crate) code: &'static str,
    status: u16,
}

const fn kind(shape: &'static str, code: &'static str, status: u16) -> Kind {
    Kind { shape, code, status }
}

pub(crate) const BATCH_IDS_NOT_DISTINCT: Kind = kind(
    "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
    "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    400,
);
pub(crate) const BATCH_TOO_LONG: Kind = kind(
    "com.amazonaws.sqs#BatchRequestTooLong",
    "AWS.SimpleQueueService.BatchRequestTooLong",
    400,
);
pub(crate) const BATCH_EMPTY: Kind =
    kind("com.amazonaws.sqs#EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", 400);
pub(crate) const BATCH_ID_INVALID: Kind = kind(
    "com.amazonaws.sqs#InvalidBatchEntryId",
    "AWS.SimpleQueueService.InvalidBatchEntryId",
    400,
);
pub(crate) const BATCH_TOO_MANY: Kind = kind(
    "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
    "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    400,
);
pub(crate) const ATTRIBUTE_NAME: Kind =
    kind("com.amazonaws.sqs#InvalidAttributeName", "InvalidAttributeName", 400);
pub(crate) const ATTRIBUTE_VALUE: Kind =
    kind("com.amazonaws.sqs#InvalidAttributeValue", "InvalidAttributeValue", 400);
pub(crate) const CONTENTS: Kind =
    kind("com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents", 400);
pub(crate) const NOT_IN_FLIGHT: Kind =
    kind("com.amazonaws.sqs#MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", 400);
pub(crate) const OVER_LIMIT: Kind = kind("com.amazonaws.sqs#OverLimit", "OverLimit", 403);
pub(crate) const PURGE_IN_PROGRESS: Kind = kind(
    "com.amazonaws.sqs#PurgeQueueInProgress",
    "AWS.SimpleQueueService.PurgeQueueInProgress",
    403,
);
pub(crate) const NO_QUEUE: Kind =
    kind("com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400);
pub(crate) const QUEUE_EXISTS: Kind =
    kind("com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists", 400);
pub(crate) const HANDLE: Kind =
    kind("com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404);
pub(crate) const QUEUE_DELETED: Kind = kind(
    "com.amazonaws.sqs#QueueDeletedRecently",
    "AWS.SimpleQueueService.QueueDeletedRecently",
    400,
);
pub(crate) const THROTTLED: Kind =
    kind("com.amazonaws.sqs#RequestThrottled", "RequestThrottled", 400);
pub(crate) const KMS_THROTTLED: Kind =
    kind("com.amazonaws.sqs#KmsThrottled", "KMS.ThrottlingException", 400);
// These have no shape in the service's model, and so no type in the SDKs.
pub(crate) const PARAMETER: Kind =
    kind("com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue", 400);
pub(crate) const MISSING: Kind =
    kind("com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter", 400);
pub(crate) const SERIALIZATION: Kind =
    kind("com.amazon.coral.service#SerializationException", "MalformedInput", 400);
pub(crate) const ACTION: Kind =
    kind("com.amazon.coral.service#UnknownOperationException", "InvalidAction", 404);
pub(crate) const DENIED: Kind =
    kind("com.amazon.coral.service#AccessDeniedException", "AccessDenied", 403);
pub(crate) const EXPIRED: Kind =
    kind("com.amazon.coral.service#ExpiredTokenException", "ExpiredToken", 403);
pub(crate) const UNKNOWN: Kind =
    kind("com.amazon.coral.service#UnrecognizedClientException", "InvalidClientTokenId", 403);
pub(crate) const OTHER_REGION: Kind =
    kind("com.amazon.coral.service#InvalidSignatureException", "SignatureDoesNotMatch", 403);
pub(crate) const THROTTLING: Kind =
    kind("com.amazon.coral.availability#ThrottlingException", "ThrottlingException", 400);
pub(crate) const SERVICE_UNAVAILABLE: Kind =
    kind("com.amazon.coral.service#ServiceUnavailableException", "ServiceUnavailable", 503);
pub(crate) const INTERNAL: Kind =
    kind("com.amazon.coral.service#InternalFailure", "InternalFailure", 500);

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl Kind {
    /// A refusal of this kind.
    pub(crate) fn because(self, message: impl Into<String>) -> Fault {
        Fault { kind: self, message: message.into() }
    }

    /// Whether the sender is at fault, not the service.
    pub(crate) fn sender(self) -> bool {
        self.status < 500
    }
}

impl Fault {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.kind.status
    }

    /// The header `x-amzn-query-error`.
    pub(crate) fn query_error(&self) -> String {
        format!("{};{}", self.kind.code, if self.kind.sender() { "Sender" } else { "Receiver" })
    }

    /// The body.
    pub(crate) fn body(&self) -> Value {
        json!({"__type": self.kind.shape, "message": self.message})
    }
}
