//! A host that is paused while it has a slow action in hand, for longer than its lease:
//! another one finishes the message, and who wakes up commits nothing of it.

use std::time::{Duration, Instant};

use surety_tests::host::Host;

use crate::account::Account;
use crate::kill::wait_for_workflows;
use crate::stories::{pay, reaches, states, way};
use crate::treasury::KEPT;

/// How long it may take until the treasury is asked.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long it is looked again.
const LOOK_EACH: Duration = Duration::from_millis(10);

/// Waits until the treasury was asked for a payout.
fn is_asked(account: &Account, id: &str) {
    let begun = Instant::now();
    while !account.treasury.orders().contains_key(id) {
        assert!(begun.elapsed() < PATIENCE, "{id} is not asked for");
        std::thread::sleep(LOOK_EACH);
    }
}

/// Asserts that a message is shown as it ended: once, after so many revisions.
fn is_shown(host: &Host, id: &str, revisions: usize) {
    let (status, shown) = host.ask("GET", &format!("/v1/messages/{id}"), "").unwrap();
    assert_eq!(status, 200, "{shown}");
    assert_eq!((&shown["msg_state"], &shown["final"]), (&"booked".into(), &true.into()), "{shown}");
    assert_eq!(shown["seq"], revisions, "I3: {shown}");
}

pub(crate) fn run(account: &Account) {
    let mut one = account.start(0);
    account.deploy(&one);
    let id = pay(&one, KEPT);
    is_asked(account, &id);
    one.pause();

    // It says its lease no more, so that the message is anybody's when that is over.
    let mut other = account.start(1);
    wait_for_workflows(&other);
    reaches(&other, &id, "booked");
    let told = way(&other, &id);
    let mut passed = states(&told);
    passed.dedup();
    assert_eq!(passed, ["asked", "paid", "booked"]);
    is_shown(&other, &id, told.len() - 1);

    // Its answer is there when it wakes up, and it means to commit what it makes of it.
    account.treasury.let_go();
    one.resume();
    assert_eq!(way(&one, &id), told, "I10");
    assert!(other.stop(), "the host stops");
    // Alone, it goes on with what comes, and what it had in hand is over before it stops.
    let next = pay(&one, "ETH");
    let end = one.end_of(&next);
    assert_eq!(end["msg_state"], "booked", "{end}");
    assert_eq!(way(&one, &id), told, "I3");
    is_shown(&one, &id, told.len() - 1);
    assert!(one.stop(), "the host stops");

    // I4: both asked as one, so that the treasury paid once.
    let orders = account.treasury.orders();
    assert_eq!(orders[&id].keys().collect::<Vec<_>>(), [&format!("{id}-0-0")], "I4");
    assert!(orders[&id].values().sum::<usize>() > 1, "only one asked: {orders:?}");
    let (swept, left) = account.sweep();
    assert_eq!(left, Account::feeders(), "queues of no open message: {swept:?}");
    assert_eq!((swept.messages, swept.failed), (0, 0), "{swept:?}");
    let report = one.done(&["reconcile", "--check", "--config", &account.config()]);
    assert_eq!(report[0]["archived"], 2, "{report:?}");
}
