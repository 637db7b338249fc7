//! Several hosts on one set of queues and tables: the real binary as several processes,
//! on SQS as other people read it, killed all the time.
//!
//! `SURETY_SCALE_KILLS` says how often, 60 unless told; `SURETY_SCALE_SEED` repeats a
//! run's moments; `SURETY_SCALE_LOG` says what the hosts log, `error` unless told.
//!
//! ```text
//! account   queues, tables and objects, and the hosts on them
//! treasury  a slow service that an action asks
//! kill      messages while hosts are killed, and what must hold in the end
//! sleep     a host that is paused with a message in hand
//! stories   each kind of step once: signals, timers, retries, redrive, cancel, revocation
//! moving    a host alone that grows, and takes its messages along
//! ```

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

mod account;
mod kill;
mod moving;
mod sleep;
mod stories;
mod treasury;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use surety_cloud::{Chaos, FaultPlan, Knob, Sqs};
use surety_tests::emulators::Emulator;
use surety_tests::servers::{dynamo, sqs};

use account::Account;

/// One at a time: each has the machine for itself, or what is measured is the others.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a reply is lost, and how often a request.
const LOST: f64 = 0.02;

#[test]
fn i1_i3_hold_while_hosts_are_killed() {
    let _turn = turn();
    let (queues, tables) = (Emulator::ministack("sqs"), dynamo(FaultPlan::none()));
    kill::run(&Account::new(&queues.url(), &tables.url()));
}

#[test]
fn i1_i3_hold_while_hosts_are_killed_and_replies_are_lost() {
    let _turn = turn();
    let seed = kill::seed();
    let lossy = Chaos {
        seed,
        lost_before: Knob::chance(LOST),
        lost_after: Knob::chance(LOST),
        ..Chaos::none()
    };
    let plan = FaultPlan {
        seed,
        lost_before: Knob::chance(LOST),
        lost_after: Knob::chance(LOST),
        ..FaultPlan::none()
    };
    let (queues, tables) = (sqs(Chaos::none()), dynamo(FaultPlan::none()));
    let account = Account::new(&queues.url(), &tables.url());
    queues.set_chaos(lossy);
    tables.set_plan(plan);
    if let Err(failed) = catch_unwind(AssertUnwindSafe(|| kill::run(&account))) {
        show(&queues);
        resume_unwind(failed);
    }
    let lost = queues.hits();
    println!("lost at SQS: {lost:?}");
    assert!(lost["lost_after"] > 0 && lost["lost_before"] > 0, "nothing was lost: {lost:?}");
}

/// What lies in the queues of messages: for whoever looks for what went wrong.
fn show(queues: &Sqs) {
    for name in queues.queues().iter().filter(|name| !Account::feeders().contains(name)) {
        println!("{name}");
        for message in queues.messages(name) {
            let mut body: serde_json::Value = serde_json::from_str(&message.body).unwrap();
            // What tells versions apart, and not what they hold.
            body.as_object_mut().unwrap().retain(|_, value| value.to_string().len() < 64);
            let (id, count) = (message.id, message.receive_count);
            println!("  {id} at {}, received {count} times: {body}", message.visible_at);
        }
    }
}

#[test]
fn stories_come_to_their_ends_on_ministack_alone() {
    let _turn = turn();
    let aws = Emulator::ministack("sqs,dynamodb,s3");
    stories::run(&Account::with_bucket(&aws.url()));
}

#[test]
fn stories_come_to_their_ends_on_fifo_queues_of_ministack_and_on_dynoxide() {
    let _turn = turn();
    let (queues, tables) = (Emulator::ministack("sqs"), dynamo(FaultPlan::none()));
    stories::run(&Account::with_fifo(&queues.url(), &tables.url()));
}

#[test]
fn i1_i9_a_host_alone_takes_its_messages_along() {
    let _turn = turn();
    let (queues, tables) = (sqs(Chaos::none()), dynamo(FaultPlan::none()));
    moving::run(&Account::new(&queues.url(), &tables.url()));
}

#[test]
fn i1_i3_i4_a_host_that_was_paused_with_a_message_in_hand_commits_nothing() {
    let _turn = turn();
    let (queues, tables) = (sqs(Chaos::none()), dynamo(FaultPlan::none()));
    sleep::run(&Account::new(&queues.url(), &tables.url()));
}

#[test]
#[ignore = "slow lane: `cargo xtask test --slow`"]
fn i1_i3_hold_while_hosts_are_killed_behind_microburst() {
    let _turn = turn();
    let (queues, tables) = (Emulator::ministack("sqs"), dynamo(FaultPlan::none()));
    // Done, and nobody is answered; and a connection that ends before anything is done.
    let rules = json!([
        {"service": "*", "probability": LOST, "response": {"abort_bytes": 0}},
        {"service": "*", "probability": LOST, "reset": true},
        {"service": "sqs", "probability": LOST, "error": {"code": "RequestThrottled", "status": 400}},
    ]);
    let proxy = Emulator::microburst(&queues.url());
    let account = Account::new(&proxy.url(), &tables.url());
    proxy.rules(&rules);
    kill::run(&account);
    let (faults, requests) = proxy.faults();
    println!("microburst: {faults} faults in {requests} requests");
    assert!(faults > 0, "microburst did nothing in {requests} requests");
}

#[test]
#[ignore = "slow lane: `cargo xtask test --slow`"]
fn stories_come_to_their_ends_on_localstack() {
    let _turn = turn();
    let (queues, tables) = (Emulator::localstack(), dynamo(FaultPlan::none()));
    stories::run(&Account::new(&queues.url(), &tables.url()));
}
