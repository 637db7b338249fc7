//! What DynamoDB refuses with.

use serde_json::{Value, json};

use super::plan::{Refusal, Spelling};
use crate::forward::Reply;

/// The namespaces of error types.
const DYNAMO: &str = "com.amazonaws.dynamodb.v20120810";
const CORAL: &str = "com.amazon.coral.availability";
/// Operations that write one item.
const WRITES: [&str; 3] = ["DeleteItem", "PutItem", "UpdateItem"];

/// A refusal of this type.
pub(crate) fn refuse(status: u16, kind: &str, message: &str) -> Reply {
    let space = if kind == "ThrottlingException" { CORAL } else { DYNAMO };
    Reply::json(status, &json!({"__type": format!("{space}#{kind}"), "message": message}))
}

/// A throttle.
pub(crate) fn throttle(spelling: Spelling, seed: u64) -> Reply {
    let kind = match spelling {
        Spelling::Provisioned => "ProvisionedThroughputExceededException",
        Spelling::Throttling => "ThrottlingException",
        Spelling::RequestLimit => "RequestLimitExceeded",
    };
    refuse(400, kind, &format!("Throttled on purpose; the seed is {seed}."))
}

/// What a caller is told who is sent away.
pub(crate) fn send_away(why: Refusal, operation: &str) -> Reply {
    let kind = match why {
        Refusal::Denied => "AccessDeniedException",
        Refusal::Expired => "ExpiredTokenException",
        Refusal::Unknown => "UnrecognizedClientException",
        Refusal::OtherRegion => "InvalidSignatureException",
    };
    let kind = format!("com.amazon.coral.service#{kind}");
    let message = why.message(&format!("dynamodb:{operation}"));
    Reply::json(400, &json!({"__type": kind, "message": message}))
}

/// Whether an operation can meet another in its way.
pub(crate) fn can_conflict(operation: &str) -> bool {
    operation == "TransactWriteItems" || WRITES.contains(&operation)
}

/// How many items a transaction has.
pub(crate) fn items(input: &Value) -> usize {
    input["TransactItems"].as_array().map_or(0, Vec::len)
}

/// A conflict; in a transaction, at the item of this number.
pub(crate) fn conflict(operation: &str, input: &Value, at: usize) -> Reply {
    let message = "Transaction is ongoing for the item";
    if operation != "TransactWriteItems" {
        return refuse(400, "TransactionConflictException", message);
    }
    let reason = |n: usize| {
        if n == at {
            json!({"Code": "TransactionConflict", "Message": message})
        } else {
            json!({"Code": "None"})
        }
    };
    let reasons: Vec<_> = (0..items(input)).map(reason).collect();
    let codes: Vec<_> = reasons.iter().filter_map(|r| r["Code"].as_str()).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    let kind = format!("{DYNAMO}#TransactionCanceledException");
    let body = json!({"__type": kind, "Message": message, "CancellationReasons": reasons});
    Reply::json(400, &body)
}
