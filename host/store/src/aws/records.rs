//! Records H(m): the chain, an item for each step, and the journal, an item for
//! each entry. Beside them the body, when it is not in a queue.
//!
//! ```text
//!  msg_id  r#0000000000           the records of the step that starts at 0
//!  msg_id  r#0000000001
//!  msg_id  j#0000000001#00000     what was done outside at revision 1
//!  msg_id  v                      the version, in accounts that have no queues
//! ```

use aws_sdk_dynamodb::types::{
    ConditionCheck, DeleteRequest, Put, PutRequest, TransactWriteItem, WriteRequest,
};
use surety_core::codec::{Reader, Writer};
use surety_core::effect::Entry;
use surety_core::machine::Loaded;
use surety_core::ports::Fault;
use surety_core::record::Sealed;
use surety_core::types::{Digest, MsgId, Seq};

use super::batch::batch_write;
use super::fault::fault;
use super::item::{Fields, Item, b, item, names, s};
use super::names::{Names, large};
use super::objects::Objects;
use super::sdk::Sdk;
use super::versions::{Current, Version};

/// The largest value that stands in an item, in bytes. An item has 400 KB, and a
/// transaction 4 MB; what is larger is an object.
const VALUE_BYTES_MAX: usize = 350 << 10;

/// Records of more than one step that are put into one item, in bytes together, when a
/// message is moved here: with their lengths less than [`VALUE_BYTES_MAX`].
const ITEM_RECORDS_BYTES_MAX: usize = 256 << 10;

/// The place of the version.
const VERSION_PLACE: &str = "v";

/// What is written together with a row, and whether part of it became an object.
pub(super) struct Write {
    pub(super) item: TransactWriteItem,
    pub(super) large: bool,
}

/// What lies beside a row.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) records: Vec<Sealed>,
    /// Entries with the revision they belong to.
    pub(super) journal: Vec<(Seq, Entry)>,
    pub(super) version: Option<Version>,
}

/// Operations on the table of records.
#[derive(Clone)]
pub(super) struct Records {
    sdk: Sdk,
    table: String,
    objects: Objects,
}

fn record_place(first: Seq) -> String {
    format!("r#{first:010}")
}

fn entry_place(seq: Seq, place: usize) -> String {
    format!("j#{seq:010}#{place:05}")
}

impl Records {
    pub(super) fn new(sdk: &Sdk, names: &Names, objects: &Objects) -> Self {
        Self { sdk: sdk.clone(), table: names.records(), objects: objects.clone() }
    }

    /// A value for an item: itself, or the digest of the object that it became.
    async fn value(&self, id: MsgId, bytes: Vec<u8>) -> Result<(Item, bool), Fault> {
        if bytes.len() <= VALUE_BYTES_MAX {
            return Ok((item([("value", b(bytes))]), false));
        }
        let digest = Digest::of(&bytes);
        self.objects.put(&large(id, digest), bytes).await?;
        Ok((item([("object", b(digest.0))]), true))
    }

    async fn put(&self, id: MsgId, place: String, bytes: Vec<u8>) -> Result<Write, Fault> {
        let (mut members, large) = self.value(id, bytes).await?;
        members.extend(item([("msg_id", s(id)), ("place", s(&place))]));
        let mut put = Put::builder().table_name(&self.table).set_item(Some(members));
        if place != VERSION_PLACE {
            let condition = "attribute_not_exists(#msg_id)";
            put = put
                .condition_expression(condition)
                .set_expression_attribute_names(Some(names(&[condition])));
        }
        let put = put.build().map_err(|e| Fault::Corrupt(e.to_string()))?;
        Ok(Write { item: TransactWriteItem::builder().put(put).build(), large })
    }

    /// The records of a step as one item: they are committed together.
    pub(super) async fn step(&self, id: MsgId, records: &[Sealed]) -> Result<Write, Fault> {
        let first = records.first().map_or(0, |record| record.seq);
        let bytes = records.iter().fold(Writer::new(), |w, record| w.bytes(&record.bytes)).finish();
        self.put(id, record_place(first), bytes).await
    }

    /// The version, for who keeps it here.
    pub(super) async fn version(&self, id: MsgId, version: &Version) -> Result<Write, Fault> {
        let Version { rev, cid, original, receipt, head, ext } = version;
        let bytes = Writer::new()
            .number(*rev)
            .bytes(&cid.0)
            .bytes(original)
            .bytes(receipt)
            .bytes(head)
            .text(ext)
            .finish();
        self.put(id, VERSION_PLACE.to_owned(), bytes).await
    }

    /// Entry `place` of a revision's journal: the one before it must be there.
    pub(super) async fn entry(
        &self,
        id: MsgId,
        seq: Seq,
        place: usize,
        entry: &Entry,
    ) -> Result<(Vec<TransactWriteItem>, bool), Fault> {
        let Write { item: put, large } =
            self.put(id, entry_place(seq, place), entry.encode()).await?;
        let mut items = vec![put];
        if let Some(before) = place.checked_sub(1) {
            let condition = "attribute_exists(#msg_id)";
            let key = item([("msg_id", s(id)), ("place", s(entry_place(seq, before)))]);
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(key))
                .condition_expression(condition)
                .set_expression_attribute_names(Some(names(&[condition])))
                .build()
                .map_err(|e| Fault::Corrupt(e.to_string()))?;
            items.push(TransactWriteItem::builder().condition_check(check).build());
        }
        Ok((items, large))
    }

    /// Puts all records of a message, as few items, and its journal, before a row
    /// names them. Says whether part of it became an object.
    pub(super) async fn place(&self, loaded: &Loaded) -> Result<bool, Fault> {
        let (id, seq) = (loaded.message.msg_id, loaded.head.seq);
        let mut values = Vec::new();
        let mut records = loaded.records.as_slice();
        while let [first, rest @ ..] = records {
            let mut size = first.bytes.len();
            let fits = |record: &&Sealed| {
                size += record.bytes.len();
                size <= ITEM_RECORDS_BYTES_MAX
            };
            let together = 1 + rest.iter().take_while(fits).count();
            let (item, later) = records.split_at(together);
            let bytes = item.iter().fold(Writer::new(), |w, record| w.bytes(&record.bytes));
            values.push((record_place(first.seq), bytes.finish()));
            records = later;
        }
        let entries = loaded.journal.iter().enumerate();
        values.extend(entries.map(|(n, entry)| (entry_place(seq, n), entry.encode())));
        let mut is_large = false;
        let mut all = Vec::with_capacity(values.len());
        for (place, bytes) in values {
            let (mut members, large) = self.value(id, bytes).await?;
            is_large |= large;
            members.extend(item([("msg_id", s(id)), ("place", s(place))]));
            let put = PutRequest::builder().set_item(Some(members)).build();
            let put = put.map_err(|e| Fault::Corrupt(e.to_string()))?;
            all.push(WriteRequest::builder().put_request(put).build());
        }
        let what = format!("writing to the table {}", self.table);
        batch_write(&self.sdk, &self.table, all, &what).await?;
        Ok(is_large)
    }

    /// All that lies beside a row, as of now.
    pub(super) async fn load(&self, id: MsgId, current: Current) -> Result<Beside, Fault> {
        let mut beside = Beside::default();
        let condition = "#msg_id = :id";
        let mut from = None;
        loop {
            let query = self
                .sdk
                .dynamodb
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression(condition)
                .set_expression_attribute_names(Some(names(&[condition])))
                .set_expression_attribute_values(Some(item([(":id", s(id))])))
                .set_exclusive_start_key(from);
            let got = query.send().await;
            let got =
                got.map_err(|e| fault(&format!("reading from the table {}", self.table), e))?;
            for item in got.items.unwrap_or_default() {
                self.take(id, &item, current, &mut beside).await?;
            }
            from = got.last_evaluated_key;
            if from.is_none() {
                return Ok(beside);
            }
        }
    }

    async fn take(
        &self,
        id: MsgId,
        item: &Item,
        current: Current,
        beside: &mut Beside,
    ) -> Result<(), Fault> {
        let fields = Fields::of(item, "a record");
        let bytes = if fields.has("object") {
            let place = large(id, fields.digest("object")?);
            let got = self.objects.get(&place).await?;
            got.ok_or_else(|| Fault::Corrupt(format!("the object {place} is gone; restore it")))?
        } else {
            fields.bytes("value")?.to_vec()
        };
        let place = fields.text("place")?;
        let unreadable = || Fault::Corrupt(format!("the records of {id} have no place {place:?}"));
        let mut parts = place.split('#');
        let kind = parts.next();
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(unreadable);
        match kind {
            Some("r") => {
                let mut seq: Seq = number()?;
                let mut reader = Reader::new(&bytes)?;
                while let Ok(record) = reader.bytes() {
                    // Of a commit that came after the row was read.
                    if seq <= current.rev {
                        beside.records.push(Sealed::from_bytes(seq, record.into()));
                    }
                    seq += 1;
                }
            }
            Some("j") => beside.journal.push((number()?, Entry::decode(&bytes)?)),
            Some(VERSION_PLACE) => {
                let mut r = Reader::new(&bytes)?;
                beside.version = Some(Version {
                    rev: r.number("rev")?,
                    cid: super::versions::Cid(r.array("cid")?),
                    original: r.bytes()?.to_vec(),
                    receipt: r.bytes()?.to_vec(),
                    head: r.bytes()?.to_vec(),
                    ext: r.text("ext")?.into(),
                });
            }
            _ => return Err(unreadable()),
        }
        Ok(())
    }

    /// Removes what lies beside a row: the bundle has it all. What was written a moment
    /// ago goes, too, because nobody looks for it again.
    pub(super) async fn remove(&self, id: MsgId) -> Result<(), Fault> {
        let what = format!("deleting from the table {}", self.table);
        let (condition, keys) = ("#msg_id = :id", "#msg_id, #place");
        let mut from = None;
        loop {
            let query = self
                .sdk
                .dynamodb
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression(condition)
                .projection_expression(keys)
                .set_expression_attribute_names(Some(names(&[condition, keys])))
                .set_expression_attribute_values(Some(item([(":id", s(id))])))
                .set_exclusive_start_key(from);
            let got = query.send().await.map_err(|e| fault(&what, e))?;
            let delete = |key| {
                let delete = DeleteRequest::builder().set_key(Some(key)).build().ok()?;
                Some(WriteRequest::builder().delete_request(delete).build())
            };
            let all: Vec<_> =
                got.items.unwrap_or_default().into_iter().filter_map(delete).collect();
            batch_write(&self.sdk, &self.table, all, &what).await?;
            from = got.last_evaluated_key;
            if from.is_none() {
                return Ok(());
            }
        }
    }
}
