//! What any process does now and then for all messages, and many may do at once:
//! timers, and the sweep over every open message.
//!
//! ```text
//!  timers  due without a ticket       → ticket
//!  sweep   should move, and did not   → due now, so that the timers see to it
//!          current copy grows old     → another copy, and the old one goes
//!          admission given up         → EXPIRED, its queue goes
//!          queue of no open message   → goes
//! ```
//!
//! Whoever does one of these first says so in the row, under a condition that holds
//! but once.

use std::time::Duration;

use surety_core::ports::{Fault, Ticket};
use surety_core::types::{MsgId, Seq, Time};

use super::change::{Change, NotChanged};
use super::config::Bodies;
use super::feeder::TICKET_DELAY_MAX;
use super::guarantee::TICKET_GRACE;
use super::ids::row;
use super::item::{Fields, Item, item, n, names, s, t};
use super::queues::{Held, Search};
use super::row::{Open, Row, Status};
use super::tables::DUE;
use super::{Aws, table_fault};
use crate::Swept;

/// SQS forgets a message after fourteen days; one that is half as old is sent again,
/// so that a week of failing sweeps loses nothing.
const RENEW_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// How long a message that moves by itself may rest before its ticket is taken for
/// lost. Longer than the longest delay of a ticket and the longest turn together.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// Timers that one look takes in each shard, so that a flood of them is shared with
/// the other processes.
const DUE_MAX: i32 = 100;

/// How far the timers look ahead, in looks. Two, so that a ticket is on its way in time
/// also when one look fails; not more, because the sooner a ticket is sent the more of
/// what it is for may have changed until it comes.
const LOOKS_AHEAD: u32 = 2;

/// Rows that are read at once.
pub(super) const AT_ONCE: usize = 16;

impl Aws {
    /// Gives tickets to messages that are due without one, and soon will be. Gives
    /// when the next one is due that has to wait.
    pub(super) async fn feed_all_due(&self) -> Result<Option<Time>, Fault> {
        let until = self.clock.now().after(self.looks_ahead());
        let mut next: Option<Time> = None;
        for shard in self.names.shards() {
            for item in self.due_of(shard).await? {
                let fields = Fields::of(&item, "a message that is due");
                let (id, rev, at) = (fields.msg_id()?, fields.number("rev")?, fields.time("due")?);
                if at > until {
                    next = Some(next.map_or(at, |next| next.min(at)));
                    break;
                }
                self.feed(id, rev, at).await?;
            }
        }
        Ok(next)
    }

    /// How long before it is due the timers give a message its ticket.
    pub(super) fn looks_ahead(&self) -> Duration {
        (self.times.timers * LOOKS_AHEAD).min(TICKET_DELAY_MAX)
    }

    /// When the message is due again whose ticket is due then, and may be lost.
    pub(super) fn again(&self, at: Time) -> Time {
        // Not so soon that they look ahead to it before the ticket has come: they would
        // push one after the other while the first is under way.
        at.max(self.clock.now()).after(TICKET_GRACE.max(self.looks_ahead()))
    }

    /// The first of a shard's messages that have no ticket, by when they are due.
    async fn due_of(&self, shard: u16) -> Result<Vec<Item>, Fault> {
        let table = self.names.messages();
        let condition = "#due_shard = :shard";
        let query = self
            .sdk
            .dynamodb
            .query()
            .table_name(&table)
            .index_name(DUE)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .set_expression_attribute_values(Some(item([(":shard", n(shard))])))
            .limit(DUE_MAX);
        let got = query.send().await.map_err(|e| table_fault("reading from", &table, e))?;
        Ok(got.items.unwrap_or_default())
    }

    /// Gives one message its ticket, unless another process does.
    async fn feed(&self, id: MsgId, rev: Seq, at: Time) -> Result<(), Fault> {
        // Said before the push, and come back to in a while: a crash between the two
        // costs a minute, and a ticket that is lost no more.
        let change = Change {
            id,
            set: vec![("due", t(self.again(at)))],
            remove: Vec::new(),
            condition: "#status = :active AND #rev = :rev AND #due = :due",
            values: item([
                (":active", s(Status::Active.as_str())),
                (":rev", n(rev)),
                (":due", t(at)),
            ]),
        };
        match self.change_row(&change).await {
            Ok(_) => {}
            Err(NotChanged::Is(_)) => return Ok(()),
            Err(NotChanged::Fault(fault)) => return Err(fault),
        }
        self.push_ticket(Ticket { msg_id: id, seq: rev }, at).await
    }

    /// Looks at every open message, and at every queue.
    pub(super) async fn sweep_all(&self) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        for shard in self.names.shards() {
            let mut from = None;
            loop {
                let (items, next) = self.open_page(shard, None, from, None).await?;
                for ids in items.chunks(AT_ONCE) {
                    let ids = ids.iter().map(|item| Fields::of(item, "an open message").msg_id());
                    let looks = ids.map(|id| async { self.look(id?).await });
                    for looked in futures_util::future::join_all(looks).await {
                        match looked {
                            Ok(one) => swept += one,
                            // One that cannot be read must not keep the others from it.
                            Err(fault) => {
                                if let Fault::Corrupt(_) = fault {
                                    tracing::error!(%fault, "message cannot be read");
                                } else {
                                    tracing::warn!(%fault, "a message was not looked at");
                                }
                                swept.failed += 1;
                            }
                        }
                    }
                }
                from = next;
                if from.is_none() {
                    break;
                }
            }
        }
        if self.bodies == Bodies::Sqs {
            swept += self.remove_left_queues().await?;
        }
        Ok(swept)
    }

    /// Looks at one message.
    async fn look(&self, id: MsgId) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        let Some(row) = row(&self.sdk, &self.names, id).await? else {
            return Ok(swept);
        };
        swept.messages += 1;
        let now = self.clock.now();
        match (row.status, &row.open) {
            (Status::Creating, _) if row.expires_at < now => {
                swept.admissions_ended += u64::from(self.give_up(&row).await?);
            }
            (Status::Active, Some(open)) => {
                let forgotten = open.moves && open.due.is_none();
                if forgotten && open.moved_at.after(FORGOTTEN_AFTER) <= now {
                    swept.fed_again += u64::from(self.remind(id, open, now).await?);
                }
                let old = open.sent_at.after(RENEW_AFTER) <= now;
                if old && self.bodies == Bodies::Sqs {
                    swept.renewed += u64::from(self.renew(id, open).await?);
                }
            }
            _ => {}
        }
        Ok(swept)
    }

    /// Ends an admission that nobody finished. Nobody was told that it is kept, and
    /// under this Msg_ID nobody can begin it again.
    async fn give_up(&self, row: &Row) -> Result<bool, Fault> {
        let change = Change {
            id: row.msg_id,
            set: vec![("status", s(Status::Expired.as_str()))],
            remove: vec!["open", "cid"],
            condition: "#status = :creating AND #expires_at = :expires_at",
            values: item([
                (":creating", s(Status::Creating.as_str())),
                (":expires_at", t(row.expires_at)),
            ]),
        };
        match self.change_row(&change).await {
            Ok(_) => {}
            Err(NotChanged::Is(_)) => return Ok(false),
            Err(NotChanged::Fault(fault)) => return Err(fault),
        }
        self.queues.remove_in_turn(row.msg_id).await?;
        Ok(true)
    }

    /// Leaves a message to the timers until a time. Says whether it did: it may have
    /// moved on.
    pub(super) async fn rest(&self, ticket: Ticket, at: Time) -> Result<bool, Fault> {
        let Ticket { msg_id: id, seq } = ticket;
        let change = Change {
            id,
            set: vec![("due_shard", n(self.names.shard(id))), ("due", t(at))],
            remove: Vec::new(),
            condition: "#status = :active AND #rev = :rev",
            values: item([(":active", s(Status::Active.as_str())), (":rev", n(seq))]),
        };
        match self.change_row(&change).await {
            Ok(_) => Ok(true),
            Err(NotChanged::Is(_)) => Ok(false),
            Err(NotChanged::Fault(fault)) => Err(fault),
        }
    }

    /// Lets a message rest until somebody moves it, if nobody has: it is no matter of
    /// timers and sweeps any more.
    pub(super) async fn settle(&self, ticket: Ticket) -> Result<(), Fault> {
        let change = Change {
            id: ticket.msg_id,
            set: vec![("moves", n(0_u64))],
            remove: vec!["due_shard", "due"],
            condition: "#status = :active AND #rev = :rev",
            values: item([(":active", s(Status::Active.as_str())), (":rev", n(ticket.seq))]),
        };
        match self.change_row(&change).await {
            Ok(_) | Err(NotChanged::Is(_)) => Ok(()),
            Err(NotChanged::Fault(fault)) => Err(fault),
        }
    }

    /// Makes a message due whose ticket seems to be lost.
    async fn remind(&self, id: MsgId, open: &Open, now: Time) -> Result<bool, Fault> {
        let change = Change {
            id,
            set: vec![("due_shard", n(self.names.shard(id))), ("due", t(now))],
            remove: Vec::new(),
            condition: "#status = :active AND #rev = :rev AND attribute_not_exists(#due)",
            values: item([(":active", s(Status::Active.as_str())), (":rev", n(open.current.rev))]),
        };
        match self.change_row(&change).await {
            Ok(_) => Ok(true),
            Err(NotChanged::Is(_)) => Ok(false),
            Err(NotChanged::Fault(fault)) => Err(fault),
        }
    }

    /// Sends the current version once more, and then deletes the copy that was found.
    async fn renew(&self, id: MsgId, open: &Open) -> Result<bool, Fault> {
        let Held { version, copy, handles } = match self.queues.find(id, open.current, true).await?
        {
            Search::Found(held) => held,
            Search::Tampered => return Err(self.tampered(id, open.current)),
            // No later sweep would find it either.
            Search::NoQueue if self.is_mine(id, open.current.cid).await? => {
                return Err(self.no_queue(id));
            }
            // Somebody has it in hand, or moved it; a later sweep comes in time.
            Search::NotSeen | Search::NoQueue => return Ok(false),
        };
        let begun = self.clock.now();
        self.queues.send(id, &version, copy + 1).await?;
        self.check_age(begun)?;
        let change = Change {
            id,
            set: vec![("sent_at", t(self.clock.now()))],
            remove: Vec::new(),
            condition: "#status = :active AND #rev = :rev AND #cid = :cid",
            values: item([
                (":active", s(Status::Active.as_str())),
                (":rev", n(open.current.rev)),
                (":cid", s(open.current.cid)),
            ]),
        };
        match self.change_row(&change).await {
            Ok(_) => {}
            // Moved meanwhile: both copies are garbage, and the next search says so.
            Err(NotChanged::Is(_)) => return Ok(false),
            Err(NotChanged::Fault(fault)) => return Err(fault),
        }
        self.queues.forget(id, handles).await;
        Ok(true)
    }

    /// Removes queues of messages that are archived or were never admitted.
    async fn remove_left_queues(&self) -> Result<Swept, Fault> {
        let (mut swept, mut page) = (Swept::default(), None);
        loop {
            let (ids, next) = self.queues.list(page).await?;
            for id in ids {
                match self.remove_if_left(id).await {
                    Ok(removed) => swept.queues_removed += u64::from(removed),
                    Err(fault) => {
                        tracing::warn!(%fault, "a queue was not looked at");
                        swept.failed += 1;
                    }
                }
            }
            page = next;
            if page.is_none() {
                return Ok(swept);
            }
        }
    }

    async fn remove_if_left(&self, id: MsgId) -> Result<bool, Fault> {
        match row(&self.sdk, &self.names, id).await?.map(|row| row.status) {
            Some(Status::Archived | Status::Expired | Status::Signal) => {
                self.queues.remove_in_turn(id).await?;
                Ok(true)
            }
            Some(Status::Issued | Status::Creating | Status::Active) => Ok(false),
            // Of a row that is gone, nobody can say what the queue holds.
            None => {
                tracing::error!(
                    queue = self.names.queue(id),
                    "this queue has no row in {}; look at what it holds before it is deleted",
                    self.names.messages()
                );
                Ok(false)
            }
        }
    }
}
