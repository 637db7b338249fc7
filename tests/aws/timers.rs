//! What timers give tickets to, and what they leave alone.

use std::sync::Arc;

use serde_json::{Value, json};
use surety_cloud::Gate;
use surety_core::types::MsgId;
use surety_core::workflow::Workflow;
use surety_store::Bodies;
use surety_tests::cloud::Cloud;
use surety_tests::rig::Rig;
use surety_tests::scripted::workflow;

use crate::work::begin;

const FEEDER: &str = "surety-feeder-0";

/// Longer than timers wait for a ticket to have come and gone.
const PAST_GRACE_MS: u64 = 100_000;

/// A host on which the messages' workflow is another one.
async fn begin_with(bodies: Bodies, change: impl FnOnce(&mut Value)) -> (Arc<Cloud>, Rig) {
    let (cloud, rig) = begin(bodies).await;
    let mut file: Value = serde_json::from_str(&workflow(2)).unwrap();
    change(&mut file);
    let parsed = Arc::new(Workflow::parse(&file.to_string()).unwrap());
    let put = rig.stores.catalog.put_workflow(
        parsed.msg_type.clone(),
        parsed.version,
        file.to_string().into(),
    );
    put.await.expect("the workflow is put");
    rig.intake.workflows.add(parsed);
    (cloud, rig)
}

/// A message that a person's own move left where it was parked before.
async fn parked_again(rig: &Rig) -> MsgId {
    let id = rig.submit(json!({"first": "unsized"})).await;
    rig.run_now().await;
    rig.operator.redrive(id, None, "ops", "again").await.unwrap();
    id
}

/// Asserts that the one open message waits for a person, and costs no ticket meanwhile.
async fn assert_rests(cloud: &Cloud, rig: &Rig, id: MsgId, what: &str) {
    for _ in 0..10 {
        rig.clock.advance(PAST_GRACE_MS);
        rig.stores.feed_due().await.unwrap();
    }
    assert_eq!(cloud.sqs().messages(FEEDER), [], "{what}");
    let shown = rig.stores.reference.get(id).await.unwrap().expect("shown");
    assert!(shown.parked && shown.seq == rig.load(id).await.head.seq, "{what}: {shown:?}");
    let findings = cloud.examine_messages(rig.clock.clone()).await;
    let sum = &findings.last().expect("the sum").found;
    let rests = "1 are open: 0 have a ticket or a time, 1 wait for a person, 0 will not move";
    assert_eq!(sum, rests, "{what}");
}

#[tokio::test]
async fn what_waits_for_a_person_gets_no_tickets() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, rig) = begin(bodies).await;
        let id = parked_again(&rig).await;
        rig.run_now().await;
        assert_rests(&cloud, &rig, id, "by an operator").await;
        // It moves again as soon as somebody wants it to.
        rig.operator.redrive(id, None, "ops", "once more").await.unwrap();
        assert_eq!(cloud.sqs().messages(FEEDER).len(), 1);
        rig.run_now().await;
        assert_rests(&cloud, &rig, id, "by an operator, again").await;

        let (cloud, rig) = begin_with(bodies, |file| file["initial"] = json!("sized")).await;
        let id = rig.submit(json!({"first": "ok"})).await;
        rig.run_now().await;
        assert_rests(&cloud, &rig, id, "by its admission").await;

        let judged = json!({"choose": [
            {"guard": "ext.missing > 10", "target": "middle"}, {"target": "refused"},
        ]});
        let by_signal = |file: &mut Value| {
            file["states"]["approval"]["on"]["deny"]["target"] = json!("judged");
            file["states"]["judged"] = judged;
        };
        let (cloud, rig) = begin_with(bodies, by_signal).await;
        let id = rig.submit(json!({"first": "large"})).await;
        rig.run_now().await;
        rig.signal(id, "deny", 0).await.unwrap();
        rig.run_now().await;
        assert_rests(&cloud, &rig, id, "by a signal").await;
    }
}

/// Dies at a call of the turn in which such a message is found to rest; says whether
/// there is such a call.
async fn crash_at(bodies: Bodies, point: u64) -> bool {
    let what = format!("{bodies:?} with a crash at {point}");
    let (cloud, first) = begin(bodies).await;
    let (clock, actions) = (Arc::clone(&first.clock), Arc::clone(&first.actions));
    let id = parked_again(&first).await;
    let lease = first.at_hand().await.expect("its ticket");
    let gate = Gate::at(point);
    cloud.set_gate(&gate);
    let died = tokio::select! {
        biased;
        () = gate.closed() => true,
        ended = first.controller.handle(lease) => {
            ended.expect("the turn ends");
            false
        }
    };
    drop(first);
    cloud.set_gate(&Gate::open());
    let rig = Rig::new(cloud.open(clock.clone()), &clock, &actions);
    for _ in 0..2 {
        rig.run_now().await;
        clock.advance(PAST_GRACE_MS);
        rig.stores.feed_due().await.unwrap();
    }
    rig.run_now().await;
    assert_rests(&cloud, &rig, id, &what).await;
    died
}

#[tokio::test]
async fn i1_i6_hold_at_every_call_that_lets_a_message_rest() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let mut points = 0;
        while crash_at(bodies, points).await {
            points += 1;
        }
        assert!(points >= 6, "only {points} points");
    }
}

#[tokio::test]
async fn a_wait_gets_one_ticket() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let (cloud, rig) = begin(bodies).await;
        let id = rig.submit(json!({"first": "huge"})).await;
        rig.run_now().await;
        let due = rig.load(id).await.head.due.as_millis();
        let look = rig.stores.upkeep_times().expect("it has timers").timers;
        let look = u64::try_from(look.as_millis()).unwrap();
        rig.clock.advance(due - rig.clock_now() - 1_000_000);
        while rig.clock_now() + look < due {
            rig.stores.feed_due().await.unwrap();
            rig.clock.advance(look);
        }
        rig.stores.feed_due().await.unwrap();
        // On its way, and not before its time.
        let sent = cloud.sqs().messages(FEEDER);
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!((due..due + 1_000).contains(&sent[0].visible_at), "{sent:?}");
        rig.clock.advance(due - rig.clock_now() + 1_000);
        rig.stores.feed_due().await.unwrap();
        assert_eq!(cloud.sqs().messages(FEEDER).len(), 1);
        rig.run().await;
        let shown = rig.stores.reference.get(id).await.unwrap().expect("shown");
        assert_eq!(shown.msg_state.as_str(), "refused");
    }
}

/// A ticket that was lost on its way is pushed again, a minute after it was due.
#[tokio::test]
async fn a_lost_ticket_of_a_wait_comes_again() {
    let (cloud, rig) = begin(Bodies::Dynamodb).await;
    let id = rig.submit(json!({"first": "huge"})).await;
    rig.run_now().await;
    let due = rig.load(id).await.head.due.as_millis();
    rig.clock.advance(due - rig.clock_now());
    rig.stores.feed_due().await.unwrap();
    assert_eq!(cloud.sqs().purge(FEEDER), 1);
    rig.clock.advance(39_000);
    rig.stores.feed_due().await.unwrap();
    assert_eq!(cloud.sqs().messages(FEEDER).len(), 0, "early");
    rig.clock.advance(2_000);
    rig.stores.feed_due().await.unwrap();
    let sent = cloud.sqs().messages(FEEDER);
    assert!((due + 60_000..due + 61_000).contains(&sent[0].visible_at), "{sent:?}");
    rig.run().await;
    let shown = rig.stores.reference.get(id).await.unwrap().expect("shown");
    assert_eq!(shown.msg_state.as_str(), "refused");
}
