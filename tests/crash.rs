//! Crashes before and after every port call, exhaustively. Whatever the point:
//! what was acknowledged is kept (I1), every revision is committed once (I3),
//! the action sees the same input again (I4), and Reference ends up right
//! without being rebuilt (I6).

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

use std::sync::Arc;

use serde_json::json;
use surety_core::bundle::Bundle;
use surety_core::intake::IntakeError;
use surety_core::ports::Found;
use surety_core::record::Cause;
use surety_core::refusal::Code;
use surety_core::types::MsgId;
use surety_tests::backend::Backend;
use surety_tests::clock::VirtualClock;
use surety_tests::fuse::{Fuse, fused};
use surety_tests::rig::{Rig, envelope};
use surety_tests::scripted::Scripted;
use surety_tests::story::{Story, assert_end, assert_shown};

/// What the messages of a run do.
fn stories() -> Vec<Story> {
    vec![
        (json!({"first": "ok"}), "done", 2),
        (json!({"first": "heals"}), "done", 3),
        (json!({"first": "ok", "second": "permanent"}), "failed", 2),
        (json!({"first": "refuse"}), "refused", 1),
        // A choice in the same step.
        (json!({"first": "small"}), "done", 3),
        // An approval by two, which nobody gives, and a timer.
        (json!({"first": "large"}), "expired", 3),
    ]
}

/// Issues, submits and runs everything; tells which messages were acknowledged.
async fn work(rig: &Rig, ids: &mut Vec<MsgId>, acknowledged: &mut Vec<MsgId>) {
    for (payload, ..) in stories() {
        let id = rig.msg_id().await;
        ids.push(id);
        rig.submit_body(&envelope(id, &payload)).await.expect("accepted");
        acknowledged.push(id);
    }
    // Through the port, so that the lease passes the fuse as well.
    while let Some(lease) = rig.lease().await {
        rig.controller.handle(lease).await.expect("the turn ends");
    }
}

/// A run with a crash at `point`, a restart, and all that must hold then.
async fn crash_at(backend: &Backend, point: usize) {
    let clock = Arc::new(VirtualClock::default());
    let actions = Arc::new(Scripted::default());
    let stores = backend.open(clock.clone());
    let fuse = Fuse::at(point);
    let (mut ids, mut acknowledged) = (Vec::new(), Vec::new());
    {
        let rig = Rig::new(fused(&stores, &fuse), &clock, &actions);
        rig.register().await;
        rig.deploy().await;
        tokio::select! {
            biased;
            () = fuse.burnt() => {}
            () = work(&rig, &mut ids, &mut acknowledged) => {}
        }
    }
    stores.close().await;

    let stores = backend.open(clock.clone());
    let rig = Rig::new(stores.clone(), &clock, &actions);
    // I1, before anything else runs: what was acknowledged is there.
    for id in &acknowledged {
        let found = rig.stores.guarantee.load(*id).await.expect("readable");
        assert!(!matches!(found, Found::Nothing), "I1: {id} is lost at {point}");
    }
    let stuck = backend.stuck(clock.clone()).await;
    assert!(stuck.is_empty(), "I1: at {point}: {stuck:#?}");
    // A client that got no answer sends the same again.
    for (id, (payload, ..)) in ids.iter().zip(stories()) {
        rig.submit_body(&envelope(*id, &payload)).await.expect("accepted");
    }
    rig.run().await;
    let what = format!("at {point}");
    for (id, story) in ids.iter().zip(stories()) {
        assert_end(&rig, *id, &story, &what).await;
    }
    actions.assert_fixed_input();
    assert_shown(&rig, &what).await;
    rig.stores.close().await;
}

/// The number of crash points of a run without a crash.
async fn points(backend: &Backend) -> usize {
    let clock = Arc::new(VirtualClock::default());
    let fuse = Fuse::never();
    let stores = backend.open(clock.clone());
    let rig = Rig::new(fused(&stores, &fuse), &clock, &Arc::default());
    rig.register().await;
    work(&rig, &mut Vec::new(), &mut Vec::new()).await;
    drop(rig);
    stores.close().await;
    fuse.points()
}

#[tokio::test]
async fn i1_i3_i4_i6_hold_at_every_crash_point() {
    for backend in Backend::all() {
        let points = points(&backend.another()).await;
        assert!(points > 50, "only {points} points on {}", backend.name());
        for point in 0..points {
            crash_at(&backend.another(), point).await;
        }
        println!("{}: {points} crash points", backend.name());
    }
}

/// Messages that others move: who does it does it again after a crash, unless it
/// is seen to be done.
#[derive(Default)]
struct Moved {
    ids: Vec<MsgId>,
    /// Signals as they were signed: sent again, they are the same.
    approvals: Vec<String>,
}

/// What the messages are told to do, and where each must end: approved by two,
/// cancelled while it waits, redriven and failed again.
fn moved() -> [Story; 3] {
    [
        (json!({"first": "large"}), "done", 5),
        (json!({"first": "large"}), "refused", 3),
        (json!({"first": "permanent"}), "failed", 3),
    ]
}

async fn has(rig: &Rig, id: MsgId, cause: Cause) -> bool {
    let records = match rig.stores.guarantee.load(id).await.expect("readable") {
        Found::Open(loaded) => loaded.records,
        Found::Archived => {
            let packed = rig.stores.archive.get(id).await.expect("readable").expect("a bundle");
            Bundle::unpack(&packed).expect("a bundle").records
        }
        Found::Nothing => Vec::new(),
    };
    records.iter().any(|record| record.record().expect("a record").cause == cause)
}

/// Submits, moves and runs everything; the same before and after a crash.
async fn work_moved(rig: &Rig, moved_so_far: &mut Moved) {
    for (n, (payload, ..)) in moved().iter().enumerate() {
        if moved_so_far.ids.len() == n {
            moved_so_far.ids.push(rig.msg_id().await);
        }
        let body = envelope(moved_so_far.ids[n], payload);
        rig.submit_body(&body).await.expect("accepted");
    }
    let [approved, cancelled, redriven] = moved_so_far.ids[..] else { panic!("three messages") };
    rig.run_now().await;
    for member in 0..2 {
        if moved_so_far.approvals.len() == member {
            let body = rig.signal_envelope(approved, "approve", member).await;
            moved_so_far.approvals.push(body);
        }
        let body = moved_so_far.approvals[member].as_bytes();
        match rig.intake.signal(approved, &"approve".parse().expect("a name"), body).await {
            Ok(_) => {}
            // It was taken before the crash.
            Err(IntakeError::Refused(refusal, _)) => {
                let before = [Code::MsgIdUsed, Code::SignalTwice, Code::SignalLate];
                assert!(before.contains(&refusal.code), "{refusal}");
            }
            Err(IntakeError::Fault(fault)) => panic!("{fault}"),
        }
    }
    if !has(rig, cancelled, Cause::Cancel).await {
        rig.operator.cancel(cancelled, "ops", "by hand").await.expect("cancelled");
    }
    if !has(rig, redriven, Cause::Redrive).await {
        rig.operator.redrive(redriven, None, "ops", "once more").await.expect("redriven");
    }
    while let Some(lease) = rig.lease().await {
        rig.controller.handle(lease).await.expect("the turn ends");
    }
}

async fn crash_moved_at(backend: &Backend, point: usize) {
    let clock = Arc::new(VirtualClock::default());
    let actions = Arc::new(Scripted::default());
    let stores = backend.open(clock.clone());
    let fuse = Fuse::at(point);
    let mut moved_so_far = Moved::default();
    {
        let rig = Rig::new(fused(&stores, &fuse), &clock, &actions);
        rig.register().await;
        tokio::select! {
            biased;
            () = fuse.burnt() => {}
            () = work_moved(&rig, &mut moved_so_far) => {}
        }
    }
    stores.close().await;
    clock.stand_still(false);

    let stores = backend.open(clock.clone());
    let rig = Rig::new(stores.clone(), &clock, &actions);
    work_moved(&rig, &mut moved_so_far).await;
    let what = format!("at {point}");
    for (id, story) in moved_so_far.ids.iter().zip(moved()) {
        assert_end(&rig, *id, &story, &what).await;
    }
    actions.assert_fixed_input();
    assert_shown(&rig, &what).await;
    rig.stores.close().await;
}

#[tokio::test]
async fn i1_i3_i4_i6_hold_when_others_move_messages() {
    for backend in Backend::all() {
        let clock = Arc::new(VirtualClock::default());
        let fuse = Fuse::never();
        let counted = backend.another();
        let stores = counted.open(clock.clone());
        let rig = Rig::new(fused(&stores, &fuse), &clock, &Arc::default());
        rig.register().await;
        work_moved(&rig, &mut Moved::default()).await;
        drop(rig);
        stores.close().await;
        assert!(fuse.points() > 50, "only {} points on {}", fuse.points(), backend.name());
        for point in 0..fuse.points() {
            crash_moved_at(&backend.another(), point).await;
        }
        println!("{}: {} crash points when others move messages", backend.name(), fuse.points());
    }
}
