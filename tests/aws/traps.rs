//! What the SDK and the services do that a client must expect.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;
use surety_cloud::faults::Spelling;
use surety_cloud::sqs::Throttle;
use surety_cloud::{Chaos, FaultPlan, Knob};
use surety_core::ports::{Clock, Found, Ticket};
use surety_core::types::MsgId;
use surety_store::{Bodies, Config};
use surety_tests::clock::VirtualClock;
use surety_tests::cloud::Cloud;
use surety_tests::rig::Rig;
use surety_tests::servers::queues;
use surety_tests::story::{Story, assert_end, assert_shown};

use crate::work::{begin, left_behind};

/// A message that moves at all is through long before.
const MOVES_WITHIN: Duration = Duration::from_secs(60);

fn story() -> Story {
    (json!({"first": "ok"}), "done", 2)
}

/// A message from its Msg_ID to its bundle, while something goes wrong.
async fn a_message_ends(bodies: Bodies, queues: Chaos, tables: FaultPlan, hit: &str) {
    let (cloud, rig) = begin(bodies).await;
    cloud.chaos(queues, tables);
    let id = rig.submit(story().0).await;
    rig.run().await;
    let hits = cloud.sqs().hits().get(hit).copied().unwrap_or(0)
        + cloud.dynamo().hits().get(hit).copied().unwrap_or(0);
    assert!(hits > 0, "nothing went wrong");
    assert_end(&rig, id, &story(), hit).await;
    assert_shown(&rig, hit).await;
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_leaves_two_copies_and_one_is_enough() {
    let lost = Knob::always().of(&["SendMessageBatch"]).times(2);
    let queues = Chaos { lost_after: lost, ..Chaos::none() };
    a_message_ends(Bodies::Sqs, queues, FaultPlan::none(), "lost_after").await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_known_as_ones_own() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let lost = Knob::always().of(&["TransactWriteItems", "UpdateItem"]).times(3);
        let tables = FaultPlan { lost_after: lost, ..FaultPlan::none() };
        a_message_ends(bodies, Chaos::none(), tables, "lost_after").await;
    }
}

#[tokio::test]
async fn characters_that_xml_does_not_have_stop_no_message() {
    let story = (json!({"first": "no xml"}), "done", 2);
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, rig) = begin(bodies).await;
        let id = rig.submit(story.0.clone()).await;
        let lease = rig.at_hand().await.expect("its ticket");
        rig.controller.handle(lease).await.unwrap();
        // Another process has nothing at hand, and reads what was sent.
        let (clock, actions) = (Arc::clone(&rig.clock), Arc::clone(&rig.actions));
        drop(rig);
        let rig = Rig::new(cloud.open(clock.clone()), &clock, &actions);
        tokio::time::timeout(MOVES_WITHIN, rig.run()).await.expect("it moves");
        assert_end(&rig, id, &story, "with such characters").await;
    }
}

#[tokio::test]
async fn what_sqs_refuses_of_a_batch_is_said_at_once() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let id = rig.submit(json!({"first": "large", "second": "x".repeat(2_000)})).await;
    rig.run_now().await;
    // Somebody lets the queue take less than a version has.
    let url = format!("{}/000000000000/surety-g-{id}", cloud.sqs().url());
    let set = queues(&cloud.sqs().url()).set_queue_attributes().queue_url(url);
    set.attributes(QueueAttributeName::MaximumMessageSize, "1024").send().await.unwrap();
    cloud.sqs().reset_calls();
    let refused = rig.signal(id, "approve", 0).await.unwrap_err().to_string();
    let words = [&*format!("surety-g-{id}"), "InvalidParameterValue", "shorter than 1024 bytes"];
    assert!(words.iter().all(|word| refused.contains(word)), "{refused}");
    assert_eq!(cloud.sqs().calls()["SendMessageBatch"], 1);
}

#[tokio::test]
async fn a_new_queue_is_not_there_for_a_second() {
    let queues = Chaos { slow_create: Knob::always(), ..Chaos::none() };
    a_message_ends(Bodies::Sqs, queues, FaultPlan::none(), "slow_create").await;
}

#[tokio::test]
async fn an_admission_is_repeated_after_lease_s_was_changed() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let id = rig.msg_id().await;
    let body = surety_tests::rig::envelope(id, &story().0);
    // It comes no further than to its queue.
    let refuse = Knob::always().of(&["SendMessageBatch"]);
    cloud.chaos(Chaos { refuse, ..Chaos::none() }, FaultPlan::none());
    rig.submit_body(&body).await.unwrap_err();
    assert!(cloud.sqs().queues().contains(&format!("surety-g-{id}")));
    cloud.chaos(Chaos::none(), FaultPlan::none());
    let config = surety_store::AwsConfig { lease_s: 7, ..cloud.config() };
    let stores = surety_store::open(&Config::Aws(config), rig.clock.clone()).unwrap();
    let rig = Rig::new(stores, &rig.clock, &rig.actions);
    rig.submit_body(&body).await.expect("accepted");
    rig.run().await;
    assert_end(&rig, id, &story(), "with another lease").await;
}

#[tokio::test]
async fn every_spelling_of_a_throttle_is_waited_for() {
    let spellings = [
        Throttle::RequestThrottled,
        Throttle::Throttling,
        Throttle::Kms,
        Throttle::OverLimit,
        Throttle::Unavailable,
    ];
    for spelling in spellings {
        let throttle = Knob::always().of(&["SendMessageBatch"]).times(2);
        let queues = Chaos { throttle, spelling: Some(spelling), ..Chaos::none() };
        a_message_ends(Bodies::Sqs, queues, FaultPlan::none(), "throttle").await;
    }
    for spelling in [Spelling::Provisioned, Spelling::Throttling, Spelling::RequestLimit] {
        let throttle = Knob::always().of(&["TransactWriteItems"]).times(2);
        let tables = FaultPlan { throttle, spelling: Some(spelling), ..FaultPlan::none() };
        a_message_ends(Bodies::Dynamodb, Chaos::none(), tables, "throttle").await;
    }
}

#[tokio::test]
async fn a_long_poll_outlasts_the_time_of_other_calls() {
    let clock: Arc<dyn Clock> = Arc::new(surety_tests::clock::RealClock);
    let cloud = Cloud::start_at(Bodies::Sqs, Arc::clone(&clock));
    let config = surety_store::AwsConfig { receive_wait_s: 8, ..cloud.config() };
    let stores = surety_store::open(&Config::Aws(config), Arc::clone(&clock)).unwrap();
    let ticket = Ticket { msg_id: MsgId::from_bytes([1; 16]), seq: 0 };
    let push = async {
        // Longer than any other call may take.
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        stores.feeder.push(ticket, clock.now()).await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        lease = stores.feeder.lease() => assert_eq!(lease.unwrap().ticket, ticket),
        () = push => {}
    }
    // One receive, which was not cut off and made again.
    assert_eq!(cloud.sqs().calls()["ReceiveMessage"], 1);
}

#[tokio::test]
async fn a_ticket_in_hand_is_kept_from_others_for_as_long_as_it_takes() {
    let clock: Arc<dyn Clock> = Arc::new(surety_tests::clock::RealClock);
    let cloud = Cloud::start_at(Bodies::Sqs, Arc::clone(&clock));
    let config = Config::Aws(cloud.config());
    let open = || surety_store::open(&config, Arc::clone(&clock)).unwrap();
    let (first, second) = (open(), open());
    let ticket = Ticket { msg_id: MsgId::from_bytes([1; 16]), seq: 0 };
    first.feeder.push(ticket, clock.now()).await.unwrap();
    let lease = first.feeder.lease().await.unwrap();
    // A lease is three seconds long, and somebody waits for it to end.
    let other = tokio::time::timeout(Duration::from_secs(5), second.feeder.lease()).await;
    assert!(other.is_err(), "two processes have it in hand");
    first.feeder.release(lease, clock.now()).await.unwrap();
    assert_eq!(second.feeder.lease().await.unwrap().ticket, ticket);
}

#[tokio::test]
async fn queues_are_created_no_faster_than_configured() {
    let cloud = Cloud::start(Bodies::Sqs);
    let clock = Arc::new(VirtualClock::default());
    let config = surety_store::AwsConfig { create_queue_per_s_max: 1, ..cloud.config() };
    let stores = surety_store::open(&Config::Aws(config), clock.clone()).unwrap();
    let rig = Rig::new(stores, &clock, &Arc::default());
    rig.register().await;
    cloud.sqs().reset_calls();
    rig.submit(json!({"first": "ok"})).await;
    let id = rig.msg_id().await;
    let body = surety_tests::rig::envelope(id, &json!({"first": "ok"}));
    let refused = rig.submit_body(&body).await.unwrap_err().to_string();
    assert!(refused.contains("creating the queue"), "{refused}");
    assert_eq!(cloud.sqs().calls()["CreateQueue"], 1);
}

#[tokio::test]
async fn a_sweep_removes_more_queues_than_one_second_allows() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(rig.submit(story().0).await);
    }
    rig.run().await;
    let config = surety_store::AwsConfig { delete_queue_per_s_max: 2, ..cloud.config() };
    for id in ids {
        cloud.create_queue(&format!("{}-g-{id}", config.prefix)).await;
    }
    let stores = surety_store::open(&Config::Aws(config), rig.clock.clone()).unwrap();
    let swept = stores.sweep().await.unwrap();
    assert_eq!((swept.queues_removed, swept.failed), (3, 0));
}

#[tokio::test]
async fn a_clean_up_that_failed_is_made_again() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, mut rig) = begin(bodies).await;
        rig.intake.limits.message_bytes_max = 2 << 20;
        // As often as the SDK tries it: the clean-up is given up once.
        let throttle = Knob::always().of(&["BatchWriteItem"]).times(4);
        cloud.chaos(Chaos::none(), FaultPlan { throttle, ..FaultPlan::none() });
        let id = rig.msg_id().await;
        let mut text = surety_tests::rig::text(id, &story().0);
        text.push_str(&" ".repeat(1 << 20));
        rig.submit_body(&surety_tests::rig::envelope_of(&text)).await.expect("accepted");
        assert_ne!(left_behind(&cloud).await.1, 0, "no object was made");
        rig.run().await;
        assert_eq!(cloud.dynamo().hits().get("throttle"), Some(&4), "nothing went wrong");
        assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
        assert_eq!(left_behind(&cloud).await, (0, 0), "{bodies:?}");
        assert_shown(&rig, "with what is left").await;
    }
}

#[tokio::test]
async fn more_messages_end_than_queues_may_be_deleted() {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let config = surety_store::AwsConfig { delete_queue_per_s_max: 2, ..cloud.config() };
    let stores = surety_store::open(&Config::Aws(config), rig.clock.clone()).unwrap();
    let rig = Rig::new(stores, &rig.clock, &rig.actions);
    for _ in 0..4 {
        rig.submit(story().0).await;
    }
    // The time jumps, and queues are deleted by the real one.
    tokio::time::timeout(MOVES_WITHIN, rig.run()).await.expect("they end");
    let queues = cloud.sqs().queues().into_iter().filter(|name| name.contains("-g-"));
    assert_eq!(queues.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(left_behind(&cloud).await, (0, 0));
    assert_shown(&rig, "with few deletions").await;
}
