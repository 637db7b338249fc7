//! Moving: rows, versions and records as they were elsewhere.
//!
//! ```text
//!  open      row CREATING → records and journal → queue → version → row ACTIVE, due
//!  archived  bundle → row ARCHIVED
//! ```
//!
//! A row comes last with what makes it count, so that an import that was interrupted
//! is begun again. No ticket is pushed: the timers of the first host do it.

use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use surety_core::bundle::Bundle;
use surety_core::deployment::Deployed;
use surety_core::machine::{Loaded, Next};
use surety_core::ports::{
    Busy, Fault, Found, Guarantee as _, Issued, Moving, PlaceError, Placed, Use,
};
use surety_core::receipt::Receipt;
use surety_core::types::{Digest, MsgId};

use super::change::{Change, NotChanged};
use super::config::Bodies;
use super::deployments::{History, entry_of, name};
use super::entries::{Entry, putting};
use super::guarantee::Follows;
use super::ids::{key, row, row_of};
use super::item::{Item, b, item, n, names as placeholders, s, t};
use super::names;
use super::objects::Put;
use super::row::{Row, Status};
use super::transact::{Canceled, transact};
use super::versions::{Cid, Version};
use super::{Aws, table_fault};
use crate::queue::due;

/// Rows that are written at once.
const AT_ONCE: usize = 16;

/// Deployments that one transaction writes, less than the 100 items that it takes.
const DEPLOYMENTS_AT_ONCE: usize = 50;

/// Their bytes together, less than the 4 MB that it takes: what is not counted of an item
/// are its numbers, and the counter that is written with them.
const DEPLOYMENTS_BYTES_MAX: usize = 3 << 20;

/// When to place a history again that met another change of the catalog.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

const NEW: &str = "attribute_not_exists(#msg_id)";

/// What a row says of its Msg_ID. What nobody was told of was not used.
fn issued(row: &Row) -> Issued {
    let used = match row.status {
        Status::Issued | Status::Creating | Status::Expired => None,
        Status::Active | Status::Archived => Some(Use::Message),
        Status::Signal => Some(Use::Signal),
    };
    let Row { msg_id, client_id, expires_at, .. } = row;
    Issued { msg_id: *msg_id, client_id: client_id.clone(), expires_at: *expires_at, used }
}

/// How many entries of deployments one transaction writes, of those that are left: one at
/// least.
fn together(left: &[Item]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Item| {
        let texts =
            entry.iter().map(|(name, value)| name.len() + value.as_s().map_or(0, String::len));
        bytes += texts.sum::<usize>();
        bytes <= DEPLOYMENTS_BYTES_MAX
    };
    left.iter().take(DEPLOYMENTS_AT_ONCE).take_while(fits).count().max(1)
}

fn taken(id: MsgId) -> PlaceError {
    PlaceError::Taken(format!("the msg_id {id}"))
}

impl Aws {
    /// Puts a row where none is; gives the one that is there instead.
    async fn put_row(&self, row: Item) -> Result<Option<Row>, Fault> {
        let table = self.names.messages();
        let put = self
            .sdk
            .dynamodb
            .put_item()
            .table_name(&table)
            .set_item(Some(row.clone()))
            .condition_expression(NEW)
            .set_expression_attribute_names(Some(placeholders(&[NEW])));
        match put.send().await {
            Ok(_) => Ok(None),
            Err(SdkError::ServiceError(e)) if e.err().is_conditional_check_failed_exception() => {
                let id = super::item::Fields::of(&row, "a row").msg_id()?;
                let there = super::ids::row(&self.sdk, &self.names, id).await?;
                let gone = || Fault::Unavailable(format!("the row of {id} went meanwhile"));
                there.ok_or_else(gone).map(Some)
            }
            Err(e) => Err(table_fault("writing to", &table, e)),
        }
    }

    async fn place_id(&self, id: &Issued) -> Result<Placed, PlaceError> {
        let row = match id.used {
            Some(_) => item([
                ("msg_id", s(id.msg_id)),
                ("status", s(Status::Signal.as_str())),
                ("client_id", s(&id.client_id)),
                ("expires_at", t(id.expires_at)),
            ]),
            None => row_of(&self.names, &id.client_id, id.expires_at, id.msg_id),
        };
        match self.put_row(row).await? {
            None => Ok(Placed::Now),
            Some(there) if issued(&there) == *id => Ok(Placed::Before),
            Some(_) => Err(taken(id.msg_id)),
        }
    }

    /// The row becomes CREATING under a cid, or is what an import before made of it.
    async fn begin_placing(
        &self,
        id: &Issued,
        loaded: &Loaded,
        cid: Cid,
    ) -> Result<(), NotChanged> {
        let content = loaded.message.content_hash;
        let change = Change {
            id: id.msg_id,
            set: vec![
                ("status", s(Status::Creating.as_str())),
                ("client_id", s(&id.client_id)),
                ("expires_at", t(id.expires_at)),
                ("cid", s(cid)),
                ("content", b(content.0)),
                ("open", n(self.names.shard(id.msg_id))),
                ("moved_at", t(self.clock.now())),
            ],
            remove: Vec::new(),
            condition: "attribute_not_exists(#msg_id) OR ((#status = :creating OR #status = :expired) AND #content = :content AND #client_id = :client)",
            values: item([
                (":creating", s(Status::Creating.as_str())),
                (":expired", s(Status::Expired.as_str())),
                (":content", b(content.0)),
                (":client", s(&id.client_id)),
            ]),
        };
        self.change_row(&change).await.map(|_| ())
    }

    /// What a message is that is to be placed where a row is.
    async fn open_before(
        &self,
        there: &Item,
        id: &Issued,
        loaded: &Loaded,
    ) -> Result<Placed, PlaceError> {
        let row = Row::read(there)?;
        if row.status == Status::Active && issued(&row) == *id {
            match self.load(id.msg_id).await? {
                Found::Open(found) if found.encode() == loaded.encode() => {
                    return Ok(Placed::Before);
                }
                _ => {}
            }
        }
        Err(PlaceError::Taken(format!("the message {}", id.msg_id)))
    }

    /// Makes the row say that the message is open.
    async fn activate_placed(
        &self,
        loaded: &Loaded,
        version: &Version,
        is_large: bool,
    ) -> Result<(), Canceled> {
        let id = loaded.message.msg_id;
        let mut is_large = is_large;
        let mut items = Vec::new();
        if self.bodies == Bodies::Dynamodb {
            let body = self.records.version(id, version).await?;
            is_large |= body.large;
            items.push(body.item);
        }
        let next = loaded.head.next();
        let (mut set, remove) = self.opened(loaded, version, Follows { of: None, next }, is_large);
        if let Next::Feed(at) = next {
            // No ticket is on its way that the timers would have to wait for.
            set.retain(|(name, _)| *name != "due");
            set.push(("due", t(due(&loaded.head, at))));
        }
        set.extend([
            ("status", s(Status::Active.as_str())),
            ("receipt", b(loaded.receipt.encode())),
        ]);
        if !loaded.journal.is_empty() {
            set.push(("journaled", n(loaded.head.seq)));
        }
        let row = Change {
            id,
            set,
            remove,
            condition: "#status = :creating AND #cid = :cid",
            values: item([(":creating", s(Status::Creating.as_str())), (":cid", s(version.cid))]),
        };
        items.insert(0, row.in_transaction(self.names.messages())?);
        transact(&self.sdk, &self.clock, items, &format!("placing {id}")).await
    }
}

#[async_trait]
impl Moving for Aws {
    async fn msg_ids(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<Issued>, Fault> {
        let table = self.names.messages();
        let mut from = after.map(key);
        loop {
            let scan = self
                .sdk
                .dynamodb
                .scan()
                .table_name(&table)
                .consistent_read(true)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from);
            let got = scan.send().await.map_err(|e| table_fault("reading", &table, e))?;
            let rows = got.items.unwrap_or_default();
            from = got.last_evaluated_key.filter(|key| !key.is_empty());
            if !rows.is_empty() || from.is_none() {
                return rows.iter().map(|row| Ok(issued(&Row::read(row)?))).collect();
            }
        }
    }

    async fn place_ids(&self, ids: Vec<Issued>) -> Result<u64, PlaceError> {
        let places: Vec<_> = ids.iter().map(|id| self.place_id(id)).collect();
        let placed: Vec<_> = stream::iter(places).buffered(AT_ONCE).try_collect().await?;
        Ok(placed.iter().filter(|placed| **placed == Placed::Now).count() as u64)
    }

    async fn place_open(&self, id: Issued, loaded: Loaded) -> Result<Placed, PlaceError> {
        let (msg_id, cid) = (id.msg_id, Cid(self.clock.random()));
        match self.begin_placing(&id, &loaded, cid).await {
            Ok(()) => {}
            Err(NotChanged::Is(there)) => return self.open_before(&there, &id, &loaded).await,
            Err(NotChanged::Fault(fault)) => return Err(fault.into()),
        }
        // Whatever an import before left of them.
        self.records.remove(msg_id).await?;
        let mut is_large = self.records.place(&loaded).await?;
        let (version, begun) = (Version::of(&loaded, cid), self.clock.now());
        if self.bodies == Bodies::Sqs {
            self.queues.create(msg_id).await?;
            is_large |= self.queues.send(msg_id, &version, 0).await?;
        }
        self.check_age(begun)?;
        match self.activate_placed(&loaded, &version, is_large).await {
            Ok(()) => Ok(Placed::Now),
            Err(_) if self.is_mine(msg_id, cid).await? => Ok(Placed::Now),
            Err(Canceled::Conditions(_)) => {
                let why = format!("{msg_id} is being placed by another process");
                Err(Fault::Unavailable(why).into())
            }
            Err(Canceled::Fault(fault)) => Err(fault.into()),
        }
    }

    async fn place_archived(&self, id: Issued, packed: Vec<u8>) -> Result<Placed, PlaceError> {
        let bundle = Bundle::unpack(&packed).map_err(Fault::from)?;
        let msg_id = id.msg_id;
        let other = || PlaceError::Taken(format!("the message {msg_id}"));
        if let Some(there) = row(&self.sdk, &self.names, msg_id).await?
            && issued(&there) != id
        {
            return Err(other());
        }
        let place = names::bundle(msg_id);
        if self.objects.put(&place, packed.clone()).await? == Put::Exists
            && self.objects.get(&place).await?.as_ref() != Some(&packed)
        {
            return Err(other());
        }
        let receipt = bundle.receipt.encode();
        let row = item([
            ("msg_id", s(msg_id)),
            ("status", s(Status::Archived.as_str())),
            ("client_id", s(&id.client_id)),
            ("expires_at", t(id.expires_at)),
            ("content", b(bundle.message.content_hash.0)),
            ("receipt", b(receipt)),
        ]);
        let Some(there) = self.put_row(row).await? else { return Ok(Placed::Now) };
        let receipt = there.receipt.as_deref().map(Receipt::decode);
        let same = there.status == Status::Archived
            && issued(&there) == id
            && receipt.is_some_and(|receipt| receipt.as_ref() == Ok(&*bundle.receipt));
        if same { Ok(Placed::Before) } else { Err(other()) }
    }

    async fn components(&self) -> Result<Vec<Digest>, Fault> {
        let names = self.objects.list(names::COMPONENTS, None, usize::MAX).await?;
        let read = |name: String| {
            format!("0x{name}").parse().map_err(|_| {
                let place = self.objects.place(&format!("{}/{name}", names::COMPONENTS));
                Fault::Corrupt(format!(
                    "the object {place} is no component; take out of its folder what surety did not put there"
                ))
            })
        };
        names.into_iter().map(read).collect()
    }

    async fn place_component(&self, component: Vec<u8>) -> Result<Placed, PlaceError> {
        let digest = Digest::of(&component);
        let place = names::component(digest);
        if self.objects.put(&place, component).await? == Put::Created {
            return Ok(Placed::Now);
        }
        self.objects.content(&place, digest).await?;
        Ok(Placed::Before)
    }

    async fn deployments(&self) -> Result<Vec<Deployed>, Fault> {
        let mut all = Vec::new();
        for entry in self.entries(Entry::Module).await? {
            all.extend(History::read(&entry)?.deployed);
        }
        let mut all = self.whole(all).await?;
        all.sort_by_key(|deployed| deployed.number);
        Ok(all)
    }

    async fn place_history(&self, deployed: Vec<Deployed>) -> Result<Placed, PlaceError> {
        let Some(module) = deployed.first().map(|first| first.deployment.name.clone()) else {
            return Ok(Placed::Before);
        };
        let other = || PlaceError::Taken(format!("the deployments of the module {module}"));
        let mut history = self.module(&module).await?;
        if history.revision > 0 {
            let mut there = self.deployed(&module).await?;
            there.reverse();
            return if there == deployed { Ok(Placed::Before) } else { Err(other()) };
        }
        let table = self.names.catalog();
        let keys = deployed.iter().map(|d| Entry::Deployment.key(name(d.number))).collect();
        let there = self.batch_get(&table, keys).await?;
        let entries = deployed.iter().map(entry_of).collect::<Result<Vec<_>, _>>()?;
        // Those of an import before, and nothing else.
        if there.iter().any(|entry| !entries.contains(entry)) {
            return Err(other());
        }
        let changed = |canceled: Canceled| match canceled {
            Canceled::Fault(fault) => fault,
            Canceled::Conditions(_) => {
                let why = "others change what is deployed".to_owned();
                Fault::Busy(Busy { why, after: AGAIN })
            }
        };
        let mut left = entries.as_slice();
        while !left.is_empty() {
            let (some, later) = left.split_at(together(left));
            let puts = some.iter().map(|entry| putting(&table, entry.clone(), None, Item::new()));
            self.write_entries(puts.collect(), None).await.map_err(changed)?;
            left = later;
        }
        let (_, last) = self.counter().await?;
        let highest = deployed.iter().map(|d| d.number).max().unwrap_or(0);
        let numbers = (last.unwrap_or(0) < highest).then_some((last, highest));
        history.deployed = deployed;
        let writes = vec![history.write(&table)?];
        self.write_entries(writes, numbers).await.map_err(changed)?;
        Ok(Placed::Now)
    }
}
