//! What the messages of these tests do, and what must be true of all of them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use surety_core::types::MsgId;
use surety_store::{Bodies, Finding};
use surety_tests::backend;
use surety_tests::clock::VirtualClock;
use surety_tests::cloud::Cloud;
use surety_tests::rig::Rig;
use surety_tests::scripted::Scripted;
use surety_tests::servers::tables;
use surety_tests::story::Story;

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

/// An empty cloud, and a host on it with its workflow deployed and the clients registered.
pub(crate) async fn begin(bodies: Bodies) -> (Arc<Cloud>, Rig) {
    begin_on(Cloud::start(bodies)).await
}

/// The same on a cloud that is empty.
pub(crate) async fn begin_on(cloud: Arc<Cloud>) -> (Arc<Cloud>, Rig) {
    let clock = Arc::new(VirtualClock::default());
    let rig = Rig::new(cloud.open(clock.clone()), &clock, &Arc::new(Scripted::default()));
    rig.register().await;
    rig.deploy().await;
    (cloud, rig)
}

/// Asserts that something will move every open message.
pub(crate) async fn assert_none_stuck(cloud: &Cloud, clock: &Arc<VirtualClock>, what: &str) {
    let problems = problems(cloud, clock).await;
    assert!(problems.is_empty(), "{problems:?} {what}");
}

/// What the doctor says of messages that nothing will move.
pub(crate) async fn problems(cloud: &Cloud, clock: &Arc<VirtualClock>) -> Vec<Finding> {
    backend::problems(cloud.examine_messages(clock.clone()).await)
}

/// How many records and large objects there are: none of them of messages that are archived.
pub(crate) async fn left_behind(cloud: &Cloud) -> (usize, usize) {
    let scan = tables(&cloud.dynamo().url()).scan().table_name("surety-records");
    let records = scan.send().await.expect("read").items().len();
    let files = |folder: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_dir(folder.expect("readable").path()).map_or(0, Iterator::count)
    };
    let folders = std::fs::read_dir(cloud.objects().join("large"));
    (records, folders.map_or(0, |folders| folders.map(files).sum()))
}

/// The row of a Msg_ID, as the table has it.
pub(crate) async fn row(cloud: &Cloud, id: MsgId) -> HashMap<String, AttributeValue> {
    let get = tables(&cloud.dynamo().direct_url()).get_item().table_name("surety-messages");
    let get = get.key("msg_id", AttributeValue::S(id.to_string())).consistent_read(true);
    get.send().await.expect("it is read").item.expect("a row")
}

/// What became of a Msg_ID, in the row's own word.
pub(crate) async fn status(cloud: &Cloud, id: MsgId) -> String {
    row(cloud, id).await["status"].as_s().expect("a word").clone()
}
