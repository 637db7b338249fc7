//! What a host does, tried with this identity. All calls are harmless: writes under a
//! condition that no item meets, or of an item that is not there; to the feeders what SQS
//! refuses for what it is; and a queue and an object of the doctor's own, which it removes.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, DeleteRequest, KeysAndAttributes, TransactWriteItem,
    WriteRequest,
};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use surety_core::ports::Fault;
use surety_core::types::MsgId;

use super::AwsAdmin;
use super::apply::GIVEN;
use super::doctor::Findings;
use crate::aws::Bodies;
use crate::aws::fault::{bare, fault};
use crate::aws::item::{Item, item, n, names, s};
use crate::aws::names::DOCTOR;
use crate::aws::objects::{Objects, Put};
use crate::aws::queues::MESSAGE_BYTES_MAX;
use crate::aws::table_fault;
use crate::aws::tables::{Kind, Table, VERSION, tables};

/// How long the probe's own message may take to be received. It is there at once on a
/// queue that was just made, or a second later.
const RECEIVE_WAIT_S: i32 = 5;

/// For how long the probe hides its own message, in seconds: longer than it needs it.
const HIDE_S: i32 = 30;

/// No item meets it.
const NEVER: &str = "attribute_exists(#hash) AND attribute_not_exists(#hash)";

/// What a call came to; it is good when it failed only because of [`NEVER`].
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
    /// Tries what a host does.
    pub(super) async fn access(&self, findings: &mut Findings) {
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
    use crate::findings::Grade;

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
