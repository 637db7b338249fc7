//! Whether every open message will move: what its row, its records and its queue say.
//! Takes none into hand, so that hosts may run meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use surety_core::ports::Fault;
use surety_core::types::{Digest, MsgId, Time};

use super::AwsAdmin;
use crate::aws::config::Bodies;
use crate::aws::entries::Entry;
use crate::aws::ids::row;
use crate::aws::item::{Fields, Item, item, names, s};
use crate::aws::queues::RETENTION_S;
use crate::aws::row::{Open, Row, Status};
use crate::aws::sweep::{AT_ONCE, FORGOTTEN_AFTER};
use crate::aws::{Aws, table_fault};
use crate::deep::{Fate, Messages};
use crate::findings::{Finding, Grade};

/// How long after a send SQS may still count a queue as empty; it says a minute.
const COUNTED_AFTER: Duration = Duration::from_secs(300);

/// What brings back a message whose body is lost.
const RESTORE: &str = "`surety import` brings it back from an older export, into tables under another `prefix`; row and records are kept here";

/// What is true of all messages while they are examined.
struct Frame<'a> {
    admin: &'a AwsAdmin,
    aws: &'a Aws,
    workflows: BTreeSet<Digest>,
    now: Time,
    sweep_every: Duration,
}

impl AwsAdmin {
    /// Examines every open message. Reads the whole table of messages.
    pub async fn deep(&self) -> Vec<Finding> {
        self.examine_messages().await.unwrap_or_else(|fault| {
            let remedy = "give this identity the operator's policy beside the host's, or ask again";
            let found = format!("not all were looked at: {fault}");
            vec![Finding::new(Grade::Problem, "the open messages", found).remedy(remedy)]
        })
    }

    async fn examine_messages(&self) -> Result<Vec<Finding>, Fault> {
        let aws = Aws::open(&self.config, std::sync::Arc::clone(&self.clock));
        let aws = aws.map_err(|e| Fault::Unavailable(e.to_string()))?;
        let mut workflows = BTreeSet::new();
        for entry in aws.entries(Entry::Workflow).await? {
            workflows.insert(Fields::of(&entry, "the entry of a workflow").parsed("digest")?);
        }
        let sweep_every = Duration::from_secs(self.config.sweep_every_s.into());
        let frame = Frame { admin: self, aws: &aws, workflows, now: self.clock.now(), sweep_every };
        let (mut messages, mut from) = (Messages::default(), None);
        loop {
            let (items, next) = self.active_page(from).await?;
            let fates = items.iter().map(|item| frame.fate(item));
            let mut fates = stream::iter(fates).buffered(AT_ONCE);
            for item in &items {
                let Some(fate) = fates.next().await else { break };
                if let Some(fate) = fate? {
                    messages.add(Fields::of(item, "a row").text("msg_id")?, fate);
                }
            }
            from = next;
            if from.is_none() {
                return Ok(messages.findings());
            }
        }
    }

    /// About how many messages a queue holds, in hand or not; none when there is no
    /// such queue.
    async fn count(&self, queue: &str) -> Result<Option<u64>, Fault> {
        let Some(url) = self.queue_url(queue).await? else { return Ok(None) };
        let Some(attributes) = self.queue_attributes(queue, &url).await? else { return Ok(None) };
        let of = |kind: &str| {
            let count = attributes.get(&format!("ApproximateNumberOfMessages{kind}"));
            count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
        };
        Ok(Some(of("") + of("NotVisible") + of("Delayed")))
    }

    /// Rows of open messages, whatever index they are in, and where the next start.
    async fn active_page(&self, from: Option<Item>) -> Result<(Vec<Item>, Option<Item>), Fault> {
        let (table, condition) = (self.names.messages(), "#status = :active");
        let scan = self
            .sdk
            .dynamodb
            .scan()
            .table_name(&table)
            .consistent_read(true)
            .filter_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .set_expression_attribute_values(Some(item([(":active", s(Status::Active.as_str()))])))
            .set_exclusive_start_key(from);
        let got = scan.send().await.map_err(|e| table_fault("reading", &table, e))?;
        let next = got.last_evaluated_key.filter(|key| !key.is_empty());
        Ok((got.items.unwrap_or_default(), next))
    }
}

impl Frame<'_> {
    /// What will become of a message; none when it moved while it was looked at.
    async fn fate(&self, item: &Item) -> Result<Option<Fate>, Fault> {
        let row = match Row::read(item) {
            Ok(row) => row,
            Err(why) => {
                let remedy = format!("restore its row in {}", self.aws.names.messages());
                return Ok(Some(Fate::stuck(why.to_string(), remedy)));
            }
        };
        let (id, Some(open)) = (row.msg_id, &row.open) else { return Ok(None) };
        let mut fate = self.by_row(Fields::of(item, "the row of an open message"), id, open);
        if !matches!(fate, Fate::Stuck { .. }) {
            fate = self.by_body(id, open).await?.unwrap_or(fate);
        }
        if matches!(fate, Fate::Stuck { .. }) && self.has_moved(id, open).await? {
            return Ok(None);
        }
        Ok(Some(fate))
    }

    /// What its row says: where timers and sweeps look, and when.
    fn by_row(&self, fields: Fields<'_>, id: MsgId, open: &Open) -> Fate {
        let names = &self.aws.names;
        let in_shard = |name: &str| {
            let shard = fields.number(name);
            shard.is_ok_and(|shard| names.shards().any(|s| u64::from(s) == shard))
        };
        let repair = |name: &str| {
            format!(
                "set `{name}` of its item in {} to the number {}",
                names.messages(),
                names.shard(id)
            )
        };
        if !in_shard("open") {
            return Fate::stuck("no sweep sees it, because it is in no index", repair("open"));
        }
        match fields.digest("workflow") {
            Ok(workflow) if self.workflows.contains(&workflow) => {}
            Ok(workflow) => return Fate::without_workflow(workflow),
            Err(why) => {
                let remedy = format!("restore its row in {}", names.messages());
                return Fate::stuck(why.to_string(), remedy);
            }
        }
        match open.due {
            _ if !open.moves => Fate::Rests,
            Some(_) if !in_shard("due_shard") => {
                Fate::stuck("it has a time, and no timer looks where it is", repair("due_shard"))
            }
            Some(due) => Fate::due(due, self.now),
            // Its ticket is not to be seen; the sweep makes another when nothing comes of it.
            None => {
                Fate::due(open.moved_at.after(FORGOTTEN_AFTER).after(self.sweep_every), self.now)
            }
        }
    }

    /// What keeps it from being loaded, if anything does.
    async fn by_body(&self, id: MsgId, open: &Open) -> Result<Option<Fate>, Fault> {
        let aws = self.aws;
        if aws.bodies == Bodies::Dynamodb {
            return match aws.read(id, open).await {
                Err(Fault::Corrupt(why)) => Ok(Some(Fate::stuck(why, RESTORE))),
                Err(Fault::Unavailable(why)) if !self.has_moved(id, open).await? => {
                    Err(Fault::Unavailable(why))
                }
                Ok(_) | Err(_) => Ok(None),
            };
        }
        let beside = aws.records.load(id, open.current).await?;
        if beside.records.last().map(|record| record.seq) != Some(open.current.rev) {
            let why = format!("the records in {} are not those of its row", aws.names.records());
            return Ok(Some(Fate::stuck(why, RESTORE)));
        }
        let queue = aws.names.queue(id);
        if open.sent_at.after(Duration::from_secs(RETENTION_S.into())) <= self.now {
            let why = format!(
                "it was last sent on {}, and the queue {queue} forgets after fourteen days",
                open.sent_at
            );
            return Ok(Some(Fate::stuck(why, RESTORE)));
        }
        Ok(match self.admin.count(&queue).await? {
            None => Some(Fate::stuck(format!("the queue {queue} is gone"), RESTORE)),
            Some(0) if open.sent_at.after(COUNTED_AFTER) <= self.now => {
                Some(Fate::stuck(format!("the queue {queue} is empty"), RESTORE))
            }
            Some(_) => None,
        })
    }

    async fn has_moved(&self, id: MsgId, open: &Open) -> Result<bool, Fault> {
        let now = row(&self.aws.sdk, &self.aws.names, id).await;
        // One that cannot be read has not.
        let Ok(now) = now else { return Ok(false) };
        let cid = now.and_then(|row| row.open).map(|open| open.current.cid);
        Ok(cid != Some(open.current.cid))
    }
}
