//! Many items by their keys, and many writes. DynamoDB leaves of a batch what it cannot
//! do at the moment.

use std::time::Duration;

use aws_sdk_dynamodb::types::{KeysAndAttributes, WriteRequest};
use surety_core::ports::{Busy, Fault};

use super::fault::fault;
use super::item::Item;
use super::sdk::Sdk;
use super::{Aws, table_fault};

/// The most keys of one call; DynamoDB takes no more.
const KEYS_MAX: usize = 100;

/// The most writes of one call; DynamoDB takes no more.
const WRITES_MAX: usize = 25;

/// How often DynamoDB may leave everything undone that it was asked for, before the
/// caller is told to come again later.
const STALLS_MAX: u32 = 5;

/// The first delay after such an answer; it doubles.
const FIRST_DELAY: Duration = Duration::from_millis(20);

/// How long DynamoDB is waited for.
struct Patience {
    stalls: u32,
    delay: Duration,
}

impl Patience {
    const NEW: Self = Self { stalls: 0, delay: FIRST_DELAY };

    /// Waits after an answer that left so many undone of those that were asked for.
    ///
    /// # Errors
    /// When nothing was done too often.
    async fn wait(&mut self, asked: usize, left: usize, what: &str) -> Result<(), Fault> {
        if left < asked {
            *self = Self::NEW;
        } else if self.stalls == STALLS_MAX {
            let why = format!("{what}: DynamoDB takes no more at the moment");
            return Err(Fault::Busy(Busy { why, after: self.delay }));
        } else {
            self.stalls += 1;
            tokio::time::sleep(self.delay).await;
            self.delay *= 2;
        }
        Ok(())
    }
}

impl Aws {
    /// Those of the items that there are, as they were last written, in no order.
    /// The keys are all different.
    pub(super) async fn batch_get(&self, table: &str, keys: Vec<Item>) -> Result<Vec<Item>, Fault> {
        let mut items = Vec::with_capacity(keys.len());
        let mut left = keys;
        let mut patience = Patience::NEW;
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
            patience.wait(asked, left.len(), &format!("reading the table {table}")).await?;
            left.extend(behind);
        }
        Ok(items)
    }
}

/// Makes all of these writes to a table, each of another item. When it fails, some may be
/// made.
pub(super) async fn batch_write(
    sdk: &Sdk,
    table: &str,
    writes: Vec<WriteRequest>,
    what: &str,
) -> Result<(), Fault> {
    let mut left = writes;
    let mut patience = Patience::NEW;
    while !left.is_empty() {
        let behind = left.split_off(left.len().min(WRITES_MAX));
        let asked = left.len();
        let write = sdk.dynamodb.batch_write_item().request_items(table, left);
        let undone = write.send().await.map_err(|e| fault(what, e))?.unprocessed_items;
        left = undone.and_then(|mut undone| undone.remove(table)).unwrap_or_default();
        patience.wait(asked, left.len(), what).await?;
        left.extend(behind);
    }
    Ok(())
}
