//! Msg_IDs: issued, and used up. Each is the row of its message, if it has one.

use aws_sdk_dynamodb::types::{
    Put, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, Update,
};
use surety_core::machine::UsedId;
use surety_core::ports::{Fault, IdRefused, Reservation, ReserveError};
use surety_core::types::{ClientId, MsgId, Time};

use super::fault::fault;
use super::item::{Item, item, n, names, s, t};
use super::names::Names;
use super::row::{Row, Status};
use super::sdk::Sdk;
use super::tables::UNUSED;
use super::transact::{Canceled, transact};
use super::{Aws, table_fault};

/// How long an expired Msg_ID is remembered as expired before it is unknown.
/// DynamoDB deletes it at some time after.
const EXPIRED_KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// What one transaction writes at most.
const TRANSACTION_ITEMS_MAX: usize = 100;

/// The partition of a client's unused Msg_IDs that one belongs to.
fn unused(client: &ClientId, shard: u16) -> String {
    format!("{client}#{shard}")
}

impl Aws {
    pub(super) async fn issue(&self, r: &Reservation) -> Result<(), ReserveError> {
        let outstanding = self.outstanding(&r.client_id, r.now).await?;
        if outstanding + r.msg_ids.len() as u64 > u64::from(r.outstanding_max) {
            return Err(ReserveError::Cap { outstanding });
        }
        let what = format!("writing to the table {}", self.names.messages());
        // More than one transaction: ids of the first ones are lost to the client if
        // a later one fails, and expire.
        for ids in r.msg_ids.chunks(TRANSACTION_ITEMS_MAX) {
            let puts: Result<_, _> = ids.iter().map(|id| self.issued(r, *id)).collect();
            let mut puts: Vec<TransactWriteItem> = puts?;
            match transact(&self.sdk, &self.clock, std::mem::take(&mut puts), &what).await {
                Ok(()) => {}
                // An id that is there was written by an attempt whose answer was
                // lost: nobody else draws the same ten bytes.
                Err(Canceled::Conditions(_)) => {}
                Err(Canceled::Fault(fault)) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    fn issued(&self, r: &Reservation, id: MsgId) -> Result<TransactWriteItem, Fault> {
        let condition = "attribute_not_exists(#msg_id)";
        let row = row_of(&self.names, &r.client_id, r.expires_at, id);
        let put = Put::builder()
            .table_name(self.names.messages())
            .set_item(Some(row))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .build()
            .map_err(|e| Fault::Corrupt(e.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// How many unused Msg_IDs a client holds. The index may be a moment behind, so
    /// that a client that asks many times at once may come to hold some more.
    async fn outstanding(&self, client: &ClientId, now: Time) -> Result<u64, Fault> {
        let counts = self.names.shards().map(|shard| async move {
            let condition = "#unused = :unused AND #expires_at >= :now";
            let values = item([(":unused", s(unused(client, shard))), (":now", t(now))]);
            let mut count = 0;
            let mut from = None;
            loop {
                let query = self
                    .sdk
                    .dynamodb
                    .query()
                    .table_name(self.names.messages())
                    .index_name(UNUSED)
                    .select(Select::Count)
                    .key_condition_expression(condition)
                    .set_expression_attribute_names(Some(names(&[condition])))
                    .set_expression_attribute_values(Some(values.clone()))
                    .set_exclusive_start_key(from);
                let got = query.send().await;
                let got =
                    got.map_err(|e| table_fault("reading from", &self.names.messages(), e))?;
                count += u64::try_from(got.count).unwrap_or(0);
                from = got.last_evaluated_key;
                if from.is_none() {
                    return Ok::<_, Fault>(count);
                }
            }
        });
        Ok(futures_util::future::try_join_all(counts).await?.into_iter().sum())
    }

    /// The use of a signal's Msg_ID, for the transaction of the step that it moves.
    pub(super) fn use_by_signal(&self, used: &UsedId) -> Result<TransactWriteItem, Fault> {
        let update = "SET #status = :signal REMOVE #unused, #forget_at";
        let condition = "#status = :issued AND #client_id = :client AND #expires_at >= :at";
        let values = item([
            (":signal", s(Status::Signal.as_str())),
            (":issued", s(Status::Issued.as_str())),
            (":client", s(&used.client_id)),
            (":at", t(used.at)),
        ]);
        let update = Update::builder()
            .table_name(self.names.messages())
            .set_key(Some(key(used.msg_id)))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[update, condition])))
            .set_expression_attribute_values(Some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|e| Fault::Corrupt(e.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// The row of a Msg_ID that nobody has used.
pub(super) fn row_of(names: &Names, client: &ClientId, expires_at: Time, id: MsgId) -> Item {
    let forget_at = (expires_at.as_millis() + EXPIRED_KEPT_MS) / 1_000;
    item([
        ("msg_id", s(id)),
        ("status", s(Status::Issued.as_str())),
        ("client_id", s(client)),
        ("expires_at", t(expires_at)),
        ("unused", s(unused(client, names.shard(id)))),
        ("forget_at", n(forget_at)),
    ])
}

/// Why a Msg_ID could not be used, by the row that was there instead.
pub(super) fn refused(found: &Item, client: &ClientId, at: Time) -> Result<IdRefused, Fault> {
    if found.is_empty() {
        return Ok(IdRefused::Unknown);
    }
    let row = Row::read(found)?;
    Ok(match row.check(client, at) {
        Err(refused) => refused,
        // It was free a moment later, which is not possible; or is being admitted.
        Ok(()) => IdRefused::Used,
    })
}

/// The key of a row.
pub(super) fn key(id: MsgId) -> Item {
    item([("msg_id", s(id))])
}

/// Also used by who reads rows.
pub(super) async fn row(sdk: &Sdk, names: &Names, id: MsgId) -> Result<Option<Row>, Fault> {
    let table = names.messages();
    let get = sdk.dynamodb.get_item().table_name(&table).set_key(Some(key(id)));
    let got = get.consistent_read(true).send().await;
    let got = got.map_err(|e| fault(&format!("reading from the table {table}"), e))?;
    got.item.as_ref().map(Row::read).transpose()
}
