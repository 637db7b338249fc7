//! What surety asks of DynamoDB, asked of the one in the tests, through the real SDK.

mod common;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, GlobalSecondaryIndex,
    KeySchemaElement, KeyType, KeysAndAttributes, PointInTimeRecoverySpecification,
    PointInTimeRecoveryStatus, Projection, ProjectionType, Put, PutRequest, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, Select, TableStatus, Tag,
    TimeToLiveSpecification, TimeToLiveStatus, TransactWriteItem, Update, WriteRequest,
};
use common::config;
use surety_cloud::{Dynamo, FaultPlan};

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}

fn index(name: &str, hash: &str, range: &str, projection: Projection) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(key(hash, KeyType::Hash))
        .key_schema(key(range, KeyType::Range))
        .projection(projection)
        .build()
        .unwrap()
}

/// A table of rows by `id` and `seq`, found by `state` and `at` in two indexes.
async fn table(client: &Client) {
    let keys = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    let with = Projection::builder().projection_type(ProjectionType::Include);
    let with = with.non_key_attributes("url").build();
    client
        .create_table()
        .table_name("rows")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("id", ScalarAttributeType::S))
        .attribute_definitions(attribute("seq", ScalarAttributeType::N))
        .attribute_definitions(attribute("state", ScalarAttributeType::S))
        .attribute_definitions(attribute("at", ScalarAttributeType::N))
        .key_schema(key("id", KeyType::Hash))
        .key_schema(key("seq", KeyType::Range))
        .global_secondary_indexes(index("keys", "state", "at", keys))
        .global_secondary_indexes(index("with", "state", "at", with))
        .send()
        .await
        .unwrap();
}

async fn start() -> (Dynamo, Client) {
    let dynamo = Dynamo::start(FaultPlan::none()).await.unwrap();
    let client = Client::new(&config(&dynamo.url()).await);
    table(&client).await;
    (dynamo, client)
}

fn row(id: &str, seq: u64, state: &str, at: u64) -> HashMap<String, AttributeValue> {
    let row = [("id", s(id)), ("seq", n(seq)), ("state", s(state)), ("at", n(at))];
    let row = row.into_iter().chain([("url", s("u")), ("body", s("b"))]);
    row.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn place(id: &str, seq: u64) -> HashMap<String, AttributeValue> {
    HashMap::from([("id".to_owned(), s(id)), ("seq".to_owned(), n(seq))])
}

async fn put(client: &Client, item: HashMap<String, AttributeValue>) {
    client.put_item().table_name("rows").set_item(Some(item)).send().await.unwrap();
}

async fn get(client: &Client, id: &str, seq: u64) -> Option<HashMap<String, AttributeValue>> {
    let call = client.get_item().table_name("rows").set_key(Some(place(id, seq)));
    call.consistent_read(true).send().await.unwrap().item
}

#[tokio::test]
async fn a_row_is_put_if_absent_and_updated_if_it_is_what_one_thinks() {
    let (dynamo, client) = start().await;
    let absent = || {
        let call = client.put_item().table_name("rows").set_item(Some(row("a", 1, "open", 5)));
        call.condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", "id")
    };
    absent().send().await.unwrap();
    let error = absent().send().await.unwrap_err().into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    let update = |from: &str, to: &str| {
        client
            .update_item()
            .table_name("rows")
            .set_key(Some(place("a", 1)))
            .update_expression(
                "SET #state = :to, #n = if_not_exists(#n, :zero) + :one REMOVE #body",
            )
            .condition_expression("#state = :from AND attribute_exists(#id)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#n", "n")
            .expression_attribute_names("#body", "body")
            .expression_attribute_names("#id", "id")
            .expression_attribute_values(":to", s(to))
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
    let new = update("open", "done").send().await.unwrap().attributes.unwrap();
    assert_eq!((&new["state"], &new["n"], new.get("body")), (&s("done"), &n(1), None));
    let error = update("open", "done").send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
        failed,
    ) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(failed.item().unwrap()["state"], s("done"), "the refusal shows the row");
    assert_eq!(dynamo.calls()["UpdateItem"], 2);
    // `state` is a reserved word.
    let bare = client.update_item().table_name("rows").set_key(Some(place("a", 1)));
    let bare = bare.update_expression("SET state = :x").expression_attribute_values(":x", s("x"));
    let error = bare.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"));
}

fn commit(seq_now: u64, cid: &str) -> Vec<TransactWriteItem> {
    let head = Update::builder()
        .table_name("rows")
        .set_key(Some(place("head", 0)))
        .update_expression("SET #rev = :next, #cid = :cid")
        .condition_expression("#rev = :now")
        .expression_attribute_names("#rev", "rev")
        .expression_attribute_names("#cid", "cid")
        .expression_attribute_values(":now", n(seq_now))
        .expression_attribute_values(":next", n(seq_now + 1))
        .expression_attribute_values(":cid", s(cid))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .unwrap();
    let record = Put::builder()
        .table_name("rows")
        .set_item(Some(place("head", seq_now + 1)))
        .condition_expression("attribute_not_exists(#id)")
        .expression_attribute_names("#id", "id")
        .build()
        .unwrap();
    let gate = ConditionCheck::builder()
        .table_name("rows")
        .set_key(Some(place("gate", 0)))
        .condition_expression("attribute_not_exists(#id)")
        .expression_attribute_names("#id", "id")
        .build()
        .unwrap();
    vec![
        TransactWriteItem::builder().update(head).build(),
        TransactWriteItem::builder().put(record).build(),
        TransactWriteItem::builder().condition_check(gate).build(),
    ]
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_says_why() {
    let (_dynamo, client) = start().await;
    let mut head = place("head", 0);
    head.insert("rev".to_owned(), n(0));
    put(&client, head).await;
    let call = |items| client.transact_write_items().set_transact_items(Some(items));
    call(commit(0, "c1")).send().await.unwrap();
    assert_eq!(get(&client, "head", 0).await.unwrap()["cid"], s("c1"));
    assert!(get(&client, "head", 1).await.is_some());

    let error = call(commit(0, "c2")).send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}")
    };
    let reasons = cancelled.cancellation_reasons();
    let codes: Vec<_> = reasons.iter().map(|r| r.code().unwrap()).collect();
    assert_eq!(codes, ["ConditionalCheckFailed", "ConditionalCheckFailed", "None"]);
    assert_eq!(reasons[0].item().unwrap()["cid"], s("c1"), "the reason shows whose it is");

    put(&client, place("gate", 0)).await;
    let error = call(commit(1, "c3")).send().await.unwrap_err().into_service_error();
    assert!(error.is_transaction_canceled_exception());
    assert!(get(&client, "head", 2).await.is_none(), "nothing of it was done");
    assert_eq!(get(&client, "head", 0).await.unwrap()["rev"], n(1));
}

#[tokio::test]
async fn a_transaction_with_a_token_is_done_once() {
    let (_dynamo, client) = start().await;
    let mut head = place("head", 0);
    head.insert("rev".to_owned(), n(0));
    put(&client, head).await;
    for _ in 0..2 {
        let call = client.transact_write_items().set_transact_items(Some(commit(0, "c1")));
        call.client_request_token("token").send().await.unwrap();
    }
    assert_eq!(get(&client, "head", 0).await.unwrap()["rev"], n(1));
    let other = client.transact_write_items().set_transact_items(Some(commit(1, "c2")));
    let error = other.client_request_token("token").send().await.unwrap_err();
    let error = error.into_service_error();
    assert!(error.is_idempotent_parameter_mismatch_exception(), "{error:?}");
}

#[tokio::test]
async fn indexes_show_what_they_project_by_page() {
    let (_dynamo, client) = start().await;
    for seq in 0..5 {
        put(&client, row("a", seq, "open", 10 - seq)).await;
    }
    put(&client, row("b", 0, "done", 3)).await;
    // Without the index's keys a row is not in it.
    put(&client, place("c", 0)).await;
    let query = |index: &str| {
        client
            .query()
            .table_name("rows")
            .index_name(index)
            .key_condition_expression("#state = :open AND #at BETWEEN :low AND :high")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":open", s("open"))
            .expression_attribute_values(":low", n(7))
            .expression_attribute_values(":high", n(10))
            .limit(3)
    };
    let first = query("keys").send().await.unwrap();
    let ats: Vec<_> = first.items().iter().map(|i| i["at"].clone()).collect();
    assert_eq!(ats, [n(7), n(8), n(9)]);
    let mut names: Vec<_> = first.items()[0].keys().cloned().collect();
    names.sort_unstable();
    assert_eq!(names, ["at", "id", "seq", "state"]);
    let rest = query("keys").set_exclusive_start_key(first.last_evaluated_key);
    let rest = rest.send().await.unwrap();
    assert_eq!((rest.items().len(), rest.last_evaluated_key), (1, None));
    let back = query("with").scan_index_forward(false).send().await.unwrap();
    assert_eq!((&back.items()[0]["at"], &back.items()[0]["url"]), (&n(10), &s("u")));
    assert!(!back.items()[0].contains_key("body"));
    let filtered = query("with").filter_expression("#seq > :two");
    let filtered = filtered.expression_attribute_names("#seq", "seq");
    let filtered = filtered.expression_attribute_values(":two", n(2)).send().await.unwrap();
    assert_eq!((filtered.count(), filtered.scanned_count()), (1, 3));
    // An index is never read consistently.
    let wrong = query("keys").consistent_read(true).send().await.unwrap_err();
    assert_eq!(wrong.into_service_error().meta().code(), Some("ValidationException"));
}

#[tokio::test]
async fn a_scan_projects_and_counts_and_pages() {
    let (_dynamo, client) = start().await;
    for seq in 0..7 {
        put(&client, row("a", seq, "open", seq)).await;
    }
    let call = client.scan().table_name("rows").projection_expression("#s, #i");
    let call = call.expression_attribute_names("#s", "seq").expression_attribute_names("#i", "id");
    let mut start = None;
    let mut seen = Vec::new();
    loop {
        let page = call.clone().limit(3).set_exclusive_start_key(start).consistent_read(true);
        let page = page.send().await.unwrap();
        assert!(page.items().iter().all(|item| item.len() == 2));
        seen.extend(page.items().iter().map(|item| item["seq"].clone()));
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..7).map(n).collect::<Vec<_>>());
    let count = client.scan().table_name("rows").select(Select::Count).send().await.unwrap();
    assert_eq!((count.count(), count.items().len()), (7, 0));
}

#[tokio::test]
async fn batches_write_and_read() {
    let (_dynamo, client) = start().await;
    let write = |seq| {
        let put = PutRequest::builder().set_item(Some(row("a", seq, "open", seq)));
        WriteRequest::builder().put_request(put.build().unwrap()).build()
    };
    let wrote = client.batch_write_item().request_items("rows", (0..25).map(write).collect());
    assert!(wrote.send().await.unwrap().unprocessed_items.unwrap_or_default().is_empty());
    let many = client.batch_write_item().request_items("rows", (0..26).map(write).collect());
    let error = many.send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"));
    let keys = (20..30).map(|seq| place("a", seq)).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
    let call = client.batch_get_item().request_items("rows", keys.build().unwrap());
    let got = call.send().await.unwrap();
    assert_eq!(got.responses.unwrap()["rows"].len(), 5);
}

#[tokio::test]
async fn an_item_has_at_most_400_kb() {
    let (_dynamo, client) = start().await;
    let put = |bytes: usize| {
        let mut item = place("a", 0);
        item.insert("body".to_owned(), s(&"a".repeat(bytes)));
        client.put_item().table_name("rows").set_item(Some(item)).send()
    };
    put(400 * 1024 - 100).await.unwrap();
    let error = put(400 * 1024).await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("ValidationException"));
}

#[tokio::test]
async fn a_page_has_at_most_one_mb() {
    let (_dynamo, client) = start().await;
    for seq in 0..4 {
        let mut item = place("a", seq);
        item.insert("body".to_owned(), s(&"a".repeat(350 * 1024)));
        put(&client, item).await;
    }
    let query = client.query().table_name("rows").key_condition_expression("#id = :id");
    let query = query.expression_attribute_names("#id", "id");
    let query = query.expression_attribute_values(":id", s("a"));
    let page = query.clone().send().await.unwrap();
    assert!(page.count() < 4, "{}", page.count());
    let rest = query.set_exclusive_start_key(page.last_evaluated_key.clone());
    assert_eq!(page.count() + rest.send().await.unwrap().count(), 4);
}

#[tokio::test]
async fn a_transaction_has_at_most_100_items_and_each_once() {
    let (_dynamo, client) = start().await;
    let put = |seq| {
        let put = Put::builder().table_name("rows").set_item(Some(place("a", seq)));
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    let call = |items: Vec<_>| client.transact_write_items().set_transact_items(Some(items)).send();
    call((0..100).map(put).collect()).await.unwrap();
    for items in [(0..101).map(put).collect(), vec![put(0), put(0)]] {
        let error = call(items).await.unwrap_err().into_service_error();
        assert_eq!(error.meta().code(), Some("ValidationException"));
    }
}

#[tokio::test]
async fn tables_are_provisioned() {
    let (_dynamo, client) = start().await;
    let again = client
        .create_table()
        .table_name("rows")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("id", ScalarAttributeType::S))
        .key_schema(key("id", KeyType::Hash));
    assert!(again.send().await.unwrap_err().into_service_error().is_resource_in_use_exception());
    let shown = client.describe_table().table_name("rows").send().await.unwrap().table.unwrap();
    assert_eq!(shown.table_status(), Some(&TableStatus::Active));
    assert_eq!(shown.global_secondary_indexes().len(), 2);
    let arn = shown.table_arn().unwrap();
    let none = client.describe_table().table_name("nothing").send().await.unwrap_err();
    assert!(none.into_service_error().is_resource_not_found_exception());

    let ttl = TimeToLiveSpecification::builder().attribute_name("expires").enabled(true);
    let call = client.update_time_to_live().table_name("rows");
    call.time_to_live_specification(ttl.build().unwrap()).send().await.unwrap();
    let ttl = client.describe_time_to_live().table_name("rows").send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));

    let tag = Tag::builder().key("owner").value("surety").build().unwrap();
    client.tag_resource().resource_arn(arn).tags(tag).send().await.unwrap();
    let tags = client.list_tags_of_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].value(), "surety");

    let state = async || {
        let shown = client.describe_continuous_backups().table_name("rows").send().await.unwrap();
        let shown = shown.continuous_backups_description.unwrap();
        let shown = shown.point_in_time_recovery_description.unwrap();
        shown.point_in_time_recovery_status.unwrap()
    };
    assert_eq!(state().await, PointInTimeRecoveryStatus::Disabled);
    let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let call = client.update_continuous_backups().table_name("rows");
    let call = call.point_in_time_recovery_specification(on.build().unwrap());
    call.send().await.unwrap();
    assert_eq!(state().await, PointInTimeRecoveryStatus::Enabled);
    let none = client.describe_continuous_backups().table_name("nothing").send().await;
    assert!(none.unwrap_err().into_service_error().is_table_not_found_exception());
}

#[tokio::test]
async fn a_file_keeps_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.db");
    let dynamo = Dynamo::on_file(&path, FaultPlan::none()).await.unwrap();
    let client = Client::new(&config(&dynamo.url()).await);
    table(&client).await;
    put(&client, row("a", 0, "open", 1)).await;
    drop(dynamo);
    let dynamo = Dynamo::on_file(&path, FaultPlan::none()).await.unwrap();
    let client = Client::new(&config(&dynamo.url()).await);
    assert!(get(&client, "a", 0).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_commits_at_once_one_wins() {
    let (_dynamo, client) = start().await;
    let mut head = place("head", 0);
    head.insert("rev".to_owned(), n(0));
    put(&client, head).await;
    let tries: Vec<_> = (0..16)
        .map(|who| {
            let items = commit(0, &format!("c{who}"));
            tokio::spawn(client.transact_write_items().set_transact_items(Some(items)).send())
        })
        .collect();
    let mut won = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => {
                assert!(error.into_service_error().is_transaction_canceled_exception());
            }
        }
    }
    assert_eq!(won, 1);
}
