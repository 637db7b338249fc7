//! Each kind of step once, through two hosts of one account: what one host began, the
//! other goes on with.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use surety_tests::host::{Host, WAY, sign, withdrawal};
use surety_tests::rig::client_key;

use crate::account::{Account, payout_text};
use crate::kill::wait_for_workflows;
use crate::treasury::{BROKEN, LATER};

/// Ether that two of the board must approve.
pub(crate) const LARGE: &str = "30000000000000000000";

/// Ether that is held for five seconds, in which it can be denied.
const HELD: &str = "5000000000000000000";

/// How long a message may take to where it is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long it is asked again.
const ASK_EACH: Duration = Duration::from_millis(100);

fn send(host: &Host, id: &str, text: &Value) {
    let body = sign(&client_key(), &text.to_string()).to_string();
    let (status, answer) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{id}: {answer}");
    // Again, as who got no answer would.
    assert_eq!(host.ask("POST", "/v1/messages", &body).unwrap(), (200, answer));
}

pub(crate) fn withdraw(host: &Host, amount: &str) -> String {
    let id = host.msg_id().unwrap();
    let mut text = withdrawal(&id);
    text["payload"]["amount"] = json!(amount);
    send(host, &id, &text);
    id
}

pub(crate) fn pay(host: &Host, asset: &str) -> String {
    let id = host.msg_id().unwrap();
    send(host, &id, &payout_text(&id, asset));
    id
}

/// Waits until a message is in a state, seen from one host.
pub(crate) fn reaches(host: &Host, id: &str, state: &str) {
    let begun = Instant::now();
    loop {
        let (_, message) = host.ask("GET", &format!("/v1/messages/{id}"), "").unwrap();
        if message["msg_state"] == state {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{id} does not come to {state}: {message}");
        std::thread::sleep(ASK_EACH);
    }
}

/// One of the board approves, through a host.
pub(crate) fn approve(account: &Account, host: &Host, id: &str, member: usize) {
    let key = account.board(member);
    let _ = host.done(&["message", "signal", id, "approve", "--client", "board", "--key", &key]);
}

/// The states and causes of a message that ended, by its verified bundle.
pub(crate) fn way(host: &Host, id: &str) -> Vec<(String, String)> {
    let records = host.bundle(id).verify().unwrap_or_else(|e| panic!("I10: {id}: {e}"));
    let seqs: Vec<_> = records.iter().map(|r| r.seq).collect();
    assert_eq!(seqs, (0..records.len() as u64).collect::<Vec<_>>(), "I3: {id}");
    for record in &records {
        if let Some(failure) = &record.failure {
            println!("{id} at {}: {failure}", record.to);
        }
    }
    records.iter().map(|r| (r.to.to_string(), r.cause.as_str().to_owned())).collect()
}

pub(crate) fn states(way: &[(String, String)]) -> Vec<&str> {
    way.iter().map(|(state, _)| state.as_str()).collect()
}

/// The states with their causes, from one on.
#[track_caller]
fn assert_ends(way: &[(String, String)], expected: &[(&str, &str)]) {
    let last = &way[way.len() - expected.len()..];
    let last: Vec<_> = last.iter().map(|(s, c)| (s.as_str(), c.as_str())).collect();
    assert_eq!(last, expected);
}

pub(crate) fn run(account: &Account) {
    let begun = Instant::now();
    let (mut one, mut other) = (account.start(0), account.start(1));
    account.deploy(&one);
    wait_for_workflows(&other);

    let small = withdraw(&one, "250000000000000000");
    let (approved, cancelled) = (withdraw(&other, LARGE), withdraw(&one, LARGE));
    let held = withdraw(&other, HELD);
    let (paid, later, broken) = (pay(&one, "ETH"), pay(&other, LATER), pay(&one, BROKEN));

    // Signals, given through both hosts; and an operator's word.
    reaches(&one, &approved, "awaiting_approval");
    reaches(&other, &cancelled, "awaiting_approval");
    approve(account, &one, &approved, 0);
    approve(account, &other, &approved, 1);
    let _ = other.done(&["message", "cancel", &cancelled, "--reason", "by phone"]);

    // Parked, through a restart of everybody, and on again.
    reaches(&other, &broken, "failed");
    assert!(one.stop() && other.stop(), "hosts stop");
    let (mut one, mut other) = (account.start(0), account.start(1));
    account.treasury.mend();
    let _ = other.done(&["redrive", &broken, "--reason", "the treasury was mended"]);

    for id in [&small, &approved, &cancelled, &held, &paid, &later, &broken] {
        let end = one.end_of(id);
        assert_eq!((&end["final"], &end["parked"]), (&json!(true), &json!(false)), "{end}");
    }
    assert_eq!(states(&way(&other, &small)), WAY);
    let signalled = way(&one, &approved);
    assert_eq!(signalled.iter().filter(|(_, cause)| cause == "signal").count(), 2);
    assert_eq!(signalled.last().unwrap().0, "notified");
    assert_ends(&way(&one, &cancelled), &[("awaiting_approval", "choice"), ("rejected", "cancel")]);
    let timed = way(&other, &held);
    assert!(timed.contains(&("approved".to_owned(), "timer".to_owned())), "{timed:?}");
    assert_ends(&way(&other, &paid), &[("paid", "action"), ("booked", "timer")]);
    assert_eq!(states(&way(&one, &later)), ["asked", "asked", "paid", "booked"], "a retry");
    let mended = way(&one, &broken);
    assert_eq!(states(&mended), ["asked", "failed", "asked", "paid", "booked"]);
    assert_eq!(mended[2].1, "redrive");

    assert!(one.stop() && other.stop(), "hosts stop");
    let (swept, left) = account.sweep();
    assert_eq!(left, Account::feeders(), "queues of no open message: {swept:?}");
    let report = one.done(&["reconcile", "--check", "--config", &account.config()]);
    assert_eq!(report[0]["archived"], 7, "{report:?}");
    revoked(account);
    println!("8 stories in {:.1} s: {report:?}", begun.elapsed().as_secs_f64());
}

/// What is revoked through one host is soon called by no other.
fn revoked(account: &Account) {
    let (mut one, mut other) = (account.start(0), account.start(1));
    let _ = one.done(&["action", "revoke", &account.payout(), "--reason", "leaks"]);
    // Whatever happens from here on, the other does it.
    assert!(one.stop(), "the host stops");
    let begun = Instant::now();
    let parked = loop {
        let id = pay(&other, "ETH");
        let end = other.end_of(&id);
        if end["parked"] == true {
            break end;
        }
        // Called before the other followed.
        assert_eq!(end["msg_state"], "booked", "{end}");
        assert!(begun.elapsed() < PATIENCE, "the other goes on calling it");
    };
    assert_eq!(parked["msg_state"], "failed", "{parked}");
    let error = parked["last_error"].as_str().unwrap();
    let revoked =
        error.starts_with("missing: `payout@1.0.0`") && error.contains("is revoked: leaks");
    assert!(revoked, "{error}");
    assert!(other.stop(), "the host stops");
}
