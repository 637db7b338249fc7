//! What the messages of these tests do, and what must be true at the end.

use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::ports::Found;
use surety_core::reconcile::{Mode, reconcile};
use surety_core::types::MsgId;
use surety_tests::clock::VirtualClock;
use surety_tests::cloud::Cloud;
use surety_tests::rig::{Rig, text};
use surety_tests::scripted::Scripted;

/// What a message is told, where it must end, and after how many revisions.
pub(crate) type Story = (Value, &'static str, u64);

/// One of each way that a message may go without anybody's help.
pub(crate) fn stories() -> Vec<Story> {
    vec![
        (json!({"first": "ok"}), "done", 2),
        (json!({"first": "heals"}), "done", 3),
        (json!({"first": "ok", "second": "permanent"}), "failed", 2),
        (json!({"first": "small"}), "done", 3),
        (json!({"first": "large"}), "expired", 3),
    ]
}

/// A host on a cloud, with the clients registered.
pub(crate) async fn host(cloud: &Arc<Cloud>, clock: &Arc<VirtualClock>) -> Rig {
    let stores = cloud.open(clock.clone());
    Rig::new(stores, clock, &Arc::new(Scripted::default()))
}

/// Asserts that a message ended as it must: once, whole, and as it was signed.
pub(crate) async fn assert_end(rig: &Rig, id: MsgId, story: &Story, what: &str) {
    let (payload, end, revisions) = story;
    let shown = rig.stores.reference.get(id).await.expect("readable").expect("shown");
    assert_eq!(shown.msg_state.as_str(), *end, "I1: {id} {what}");
    assert_eq!(shown.seq, *revisions, "I3: {id} {what}");
    match rig.stores.guarantee.load(id).await.expect("readable") {
        Found::Open(loaded) => {
            assert!(shown.parked, "{id} {what}");
            assert_eq!(loaded.records.len() as u64, revisions + 1, "I3: {id} {what}");
        }
        Found::Archived => {
            let packed = rig.stores.archive.get(id).await.expect("readable").expect("a bundle");
            let bundle = Bundle::unpack(&packed).expect("a bundle");
            assert_eq!(*bundle.message.text, *text(id, payload), "I2: {id} {what}");
            let records = bundle.verify().expect("I10: the chain holds");
            assert_eq!(records.len() as u64, revisions + 1, "I3: {id} {what}");
        }
        Found::Nothing => panic!("I1: {id} vanished {what}"),
    }
}

/// Asserts that Reference shows what is true, without being rebuilt.
pub(crate) async fn assert_shown(rig: &Rig, what: &str) {
    let stores = &rig.stores;
    let report = reconcile(&*stores.guarantee, &*stores.archive, &*stores.reference, Mode::Check);
    let report = report.await.expect("reconciled");
    assert!(report.is_clean(), "I6: {what}: {report:?}");
}
