//! Admitting a message: into a queue of its own, whose row says that it is being made,
//! or in one transaction.

use std::sync::Arc;
use std::time::Duration;

use surety_core::machine::{Loaded, Next};
use surety_core::ports::{AdmitError, Admitted, Fault, Settled, Ticket};

use super::Aws;
use super::change::{Change, NotChanged};
use super::config::Bodies;
use super::guarantee::Follows;
use super::ids::refused;
use super::item::{Item, b, item, n, s, t};
use super::row::{Open, Row, Status};
use super::transact::{Canceled, transact};
use super::versions::{Cid, Version};

/// The first delay before it; it grows, and chance is added, so that those who admit
/// the same do not take it over from each other in turn.
const ADMISSION_DELAY: Duration = Duration::from_millis(100);

/// How often an admission that others make, too, is looked at again.
const ADMISSION_LOOKS: u32 = 5;

impl Aws {
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

    pub(super) async fn admit_with_queue(
        &self,
        loaded: &Loaded,
        next: Next,
    ) -> Result<Admitted, AdmitError> {
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

    pub(super) async fn admit_without(
        &self,
        loaded: &Loaded,
        next: Next,
    ) -> Result<Admitted, AdmitError> {
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
}
