//! Transactions of DynamoDB, and what became of them.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use surety_core::ports::{Clock, Fault};

use super::fault::fault;
use super::item::Item;
use super::sdk::Sdk;

/// How often a transaction is tried that met another one on the same items. They
/// take milliseconds.
const ATTEMPTS_MAX: u32 = 6;

/// The first delay between them; it doubles, and up to as much again is added by
/// chance, so that two do not meet again.
const FIRST_DELAY: Duration = Duration::from_millis(15);

/// Why a transaction was not made.
pub(super) enum Canceled {
    /// By the conditions of these items: what the tables hold instead, in the order
    /// of the items; none for an item whose condition held.
    Conditions(Vec<Option<Item>>),
    /// It failed, or it is not known.
    Fault(Fault),
}

impl From<Fault> for Canceled {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Writes all of the items, or none.
pub(super) async fn transact(
    sdk: &Sdk,
    clock: &Arc<dyn Clock>,
    items: Vec<TransactWriteItem>,
    what: &str,
) -> Result<(), Canceled> {
    let mut delay = FIRST_DELAY;
    for attempt in 1.. {
        let write = sdk.dynamodb.transact_write_items().set_transact_items(Some(items.clone()));
        let error = match write.send().await {
            Ok(_) => return Ok(()),
            Err(e) => e,
        };
        let met = match &error {
            SdkError::ServiceError(e) => match e.err() {
                TransactWriteItemsError::TransactionCanceledException(canceled) => {
                    let reasons = canceled.cancellation_reasons();
                    if reasons.iter().any(is_condition) {
                        let held = |reason: &CancellationReason| {
                            is_condition(reason).then(|| reason.item.clone().unwrap_or_default())
                        };
                        return Err(Canceled::Conditions(reasons.iter().map(held).collect()));
                    }
                    reasons.iter().any(is_passing)
                }
                TransactWriteItemsError::TransactionInProgressException(_) => true,
                _ => false,
            },
            _ => false,
        };
        if !met || attempt >= ATTEMPTS_MAX {
            return Err(fault(what, error).into());
        }
        let chance = u32::from(clock.random()[9]);
        tokio::time::sleep(delay + delay * chance / 256).await;
        delay *= 2;
    }
    Ok(())
}

fn is_condition(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// Whether the same transaction may be made a moment later.
fn is_passing(reason: &CancellationReason) -> bool {
    let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    reason.code().is_some_and(|code| passing.contains(&code))
}
