//! A host alone, whose messages, modules and workflows are moved to queues and tables
//! when one machine is not enough: what it had begun goes on there.

use serde_json::json;
use surety_tests::host::{Host, WAY, sign, withdrawal};
use surety_tests::rig::client_key;

use crate::account::Account;
use crate::stories::{LARGE, approve, pay, reaches, states, way, withdraw};
use crate::treasury::BROKEN;

/// Asserts that the doctor names no message that nothing moves, while a host runs.
fn deep(host: &Host, config: &str) {
    let found = host.done(&["doctor", "--deep", "--config", config]).remove(0);
    let open = found.as_array().unwrap().last().unwrap();
    assert_eq!((&open["what"], &open["grade"]), (&json!("the open messages"), &json!("good")));
}

pub(crate) fn run(account: &Account) {
    let (config, data) = account.alone();
    let mut alone = Host::start_with(&data, &["--config", &config]);
    account.deploy(&alone);
    let small = withdraw(&alone, "250000000000000000");
    let waits = withdraw(&alone, LARGE);
    let broken = pay(&alone, BROKEN);
    let unused = alone.msg_id().unwrap();
    let archived = alone.end_of(&small);
    assert_eq!(archived["msg_state"], "notified", "{archived}");
    let proof = alone.bundle(&small);
    reaches(&alone, &waits, "awaiting_approval");
    approve(account, &alone, &waits, 0);
    reaches(&alone, &broken, "failed");
    deep(&alone, &config);
    assert!(alone.stop(), "the host stops");

    account.move_here();
    account.treasury.mend();
    let mut host = account.start(0);
    // I9: what was used stays so, and what was not can be.
    let text = |id: &str| sign(&client_key(), &withdrawal(id).to_string()).to_string();
    let (status, again) = host.send_when_ready(&text(&small));
    assert_eq!(status, 200, "it is kept already: {again}");
    let (status, fresh) = host.send_when_ready(&text(&unused));
    assert_eq!(status, 202, "{fresh}");
    // The other half of the quorum, and a person's word.
    approve(account, &host, &waits, 1);
    let _ = host.done(&["redrive", &broken, "--reason", "the treasury was mended"]);
    for id in [&waits, &broken, &unused] {
        let end = host.end_of(id);
        assert_eq!((&end["final"], &end["parked"]), (&json!(true), &json!(false)), "{end}");
    }
    assert_eq!(states(&way(&host, &unused)), WAY);
    assert_eq!(host.bundle(&small), proof, "I10: the proof is the same");
    let approved = way(&host, &waits);
    assert_eq!(approved.iter().filter(|(_, cause)| cause == "signal").count(), 2);
    assert_eq!(approved.last().unwrap().0, "notified");
    assert_eq!(states(&way(&host, &broken)), ["asked", "failed", "asked", "paid", "booked"]);
    deep(&host, &account.config());
    assert!(host.stop(), "the host stops");
    let report = host.done(&["reconcile", "--check", "--config", &account.config()]);
    assert_eq!(report[0]["archived"], 4, "{report:?}");
}
