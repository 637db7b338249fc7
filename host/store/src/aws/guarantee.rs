//! Guarantee: admitting, loading, committing and retiring, as [`super`] draws it.
//!
//! ```text
//!  admit   row CREATING → queue → version 0 → row ACTIVE + record → ticket
//!  commit  version n+1 → row n+1 + record → ticket → version n goes
//!  retire  bundle → row ARCHIVED → queue and records go
//! ```
//!
//! What follows the change of the row is repeated by whoever finds it undone: the
//! ticket by the stale one that comes again or by the timers, garbage by the next
//! search, a queue that is left by the ticket that comes again or by the sweep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use surety_core::bundle::Bundle;
use surety_core::effect::Entry;
use surety_core::machine::{Head, Loaded, Next, Step};
use surety_core::ports::{
    Admission, AdmitError, Admitted, Busy, CommitError, Fault, Found, Guarantee, Reservation,
    ReserveError, Settled, Ticket,
};
use surety_core::types::{Digest, MsgId, Seq, Time};

use super::change::{Change, NotChanged};
use super::config::Bodies;
use super::feeder::TICKET_DELAY_MAX;
use super::ids::{refused, row};
use super::item::{Fields, Item, b, item, n, names, s, t};
use super::names::bundle;
use super::objects::Put;
use super::queues::{Held, Search};
use super::records::Beside;
use super::row::{Open, Row, Status};
use super::tables::OPEN;
use super::transact::{Canceled, transact};
use super::versions::{Cid, Current, Version};
use super::{Aws, table_fault};
use crate::queue::due;

/// How long a message rests whose version was not seen: somebody has it, or SQS gave
/// too little.
const NOT_SEEN_DELAY: Duration = Duration::from_secs(2);

/// How long the timers wait for a ticket that was pushed by somebody who had none in
/// hand, before they push another. Long enough for nearly all to have come and gone.
pub(super) const TICKET_GRACE: Duration = Duration::from_secs(60);

/// The first delay before it; it grows, and chance is added, so that those who admit
/// the same do not take it over from each other in turn.
const ADMISSION_DELAY: Duration = Duration::from_millis(100);

/// How old an attempt may be when it changes the row. Who slept for two weeks between
/// the two would name a version that SQS has forgotten; an hour is longer than any
/// attempt, and shorter than everything that SQS forgets.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_secs(3_600);

/// How often an admission that others make, too, is looked at again.
const ADMISSION_LOOKS: u32 = 5;

/// What follows a change of the row, and of which revision's ticket.
#[derive(Clone, Copy)]
pub(super) struct Follows {
    pub(super) of: Option<Seq>,
    pub(super) next: Next,
}

impl Aws {
    /// What the row of an open message says after a commit of it.
    pub(super) fn opened(
        &self,
        loaded: &Loaded,
        version: &Version,
        follows: Follows,
        large: bool,
    ) -> (Vec<(&'static str, AttributeValue)>, Vec<&'static str>) {
        let Head { seq, state, workflow, .. } = &loaded.head;
        let id = loaded.message.msg_id;
        let now = self.clock.now();
        let mut set = vec![
            ("rev", n(*seq)),
            ("cid", s(version.cid)),
            ("version", b(version.digest().0)),
            ("state", s(state)),
            ("workflow", b(workflow.0)),
            ("moves", n(u64::from(matches!(follows.next, Next::Feed(_))))),
            ("moved_at", t(now)),
            ("sent_at", t(now)),
        ];
        let mut remove = Vec::new();
        match self.rests_until(loaded, follows) {
            Some(at) => set.extend([("due_shard", n(self.names.shard(id))), ("due", t(at))]),
            None => remove.extend(["due_shard", "due"]),
        }
        if large {
            set.push(("large", n(1_u64)));
        }
        (set, remove)
    }

    /// When the timers are to give the message a ticket. A ticket waits for a quarter
    /// of an hour at most; and who has none in hand leaves nothing behind that would
    /// repeat a push that did not come to pass.
    fn rests_until(&self, loaded: &Loaded, follows: Follows) -> Option<Time> {
        let Next::Feed(at) = follows.next else { return None };
        let at = due(&loaded.head, at);
        let now = self.clock.now();
        let msg_id = loaded.message.msg_id;
        let held = follows.of.is_some_and(|seq| self.leases.holds(Ticket { msg_id, seq }));
        if at > now.after(TICKET_DELAY_MAX) {
            return Some(at);
        }
        (!held).then(|| at.max(now).after(TICKET_GRACE))
    }

    /// The ticket behind a change of the row. What does not move by itself has none,
    /// and what moves much later gets it from the timers.
    async fn follow(&self, loaded: &Loaded, next: Next) -> Result<(), Fault> {
        let Next::Feed(at) = next else { return Ok(()) };
        let (id, seq) = (loaded.message.msg_id, loaded.head.seq);
        let at = due(&loaded.head, at);
        if at > self.clock.now().after(TICKET_DELAY_MAX) {
            return Ok(());
        }
        self.push_ticket(Ticket { msg_id: id, seq }, at).await
    }

    /// Gives an attempt up that has slept since it sent its version.
    pub(super) fn check_age(&self, begun: Time) -> Result<(), Fault> {
        if self.clock.now() <= begun.after(ATTEMPT_MAX) {
            return Ok(());
        }
        Err(Fault::Unavailable("this process slept; what it began is begun again".to_owned()))
    }

    fn cid(&self) -> Cid {
        Cid(self.clock.random())
    }

    /// The row becomes CREATING under a cid, or is said to be something else.
    async fn begin(&self, loaded: &Loaded, cid: Cid) -> Result<(), NotChanged> {
        let message = &loaded.message;
        let change = Change {
            id: message.msg_id,
            set: vec![
                ("status", s(Status::Creating.as_str())),
                ("cid", s(cid)),
                ("content", b(message.content_hash.0)),
                ("open", n(self.names.shard(message.msg_id))),
                ("moved_at", t(self.clock.now())),
            ],
            remove: vec!["unused", "forget_at"],
            // Whoever comes later takes over: the other is refused when it goes on.
            condition: "#client_id = :client AND #expires_at >= :at AND (#status = :issued OR (#status = :creating AND #content = :content))",
            values: item([
                (":client", s(&message.client_id)),
                (":at", t(loaded.receipt.accepted_at)),
                (":issued", s(Status::Issued.as_str())),
                (":creating", s(Status::Creating.as_str())),
                (":content", b(message.content_hash.0)),
            ]),
        };
        self.change_row(&change).await.map(|_| ())
    }

    /// Admits what `begin` began, or what needs no beginning.
    async fn activate(
        &self,
        loaded: &Loaded,
        next: Next,
        version: &Version,
        sent_apart: bool,
    ) -> Result<(), Canceled> {
        let message = &loaded.message;
        let id = message.msg_id;
        let record = self.records.step(id, &loaded.records).await?;
        let mut items = Vec::new();
        let mut is_large = record.large || sent_apart;
        let (condition, values) = match self.bodies {
            Bodies::Sqs => (
                "#status = :creating AND #cid = :cid",
                item([(":creating", s(Status::Creating.as_str())), (":cid", s(version.cid))]),
            ),
            Bodies::Dynamodb => {
                let body = self.records.version(id, version).await?;
                is_large |= body.large;
                items.push(body.item);
                (
                    "#client_id = :client AND #expires_at >= :at AND #status = :issued",
                    item([
                        (":client", s(&message.client_id)),
                        (":at", t(loaded.receipt.accepted_at)),
                        (":issued", s(Status::Issued.as_str())),
                    ]),
                )
            }
        };
        let (mut set, mut remove) =
            self.opened(loaded, version, Follows { of: None, next }, is_large);
        set.extend([
            ("status", s(Status::Active.as_str())),
            ("content", b(message.content_hash.0)),
            ("receipt", b(loaded.receipt.encode())),
            ("open", n(self.names.shard(id))),
        ]);
        remove.extend(["unused", "forget_at"]);
        let row = Change { id, set, remove, condition, values };
        // The row first: its reason is the one that is looked at.
        items.splice(0..0, [row.in_transaction(self.names.messages())?, record.item]);
        transact(&self.sdk, &self.clock, items, &format!("admitting {id}")).await
    }

    /// What an admission is that met this row.
    async fn admitted_before(
        &self,
        found: &Item,
        loaded: &Loaded,
        mine: Cid,
    ) -> Result<Option<Admitted>, AdmitError> {
        let Loaded { message, receipt, head, .. } = loaded;
        let refuse = || refused(found, &message.client_id, receipt.accepted_at);
        if found.is_empty() {
            return Err(refuse()?.into());
        }
        let row = Row::read(found)?;
        let same = row.content == Some(message.content_hash) && row.client_id == message.client_id;
        match row.status {
            Status::Active | Status::Archived if same => {}
            // Somebody has taken the admission over; it is to be seen how it ends.
            Status::Creating if same && row.expires_at >= receipt.accepted_at => return Ok(None),
            _ => return Err(refuse()?.into()),
        }
        if let Some(open) = &row.open
            && open.current.cid == mine
        {
            // The answer to the change was lost; it was made.
            return Ok(Some(Admitted::Now(Settled::Truth)));
        }
        if let Some(Open { current, moves: true, .. }) = &row.open
            && current.rev == head.seq
        {
            // Its first ticket may never have been pushed.
            let ticket = Ticket { msg_id: message.msg_id, seq: current.rev };
            self.push_ticket(ticket, self.clock.now()).await?;
        }
        Ok(Some(Admitted::Before(Arc::new(row.receipt()?))))
    }

    /// Whether the row bears this cid: then the change that was not answered, or was
    /// refused because it had been made already, was made.
    pub(super) async fn is_mine(&self, id: MsgId, cid: Cid) -> Result<bool, Fault> {
        let row = row(&self.sdk, &self.names, id).await?;
        Ok(row.and_then(|row| row.open).is_some_and(|open| open.current.cid == cid))
    }

    /// The message that a row says is open, with all that lies elsewhere.
    async fn read(&self, id: MsgId, open: &Open) -> Result<Loaded, Fault> {
        let current = open.current;
        // With a journal, what was written here is not all.
        let recent = self.recent.take(id, current.cid);
        let recent = recent.filter(|_| open.journaled != Some(current.rev));
        let beside = match &recent {
            Some(_) => Beside::default(),
            None => self.records.load(id, current).await?,
        };
        let mut loaded = match (self.bodies, recent) {
            (Bodies::Dynamodb, Some(recent)) => return Ok(recent),
            (Bodies::Dynamodb, None) => {
                let is = |v: &Version| {
                    (v.rev, v.cid, v.digest()) == (current.rev, current.cid, current.digest)
                };
                match beside.version.filter(is) {
                    Some(version) => version.read()?,
                    None => return Err(self.moved_or_corrupt(id, current.cid).await?),
                }
            }
            (Bodies::Sqs, recent) => {
                let mut loaded = match self.leases.version(id, current.cid) {
                    Some(loaded) => loaded,
                    None => self.find(id, open).await?,
                };
                if let Some(recent) = recent {
                    loaded.records = recent.records;
                    return Ok(loaded);
                }
                loaded
            }
        };
        let chain = beside.records.last().map(|record| (record.seq, record.hash));
        if chain != Some((current.rev, loaded.head.link)) {
            return Err(self.moved_or_corrupt(id, current.cid).await?);
        }
        loaded.records = beside.records;
        let entries = beside.journal.into_iter().filter(|(seq, _)| *seq == current.rev);
        loaded.journal = entries.map(|(_, entry)| entry).collect();
        Ok(loaded)
    }

    /// What it means that parts do not fit: the message has moved meanwhile, or what
    /// is stored is not what was committed.
    async fn moved_or_corrupt(&self, id: MsgId, cid: Cid) -> Result<Fault, Fault> {
        if self.is_mine(id, cid).await? {
            return Ok(Fault::Corrupt(format!(
                "what the tables hold of {id} is not what was committed; restore its items"
            )));
        }
        Ok(Fault::Unavailable(format!("{id} was moved while it was read")))
    }

    /// Finds the current version in the message's queue.
    async fn find(&self, id: MsgId, open: &Open) -> Result<Loaded, Fault> {
        let hold = self.leases.wants(id, open.current.rev);
        match self.queues.find(id, open.current, hold).await? {
            Search::Found(Held { version, handles, .. }) => {
                let loaded = version.read()?;
                if hold {
                    let Current { rev, cid, .. } = open.current;
                    self.leases.took(rev, cid, loaded.clone(), handles);
                }
                Ok(loaded)
            }
            Search::Tampered => Err(Fault::Corrupt(format!(
                "the queue {} holds another version {} of {id} than was committed; it was changed there",
                self.names.queue(id),
                open.current.rev
            ))),
            Search::NotSeen | Search::NoQueue if !self.is_mine(id, open.current.cid).await? => {
                Err(Fault::Unavailable(format!("{id} was moved while it was read")))
            }
            Search::NotSeen => {
                let why = format!(
                    "version {} of {id} is not to be seen in the queue {}: another process has it in hand",
                    open.current.rev,
                    self.names.queue(id)
                );
                Err(Fault::Busy(Busy { why, after: NOT_SEEN_DELAY }))
            }
            Search::NoQueue => Err(Fault::Corrupt(format!(
                "the queue {} with the open message {id} is gone; `surety import` puts a message back from an export",
                self.names.queue(id)
            ))),
        }
    }

    /// Cleans up behind the archive. Whoever finds an archived message with a ticket
    /// does it again.
    pub(super) async fn clean(&self, id: MsgId, is_large: bool) -> Result<(), Fault> {
        if self.bodies == Bodies::Sqs {
            self.queues.remove(id).await?;
        }
        self.records.remove(id).await?;
        if is_large {
            self.objects.remove_folder(&format!("large/{id}")).await?;
        }
        Ok(())
    }

    async fn admit_with_queue(&self, loaded: &Loaded, next: Next) -> Result<Admitted, AdmitError> {
        let id = loaded.message.msg_id;
        let cid = self.cid();
        for look in 0..ADMISSION_LOOKS {
            let chance = u32::from(self.clock.random()[9]);
            tokio::time::sleep(ADMISSION_DELAY * look * (256 + chance) / 256).await;
            match self.begin(loaded, cid).await {
                Ok(()) => {}
                Err(NotChanged::Fault(fault)) => return Err(fault.into()),
                Err(NotChanged::Is(found)) => {
                    if let Some(admitted) = self.admitted_before(&found, loaded, cid).await? {
                        return Ok(admitted);
                    }
                }
            }
            self.queues.create(id).await?;
            let (version, begun) = (Version::of(loaded, cid), self.clock.now());
            let sent_apart = self.queues.send(id, &version, 0).await?;
            self.check_age(begun)?;
            match self.activate(loaded, next, &version, sent_apart).await {
                Ok(()) => {
                    self.recent.keep(cid, loaded);
                    return Ok(Admitted::Now(Settled::Truth));
                }
                Err(Canceled::Conditions(reasons)) => {
                    let found = reasons.into_iter().next().flatten().unwrap_or_default();
                    if let Some(admitted) = self.admitted_before(&found, loaded, cid).await? {
                        return Ok(admitted);
                    }
                }
                Err(Canceled::Fault(fault)) => {
                    if self.is_mine(id, cid).await? {
                        return Ok(Admitted::Now(Settled::Truth));
                    }
                    return Err(fault.into());
                }
            }
        }
        let why = format!("{id} is being admitted by others at the same time");
        Err(Fault::Unavailable(why).into())
    }

    async fn admit_without(&self, loaded: &Loaded, next: Next) -> Result<Admitted, AdmitError> {
        let cid = self.cid();
        let version = Version::of(loaded, cid);
        let found = match self.activate(loaded, next, &version, false).await {
            Ok(()) => {
                self.recent.keep(cid, loaded);
                return Ok(Admitted::Now(Settled::Truth));
            }
            Err(Canceled::Conditions(reasons)) => {
                reasons.into_iter().next().flatten().unwrap_or_default()
            }
            Err(Canceled::Fault(fault)) => {
                if self.is_mine(loaded.message.msg_id, cid).await? {
                    return Ok(Admitted::Now(Settled::Truth));
                }
                return Err(fault.into());
            }
        };
        let admitted = self.admitted_before(&found, loaded, cid).await?;
        admitted.ok_or_else(|| {
            let id = loaded.message.msg_id;
            Fault::Unavailable(format!("{id} is being admitted by a host that uses queues")).into()
        })
    }

    /// Commits a step whose version lies where it belongs.
    async fn move_row(
        &self,
        step: &Step,
        version: &Version,
        sent_apart: bool,
    ) -> Result<(), Canceled> {
        let (id, loaded) = (step.msg_id(), &step.loaded);
        let record = self.records.step(id, step.records()).await?;
        let mut is_large = record.large || sent_apart;
        let mut items = vec![record.item];
        if let Some(used) = &step.uses {
            items.push(self.use_by_signal(used)?);
        }
        if self.bodies == Bodies::Dynamodb {
            let body = self.records.version(id, version).await?;
            is_large |= body.large;
            items.push(body.item);
        }
        let follows = Follows { of: Some(step.expect), next: step.next };
        let (mut set, remove) = self.opened(loaded, version, follows, is_large);
        set.push(("prev", n(step.expect)));
        let row = Change {
            id,
            set,
            remove,
            condition: "#status = :active AND #rev = :expect",
            values: item([(":active", s(Status::Active.as_str())), (":expect", n(step.expect))]),
        };
        items.insert(0, row.in_transaction(self.names.messages())?);
        transact(&self.sdk, &self.clock, items, &format!("committing {id}")).await
    }
}

#[async_trait]
impl Guarantee for Aws {
    async fn reserve(&self, reservation: Reservation) -> Result<(), ReserveError> {
        self.issue(&reservation).await
    }

    async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        let (loaded, next) = admission.into_parts();
        let admitted = match self.bodies {
            Bodies::Sqs => self.admit_with_queue(&loaded, next).await?,
            Bodies::Dynamodb => self.admit_without(&loaded, next).await?,
        };
        if matches!(admitted, Admitted::Now(_)) {
            // The timers repeat it when it fails.
            if let Err(fault) = self.follow(&loaded, next).await {
                tracing::warn!(msg_id = %loaded.message.msg_id, %fault, "a ticket will come later");
            }
        }
        Ok(admitted)
    }

    async fn load(&self, id: MsgId) -> Result<Found, Fault> {
        let Some(row) = row(&self.sdk, &self.names, id).await? else {
            return Ok(Found::Nothing);
        };
        match (row.status, &row.open) {
            (Status::Active, Some(open)) => {
                let moves = open.moves && open.due.is_none();
                self.leases.saw(id, open.current.rev, open.prev, moves);
                Ok(Found::Open(Box::new(self.read(id, open).await?)))
            }
            (Status::Archived, _) => {
                if self.leases.is_held(id) {
                    // Who archived it may not have come to clean up.
                    self.clean(id, true).await?;
                }
                Ok(Found::Archived)
            }
            _ => Ok(Found::Nothing),
        }
    }

    async fn commit(&self, step: Step) -> Result<Settled, CommitError> {
        let (id, cid) = (step.msg_id(), self.cid());
        let version = Version::of(&step.loaded, cid);
        let begun = self.clock.now();
        let sent_apart = match self.bodies {
            Bodies::Sqs => self.queues.send(id, &version, 0).await?,
            Bodies::Dynamodb => false,
        };
        self.check_age(begun)?;
        match self.move_row(&step, &version, sent_apart).await {
            Ok(()) => {}
            Err(Canceled::Conditions(reasons)) => {
                if !self.is_mine(id, cid).await? {
                    let mut reasons = reasons.into_iter();
                    let moved = reasons.next().flatten().is_some();
                    if let (false, Some(used)) = (moved, &step.uses) {
                        let found = reasons.nth(1).flatten().unwrap_or_default();
                        return Err(refused(&found, &used.client_id, used.at)?.into());
                    }
                    return Err(CommitError::Conflict(step.expect));
                }
            }
            Err(Canceled::Fault(fault)) => {
                if !self.is_mine(id, cid).await? {
                    return Err(fault.into());
                }
            }
        }
        if let Err(fault) = self.follow(&step.loaded, step.next).await {
            // It is committed. Who has a ticket in hand gives it back, and it pushes
            // the next one when it comes again; for the others there are the timers.
            tracing::warn!(msg_id = %id, %fault, "a ticket will come later");
            if self.leases.holds(Ticket { msg_id: id, seq: step.expect }) {
                return Err(fault.into());
            }
        }
        if let Next::Feed(_) = step.next {
            self.recent.keep(cid, &step.loaded);
        }
        let handles = self.leases.replaced(id, step.expect);
        if !handles.is_empty() {
            self.queues.forget(id, handles).await;
        }
        Ok(Settled::Truth)
    }

    async fn journal(
        &self,
        id: MsgId,
        seq: Seq,
        place: usize,
        entry: Entry,
    ) -> Result<(), CommitError> {
        let (items, _) = self.records.entry(id, seq, place, &entry).await?;
        let change = Change {
            id,
            set: vec![("journaled", n(seq))],
            remove: Vec::new(),
            condition: "#status = :active AND #rev = :rev",
            values: item([(":active", s(Status::Active.as_str())), (":rev", n(seq))]),
        };
        let mut all = vec![change.in_transaction(self.names.messages())?];
        all.extend(items);
        match transact(&self.sdk, &self.clock, all, &format!("writing the journal of {id}")).await {
            Ok(()) => Ok(()),
            Err(Canceled::Fault(fault)) => Err(fault.into()),
            // Also when it was this very entry that was written, and the answer lost: who
            // reads the message again is given it.
            Err(Canceled::Conditions(_)) => Err(CommitError::Conflict(seq)),
        }
    }

    async fn retire(&self, id: MsgId, seq: Seq, packed: Vec<u8>) -> Result<Settled, CommitError> {
        let place = bundle(id);
        if self.objects.put(&place, packed.clone()).await? == Put::Exists {
            let kept = self.objects.get(&place).await?.unwrap_or_default();
            // Another host closed it, with its own signature; the chain is the same.
            let last = |packed: &[u8]| {
                let bundle = Bundle::unpack(packed).ok()?;
                Some((bundle.message.content_hash, bundle.records.last()?.hash))
            };
            if kept != packed && (last(&kept).is_none() || last(&kept) != last(&packed)) {
                let row = row(&self.sdk, &self.names, id).await?;
                let open = row.and_then(|row| row.open).map(|open| open.current.rev);
                return Err(if open == Some(seq) {
                    Fault::Corrupt(format!("the archive has another bundle of {id} at {place}"))
                        .into()
                } else {
                    CommitError::Conflict(seq)
                });
            }
        }
        let change = Change {
            id,
            set: vec![("status", s(Status::Archived.as_str()))],
            remove: vec!["open", "due_shard", "due", "moves"],
            condition: "#status = :active AND #rev = :rev",
            values: item([(":active", s(Status::Active.as_str())), (":rev", n(seq))]),
        };
        match self.change_row(&change).await {
            Ok(before) => {
                // It goes with its queue.
                self.leases.replaced(id, seq);
                let is_large = Fields::of(&before, "a row").has("large");
                if let Err(fault) = self.clean(id, is_large).await {
                    tracing::debug!(msg_id = %id, %fault, "what is left of it goes later");
                }
                Ok(Settled::Truth)
            }
            Err(NotChanged::Is(_)) => Err(CommitError::Conflict(seq)),
            Err(NotChanged::Fault(fault)) => Err(fault.into()),
        }
    }

    async fn open(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        let shards = self.names.shards().map(|shard| self.open_of(shard, after, limit));
        let mut ids: Vec<_> = futures_util::future::try_join_all(shards).await?.concat();
        ids.sort_unstable();
        ids.truncate(limit);
        Ok(ids)
    }

    async fn pins(&self) -> Result<BTreeMap<Digest, u64>, Fault> {
        let mut pins = BTreeMap::new();
        for shard in self.names.shards() {
            let mut from = None;
            loop {
                let (items, next) = self.open_page(shard, None, from, None).await?;
                for item in &items {
                    let fields = Fields::of(item, "an open message");
                    // Not yet, while it is being admitted.
                    if fields.has("workflow") {
                        *pins.entry(fields.digest("workflow")?).or_default() += 1;
                    }
                }
                from = next;
                if from.is_none() {
                    break;
                }
            }
        }
        Ok(pins)
    }
}

impl Aws {
    async fn open_of(
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
