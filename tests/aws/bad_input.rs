//! What is broken from outside is said, with the resource and the remedy, and costs
//! nobody a message.

use std::sync::Arc;

use serde_json::json;
use surety_cloud::faults::Refusal;
use surety_cloud::{Chaos, FaultPlan, Knob};
use surety_core::intake::IntakeError;
use surety_core::ports::{Fault, Found};
use surety_store::{AwsConfig, Bodies, Config, QueueKind, Stores};
use surety_tests::clock::VirtualClock;
use surety_tests::cloud::Cloud;
use surety_tests::rig::Rig;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::work::begin;

fn open(config: AwsConfig) -> Stores {
    surety_store::open(&Config::Aws(config), Arc::new(VirtualClock::default())).unwrap()
}

fn said(result: Result<impl std::fmt::Debug, Fault>, words: &[&str]) {
    let fault = result.expect_err("it is broken").to_string();
    for word in words {
        assert!(fault.contains(word), "{word:?} is not in {fault:?}");
    }
}

#[tokio::test]
async fn missing_tables_are_named() {
    let cloud = Cloud::start(Bodies::Sqs);
    let stores = open(AwsConfig { prefix: "other".to_owned(), ..cloud.config() });
    said(stores.check().await, &["other-messages", "surety aws apply", "region"]);
    let id = surety_core::types::MsgId::from_bytes([1; 16]);
    said(stores.guarantee.load(id).await, &["other-messages", "surety aws apply"]);
    said(stores.feeder.lease().await.map(|lease| lease.ticket), &["other-feeder-0"]);
}

#[tokio::test]
async fn tables_for_other_settings_are_refused() {
    let cloud = Cloud::start(Bodies::Sqs);
    open(cloud.config()).check().await.unwrap();
    let stores = open(AwsConfig { index_shards: 9, ..cloud.config() });
    said(stores.check().await, &["index_shards", "4", "9"]);
    // Open messages would not be found.
    let stores = open(AwsConfig { guarantee: Bodies::Dynamodb, ..cloud.config() });
    said(stores.check().await, &["`guarantee`", "\"sqs\"", "\"dynamodb\"", "surety export"]);
    let stores = open(AwsConfig { queues: QueueKind::Fifo, ..cloud.config() });
    said(stores.check().await, &["`queues`", "\"standard\"", "\"fifo\"", "another `prefix`"]);
    // Of feeder queues there may be more.
    open(AwsConfig { feeder_queues: 2, ..cloud.config() }).check().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_sent_again_is_said_by_the_sweep() {
    for deleted in [true, false] {
        let (cloud, rig) = begin(Bodies::Sqs).await;
        let id = rig.submit(json!({"first": "large"})).await;
        rig.run_now().await;
        let queue = format!("surety-g-{id}");
        if deleted {
            assert!(cloud.sqs().delete_by_hand(&queue));
        } else {
            cloud.sqs().edit(&queue, |body| body.replace("\"head\":\"", "\"head\":\"AAAA"));
        }
        // Before it is half as old as SQS keeps it, nobody has to look.
        assert_eq!(rig.stores.sweep().await.unwrap().failed, 0);
        rig.clock.advance(8 * 86_400_000);
        let swept = rig.stores.sweep().await.unwrap();
        assert_eq!((swept.failed, swept.renewed), (1, 0), "deleted: {deleted}");
    }
}

#[tokio::test]
async fn nobody_listening_is_said() {
    let cloud = Cloud::start(Bodies::Sqs);
    // A port of ours that nobody listens on: bound, and closed again.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stores = open(AwsConfig { dynamodb_endpoint: format!("http://{free}"), ..cloud.config() });
    said(stores.check().await, &["surety-messages"]);
}

#[tokio::test]
async fn who_is_sent_away_is_told_why_and_loses_nothing() {
    let policy = &["surety aws policy"][..];
    let credentials = &["renew the credentials", "`region`", "clock"][..];
    let refusals = [
        (Refusal::Denied, policy),
        (Refusal::Expired, credentials),
        (Refusal::Unknown, credentials),
        (Refusal::OtherRegion, credentials),
    ];
    for (refusal, remedy) in refusals {
        let (cloud, rig) = begin(Bodies::Sqs).await;
        let id = rig.submit(json!({"first": "ok"})).await;
        let lease = rig.at_hand().await.expect("its ticket");
        let queues = Chaos { refuse: Knob::always(), refusal, ..Chaos::none() };
        let tables = FaultPlan { refuse: Knob::always(), refusal, ..FaultPlan::none() };

        // Another process, which has nothing at hand.
        let other = open(cloud.config());
        other.guarantee.load(id).await.unwrap();
        cloud.chaos(queues, FaultPlan::none());
        let words = [&["surety-feeder-0"], remedy].concat();
        said(other.feeder.lease().await.map(|lease| lease.ticket), &words);
        let queue = format!("surety-g-{id}");
        let words = [&[&*queue], remedy].concat();
        said(other.guarantee.load(id).await, &words);
        cloud.chaos(Chaos::none(), tables);
        let words = [&["surety-messages"], remedy].concat();
        said(other.check().await, &words);
        said(other.guarantee.load(id).await, &words);

        // The turn that was under way ends without effect, and goes on later.
        rig.controller.handle(lease).await.unwrap();
        cloud.chaos(Chaos::none(), FaultPlan::none());
        rig.run().await;
        assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
    }
}

#[tokio::test]
async fn a_queue_that_was_deleted_by_hand_is_named() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    let queue = format!("surety-g-{id}");
    assert!(cloud.sqs().delete_by_hand(&queue));
    let loaded = rig.stores.guarantee.load(id).await;
    assert!(matches!(loaded, Err(Fault::Corrupt(_))));
    said(loaded.map(|_| ()), &[&queue, "surety import"]);
    // Its ticket is put off, and not dropped.
    let lease = rig.at_hand().await.expect("its ticket");
    rig.controller.handle(lease).await.unwrap();
    assert!(rig.at_hand().await.is_some(), "the ticket is gone");
}

#[tokio::test]
async fn a_message_that_was_changed_in_its_queue_does_not_run() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    let queue = format!("surety-g-{id}");
    let before = cloud.sqs().messages(&queue)[0].body.clone();
    let forged = |body: &str| {
        let mut part: serde_json::Value = serde_json::from_str(body).unwrap();
        part["head"] = json!("AAAA");
        part.to_string()
    };
    cloud.sqs().edit(&queue, forged);
    let loaded = rig.stores.guarantee.load(id).await;
    assert!(matches!(loaded, Err(Fault::Corrupt(_))));
    said(loaded.map(|_| ()), &[&queue, "was changed there"]);
    let lease = rig.at_hand().await.expect("its ticket");
    rig.controller.handle(lease).await.unwrap();
    assert_eq!(rig.actions.calls().0, 0, "it ran");
    // Nothing was deleted: put right, it goes on.
    cloud.sqs().edit(&queue, |_| before.clone());
    rig.run().await;
    assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
}

#[tokio::test]
async fn what_is_no_ticket_and_no_version_is_left_alone() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    for _ in 0..3 {
        cloud.send(&format!("surety-g-{id}"), "what is this?").await;
    }
    rig.run().await;
    assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
}

#[tokio::test]
async fn bodies_over_the_limits_of_aws_go_to_the_object_store() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, mut rig) = begin(bodies).await;
        rig.intake.limits.message_bytes_max = 2 << 20;
        let id = rig.msg_id().await;
        let mut text = surety_tests::rig::text(id, &json!({"first": "ok"}));
        // JSON, and more of it than a queue or an item takes.
        text.push_str(&" ".repeat(1 << 20));
        let body = surety_tests::rig::envelope_of(&text);
        rig.submit_body(&body).await.expect("accepted");
        let large = cloud.objects().join("large");
        assert!(large.exists(), "it is nowhere");
        rig.run().await;
        let packed = rig.stores.archive.get(id).await.unwrap().expect("a bundle");
        let bundle = surety_core::bundle::Bundle::unpack(&packed).unwrap();
        assert_eq!(*bundle.message.text, *text);
        let left = std::fs::read_dir(large.join(id.to_string())).map_or(0, Iterator::count);
        assert_eq!(left, 0, "the object is left behind");
    }
}

/// An S3 where others write at the same time, and never come to an end: a conflict for
/// who writes, and nothing for who looks. Gives its endpoint.
async fn conflicting_s3() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(conflict(stream));
        }
    });
    format!("http://{address}")
}

/// Reads a request to its end, and answers it.
async fn conflict(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while stream.read_line(&mut head).await? > 2 {
        let line = head.lines().last().unwrap_or_default().to_lowercase();
        if let Some(bytes) = line.strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    let status = if head.starts_with("PUT") { "409 Conflict" } else { "404 Not Found" };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await
}

#[tokio::test]
async fn an_object_that_is_not_there_is_named_by_nothing() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, rig) = begin(bodies).await;
        let (objects, objects_endpoint) = ("s3://bucket/surety".to_owned(), conflicting_s3().await);
        let stores = open(AwsConfig { objects, objects_endpoint, ..cloud.config() });
        let mut rig = Rig::new(stores, &rig.clock, &rig.actions);
        rig.intake.limits.message_bytes_max = 2 << 20;
        let id = rig.msg_id().await;
        let mut text = surety_tests::rig::text(id, &json!({"first": "ok"}));
        text.push_str(&" ".repeat(1 << 20));
        let body = surety_tests::rig::envelope_of(&text);
        let submitted = rig.submit_body(&body).await.map_err(|e| match e {
            IntakeError::Fault(fault) => fault,
            IntakeError::Refused(refusal, _) => panic!("{refusal}"),
        });
        said(submitted, &["s3://bucket/surety/large/", "another process"]);
        // Nobody was told that it is kept, and nothing says so.
        assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Nothing));
    }
}
