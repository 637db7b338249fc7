//! Many items by their keys.

use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use surety_core::ports::{Busy, Fault};

use super::item::Item;
use super::{Aws, table_fault};

/// The most keys of one call; DynamoDB takes no more.
const KEYS_MAX: usize = 100;

/// How often DynamoDB may leave everything undone that it was asked for, before the
/// caller is told to come again later.
const STALLS_MAX: u32 = 5;

/// The first delay after such an answer; it doubles.
const FIRST_DELAY: Duration = Duration::from_millis(20);

impl Aws {
    /// Those of the items that there are, as they were last written, in no order.
    /// The keys are all different.
    pub(super) async fn batch_get(&self, table: &str, keys: Vec<Item>) -> Result<Vec<Item>, Fault> {
        let mut items = Vec::with_capacity(keys.len());
        let mut left = keys;
        let (mut stalls, mut delay) = (0, FIRST_DELAY);
        while !left.is_empty() {
            let behind = left.split_off(left.len().min(KEYS_MAX));
            let asked = left.len();
            let keys = KeysAndAttributes::builder()
                .set_keys(Some(left))
                .consistent_read(true)
                .build()
                .expect("keys are set");
            let call = self.sdk.dynamodb.batch_get_item().request_items(table, keys);
            let got = call.send().await.map_err(|e| table_fault("reading", table, e))?;
            items.extend(got.responses.unwrap_or_default().remove(table).unwrap_or_default());
            let undone = got.unprocessed_keys.unwrap_or_default().remove(table);
            left = undone.map(|undone| undone.keys).unwrap_or_default();
            if left.len() < asked {
                (stalls, delay) = (0, FIRST_DELAY);
            } else if stalls == STALLS_MAX {
                let why =
                    format!("reading the table {table}: DynamoDB takes no more at the moment");
                return Err(Fault::Busy(Busy { why, after: delay }));
            } else {
                stalls += 1;
                tokio::time::sleep(delay).await;
                delay *= 2;
            }
            left.extend(behind);
        }
        Ok(items)
    }
}
