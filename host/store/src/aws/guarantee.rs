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
//! search, what is left of an archived message by the ticket that comes again, and of
//! queues by the sweep.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use surety_core::bundle::Bundle;
use surety_core::effect::Entry;
use surety_core::machine::{Head, Loaded, Next, Step};
use surety_core::ports::{
    Admission, AdmitError, Admitted, CommitError, Fault, Found, Guarantee, IdRefused, Reservation,
    ReserveError, Settled, Ticket,
};
use surety_core::types::{Digest, MsgId, Seq, Time};

use super::Aws;
use super::change::{Change, NotChanged};
use super::config::Bodies;
use super::feeder::TICKET_DELAY_MAX;
use super::ids::{refused, row};
use super::item::{Fields, b, item, n, s, t};
use super::names::bundle;
use super::objects::Put;
use super::row::Status;
use super::transact::{Canceled, transact};
use super::versions::{Cid, Version};
use crate::queue::due;

/// How long the timers wait for a ticket that was pushed by somebody who had none in
/// hand, before they push another. Long enough for nearly all to have come and gone.
pub(super) const TICKET_GRACE: Duration = Duration::from_secs(60);

/// How old an attempt may be when it changes the row. Who slept for two weeks between
/// the two would name a version that SQS has forgotten; an hour is longer than any
/// attempt, and shorter than everything that SQS forgets.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_secs(3_600);

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
        (!held).then(|| self.again(at))
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

    pub(super) fn cid(&self) -> Cid {
        Cid(self.clock.random())
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
                self.leases.saw(id, open);
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
        // One transaction cannot change a row twice.
        if step.uses.as_ref().is_some_and(|used| used.msg_id == id) {
            return Err(IdRefused::Used.into());
        }
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
                // When it fails, the ticket comes again and finds what is left: no sweep
                // looks for records and objects of an archived message.
                self.clean(id, is_large).await?;
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
