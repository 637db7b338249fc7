//! The doctor's deep look names every message that nothing will move, and no other.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use surety_core::types::MsgId;
use surety_store::{Bodies, Grade};
use surety_tests::cloud::Cloud;
use surety_tests::servers::tables;

use crate::work::{assert_none_stuck, begin, problems, stories};

const HOUR_MS: u64 = 3_600_000;

/// Sets or takes away an attribute of a message's row.
async fn tamper(cloud: &Cloud, id: MsgId, name: &str, value: Option<AttributeValue>) {
    let db = tables(&cloud.dynamo().url());
    let update = db.update_item().table_name("surety-messages");
    let update = update.key("msg_id", AttributeValue::S(id.to_string()));
    let update = update.expression_attribute_names("#name", name);
    let update = match value {
        Some(value) => update
            .update_expression("SET #name = :value")
            .expression_attribute_values(":value", value),
        None => update.update_expression("REMOVE #name"),
    };
    update.send().await.expect("changed");
}

#[tokio::test]
async fn messages_that_something_moves_are_not_named() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, rig) = begin(bodies).await;
        for (payload, ..) in stories() {
            rig.submit(payload).await;
        }
        while let Some(lease) = rig.at_hand().await {
            assert_none_stuck(&cloud, &rig.clock, "in hand").await;
            rig.controller.handle(lease).await.expect("the turn ends");
            assert_none_stuck(&cloud, &rig.clock, "after a turn").await;
        }
        rig.run().await;
        assert_none_stuck(&cloud, &rig.clock, "at the end").await;
    }
}

#[tokio::test]
async fn each_message_that_nothing_moves_is_named() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(rig.submit(json!({"first": "ok"})).await);
    }
    let number = |n: u32| Some(AttributeValue::N(n.to_string()));
    let other = AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([7; 32]));
    tamper(&cloud, ids[0], "open", None).await;
    tamper(&cloud, ids[1], "due_shard", number(999)).await;
    tamper(&cloud, ids[1], "due", number(1)).await;
    tamper(&cloud, ids[2], "workflow", Some(other)).await;
    tamper(&cloud, ids[3], "rev", Some(AttributeValue::S("x".to_owned()))).await;
    assert!(cloud.sqs().delete_by_hand(&format!("surety-g-{}", ids[4])));
    let words = ["`open`", "`due_shard`", "is not deployed", "rev", "is gone"];
    let found = problems(&cloud, &rig.clock).await;
    for (id, words) in ids.iter().zip(words) {
        let of = found.iter().find(|f| f.what == format!("the message {id}"));
        let of = of.unwrap_or_else(|| panic!("{words}: {found:#?}"));
        assert!(format!("{} {}", of.found, of.remedy).contains(words), "{words}: {of:?}");
        assert!(!of.remedy.is_empty());
    }
    // And the sum.
    assert_eq!(found.len(), 6, "{found:#?}");
    assert!(found[5].found.starts_with("6 are open: 1 have a ticket"), "{found:#?}");
}

#[tokio::test]
async fn a_body_that_is_lost_is_named() {
    let (cloud, rig) = begin(Bodies::Dynamodb).await;
    let id = rig.submit(json!({"first": "large"})).await;
    rig.run_now().await;
    let db = tables(&cloud.dynamo().url());
    let items = db.scan().table_name("surety-records").send().await.unwrap();
    for item in items.items() {
        let delete = db.delete_item().table_name("surety-records");
        let delete = delete.key("msg_id", item["msg_id"].clone());
        delete.key("place", item["place"].clone()).send().await.unwrap();
    }
    let found = problems(&cloud, &rig.clock).await;
    assert_eq!(found[0].what, format!("the message {id}"));
    assert!(found[0].found.contains("is not what was committed"), "{found:#?}");
}

#[tokio::test]
async fn what_no_host_sees_to_is_late() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    // Its ticket is lost, and no host runs that would sweep.
    rig.clock.advance(4 * HOUR_MS);
    let found = cloud.examine_messages(rig.clock.clone()).await;
    let late = found.iter().find(|finding| finding.grade == Grade::Note).expect("a note");
    assert!(late.found.contains(&id.to_string()), "{found:#?}");
    assert!(found.iter().all(|finding| finding.grade != Grade::Problem), "{found:#?}");

    // Two weeks later SQS has forgotten it.
    rig.clock.advance(14 * 24 * HOUR_MS);
    let found = problems(&cloud, &rig.clock).await;
    assert!(found[0].found.contains("forgets after fourteen days"), "{found:#?}");
}
