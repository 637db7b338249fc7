//! Each knob of the proxy in front of DynamoDB, seen through the real SDK.

mod common;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes,
    Put, PutRequest, ScalarAttributeType, TransactWriteItem, WriteRequest,
};
use common::config;
use surety_cloud::faults::Spelling;
use surety_cloud::{Dynamo, FaultPlan, Faults, Knob};

async fn start() -> (Dynamo, Client) {
    let dynamo = Dynamo::start(FaultPlan::none()).await.unwrap();
    let client = Client::new(&config(&dynamo.url()).await);
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let id = AttributeDefinition::builder().attribute_name("id");
    client
        .create_table()
        .table_name("rows")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(id.attribute_type(ScalarAttributeType::S).build().unwrap())
        .key_schema(key.build().unwrap())
        .send()
        .await
        .unwrap();
    (dynamo, client)
}

fn item(id: &str, value: u64) -> HashMap<String, AttributeValue> {
    let mut item = place(id);
    item.insert("v".to_owned(), AttributeValue::N(value.to_string()));
    item
}

fn place(id: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("id".to_owned(), AttributeValue::S(id.to_owned()))])
}

macro_rules! put {
    ($client:expr, $id:expr, $value:expr) => {
        $client.put_item().table_name("rows").set_item(Some(item($id, $value))).send().await
    };
}

async fn there(client: &Client, id: &str) -> bool {
    let call = client.get_item().table_name("rows").set_key(Some(place(id)));
    call.consistent_read(true).send().await.unwrap().item.is_some()
}

fn transaction(
    client: &Client,
) -> aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder {
    let put = |id: &str| {
        let put = Put::builder().table_name("rows").set_item(Some(item(id, 1))).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    client.transact_write_items().transact_items(put("x")).transact_items(put("y"))
}

#[tokio::test]
async fn throttles_have_several_spellings() {
    let (dynamo, client) = start().await;
    let cases = [
        (Spelling::Provisioned, "ProvisionedThroughputExceededException"),
        (Spelling::Throttling, "ThrottlingException"),
        (Spelling::RequestLimit, "RequestLimitExceeded"),
    ];
    for (spelling, code) in cases {
        let throttle = Knob::always().of(&["PutItem"]).times(1);
        let spelling = Some(spelling);
        dynamo.set_plan(FaultPlan { throttle, spelling, ..FaultPlan::none() });
        let error = put!(client, "a", 1).unwrap_err().into_service_error();
        assert_eq!(error.code(), Some(code));
        let typed = [
            error.is_provisioned_throughput_exceeded_exception(),
            error.is_throttling_exception(),
            error.is_request_limit_exceeded(),
        ];
        assert_eq!(typed.iter().filter(|t| **t).count(), 1, "{error:?}");
        assert!(!there(&client, "a").await);
    }
    put!(client, "a", 1).unwrap();
}

#[tokio::test]
async fn writes_meet_each_other() {
    let (dynamo, client) = start().await;
    let conflict = Knob::always();
    dynamo.set_plan(FaultPlan { conflict, ..FaultPlan::none() });
    let error = transaction(&client).send().await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}")
    };
    let codes: Vec<_> =
        cancelled.cancellation_reasons().iter().map(|r| r.code().unwrap()).collect();
    assert_eq!(codes.len(), 2);
    assert_eq!(codes.iter().filter(|c| **c == "TransactionConflict").count(), 1, "{codes:?}");
    let error = put!(client, "a", 1).unwrap_err().into_service_error();
    assert!(error.is_transaction_conflict_exception(), "{error:?}");
    assert!(!there(&client, "x").await && !there(&client, "a").await);

    let in_progress = Knob::always().times(1);
    dynamo.set_plan(FaultPlan { in_progress, ..FaultPlan::none() });
    let error = transaction(&client).send().await.unwrap_err().into_service_error();
    assert!(error.is_transaction_in_progress_exception(), "{error:?}");
    transaction(&client).send().await.unwrap();
    assert!(there(&client, "x").await && there(&client, "y").await);
}

#[tokio::test]
async fn replies_are_lost_before_and_after_the_effect() {
    let (dynamo, client) = start().await;
    let once = || Knob::always().of(&["PutItem"]).times(1);
    dynamo.set_plan(FaultPlan { lost_before: once(), ..FaultPlan::none() });
    assert!(put!(client, "a", 1).unwrap_err().as_service_error().is_none());
    assert!(!there(&client, "a").await);
    dynamo.set_plan(FaultPlan { lost_after: once(), ..FaultPlan::none() });
    assert!(put!(client, "b", 1).unwrap_err().as_service_error().is_none());
    assert!(there(&client, "b").await);
    dynamo.set_plan(FaultPlan { error_after: once(), ..FaultPlan::none() });
    let error = put!(client, "c", 1).unwrap_err().into_service_error();
    assert!(error.is_internal_server_error(), "{error:?}");
    assert!(there(&client, "c").await);
}

#[tokio::test]
async fn batches_are_done_in_part() {
    let (dynamo, client) = start().await;
    dynamo.set_plan(FaultPlan { seed: 2, unprocessed: Knob::always(), ..FaultPlan::none() });
    let write = |n: u64| {
        let put = PutRequest::builder().set_item(Some(item(&n.to_string(), n)));
        WriteRequest::builder().put_request(put.build().unwrap()).build()
    };
    let mut left: Option<HashMap<_, _>> =
        Some(HashMap::from([("rows".to_owned(), (0..20).map(write).collect())]));
    let mut rounds = 0;
    while let Some(items) = left.filter(|l: &HashMap<String, Vec<_>>| !l.is_empty()) {
        let reply = client.batch_write_item().set_request_items(Some(items)).send().await;
        left = reply.unwrap().unprocessed_items;
        rounds += 1;
    }
    assert!(rounds > 1);
    let keys = (0..20).map(|n| place(&n.to_string())).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
    let mut left = Some(HashMap::from([("rows".to_owned(), keys.build().unwrap())]));
    let (mut rounds, mut found) = (0, 0);
    while let Some(items) = left.filter(|l: &HashMap<String, _>| !l.is_empty()) {
        let call = client.batch_get_item().set_request_items(Some(items));
        let reply = call.send().await.unwrap();
        found += reply.responses.unwrap()["rows"].len();
        left = reply.unprocessed_keys;
        rounds += 1;
    }
    assert_eq!(found, 20);
    assert!(rounds > 1);
}

#[tokio::test]
async fn pages_are_short() {
    let (dynamo, client) = start().await;
    for n in 0..10 {
        put!(client, &n.to_string(), n).unwrap();
    }
    dynamo.set_plan(FaultPlan { short_page: Knob::always(), ..FaultPlan::none() });
    let (mut start, mut pages, mut found) = (None, 0, 0);
    loop {
        let page = client.scan().table_name("rows").set_exclusive_start_key(start).send();
        let page = page.await.unwrap();
        (pages, found, start) = (pages + 1, found + page.count(), page.last_evaluated_key);
        if start.is_none() {
            break;
        }
    }
    assert_eq!(found, 10);
    assert!(pages > 3, "{pages}");
}

#[tokio::test]
async fn reads_that_are_not_consistent_are_stale() {
    let (dynamo, client) = start().await;
    put!(client, "a", 1).unwrap();
    dynamo.set_plan(FaultPlan { stale: Knob::always(), ..FaultPlan::none() });
    let read = async |consistent| {
        let call = client.get_item().table_name("rows").set_key(Some(place("a")));
        let got = call.consistent_read(consistent).send().await.unwrap();
        got.item.unwrap()["v"].as_n().unwrap().clone()
    };
    assert_eq!(read(false).await, "1");
    put!(client, "a", 2).unwrap();
    assert_eq!(read(false).await, "1");
    assert_eq!(read(true).await, "2");
    dynamo.set_plan(FaultPlan::none());
    assert_eq!(read(false).await, "2");
}

/// It stands before any server; a seed repeats what it does.
#[tokio::test]
async fn a_seed_repeats_a_run_exactly() {
    let (dynamo, _) = start().await;
    let run = async |seed| {
        let address = dynamo.direct_url().replace("http://", "");
        let faults = Faults::start(&address, FaultPlan::hostile(seed)).await.unwrap();
        let client = Client::new(&config(&faults.url()).await);
        let mut seen = String::new();
        for n in 0..60 {
            let put = put!(client, "a", n);
            seen += &format!("{:?} ", put.map_err(|e| e.code().map(str::to_owned)).err());
        }
        assert_eq!(faults.calls()["PutItem"], 60);
        format!("{seen} {:?}", faults.hits())
    };
    let (first, second, other) = (run(4).await, run(4).await, run(5).await);
    assert_eq!(first, second);
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_server_that_is_gone_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let faults = Faults::start(&address, FaultPlan::none()).await.unwrap();
    let client = Client::new(&config(&faults.url()).await);
    let error = client.list_tables().send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 502);
    assert!(error.into_service_error().message().unwrap().contains(&address));
}
