//! Samples, duplicates, zombies, lost answers, throttles: from a seed that is told
//! when a run fails, and that repeats it.

use std::sync::Arc;

use surety_cloud::{Chaos, FaultPlan};
use surety_core::intake::IntakeError;
use surety_core::ports::Clock as _;
use surety_core::types::MsgId;
use surety_store::Bodies;
use surety_tests::cloud::Cloud;
use surety_tests::rig::{Rig, envelope};
use surety_tests::story::{assert_end, assert_shown};

use crate::work::{assert_none_stuck, begin_on, stories};

/// How often a client sends what it got no answer to, and the host a turn that was
/// put off. A few times are enough; more is a message that does not move.
const TRIES_MAX: usize = 200;

/// Those that are told, or so many.
pub(crate) fn seeds(unless_told: u64) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SURETY_AWS_SEEDS") else { return 0..unless_told };
    let number = |text: &str| text.trim().parse().expect("a number");
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

/// Submits as a client does that believes nothing but an answer.
async fn submit(rig: &Rig, id: MsgId, body: &str, what: &str) {
    for _ in 0..TRIES_MAX {
        match rig.submit_body(body).await {
            Ok(_) => return,
            Err(IntakeError::Refused(refusal, _)) => panic!("{id} {what}: {refusal}"),
            Err(IntakeError::Fault(_)) => {}
        }
    }
    panic!("{id} is never accepted {what}");
}

async fn issue(rig: &Rig, what: &str) -> MsgId {
    for _ in 0..TRIES_MAX {
        if let Ok(issued) = rig.intake.issue(&surety_tests::rig::acme(), 1).await {
            return issued.msg_ids[0];
        }
    }
    panic!("no id is issued {what}");
}

/// Moves messages until all rest, as a host does that goes on whatever it is told.
pub(crate) async fn run(rig: &Rig, cloud: &Cloud, what: &str) {
    let mut turns = 0;
    loop {
        turns += 1;
        assert!(turns < 20 * TRIES_MAX, "messages go on for ever {what}");
        // Asked of a calm cloud whether anything is left to do.
        cloud.calm(true);
        let moves = rig.moves().await;
        cloud.calm(false);
        if !moves {
            return;
        }
        if cloud.has_ticket(rig.clock.now(), true).await {
            match rig.stores.feeder.lease().await {
                Ok(lease) => {
                    // A fault is not the message's end: its ticket comes again.
                    let _fault = rig.controller.handle(lease).await;
                }
                Err(_) => rig.clock.advance(1_000),
            }
            continue;
        }
        if rig.keep_up().await.is_err() {
            rig.clock.advance(1_000);
        }
    }
}

/// How a run is told that is to be repeated.
pub(crate) fn what(seed: u64) -> String {
    format!("with SURETY_AWS_SEEDS={seed}..{}", seed + 1)
}

async fn seed(seed: u64, cloud: Arc<Cloud>) {
    let what = format!("on {} {}", cloud.name(), what(seed));
    let (cloud, rig) = begin_on(cloud).await;
    cloud.chaos(Chaos::hostile(seed), FaultPlan::hostile(seed));
    let mut ids = Vec::new();
    for (payload, ..) in stories() {
        let id = issue(&rig, &what).await;
        submit(&rig, id, &envelope(id, &payload), &what).await;
        ids.push(id);
    }
    run(&rig, &cloud, &what).await;
    cloud.calm(true);
    assert_none_stuck(&cloud, &rig.clock, &what).await;
    for (id, story) in ids.iter().zip(stories()) {
        assert_end(&rig, *id, &story, &what).await;
    }
    rig.actions.assert_fixed_input();
    assert_shown(&rig, &what).await;
    rig.stores.close().await;
}

#[tokio::test]
async fn i1_i3_i4_i6_hold_on_a_hostile_cloud() {
    // Together, because most of the time is waiting between attempts.
    let all = seeds(12).map(|n| {
        let bodies = if n % 4 == 3 { Bodies::Dynamodb } else { Bodies::Sqs };
        seed(n, Cloud::start(bodies))
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn i1_i3_i4_i6_hold_on_a_hostile_cloud_with_fifo_queues() {
    let all = seeds(2).map(|n| seed(n, Cloud::with_fifo()));
    futures_util::future::join_all(all).await;
}
