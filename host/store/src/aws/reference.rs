//! Reference on DynamoDB: an item for each message, and indexes over the keys. A
//! query reads places from one index, shard by shard, newest first; then the items.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use surety_core::ports::{Cursor, Fault, Page, Query, Reference};
use surety_core::projection::Projection;
use surety_core::types::{MsgId, MsgState, MsgType};

use super::item::{Fields, Item, item, n, names, s};
use super::names::Names;
use super::{Aws, table_fault};

/// Items that a query looks at for a page. When few of them are what is asked for,
/// the page is short and its cursor goes on: no request takes longer than this.
const LOOKED_MAX: usize = 2_000;

/// Items that are fetched at one time; one call's worth.
const FETCHED: usize = 100;

/// The least and the most places that are read of a shard at one time. A place has
/// about 150 bytes; a read is billed by 4 KiB.
const PLACES: (usize, usize) = (25, 500);

/// Shards that are read at one time.
const READS_MAX: usize = 16;

/// The value of the index over parked messages.
const PARKED: &str = "parked";
/// The value of the index over all.
const ALL: &str = "all";

/// What an item is found by, in the order of the query.
fn place(p: &Projection) -> String {
    place_of((p.created(), p.msg_id))
}

/// Fifteen digits reach the end of the year 9999, the last that a date can have.
fn place_of((created, id): Cursor) -> String {
    format!("{:015}#{id}", created.as_millis())
}

/// The value of an index's key in a shard. Names have no `#`.
fn sharded(value: impl std::fmt::Display, shard: u16) -> String {
    format!("{value}#{shard}")
}

fn write(names: &Names, p: &Projection) -> Result<Item, Fault> {
    let shard = names.shard(p.msg_id);
    let text = serde_json::to_string(p).map_err(|e| Fault::Corrupt(e.to_string()))?;
    let mut shown = item([
        ("msg_id", s(p.msg_id)),
        ("seq", n(p.seq)),
        ("place", s(place(p))),
        ("by_client", s(sharded(&p.client_id, shard))),
        ("by_state", s(sharded(&p.msg_state, shard))),
        ("by_type", s(sharded(&p.msg_type, shard))),
        ("by_all", s(sharded(ALL, shard))),
        ("projection", s(text)),
    ]);
    if p.parked {
        shown.insert("by_parked".to_owned(), s(sharded(PARKED, shard)));
    }
    Ok(shown)
}

fn read(shown: &Item) -> Result<Projection, Fault> {
    Fields::of(shown, "an item of reference").json("projection")
}

/// Which index tells most about what is asked for, and its value.
fn index(query: &Query) -> (&'static str, String) {
    if query.parked == Some(true) {
        ("by_parked", PARKED.to_owned())
    } else if let Some(client) = &query.client_id {
        ("by_client", client.to_string())
    } else if let Some(state) = &query.msg_state {
        ("by_state", state.to_string())
    } else if let Some(msg_type) = &query.msg_type {
        ("by_type", msg_type.to_string())
    } else {
        ("by_all", ALL.to_owned())
    }
}

/// Whether it is what is asked for. An index may be behind the items.
fn wanted(query: &Query, p: &Projection) -> bool {
    query.client_id.as_ref().is_none_or(|c| *c == p.client_id)
        && query.msg_type.as_ref().is_none_or(|t| *t == p.msg_type)
        && query.msg_state.as_ref().is_none_or(|s| *s == p.msg_state)
        && query.parked.is_none_or(|parked| parked == p.parked)
}

/// The places that are asked for, both included; none when there can be none.
fn bounds(query: &Query) -> Option<(String, String)> {
    // A bare time is before all places of its millisecond.
    let from = query.created_from.map_or(0, |from| from.as_millis());
    let from = format!("{from:015}");
    // `:` is behind all digits.
    let mut to = query.created_to.map_or(":".to_owned(), |to| format!("{:015}", to.as_millis()));
    if let Some(after) = query.after {
        to = to.min(place_of(after));
    }
    (from <= to).then_some((from, to))
}

/// Places of one shard, newest first, as far as they are read.
struct Shard {
    number: u16,
    read: VecDeque<(String, MsgId)>,
    /// Where the next read starts.
    start: Option<Item>,
    /// Whether there is nothing behind what is read.
    ended: bool,
}

impl Shard {
    /// Whether it may have a place that is not read yet.
    fn is_unknown(&self) -> bool {
        self.read.is_empty() && !self.ended
    }
}

/// Places of all shards.
struct Places {
    index: &'static str,
    value: String,
    bounds: (String, String),
    /// The place that is not wanted itself, only those behind it.
    after: Option<String>,
    shards: Vec<Shard>,
    /// To be read of a shard at one time.
    chunk: usize,
}

impl Places {
    fn new(names: &Names, query: &Query) -> Option<Self> {
        let (index, value) = index(query);
        let shard = |number| Shard { number, read: VecDeque::new(), start: None, ended: false };
        let shards: Vec<_> = names.shards().map(shard).collect();
        // Messages fall evenly into the shards; twice their part is seldom too few.
        let chunk = query.limit.saturating_add(1).saturating_mul(2).div_ceil(shards.len().max(1));
        Some(Self {
            index,
            value,
            bounds: bounds(query)?,
            after: query.after.map(place_of),
            chunk: chunk.clamp(PLACES.0, PLACES.1),
            shards,
        })
    }

    /// The newest place that was not given yet. Reads what it needs to know it.
    async fn next(&mut self, aws: &Aws) -> Result<Option<(String, MsgId)>, Fault> {
        loop {
            if !self.shards.iter().any(Shard::is_unknown) {
                let newest =
                    self.shards.iter_mut().max_by(|a, b| a.read.front().cmp(&b.read.front()));
                return Ok(newest.and_then(|shard| shard.read.pop_front()));
            }
            let Self { index, value, bounds, after, shards, chunk } = self;
            let mut reads = Vec::new();
            for shard in shards {
                if !shard.is_unknown() {
                    continue;
                }
                let value = sharded(&value, shard.number);
                let (index, bounds, after, chunk) = (*index, &*bounds, &*after, *chunk);
                reads.push(async move {
                    let page = aws.places(index, value, bounds, shard.start.take(), chunk).await?;
                    shard.read.extend(page.0);
                    if shard.read.front().map(|(place, _)| place) == after.as_ref() {
                        shard.read.pop_front();
                    }
                    shard.ended = page.1.is_none();
                    shard.start = page.1;
                    Ok::<_, Fault>(())
                });
            }
            stream::iter(reads).buffer_unordered(READS_MAX).try_collect::<()>().await?;
        }
    }
}

impl Aws {
    /// Places of an index, newest first, and where the next ones are.
    async fn places(
        &self,
        index: &str,
        value: String,
        (from, to): &(String, String),
        start: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<(String, MsgId)>, Option<Item>), Fault> {
        let table = self.names.reference();
        let condition = format!("#{index} = :value AND #place BETWEEN :from AND :to");
        let values = item([(":value", s(value)), (":from", s(from)), (":to", s(to))]);
        let query = self
            .sdk
            .dynamodb
            .query()
            .table_name(&table)
            .index_name(index)
            .set_expression_attribute_names(Some(names(&[&condition])))
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        let page = query.send().await.map_err(|e| table_fault("reading", &table, e))?;
        let place = |found: &Item| {
            let fields = Fields::of(found, "an index of reference");
            Ok((fields.text("place")?.to_owned(), fields.msg_id()?))
        };
        let places = page.items.unwrap_or_default().iter().map(place).collect::<Result<_, Fault>>();
        Ok((places?, page.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// The messages with these ids, newest first.
    async fn shown(&self, ids: &[MsgId]) -> Result<Vec<Projection>, Fault> {
        let keys = ids.iter().map(|id| item([("msg_id", s(id))])).collect();
        let items = self.batch_get(&self.names.reference(), keys).await?;
        let mut shown = items.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        shown.sort_by_cached_key(|p| Reverse(place(p)));
        Ok(shown)
    }
}

#[async_trait]
impl Reference for Aws {
    async fn put(&self, projection: &Projection) -> Result<(), Fault> {
        let (table, newer) =
            (self.names.reference(), "attribute_not_exists(#msg_id) OR #seq <= :seq");
        let put = self
            .sdk
            .dynamodb
            .put_item()
            .table_name(&table)
            .set_item(Some(write(&self.names, projection)?))
            .condition_expression(newer)
            .set_expression_attribute_names(Some(names(&[newer])))
            .set_expression_attribute_values(Some(item([(":seq", n(projection.seq))])));
        match put.send().await {
            Ok(_) => Ok(()),
            // A later revision is shown.
            Err(e)
                if e.as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(e) => Err(table_fault("writing", &table, e)),
        }
    }

    async fn get(&self, msg_id: MsgId) -> Result<Option<Projection>, Fault> {
        let table = self.names.reference();
        let get = self.sdk.dynamodb.get_item().table_name(&table).consistent_read(true);
        let got = get.set_key(Some(item([("msg_id", s(msg_id))]))).send().await;
        let got = got.map_err(|e| table_fault("reading", &table, e))?;
        got.item.as_ref().map(read).transpose()
    }

    async fn list(&self, query: &Query) -> Result<Page, Fault> {
        let Some(mut places) = Places::new(&self.names, query) else {
            return Ok(Page::default());
        };
        let mut messages: Vec<Projection> = Vec::new();
        let mut looked = 0;
        let mut last = None;
        // One more than the page holds, to know whether there is one.
        while messages.len() <= query.limit && looked < LOOKED_MAX {
            // The first time what is wanted, if all that the index gives is.
            let ask = if looked == 0 { query.limit.saturating_add(1) } else { FETCHED };
            let ask = ask.min(FETCHED).min(LOOKED_MAX - looked);
            let mut ids = Vec::with_capacity(ask);
            while ids.len() < ask
                && let Some((place, id)) = places.next(self).await?
            {
                last = Some(place);
                ids.push(id);
            }
            let ended = ids.len() < ask;
            looked += ids.len();
            if !ids.is_empty() {
                let shown = self.shown(&ids).await?;
                messages.extend(shown.into_iter().filter(|p| wanted(query, p)));
            }
            if ended {
                last = None;
                break;
            }
        }
        if messages.len() > query.limit {
            messages.truncate(query.limit);
            let cursor = messages.last().map(|p| (p.created(), p.msg_id));
            return Ok(Page { messages, cursor });
        }
        // Looked at enough: goes on behind the last place, found or not.
        Ok(Page { messages, cursor: last.as_deref().and_then(cursor) })
    }

    async fn counts(&self) -> Result<BTreeMap<(MsgType, MsgState), u64>, Fault> {
        let (table, members) = (self.names.reference(), "#by_type, #by_state");
        let mut counts: HashMap<(String, String), u64> = HashMap::new();
        let mut start = None;
        loop {
            let scan = self
                .sdk
                .dynamodb
                .scan()
                .table_name(&table)
                .projection_expression(members)
                .set_expression_attribute_names(Some(names(&[members])))
                .set_exclusive_start_key(start);
            let page = scan.send().await.map_err(|e| table_fault("reading", &table, e))?;
            for shown in page.items.unwrap_or_default() {
                let fields = Fields::of(&shown, "an item of reference");
                let of = |name| Ok::<_, Fault>(bare(fields.text(name)?).to_owned());
                *counts.entry((of("by_type")?, of("by_state")?)).or_default() += 1;
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
        let parse = |((msg_type, state), count): ((String, String), u64)| {
            let malformed = |_| Fault::Corrupt(format!("the table {table} has a malformed name"));
            Ok(((msg_type.parse().map_err(malformed)?, state.parse().map_err(malformed)?), count))
        };
        counts.into_iter().map(parse).collect()
    }

    async fn remove(&self, msg_id: MsgId) -> Result<(), Fault> {
        let table = self.names.reference();
        let key = Some(item([("msg_id", s(msg_id))]));
        let delete = self.sdk.dynamodb.delete_item().table_name(&table).set_key(key);
        delete.send().await.map_err(|e| table_fault("writing", &table, e)).map(|_| ())
    }
}

/// The value of an index's key without its shard.
fn bare(value: &str) -> &str {
    value.rsplit_once('#').map_or(value, |(value, _)| value)
}

fn cursor(place: &str) -> Option<Cursor> {
    let (created, id) = place.split_once('#')?;
    Some((surety_core::types::Time::from_millis(created.parse().ok()?), id.parse().ok()?))
}
