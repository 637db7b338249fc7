//! What the tables are, written beside them, and whether a host can work on them.

use surety_core::ports::Fault;

use super::entries::Entry;
use super::item::{Fields, Item, item, n, s};
use super::names::Names;
use super::sdk::Sdk;
use super::tables::{VERSION, tables};
use super::{Aws, AwsConfig, Bodies, QueueKind, table_fault};

/// The name of the only entry.
const TABLES: &str = "tables";

/// What the tables were made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Of tables, items and queue messages.
    pub(crate) version: u64,
    /// Over how many partitions the indexes are spread.
    pub(crate) index_shards: u64,
    /// How many feeder queues there are.
    pub(crate) feeder_queues: u64,
    /// Where the bodies of open messages are.
    pub(crate) guarantee: String,
    /// What the queues of messages are, of which the names tell.
    pub(crate) queues: String,
}

impl Meta {
    /// What this host wants.
    pub(crate) fn wanted(config: &AwsConfig) -> Self {
        let guarantee = match config.guarantee {
            Bodies::Sqs => "sqs",
            Bodies::Dynamodb => "dynamodb",
        };
        let queues = match config.queues {
            QueueKind::Standard => "standard",
            QueueKind::Fifo => "fifo",
        };
        Self {
            version: VERSION,
            index_shards: config.index_shards.into(),
            feeder_queues: config.feeder_queues.into(),
            guarantee: guarantee.to_owned(),
            queues: queues.to_owned(),
        }
    }

    /// The key of its entry.
    pub(crate) fn key() -> Item {
        Entry::Meta.key(TABLES)
    }

    /// As an entry.
    pub(crate) fn write(&self) -> Item {
        let mut entry = Self::key();
        entry.extend(item([
            ("version", n(self.version)),
            ("index_shards", n(self.index_shards)),
            ("feeder_queues", n(self.feeder_queues)),
            ("guarantee", s(&self.guarantee)),
            ("queues", s(&self.queues)),
        ]));
        entry
    }

    /// From its entry.
    ///
    /// # Errors
    /// `Corrupt` when it is none.
    pub(crate) fn read(entry: &Item) -> Result<Self, Fault> {
        let fields = Fields::of(entry, "the entry of kind `meta`, named `tables`,");
        Ok(Self {
            version: fields.number("version")?,
            index_shards: fields.number("index_shards")?,
            feeder_queues: fields.number("feeder_queues")?,
            guarantee: fields.text("guarantee")?.to_owned(),
            queues: fields.text("queues")?.to_owned(),
        })
    }

    /// What keeps a host that wants another one from working on these tables. Of feeder
    /// queues there may be more or less: tickets are made again.
    pub(crate) fn unfit(&self, table: &str, wanted: &Self) -> Option<String> {
        let Self { version, index_shards: shards, .. } = self;
        if *version != VERSION {
            return Some(format!(
                "the table {table} says that the tables have version {version}, and this surety works on {VERSION}; use the surety that wrote them"
            ));
        }
        if *shards != wanted.index_shards {
            return Some(format!(
                "the table {table} says that `index_shards` is {shards}, and it is configured as {}; it cannot be changed any more: put {shards} into `[store.aws]`, or use another `prefix` for new tables",
                wanted.index_shards
            ));
        }
        // Open messages lie where these say. Looked for elsewhere none moves, and those
        // in queues are lost when SQS forgets them.
        let places = [
            ("guarantee", &self.guarantee, &wanted.guarantee),
            ("queues", &self.queues, &wanted.queues),
        ];
        let (key, is, wanted) = places.into_iter().find(|(_, is, wanted)| is != wanted)?;
        Some(format!(
            "the table {table} says that `{key}` is {is:?}, and it is configured as {wanted:?}; open messages would not be found: set it back to {is:?} in `[store.aws]`; to change it, `surety export` with what it was, make tables under another `prefix`, and `surety import` there"
        ))
    }
}

/// Whether the tables are there and made for this host.
pub(super) async fn check(sdk: &Sdk, names: &Names, wanted: &Meta) -> Result<(), Fault> {
    for table in tables(names) {
        let described = sdk.dynamodb.describe_table().table_name(&table.name).send().await;
        let described = described.map_err(|e| table_fault("looking at", &table.name, e))?;
        let indexes = described.table.and_then(|t| t.global_secondary_indexes);
        let indexes = indexes.unwrap_or_default();
        let there = |name| indexes.iter().any(|index| index.index_name() == Some(name));
        if let Some(missing) = table.indexes.iter().find(|index| !there(index.name)) {
            return Err(Fault::Unavailable(format!(
                "the table {} has no index {}; `surety aws apply` makes it",
                table.name, missing.name
            )));
        }
    }
    let table = names.catalog();
    let get = sdk.dynamodb.get_item().table_name(&table).consistent_read(true);
    let got = get.set_key(Some(Meta::key())).send().await;
    let Some(entry) = got.map_err(|e| table_fault("reading", &table, e))?.item else {
        return Err(Fault::Unavailable(format!(
            "the table {table} does not say what the tables are; `surety aws apply` finishes them"
        )));
    };
    match Meta::read(&entry)?.unfit(&table, wanted) {
        None => Ok(()),
        Some(why) => Err(Fault::Unavailable(why)),
    }
}

impl Aws {
    /// Whether the tables are there and made for this host.
    pub(crate) async fn check_tables(&self) -> Result<(), Fault> {
        check(&self.sdk, &self.names, &self.wanted).await
    }
}
