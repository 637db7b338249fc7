//! What lies in the table `catalog`: entries of a kind under a name. Small things
//! that seldom change, so that one partition for each kind is enough.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use surety_core::ports::Fault;

use super::item::{Fields, Item, item, n, names, s};
use super::transact::{Canceled, transact};
use super::{Aws, table_fault};

/// The most bytes of text that an entry may have: what DynamoDB takes, 400 KB, less
/// room for names and keys.
const ENTRY_BYTES_MAX: usize = 350 << 10;

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A client, by its name.
    Client,
    /// The history of a module, by its name.
    Module,
    /// A deployment, by its number.
    Deployment,
    /// The last canary of a module, by the module's name.
    Canary,
    /// A revocation, by the component's digest.
    Revocation,
    /// A workflow, by type and version.
    Workflow,
    /// How often the catalog was changed, and the last deployment's number.
    Counter,
    /// What the tables are.
    Meta,
}

impl Entry {
    /// As it is written.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Module => "module",
            Self::Deployment => "deployment",
            Self::Canary => "canary",
            Self::Revocation => "revocation",
            Self::Workflow => "workflow",
            Self::Counter => "counter",
            Self::Meta => "meta",
        }
    }

    pub(super) fn key(self, name: impl ToString) -> Item {
        item([("kind", s(self.kind())), ("name", s(name))])
    }
}

/// The name of the only counter.
pub(super) const COUNTER: &str = "catalog";

/// Text of an entry, unless it is too long for one.
pub(super) fn fitting(what: &str, text: &str) -> Result<(), Fault> {
    if text.len() <= ENTRY_BYTES_MAX {
        return Ok(());
    }
    let len = text.len();
    Err(Fault::Unavailable(format!(
        "{what} has {len} bytes, more than the {ENTRY_BYTES_MAX} that an item of DynamoDB takes; make it smaller"
    )))
}

/// A member of a transaction that writes an entry, under a condition or none.
pub(super) fn putting(
    table: &str,
    entry: Item,
    condition: Option<&str>,
    values: Item,
) -> TransactWriteItem {
    let mut put = Put::builder().table_name(table).set_item(Some(entry));
    if let Some(condition) = condition {
        put = put
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .set_expression_attribute_values((!values.is_empty()).then_some(values));
    }
    TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
}

impl Aws {
    /// An entry as it was last written.
    pub(super) async fn entry(&self, entry: Entry, name: &str) -> Result<Option<Item>, Fault> {
        let table = self.names.catalog();
        let get = self.sdk.dynamodb.get_item().table_name(&table);
        let get = get.set_key(Some(entry.key(name))).consistent_read(true);
        let got = get.send().await.map_err(|e| table_fault("reading", &table, e))?;
        Ok(got.item)
    }

    /// All entries of a kind, in the order of their names.
    pub(super) async fn entries(&self, entry: Entry) -> Result<Vec<Item>, Fault> {
        let (table, condition) = (self.names.catalog(), "#kind = :kind");
        let mut all = Vec::new();
        let mut start = None;
        loop {
            let query = self
                .sdk
                .dynamodb
                .query()
                .table_name(&table)
                .key_condition_expression(condition)
                .set_expression_attribute_names(Some(names(&[condition])))
                .set_expression_attribute_values(Some(item([(":kind", s(entry.kind()))])))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = query.send().await.map_err(|e| table_fault("reading", &table, e))?;
            all.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(all);
            }
        }
    }

    /// How often the catalog was changed, and the number of the last deployment.
    pub(super) async fn counter(&self) -> Result<(u64, Option<u64>), Fault> {
        let Some(counter) = self.entry(Entry::Counter, COUNTER).await? else {
            return Ok((0, None));
        };
        let counter = Fields::of(&counter, "the counter of the catalog");
        let last = counter.has("last_number").then(|| counter.number("last_number"));
        Ok((counter.number("revision")?, last.transpose()?))
    }

    /// Writes entries together, and that the catalog was changed. `numbers` are the
    /// last deployment's, as it is and as it is to be.
    pub(super) async fn write_entries(
        &self,
        mut writes: Vec<TransactWriteItem>,
        numbers: Option<(Option<u64>, u64)>,
    ) -> Result<(), Canceled> {
        let table = self.names.catalog();
        let mut values = item([(":one", n(1u64))]);
        let mut change = "ADD #revision :one".to_owned();
        let mut condition = None;
        if let Some((old, new)) = numbers {
            change.push_str(" SET #last_number = :new");
            values.insert(":new".to_owned(), n(new));
            condition = Some(match old {
                None => "attribute_not_exists(#last_number)",
                Some(old) => {
                    values.insert(":old".to_owned(), n(old));
                    "#last_number = :old"
                }
            });
        }
        let update = Update::builder()
            .table_name(&table)
            .set_key(Some(Entry::Counter.key(COUNTER)))
            .set_expression_attribute_names(Some(names(&[&change, condition.unwrap_or("")])))
            .set_expression_attribute_values(Some(values))
            .update_expression(change)
            .set_condition_expression(condition.map(str::to_owned))
            .build()
            .expect("table, key and change are set");
        writes.push(TransactWriteItem::builder().update(update).build());
        transact(&self.sdk, &self.clock, writes, &format!("writing the table {table}")).await
    }
}
