//! What an error of AWS means to the caller, and what to do about it.

use std::time::Duration;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use surety_core::ports::{Busy, Fault};

/// How long to leave AWS alone after it said that it is asked too much, beyond
/// what the SDK's own attempts waited.
const THROTTLED_DELAY: Duration = Duration::from_secs(1);

/// The spellings in which SQS and DynamoDB say that they are asked too much.
/// Whoever matches must strip the namespace before.
pub(super) const THROTTLES: [&str; 14] = [
    "RequestThrottled",
    "RequestThrottledException",
    "RequestThrottling",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "Throttled",
    "KmsThrottled",
    "OverLimit",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    // One write met a transaction on its item.
    "TransactionConflictException",
];

/// The code of an error without what stands before it: some servers write
/// `com.amazonaws.sqs#QueueDoesNotExist` or `AWS.SimpleQueueService.…`.
pub(super) fn bare(code: &str) -> &str {
    code.rsplit(['#', '.']).next().unwrap_or(code)
}

/// The fault that an error of a call is. `what` names operation and resource.
pub(super) fn fault<E, R>(what: &str, error: SdkError<E, R>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let unavailable = |why: &str| Fault::Unavailable(format!("{what}: {why}"));
    let error = match error {
        SdkError::TimeoutError(_) => return unavailable("no answer in time"),
        SdkError::ServiceError(context) => context.into_err(),
        other => return unavailable(&DisplayErrorContext(other).to_string()),
    };
    match error.code() {
        None | Some("") => unavailable(&DisplayErrorContext(error).to_string()),
        Some(code) => coded(what, code, error.message()),
    }
}

/// The fault that a code of AWS is, of a call or of one entry of a batch.
pub(super) fn coded(what: &str, code: &str, said: Option<&str>) -> Fault {
    let code = bare(code);
    if THROTTLES.contains(&code) {
        let why = format!("{what}: {code}: AWS takes no more at the moment");
        return Fault::Busy(Busy { why, after: THROTTLED_DELAY });
    }
    let said = said.unwrap_or("no reason is given");
    let remedy = remedy(code).map_or(String::new(), |remedy| format!("; {remedy}"));
    Fault::Unavailable(format!("{what}: {code}: {said}{remedy}"))
}

/// What a person can do about it.
fn remedy(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" => {
            "give this identity the policy that `surety aws policy` prints"
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => {
            "renew the credentials, and look at `region` and at this machine's clock"
        }
        "ResourceNotFoundException" | "TableNotFoundException" => {
            "`surety aws apply` makes the tables; look at `region` and `prefix`, too"
        }
        "QueueDoesNotExist" | "NonExistentQueue" => {
            "`surety aws apply` makes the feeder queues; look at `region` and `prefix`, too"
        }
        "QueueDeletedRecently" => "its name is free again a minute after it was deleted",
        "ItemCollectionSizeLimitExceededException" | "ValidationException" => {
            "`surety doctor` tells whether the tables are as they must be"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_without_their_namespace() {
        for code in [
            "com.amazonaws.sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.QueueDoesNotExist",
            "QueueDoesNotExist",
        ] {
            assert_eq!(bare(code), "QueueDoesNotExist");
        }
    }
}
