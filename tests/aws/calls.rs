//! What a message costs: calls to SQS and DynamoDB, counted.

use std::collections::BTreeMap;

use serde_json::json;
use surety_core::ports::Found;
use surety_store::Bodies;
use surety_tests::rig::{Rig, envelope};

use crate::work::begin;

/// Moves messages as far as they come, without looking at anything else.
async fn run(rig: &Rig) {
    while let Some(lease) = rig.at_hand().await {
        rig.controller.handle(lease).await.expect("the turn ends");
    }
}

async fn calls(bodies: Bodies) -> BTreeMap<String, u64> {
    let (cloud, rig) = begin(bodies).await;
    // What is asked once for all messages is asked before.
    rig.submit(json!({"first": "ok"})).await;
    run(&rig).await;

    cloud.sqs().reset_calls();
    cloud.dynamo().reset_calls();
    let id = rig.msg_id().await;
    let payload = json!({"first": "five times", "second": "back"});
    rig.submit_body(&envelope(id, &payload)).await.expect("accepted");
    run(&rig).await;
    let mut calls = cloud.sqs().calls();
    calls.extend(cloud.dynamo().calls());
    assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
    let shown = rig.stores.reference.get(id).await.unwrap().expect("shown");
    assert_eq!((shown.msg_state.as_str(), shown.seq), ("refused", 5));
    calls
}

fn assert_calls(found: &BTreeMap<String, u64>, expected: &[(&str, u64)]) {
    for (name, count) in found {
        println!("{name} {count}");
    }
    println!("{} calls", found.values().sum::<u64>());
    let expected = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(*found, expected, "docs/aws.md has these figures, too");
}

#[tokio::test]
async fn a_message_of_five_actions_with_a_queue_of_its_own() {
    let expected = [
        ("BatchWriteItem", 1),
        ("CreateQueue", 1),
        ("DeleteMessageBatch", 11),
        ("DeleteQueue", 1),
        ("GetItem", 6),
        ("PutItem", 7),
        ("Query", 5),
        ("ReceiveMessage", 12),
        ("SendMessageBatch", 12),
        ("TransactWriteItems", 7),
        ("UpdateItem", 2),
    ];
    assert_calls(&calls(Bodies::Sqs).await, &expected);
}

#[tokio::test]
async fn a_message_of_five_actions_without_one() {
    let expected = [
        ("BatchWriteItem", 1),
        ("DeleteMessageBatch", 6),
        ("GetItem", 6),
        ("PutItem", 7),
        ("Query", 5),
        ("ReceiveMessage", 6),
        ("SendMessageBatch", 6),
        ("TransactWriteItems", 7),
        ("UpdateItem", 1),
    ];
    assert_calls(&calls(Bodies::Dynamodb).await, &expected);
}
