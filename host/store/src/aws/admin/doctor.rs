//! Whether hosts can work: what there is, and what this identity may do with it. All
//! calls are harmless: writes under a condition that no item meets, or of an item that is
//! not there; to the feeders what SQS refuses for what it is; and a queue and an object of
//! the doctor's own, which it removes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, DeleteRequest, KeysAndAttributes, TransactWriteItem,
    WriteRequest,
};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use surety_core::ports::Fault;
use surety_core::types::{MsgId, Time};

use super::AwsAdmin;
use super::apply::GIVEN;
use super::plan::{Is, queues};
use crate::aws::Bodies;
use crate::aws::fault::{bare, fault};
use crate::aws::item::{Item, item, n, names, s};
use crate::aws::meta::Meta;
use crate::aws::names::DOCTOR;
use crate::aws::objects::{Objects, Put};
use crate::aws::queues::MESSAGE_BYTES_MAX;
use crate::aws::table_fault;
use crate::aws::tables::{Kind, Table, VERSION, tables};
use crate::findings::{Finding, Grade};

/// How far this machine's clock may be from AWS's. Timers and the ends of leases go by
/// it; at five minutes AWS refuses every call.
const SKEW_MAX: Duration = Duration::from_secs(10);

/// How long the probe's own message may take to be received. It is there at once on a
/// queue that was just made, or a second later.
const RECEIVE_WAIT_S: i32 = 5;

/// For how long the probe hides its own message, in seconds: longer than it needs it.
const HIDE_S: i32 = 30;

/// No item meets it.
const NEVER: &str = "attribute_exists(#hash) AND attribute_not_exists(#hash)";

/// Reads AWS's clock from its answers, the refused ones too.
#[derive(Debug, Default)]
struct Date(Mutex<Option<Time>>);

#[derive(Debug)]
struct ReadDate(Arc<Date>);

impl Intercept for ReadDate {
    fn name(&self) -> &'static str {
        "the date of an answer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|d| DateTime::from_str(d, DateTimeFormat::HttpDate).ok());
        let millis = date.and_then(|d| u64::try_from(d.to_millis().ok()?).ok());
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = millis.map(Time::from_millis);
        Ok(())
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, what: impl Into<String>, found: impl Into<String>) {
        self.0.push(Finding::new(Grade::Good, what, found));
    }

    fn problem(&mut self, what: &str, found: impl Into<String>, remedy: &str) {
        self.0.push(Finding::new(Grade::Problem, what, found).remedy(remedy));
    }

    fn note(&mut self, what: &str, found: impl Into<String>, remedy: &str) {
        self.0.push(Finding::new(Grade::Note, what, found).remedy(remedy));
    }

    /// What calls came to; those that failed say why and what to do.
    fn calls<const N: usize>(&mut self, what: String, calls: [(&str, Result<(), Fault>); N]) {
        let all: Vec<_> = calls.iter().map(|(name, _)| *name).collect();
        let mut failed = false;
        for (name, result) in calls {
            if let Err(fault) = result {
                failed = true;
                self.0.push(Finding::new(Grade::Problem, &*what, format!("{name}: {fault}")));
            }
        }
        if !failed {
            self.good(what, format!("may {}", all.join(", ")));
        }
    }
}

/// The same, when it failed only because of [`NEVER`].
fn never<T, E, R>(result: Result<T, SdkError<E, R>>, table: &str) -> Result<(), Fault>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let code = |e: &SdkError<E, R>| e.as_service_error().and_then(|e| e.code()).map(str::to_owned);
    match result {
        Ok(_) => Ok(()),
        Err(e) if code(&e).is_some_and(|c| bare(&c) == "ConditionalCheckFailedException") => Ok(()),
        Err(e) => Err(table_fault("trying", table, e)),
    }
}

/// The same, when SQS refused what was sent for what it is: it has looked at who asks
/// before.
fn senseless<T, E, R>(result: Result<T, SdkError<E, R>>, what: &str) -> Result<(), Fault>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let refused = ["InvalidMessageContents", "InvalidParameterValue", "ReceiptHandleIsInvalid"];
    let code = |e: &SdkError<E, R>| e.as_service_error().and_then(|e| e.code()).map(str::to_owned);
    match result {
        Ok(_) => Ok(()),
        Err(e) if code(&e).is_some_and(|code| refused.contains(&bare(&code))) => Ok(()),
        Err(e) => Err(fault(what, e)),
    }
}

impl AwsAdmin {
    /// Examines everything. With `probe` it tries as well what a host needs, so that
    /// this identity must be a host's.
    pub async fn doctor(&self, probe: bool) -> Vec<Finding> {
        let mut findings = Findings::default();
        if !self.clocks(&mut findings).await {
            return findings.0;
        }
        let sound = self.resources(&mut findings).await;
        if probe && sound {
            self.access(&mut findings).await;
        } else if probe {
            let why = "not tried before all tables and queues are there";
            findings.note("access", why, "");
        }
        findings.0
    }

    /// Whether both services answer, and how far their clocks are from this one.
    async fn clocks(&self, findings: &mut Findings) -> bool {
        let table = self.names.catalog();
        let date = Arc::new(Date::default());
        let call = self.sdk.dynamodb.describe_table().table_name(&table).customize();
        let asked = call.interceptor(ReadDate(Arc::clone(&date))).send().await;
        let asked = asked.map(|_| ()).map_err(|e| table_fault("looking at", &table, e));
        let mut answers = self.clock_of("DynamoDB", &date, asked, findings);
        let (queue, date) = (self.names.dead_tickets(), Arc::new(Date::default()));
        let call = self.sdk.sqs.get_queue_url().queue_name(&queue).customize();
        let asked = call.interceptor(ReadDate(Arc::clone(&date))).send().await;
        let asked =
            asked.map(|_| ()).map_err(|e| fault(&format!("looking at the queue {queue}"), e));
        answers &= self.clock_of("SQS", &date, asked, findings);
        answers
    }

    fn clock_of(
        &self,
        service: &str,
        date: &Date,
        asked: Result<(), Fault>,
        findings: &mut Findings,
    ) -> bool {
        let now = self.clock.now().as_millis();
        let date = *date.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (what, Some(date)) = (format!("the clock against {service}'s"), date) else {
            let why = match asked {
                Err(fault) => fault.to_string(),
                Ok(()) => "it says no date".to_owned(),
            };
            let remedy = "look at the network, at `region`, and at the endpoint";
            findings.problem(service, format!("does not answer: {why}"), remedy);
            return false;
        };
        let apart = Duration::from_millis(now.abs_diff(date.as_millis()));
        let found = format!("{} s apart, to the second", apart.as_secs());
        if apart > SKEW_MAX {
            let remedy = "let this machine keep time by NTP; timers go by its clock, and AWS refuses calls that are five minutes off";
            findings.problem(&what, found, remedy);
        } else {
            findings.good(what, found);
        }
        true
    }

    /// Whether tables and queues are as they must be, so that they can be tried.
    async fn resources(&self, findings: &mut Findings) -> bool {
        let mut sound = true;
        let is = match self.look().await {
            Ok(is) => is,
            Err(why) => {
                let remedy = "`surety aws plan` with an operator's identity says what is missing; what follows is what a host can see";
                findings.note("all settings", format!("not looked at: {why}"), remedy);
                return self.look_as_host(findings).await;
            }
        };
        let wanted = Meta::wanted(&self.config);
        let plan = super::plan::plan(&self.names, &self.config, &wanted, &is);
        for refused in &plan.refused {
            sound = false;
            findings.problem("tables", refused, "");
        }
        for change in &plan.changes {
            sound = false;
            findings.problem(
                "resources",
                format!("left to do: {change}"),
                "run `surety aws apply`",
            );
        }
        for (name, table) in &is.tables {
            let indexes = table.indexes.iter().filter(|(_, index)| !index.active);
            let waiting: Vec<_> = indexes.map(|(name, _)| name.as_str()).collect();
            if !table.active || !waiting.is_empty() {
                sound = false;
                let found = format!("is still being made or changed {}", waiting.join(", "));
                findings.problem(&format!("the table {name}"), found.trim(), "wait, and ask again");
            }
            if table.recovery.is_none() {
                let what = format!("the table {name}");
                let found = "this endpoint does not know of point-in-time recovery";
                findings.note(&what, found, "have other backups of it");
            }
        }
        if sound {
            let (tables, queues) = (is.tables.len(), is.queues.len());
            let found = format!(
                "{tables} tables of version {VERSION} and {queues} queues are as they must be"
            );
            findings.good("resources", found);
        }
        self.tickets(&is, findings);
        sound
    }

    /// The same with what a host may ask.
    async fn look_as_host(&self, findings: &mut Findings) -> bool {
        let mut sound = true;
        let wanted = Meta::wanted(&self.config);
        if let Err(why) = crate::aws::meta::check(&self.sdk, &self.names, &wanted).await {
            sound = false;
            findings.problem("tables", why.to_string(), "");
        }
        for queue in queues(&self.names, &self.config) {
            let what = format!("the queue {}", queue.name);
            match self.queue_url(&queue.name).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    sound = false;
                    findings.problem(&what, "is not there", "run `surety aws apply`");
                }
                Err(why) => {
                    sound = false;
                    findings.problem(&what, why.to_string(), "");
                }
            }
        }
        if sound {
            findings.good(
                "resources",
                format!("all tables are of version {VERSION}, all queues are there"),
            );
        }
        sound
    }

    /// Tickets that were put aside.
    fn tickets(&self, is: &Is, findings: &mut Findings) {
        let dead = self.names.dead_tickets();
        let Some(queue) = is.queues.get(&dead) else { return };
        let count = queue.attributes.get("ApproximateNumberOfMessages");
        let count = count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        if count > 0 {
            let found = format!("has about {count} tickets that were received too often");
            let remedy = "look at the log of the hosts for the messages that they name; the sweep makes new tickets, and these may be purged";
            findings.note(&format!("the queue {dead}"), found, remedy);
        }
    }

    /// Tries what a host does.
    async fn access(&self, findings: &mut Findings) {
        let id: String = self.clock.random().iter().map(|byte| format!("{byte:02x}")).collect();
        for table in tables(&self.names) {
            self.try_table(&table, &id, findings).await;
        }
        self.try_reference(&id, findings).await;
        self.try_batches(&id, findings).await;
        for feeder in self.names.feeders() {
            self.try_feeder(&feeder, findings).await;
        }
        if self.config.guarantee == Bodies::Sqs {
            self.try_queue(&id, findings).await;
        }
        self.try_objects(&id, findings).await;
    }

    async fn try_table(&self, table: &Table, id: &str, findings: &mut Findings) {
        let db = &self.sdk.dynamodb;
        let name = &table.name;
        let mut key = Item::new();
        for (name, kind) in std::iter::once(table.hash).chain(table.range) {
            key.insert(name.to_owned(), nothing(kind, id));
        }
        let hash = || Some([("#hash".to_owned(), table.hash.0.to_owned())].into());
        let get = db.get_item().table_name(name).set_key(Some(key.clone())).send().await;
        let put = db.put_item().table_name(name).set_item(Some(key.clone()));
        let put = put.condition_expression(NEVER).set_expression_attribute_names(hash());
        let delete = db.delete_item().table_name(name).set_key(Some(key.clone()));
        let delete = delete.condition_expression(NEVER).set_expression_attribute_names(hash());
        findings.calls(
            format!("the table {name}"),
            [
                ("get", get.map(|_| ()).map_err(|e| table_fault("trying", name, e))),
                ("put", never(put.send().await, name)),
                ("delete", never(delete.send().await, name)),
            ],
        );
        if *name != self.names.reference() {
            let update = db.update_item().table_name(name).set_key(Some(key.clone()));
            let update = update
                .update_expression("REMOVE #doctor")
                .condition_expression(NEVER)
                .set_expression_attribute_names(Some(
                    [
                        ("#doctor".to_owned(), "doctor".to_owned()),
                        ("#hash".to_owned(), table.hash.0.to_owned()),
                    ]
                    .into(),
                ));
            let updated = never(update.send().await, name);
            findings.calls(format!("the table {name}"), [("update", updated)]);
        }
        let indexes = table.indexes.iter().map(|index| (Some(index.name), index.hash));
        for (index, (hash, kind)) in std::iter::once((None, table.hash)).chain(indexes) {
            let condition = format!("#{hash} = :value");
            let query = db
                .query()
                .table_name(name)
                .set_index_name(index.map(str::to_owned))
                .set_expression_attribute_names(Some(names(&[&condition])))
                .set_expression_attribute_values(Some(item([(":value", nothing(kind, id))])))
                .key_condition_expression(condition)
                .limit(1);
            let queried =
                query.send().await.map(|_| ()).map_err(|e| table_fault("trying", name, e));
            let what = index.map(|index| format!("the index {index} of the table {name}"));
            findings
                .calls(what.unwrap_or_else(|| format!("the table {name}")), [("query", queried)]);
        }
    }

    async fn try_reference(&self, id: &str, findings: &mut Findings) {
        let (db, table) = (&self.sdk.dynamodb, self.names.reference());
        let key = item([("msg_id", s(id))]);
        let keys = KeysAndAttributes::builder().keys(key).build().expect("a key is given");
        let got = db.batch_get_item().request_items(&table, keys).send().await;
        let scanned = db.scan().table_name(&table).limit(1).send().await;
        findings.calls(
            format!("the table {table}"),
            [
                ("get many", got.map(|_| ()).map_err(|e| table_fault("trying", &table, e))),
                ("scan", scanned.map(|_| ()).map_err(|e| table_fault("trying", &table, e))),
            ],
        );
    }

    /// What is done to many items at once, with one that is not there.
    async fn try_batches(&self, id: &str, findings: &mut Findings) {
        let (db, records) = (&self.sdk.dynamodb, self.names.records());
        let key = item([("msg_id", nothing(Kind::S, id)), ("place", nothing(Kind::S, id))]);
        let delete = DeleteRequest::builder().set_key(Some(key.clone())).build().expect(GIVEN);
        let delete = WriteRequest::builder().delete_request(delete).build();
        let written = db.batch_write_item().request_items(&records, vec![delete]).send().await;
        let condition = "attribute_not_exists(#msg_id)";
        let check = ConditionCheck::builder().table_name(&records).set_key(Some(key));
        let check = check
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names(&[condition])))
            .build()
            .expect(GIVEN);
        let check = TransactWriteItem::builder().condition_check(check).build();
        let checked = db.transact_write_items().transact_items(check).send().await;
        findings.calls(
            format!("the table {records}"),
            [
                ("write many", written.map(|_| ()).map_err(|e| table_fault("trying", &records, e))),
                (
                    "check a condition",
                    checked.map(|_| ()).map_err(|e| table_fault("trying", &records, e)),
                ),
            ],
        );
        let catalog = self.names.catalog();
        let key = item([("kind", nothing(Kind::S, id)), ("name", nothing(Kind::S, id))]);
        let keys = KeysAndAttributes::builder().keys(key).build().expect(GIVEN);
        let got = db.batch_get_item().request_items(&catalog, keys).send().await;
        let got = got.map(|_| ()).map_err(|e| table_fault("trying", &catalog, e));
        findings.calls(format!("the table {catalog}"), [("get many", got)]);
    }

    /// Receives at most one ticket, and leaves it to be received by others at once. The
    /// rest is tried with batches whose only entry is refused: SQS looks at entries one by
    /// one, after it has let the batch in.
    async fn try_feeder(&self, name: &str, findings: &mut Findings) {
        let (sqs, what) = (&self.sdk.sqs, format!("trying the queue {name}"));
        let missing = || Fault::Unavailable(format!("the queue {name} is not there any more"));
        let found = self.queue_url(name).await.and_then(|url| url.ok_or_else(missing));
        let url = match found {
            Ok(url) => url,
            Err(fault) => {
                return findings.calls(format!("the queue {name}"), [("ask for", Err(fault))]);
            }
        };
        let receive = sqs.receive_message().queue_url(&url).visibility_timeout(0);
        let received = receive.max_number_of_messages(1).wait_time_seconds(0).send().await;
        // Where it is taken nevertheless, it is a ticket that names no message, and the
        // next host puts it away.
        let body = serde_json::json!({
            "v": VERSION,
            "msg_id": MsgId::new(self.clock.now(), self.clock.random()),
            "seq": 0,
            "doctor": "\u{ffff}",
        });
        let entry = SendMessageBatchRequestEntry::builder().id("doctor");
        let entry = entry.message_body(body.to_string()).build().expect(GIVEN);
        let sent = sqs.send_message_batch().queue_url(&url).entries(entry).send().await;
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id("doctor");
        let entry = entry.receipt_handle("doctor").visibility_timeout(0).build().expect(GIVEN);
        let hide = sqs.change_message_visibility_batch().queue_url(&url).entries(entry);
        let hidden = hide.send().await;
        let entry = DeleteMessageBatchRequestEntry::builder().id("doctor");
        let entry = entry.receipt_handle("doctor").build().expect(GIVEN);
        let deleted = sqs.delete_message_batch().queue_url(&url).entries(entry).send().await;
        findings.calls(
            format!("the queue {name}"),
            [
                ("receive", received.map(|_| ()).map_err(|e| fault(&what, e))),
                ("send", senseless(sent, &what)),
                ("hide", senseless(hidden, &what)),
                ("delete", senseless(deleted, &what)),
            ],
        );
    }

    /// All that is done with a message's own queue, on one that is no message's.
    async fn try_queue(&self, id: &str, findings: &mut Findings) {
        let suffix = if self.names.is_fifo() { ".fifo" } else { "" };
        let name = format!("{}doctor-{id}{suffix}", self.names.queue_prefix());
        let (sqs, what) = (&self.sdk.sqs, format!("trying the queue {name}"));
        let mut create = sqs
            .create_queue()
            .queue_name(&name)
            .attributes(QueueAttributeName::MaximumMessageSize, MESSAGE_BYTES_MAX.to_string())
            .tags("surety", &self.config.prefix);
        if self.names.is_fifo() {
            create = create.attributes(QueueAttributeName::FifoQueue, "true");
        }
        let url = match create.send().await {
            Ok(created) => created.queue_url.unwrap_or_default(),
            Err(e) => {
                let failed = Err(fault(&what, e));
                findings.calls("the queues of messages".to_owned(), [("create", failed)]);
                return;
            }
        };
        let used = async {
            let mut send = sqs.send_message().queue_url(&url).message_body("{}");
            if self.names.is_fifo() {
                send = send.message_group_id("doctor").message_deduplication_id(id);
            }
            send.send().await.map_err(|e| fault(&what, e))?;
            let receive = sqs.receive_message().queue_url(&url).wait_time_seconds(RECEIVE_WAIT_S);
            let receive = receive.customize().config_override(self.sdk.receive());
            let received = receive.send().await.map_err(|e| fault(&what, e))?;
            let message = received.messages.unwrap_or_default().pop();
            let handle = message.and_then(|message| message.receipt_handle).ok_or_else(|| {
                let why = format!(
                    "{what}: what was sent did not come within {RECEIVE_WAIT_S} s; try again"
                );
                Fault::Unavailable(why)
            })?;
            let hide = sqs.change_message_visibility().queue_url(&url).receipt_handle(&handle);
            let hidden = hide.visibility_timeout(HIDE_S).send().await;
            hidden.map_err(|e| fault(&what, e))?;
            let delete = sqs.delete_message().queue_url(&url).receipt_handle(handle);
            delete.send().await.map_err(|e| fault(&what, e))?;
            Ok(())
        };
        let used = used.await;
        let size = self.queue_attributes(&name, &url).await;
        let deleted = sqs.delete_queue().queue_url(&url).send().await;
        let deleted = deleted.map(|_| ()).map_err(|e| fault(&what, e));
        let (create, size) = (Ok(()), size.map(|set| sizes(&set.unwrap_or_default(), findings)));
        findings.calls(
            "the queues of messages".to_owned(),
            [
                ("create", create),
                ("send, receive, hide and delete a message", used),
                ("ask for attributes", size),
                ("delete", deleted),
            ],
        );
        let listed = sqs.list_queues().queue_name_prefix(self.names.queue_prefix());
        let listed = listed.max_results(1).send().await;
        let listed = listed.map(|_| ()).map_err(|e| fault("listing queues", e));
        findings.calls("the queues of messages".to_owned(), [("list", listed)]);
    }

    async fn try_objects(&self, id: &str, findings: &mut Findings) {
        let what = format!("the objects in {}", self.config.objects);
        let objects = match Objects::open(&self.config) {
            Ok(objects) => objects,
            Err(e) => return findings.problem(&what, e.to_string(), "look at `objects`"),
        };
        let (folder, bytes) = (format!("{DOCTOR}/{id}"), id.as_bytes().to_vec());
        let place = format!("{folder}/probe");
        let created = async {
            let first = objects.put(&place, bytes.clone()).await?;
            let second = objects.put(&place, b"other".to_vec()).await?;
            if (first, second) == (Put::Created, Put::Exists) {
                return Ok(());
            }
            let place = objects.place(&place);
            Err(Fault::Unavailable(format!(
                "the object {place} was made twice: this store lets objects be replaced, and proofs with them; use one that knows `If-None-Match`"
            )))
        };
        let created = created.await;
        let read = objects.get(&place).await.and_then(|read| {
            let place = objects.place(&place);
            let other = || Fault::Corrupt(format!("the object {place} is not what was put there"));
            (read == Some(bytes)).then_some(()).ok_or_else(other)
        });
        // Who may not list is told that what is missing is forbidden.
        let missing = objects.get(&format!("{folder}/missing")).await.map(|_| ());
        let listed = objects.list(&folder, None, 1).await.map(|_| ());
        let removed = objects.remove_folder(&folder).await;
        findings.calls(
            what,
            [
                ("create", created),
                ("read", read),
                ("look for what is missing", missing),
                ("list", listed),
                ("remove", removed),
            ],
        );
    }
}

/// How large a message a new queue takes.
fn sizes(set: &BTreeMap<String, String>, findings: &mut Findings) {
    let what = "the size of messages";
    let Some(bytes) = set.get("MaximumMessageSize").and_then(|size| size.parse::<usize>().ok())
    else {
        return;
    };
    if bytes < MESSAGE_BYTES_MAX {
        let found =
            format!("a message may have {bytes} bytes, and surety sends {MESSAGE_BYTES_MAX}");
        let remedy =
            "use a region or an endpoint that takes as much, or `guarantee = \"dynamodb\"`";
        findings.problem(what, found, remedy);
    } else {
        let found = format!("a message may have {bytes} bytes; what is larger goes to the objects");
        findings.good(what, found);
    }
}

/// A key that no item has.
fn nothing(kind: Kind, id: &str) -> AttributeValue {
    match kind {
        Kind::S => s(format!("doctor-{id}")),
        Kind::N => n(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_take_too_little_are_a_problem() {
        let grades = |bytes: usize| {
            let mut findings = Findings::default();
            sizes(&[("MaximumMessageSize".to_owned(), bytes.to_string())].into(), &mut findings);
            findings.0.into_iter().map(|finding| finding.grade).collect::<Vec<_>>()
        };
        assert_eq!(grades(MESSAGE_BYTES_MAX), [Grade::Good]);
        assert_eq!(grades(256 << 10), [Grade::Problem]);
    }
}
