//! What a message does in a test, and what must be true once it is through.

use serde_json::Value;
use surety_core::bundle::Bundle;
use surety_core::ports::Found;
use surety_core::reconcile::{Mode, reconcile};
use surety_core::types::MsgId;

use crate::rig::{Rig, text};

/// What a message is told, where it must end, and after how many revisions.
pub type Story = (Value, &'static str, u64);

/// Asserts that a message ended as it must: once, whole, and as it was signed
/// (I1, I2, I3, I10).
///
/// # Panics
/// When it did not.
pub async fn assert_end(rig: &Rig, id: MsgId, story: &Story, what: &str) {
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

/// Asserts that Reference shows what is true, without being rebuilt (I6).
///
/// # Panics
/// When it does not.
pub async fn assert_shown(rig: &Rig, what: &str) {
    let stores = &rig.stores;
    let report = reconcile(&*stores.guarantee, &*stores.archive, &*stores.reference, Mode::Check);
    let report = report.await.expect("reconciled");
    assert!(report.is_clean(), "I6: {what}: {report:?}");
}
