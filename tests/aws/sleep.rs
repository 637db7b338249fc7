//! A process that sleeps between sending a version and changing the row, because its
//! machine was paused, commits nothing when it wakes up after too long; what it began is
//! done by whoever is awake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use surety_cloud::Gate;
use surety_core::intake::IntakeError;
use surety_core::ports::{Fault, Found};
use surety_core::refusal::Code;
use surety_core::types::MsgId;
use surety_store::Bodies;
use surety_tests::clock::VirtualClock;
use surety_tests::cloud::Cloud;
use surety_tests::rig::{Rig, envelope};
use surety_tests::story::{Story, assert_end, assert_shown};
use tokio::sync::oneshot;

use crate::work::{assert_none_stuck, begin, row, status};

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Longer than an attempt may take.
const TOO_LONG_MS: u64 = HOUR_MS + SECOND_MS;

fn story() -> Story {
    (json!({"first": "ok"}), "done", 2)
}

/// Puts the next process to sleep that sends to a message's queue: what it sent lies
/// there, and it is told so when this is over. Says whether one slept.
fn put_to_sleep(
    cloud: &Cloud,
    sleep: impl FnOnce() -> BoxFuture<'static, ()> + Send + 'static,
) -> Arc<AtomicBool> {
    let (next, slept) = (Mutex::new(Some(sleep)), Arc::new(AtomicBool::new(false)));
    let says = Arc::clone(&slept);
    cloud.set_gate(&Gate::behind(move |operation, body| {
        let sends =
            operation == "SendMessageBatch" && String::from_utf8_lossy(body).contains("/surety-g-");
        let sleep = sends.then(|| next.lock().unwrap().take()).flatten();
        says.fetch_or(sleep.is_some(), Ordering::SeqCst);
        async move {
            if let Some(sleep) = sleep {
                sleep().await;
            }
        }
    }));
    slept
}

/// The same until it is told to wake up, and what tells that it sleeps.
fn put_to_sleep_until(
    cloud: &Cloud,
) -> (Arc<AtomicBool>, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let ((sleeps, asleep), (wakes, awake)) = (oneshot::channel(), oneshot::channel());
    let sleep = async move {
        let _ = sleeps.send(());
        // Also when who would wake it has failed.
        let _ = awake.await;
    };
    (put_to_sleep(cloud, move || sleep.boxed()), asleep, wakes)
}

/// The same for so long, in which nobody else does anything.
fn put_to_sleep_for(cloud: &Cloud, clock: &Arc<VirtualClock>, millis: u64) -> Arc<AtomicBool> {
    let clock = Arc::clone(clock);
    put_to_sleep(cloud, move || async move { clock.advance(millis) }.boxed())
}

/// Everybody is awake from here on.
fn wake(cloud: &Cloud, slept: &AtomicBool) {
    cloud.set_gate(&Gate::open());
    assert!(slept.load(Ordering::SeqCst), "nobody slept");
}

/// Another host on the same cloud, which sees what the first one did.
fn another(cloud: &Arc<Cloud>, rig: &Rig) -> Rig {
    Rig::new(cloud.open(rig.clock.clone()), &rig.clock, &rig.actions)
}

#[tokio::test]
async fn i3_who_slept_between_sending_and_committing_commits_nothing() {
    for (millis, rev) in [(HOUR_MS - MINUTE_MS, "1"), (TOO_LONG_MS, "0")] {
        let what = format!("after {millis} ms");
        let (cloud, rig) = begin(Bodies::Sqs).await;
        let id = rig.submit(story().0).await;
        let lease = rig.at_hand().await.expect("its ticket");
        let slept = put_to_sleep_for(&cloud, &rig.clock, millis);
        rig.controller.handle(lease).await.expect("the ticket is given back");
        wake(&cloud, &slept);
        assert_eq!(row(&cloud, id).await["rev"].as_n().unwrap(), rev, "{what}");
        assert_none_stuck(&cloud, &rig.clock, &what).await;

        let other = another(&cloud, &rig);
        other.run().await;
        assert_end(&other, id, &story(), &what).await;
        assert_shown(&other, &what).await;
        // What was not committed was run again, on the same input (I4).
        let runs = if rev == "0" { 3 } else { 2 };
        assert_eq!(rig.actions.calls(), (2, runs), "{what}");
        rig.actions.assert_fixed_input();
    }
}

#[tokio::test]
async fn i3_who_wakes_up_after_another_moved_its_message_commits_nothing() {
    // Not only by its age: the row has moved on, too.
    for millis in [MINUTE_MS, TOO_LONG_MS] {
        let what = format!("after {millis} ms");
        let (cloud, rig) = begin(Bodies::Sqs).await;
        let id = rig.submit(story().0).await;
        let lease = rig.at_hand().await.expect("its ticket");
        let (slept, asleep, wakes) = put_to_sleep_until(&cloud);
        let others = async {
            asleep.await.expect("it falls asleep");
            rig.clock.advance(millis);
            let other = another(&cloud, &rig);
            other.run().await;
            assert_end(&other, id, &story(), &what).await;
            let _ = wakes.send(());
            other
        };
        let (ended, other) = tokio::join!(rig.controller.handle(lease), others);
        ended.expect("the ticket is given back");
        wake(&cloud, &slept);
        assert_end(&other, id, &story(), &what).await;
        assert_shown(&other, &what).await;
        assert_eq!(status(&cloud, id).await, "ARCHIVED", "{what}");
        rig.actions.assert_fixed_input();
    }
}

#[tokio::test]
async fn i1_who_slept_between_sending_and_admitting_admits_nothing() {
    let (cloud, mut rig) = begin(Bodies::Sqs).await;
    rig.intake.limits.msg_id_ttl_ms = 4 * HOUR_MS;
    let id = rig.msg_id().await;
    let body = envelope(id, &story().0);
    let slept = put_to_sleep_for(&cloud, &rig.clock, TOO_LONG_MS);
    let answer = rig.submit_body(&body).await;
    wake(&cloud, &slept);
    let late = matches!(answer, Err(IntakeError::Fault(Fault::Unavailable(_))));
    assert!(late, "it was admitted: {answer:?}");
    assert_eq!(status(&cloud, id).await, "CREATING");
    assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Nothing));

    // Who got no answer sends the same again.
    let other = another(&cloud, &rig);
    let again = other.submit_body(&body).await.expect("accepted");
    assert!(!again.before, "nobody was told so before");
    other.run().await;
    assert_end(&other, id, &story(), "admitted by another").await;
    assert_shown(&other, "admitted by another").await;
}

#[tokio::test]
async fn i9_an_admission_that_a_sweep_ended_is_not_finished_by_who_wakes_up() {
    let (cloud, mut rig) = begin(Bodies::Sqs).await;
    // It sleeps for less than an hour: its age alone would not stop it.
    rig.intake.limits.msg_id_ttl_ms = 10 * MINUTE_MS;
    let id = rig.msg_id().await;
    let body = envelope(id, &story().0);
    let (slept, asleep, wakes) = put_to_sleep_until(&cloud);
    let others = async {
        asleep.await.expect("it falls asleep");
        rig.clock.advance(11 * MINUTE_MS);
        let swept = another(&cloud, &rig).stores.sweep().await.unwrap();
        let _ = wakes.send(());
        swept
    };
    let (answer, swept) = tokio::join!(rig.submit_body(&body), others);
    wake(&cloud, &slept);
    assert_eq!((swept.admissions_ended, swept.failed), (1, 0));
    match answer.expect_err("it was admitted") {
        IntakeError::Refused(refusal, _) => assert_eq!(refusal.code, Code::MsgIdExpired),
        // On a slow machine it sends again meanwhile, to a queue that is gone.
        IntakeError::Fault(fault) => assert!(matches!(fault, Fault::Unavailable(_)), "{fault}"),
    }
    assert_eq!(status(&cloud, id).await, "EXPIRED");
    assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Nothing));
    let left = cloud.sqs().queues().into_iter().filter(|name| name.contains("-g-"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
    // Nor by who sends it again.
    match another(&cloud, &rig).submit_body(&body).await.expect_err("it is refused") {
        IntakeError::Refused(refusal, _) => assert_eq!(refusal.code, Code::MsgIdExpired),
        IntakeError::Fault(fault) => panic!("{fault}"),
    }
}

/// The copies of the current version that lie in a message's queue.
async fn copies(cloud: &Cloud, id: MsgId) -> Vec<u64> {
    let rev: u64 = row(cloud, id).await["rev"].as_n().unwrap().parse().unwrap();
    let messages = cloud.sqs().messages(&format!("surety-g-{id}"));
    let parts = messages.iter().map(|m| serde_json::from_str::<Value>(&m.body).unwrap());
    let mains = parts.filter(|part| part["kind"] == "main" && part["rev"] == rev);
    let mut copies: Vec<_> = mains.map(|part| part["copy"].as_u64().unwrap()).collect();
    copies.sort_unstable();
    copies
}

#[tokio::test]
async fn i1_who_slept_while_renewing_leaves_the_older_copy() {
    let story: Story = (json!({"first": "large"}), "expired", 3);
    let (cloud, rig) = begin(Bodies::Sqs).await;
    let id = rig.submit(story.0.clone()).await;
    rig.run_now().await;
    assert_eq!(copies(&cloud, id).await, [0]);
    rig.clock.advance(7 * DAY_MS);
    let sent_at = row(&cloud, id).await["sent_at"].clone();
    let slept = put_to_sleep_for(&cloud, &rig.clock, TOO_LONG_MS);
    let swept = rig.stores.sweep().await.unwrap();
    wake(&cloud, &slept);
    assert_eq!((swept.renewed, swept.failed), (0, 1));
    assert_eq!(row(&cloud, id).await["sent_at"], sent_at, "it is said to be renewed");
    assert_eq!(copies(&cloud, id).await, [0, 1], "the older one is not there any more");

    let other = another(&cloud, &rig);
    let swept = other.stores.sweep().await.unwrap();
    assert_eq!((swept.renewed, swept.failed), (1, 0));
    assert_ne!(row(&cloud, id).await["sent_at"], sent_at);
    assert_eq!(copies(&cloud, id).await, [2], "older ones are left");
    assert_none_stuck(&cloud, &rig.clock, "after the renewal").await;
    other.run().await;
    assert_end(&other, id, &story, "renewed by another").await;
    assert_shown(&other, "renewed by another").await;
}
