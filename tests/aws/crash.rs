//! Crashes before and after single calls to SQS and DynamoDB: a port makes several, and
//! what lies between them is where a backend loses things. In a short story at each of
//! these points; in a long one at those of its beginning and end, and at some between.

use std::sync::Arc;

use surety_cloud::Gate;
use surety_core::types::MsgId;
use surety_store::Bodies;
use surety_tests::rig::{Rig, envelope};
use surety_tests::story::{Story, assert_end, assert_shown};

use crate::work::{assert_none_stuck, begin, left_behind, stories};

/// One message at a time, so that no run is longer than its own calls.
async fn work(rig: &Rig, story: &Story, ids: &mut Vec<MsgId>, acknowledged: &mut bool) {
    let id = rig.msg_id().await;
    ids.push(id);
    rig.submit_body(&envelope(id, &story.0)).await.expect("accepted");
    *acknowledged = true;
    while let Some(lease) = rig.lease().await {
        rig.controller.handle(lease).await.expect("the turn ends");
    }
}

async fn crash_at(bodies: Bodies, story: &Story, point: u64) {
    let what = format!("{story:?} with a crash at {point}");
    let (cloud, first) = begin(bodies).await;
    let (clock, actions) = (Arc::clone(&first.clock), Arc::clone(&first.actions));
    let (mut ids, mut acknowledged) = (Vec::new(), false);
    let gate = Gate::at(point);
    cloud.set_gate(&gate);
    tokio::select! {
        biased;
        () = gate.closed() => {}
        () = work(&first, story, &mut ids, &mut acknowledged) => {}
    }
    drop(first);
    cloud.set_gate(&Gate::open());
    assert_none_stuck(&cloud, &clock, &what).await;

    let rig = Rig::new(cloud.open(clock.clone()), &clock, &actions);
    for id in &ids {
        // A client that got no answer sends the same again.
        let again = rig.submit_body(&envelope(*id, &story.0)).await.expect("accepted");
        assert!(again.before || !acknowledged, "I1: {id} was lost: {what}");
    }
    rig.run().await;
    for id in &ids {
        assert_end(&rig, *id, story, &what).await;
        // What is archived has left nothing behind.
        if !rig.moves().await && story.1 != "failed" {
            let left = cloud.sqs().queues().into_iter().filter(|name| name.contains("-g-"));
            assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{what}");
            assert_eq!(left_behind(&cloud).await, (0, 0), "{what}");
        }
    }
    actions.assert_fixed_input();
    assert_shown(&rig, &what).await;
    rig.stores.close().await;
}

async fn points(bodies: Bodies, story: &Story) -> u64 {
    let (cloud, rig) = begin(bodies).await;
    let gate = Gate::open();
    cloud.set_gate(&gate);
    work(&rig, story, &mut Vec::new(), &mut false).await;
    gate.points()
}

/// Points at the beginning and at the end of a story, at each of which it crashes.
const EACH: u64 = 60;

/// Between them a message that waits for days is swept again and again. Every so many
/// points: a prime, so that it shares nothing with the number of a sweep's calls, and
/// each of those gets its turn.
const BETWEEN: usize = 29;

/// Where to crash in a story of so many points.
fn crash_points(points: u64) -> impl Iterator<Item = u64> {
    let first = EACH.min(points);
    let last = points.saturating_sub(EACH).max(first);
    (0..first).chain((first..last).step_by(BETWEEN)).chain(last..points)
}

async fn everywhere(bodies: Bodies) {
    let mut all = 0;
    for story in stories() {
        let points = points(bodies, &story).await;
        assert!(points > 20, "only {points} points in {story:?}");
        for point in crash_points(points) {
            crash_at(bodies, &story, point).await;
            all += 1;
        }
    }
    println!("{bodies:?}: {all} crash points");
}

#[tokio::test]
async fn i1_i3_i4_i6_hold_at_each_point_with_queues() {
    everywhere(Bodies::Sqs).await;
}

#[tokio::test]
async fn i1_i3_i4_i6_hold_at_each_point_without_queues() {
    everywhere(Bodies::Dynamodb).await;
}
