//! Open messages, by the index of them.

use surety_core::ports::Fault;
use surety_core::types::MsgId;

use super::item::{Fields, Item, item, n, names, s};
use super::tables::OPEN;
use super::{Aws, table_fault};

impl Aws {
    pub(super) async fn open_of(
        &self,
        shard: u16,
        after: Option<MsgId>,
        limit: usize,
    ) -> Result<Vec<MsgId>, Fault> {
        let (mut ids, mut from) = (Vec::new(), None);
        loop {
            let (items, next) = self.open_page(shard, after, from, Some(limit)).await?;
            for item in &items {
                ids.push(Fields::of(item, "an open message").msg_id()?);
            }
            from = next;
            if from.is_none() || ids.len() >= limit {
                return Ok(ids);
            }
        }
    }

    /// A page of the index of open messages, and where the next one starts.
    pub(super) async fn open_page(
        &self,
        shard: u16,
        after: Option<MsgId>,
        from: Option<Item>,
        limit: Option<usize>,
    ) -> Result<(Vec<Item>, Option<Item>), Fault> {
        let table = self.names.messages();
        let mut condition = "#open = :shard".to_owned();
        let mut values = item([(":shard", n(shard))]);
        if let Some(after) = after {
            condition += " AND #msg_id > :after";
            values.extend(item([(":after", s(after))]));
        }
        let query = self
            .sdk
            .dynamodb
            .query()
            .table_name(&table)
            .index_name(OPEN)
            .set_expression_attribute_names(Some(names(&[&condition])))
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(1_000).min(1_000)))
            .set_exclusive_start_key(from);
        let got = query.send().await.map_err(|e| table_fault("reading from", &table, e))?;
        Ok((got.items.unwrap_or_default(), got.last_evaluated_key))
    }
}
