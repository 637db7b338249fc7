//! The sweep: what was lost, half made or grows old is mended by any process that looks,
//! and by one of them when several do.

use std::sync::Arc;

use serde_json::json;
use surety_cloud::{Chaos, FaultPlan, Gate};
use surety_core::intake::IntakeError;
use surety_core::ports::Clock as _;
use surety_core::refusal::Code;
use surety_core::types::MsgId;
use surety_store::{Bodies, Config, Stores};
use surety_tests::cloud::Cloud;
use surety_tests::rig::{Rig, envelope};
use surety_tests::story::{Story, assert_end, assert_shown};

use crate::hostile::{run, seeds, what};
use crate::work::{assert_none_stuck, begin, row, status};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Where tickets are.
const FEEDER: &str = "surety-feeder-0";

/// How often a day's sweep is made again that left something out: a host has 24.
const SWEEPS_MAX: u32 = 24;

fn story() -> Story {
    (json!({"first": "ok"}), "done", 2)
}

/// Another process on the same cloud.
fn another(cloud: &Cloud, rig: &Rig) -> Stores {
    surety_store::open(&Config::Aws(cloud.config()), rig.clock.clone()).unwrap()
}

/// Deletes the ticket that is there, as a person in the console may.
async fn delete_ticket(cloud: &Cloud, rig: &Rig) {
    assert_eq!(cloud.sqs().purge(FEEDER), 1);
    assert!(!cloud.has_ticket(rig.clock.now(), true).await);
}

#[tokio::test]
async fn a_ticket_that_was_deleted_by_hand_is_fed_again_by_a_sweep() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let what = format!("{bodies:?}");
        let (cloud, rig) = begin(bodies).await;
        let other = another(&cloud, &rig);
        let id = rig.submit(story().0).await;
        // Who commits with a ticket in hand leaves no timer behind the next one.
        let lease = rig.at_hand().await.expect("its ticket");
        rig.controller.handle(lease).await.expect("the turn ends");
        delete_ticket(&cloud, &rig).await;
        // Before its time it may be on its way.
        let swept = rig.stores.sweep().await.unwrap();
        assert_eq!((swept.messages, swept.fed_again, swept.failed), (1, 0, 0), "{what}");
        assert!(!row(&cloud, id).await.contains_key("due"), "{what}");
        assert_none_stuck(&cloud, &rig.clock, &what).await;

        rig.clock.advance(HOUR_MS + 1);
        let (one, two) = tokio::join!(rig.stores.sweep(), other.sweep());
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((one.fed_again + two.fed_again, one.failed + two.failed), (1, 0), "{what}");
        rig.stores.feed_due().await.unwrap();
        assert!(cloud.has_ticket(rig.clock.now(), false).await, "{what}: it has no ticket");
        rig.run().await;
        assert_end(&rig, id, &story(), &what).await;
        assert_shown(&rig, &what).await;
        assert_eq!(rig.stores.sweep().await.unwrap().messages, 0, "{what}");
    }
}

#[tokio::test]
async fn a_first_ticket_that_was_deleted_by_hand_comes_from_the_timers() {
    for bodies in [Bodies::Sqs, Bodies::Dynamodb] {
        let what = format!("{bodies:?}");
        let (cloud, rig) = begin(bodies).await;
        let id = rig.submit(story().0).await;
        delete_ticket(&cloud, &rig).await;
        assert_none_stuck(&cloud, &rig.clock, &what).await;
        // Its row says when the ticket must have come.
        rig.clock.advance(MINUTE_MS);
        rig.stores.feed_due().await.unwrap();
        assert!(cloud.has_ticket(rig.clock.now(), true).await, "{what}: it has no ticket");
        rig.run().await;
        assert_end(&rig, id, &story(), &what).await;
    }
}

/// What became of an admission whose process crashed.
#[derive(Debug, PartialEq)]
enum Cut {
    /// It was not begun.
    Issued,
    /// It was begun; and whether its queue was there.
    Creating(bool),
    /// It was done.
    Active,
}

/// A host submits a message, and crashes at this point.
async fn submit_until(cloud: &Arc<Cloud>, rig: &Rig, point: u64) -> (MsgId, bool) {
    let host = Rig::new(cloud.open(rig.clock.clone()), &rig.clock, &rig.actions);
    let id = host.msg_id().await;
    let body = envelope(id, &story().0);
    let gate = Gate::at(point);
    cloud.set_gate(&gate);
    let acknowledged = tokio::select! {
        biased;
        () = gate.closed() => false,
        accepted = host.submit_body(&body) => accepted.map(|_| true).expect("accepted"),
    };
    drop(host);
    cloud.set_gate(&Gate::open());
    (id, acknowledged)
}

/// How many points a submission has.
async fn points_of_a_submission() -> u64 {
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let host = Rig::new(cloud.open(rig.clock.clone()), &rig.clock, &rig.actions);
    let id = host.msg_id().await;
    let gate = Gate::open();
    cloud.set_gate(&gate);
    host.submit_body(&envelope(id, &story().0)).await.expect("accepted");
    gate.points()
}

async fn refused(rig: &Rig, body: &str) -> Code {
    match rig.submit_body(body).await.expect_err("it is refused") {
        IntakeError::Refused(refusal, _) => refusal.code,
        IntakeError::Fault(fault) => panic!("{fault}"),
    }
}

#[tokio::test]
async fn i1_i9_an_admission_that_nobody_finishes_ends_and_its_msg_id_stays_used() {
    let points = points_of_a_submission().await;
    assert!(points > 10, "only {points} points");
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let mut kept = vec![rig.submit(story().0).await];
    let mut cuts = Vec::new();
    for point in 0..points {
        let what = format!("with a crash at {point}");
        let (id, acknowledged) = submit_until(&cloud, &rig, point).await;
        let queue = format!("surety-g-{id}");
        let has_queue = || cloud.sqs().queues().contains(&queue);
        let cut = match &*status(&cloud, id).await {
            "ISSUED" => Cut::Issued,
            "CREATING" => Cut::Creating(has_queue()),
            "ACTIVE" => Cut::Active,
            other => panic!("{other} {what}"),
        };
        assert!(!acknowledged || cut == Cut::Active, "I1: {cut:?} {what}");

        // Nobody comes back to it in the time of its Msg_ID.
        let early = rig.stores.sweep().await.unwrap();
        assert_eq!((early.admissions_ended, early.failed), (0, 0), "{what}");
        rig.clock.advance(2 * HOUR_MS);
        let other = another(&cloud, &rig);
        let (one, two) = tokio::join!(rig.stores.sweep(), other.sweep());
        let (one, two) = (one.unwrap(), two.unwrap());
        let ended = one.admissions_ended + two.admissions_ended;
        assert_eq!((ended, one.failed + two.failed), (u64::from(cut.is_begun()), 0), "{what}");
        if cut == Cut::Active {
            kept.push(id);
        } else {
            let expected = if cut.is_begun() { "EXPIRED" } else { "ISSUED" };
            assert_eq!(status(&cloud, id).await, expected, "{what}");
            assert!(!has_queue(), "its queue is left {what}");
            let bodies = [story().0, json!({"first": "small"})].map(|p| envelope(id, &p));
            for body in &bodies {
                assert_eq!(refused(&rig, body).await, Code::MsgIdExpired, "I9: {what}");
            }
            if cut.is_begun() {
                // Nor where the time seems to be one at which it was good.
                rig.clock.set_back(2 * HOUR_MS);
                for body in &bodies {
                    assert_eq!(refused(&rig, body).await, Code::MsgIdExpired, "I9: {what}");
                }
                rig.clock.advance(2 * HOUR_MS);
            }
        }
        cuts.push(cut);
    }
    for cut in [Cut::Issued, Cut::Creating(false), Cut::Creating(true), Cut::Active] {
        assert!(cuts.contains(&cut), "no crash left it {cut:?}: {cuts:?}");
    }
    assert_none_stuck(&cloud, &rig.clock, "at the end").await;
    rig.run().await;
    for id in kept {
        assert_end(&rig, id, &story(), "I1: beside admissions that ended").await;
    }
    assert_shown(&rig, "at the end").await;
    let left = cloud.sqs().queues().into_iter().filter(|name| name.contains("-g-"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}

impl Cut {
    fn is_begun(&self) -> bool {
        matches!(self, Self::Creating(_))
    }
}

/// Sweeps as a host does in a day where things go wrong; gives how many were renewed.
async fn sweep(stores: &Stores) -> u64 {
    let mut renewed = 0;
    for _ in 0..SWEEPS_MAX {
        let Ok(swept) = stores.sweep().await else { continue };
        renewed += swept.renewed;
        if swept.failed == 0 {
            break;
        }
    }
    renewed
}

/// Messages that wait for a month, which two processes keep from being forgotten.
async fn kept_by_two(seed: u64) {
    let what = what(seed);
    let story: Story = (json!({"first": "large"}), "expired", 3);
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let other = another(&cloud, &rig);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(rig.submit(story.0.clone()).await);
    }
    rig.run_now().await;
    cloud.chaos(Chaos::hostile(seed), FaultPlan::hostile(seed));
    // From here on each day, for longer than SQS keeps what is not sent again.
    rig.clock.advance(6 * DAY_MS);
    let mut renewed = 0;
    for _ in 0..10 {
        rig.clock.advance(DAY_MS);
        let (one, two) = tokio::join!(sweep(&rig.stores), sweep(&other));
        renewed += one + two;
    }
    assert!(renewed >= ids.len() as u64, "only {renewed} were renewed {what}");
    run(&rig, &cloud, &what).await;
    cloud.calm(true);
    assert_none_stuck(&cloud, &rig.clock, &what).await;
    for id in &ids {
        assert_end(&rig, *id, &story, &what).await;
    }
    rig.actions.assert_fixed_input();
    assert_shown(&rig, &what).await;
}

#[tokio::test]
async fn i1_i3_hold_while_two_sweep_and_renew_on_a_hostile_cloud() {
    // Together, because most of the time is waiting between attempts.
    futures_util::future::join_all(seeds(3).map(kept_by_two)).await;
}
