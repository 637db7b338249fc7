//! kill -9 at random moments under load. No acknowledged message is lost (I1),
//! none is committed twice (I3), and what was signed is what is archived (I2).
//!
//! `SURETY_KILL_ROUNDS` says how often, 100 unless told; `SURETY_KILL_SEED`
//! repeats a run's moments.

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use surety_core::crypto::PrivateKey;
use surety_tests::host::{Host, WAY, request, sign, withdrawal};
use surety_tests::rig::client_key;

/// Submitters at a time: more than a group commit's worth is always under way.
const SUBMITTERS: usize = 4;

/// The longest that a host lives, in milliseconds.
const LIFE_MS_MAX: u64 = 400;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// xorshift64*: moments need no better chance, and a seed repeats them.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// Acknowledged messages: id to the exact text that was signed.
type Acknowledged = Mutex<HashMap<String, String>>;

/// Submits until the host is gone, noting what it acknowledged.
fn submit(address: &str, key: &PrivateKey, stop: &AtomicBool, acknowledged: &Acknowledged) {
    while !stop.load(Ordering::SeqCst) {
        let ids =
            request(address, None, "POST", "/v1/msg-ids", br#"{"client_id":"acme","count":20}"#);
        let Ok((201, ids)) = ids else { continue };
        for id in ids["msg_ids"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let text = withdrawal(id).to_string();
            let body = sign(key, &text).to_string();
            match request(address, None, "POST", "/v1/messages", body.as_bytes()) {
                Ok((202, _)) => {
                    let mut all = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                    all.insert(id.to_owned(), text);
                }
                Ok((status, answer)) => panic!("{status}: {answer}"),
                Err(_) => return, // killed
            }
        }
    }
}

#[test]
fn i1_i3_hold_through_kill_9_under_load() {
    let rounds = variable("SURETY_KILL_ROUNDS").unwrap_or(100);
    let seed = variable("SURETY_KILL_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        now.as_nanos() as u64 | 1
    });
    println!("{rounds} kills, SURETY_KILL_SEED={seed}");
    let folder = tempfile::TempDir::new().unwrap();
    let mut chance = seed;
    let acknowledged = Acknowledged::default();
    let mut host = Host::start(folder.path());
    host.deploy();
    for _ in 0..rounds {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..SUBMITTERS {
                scope.spawn(|| submit(host.address(), &client_key(), &stop, &acknowledged));
            }
            std::thread::sleep(Duration::from_millis(next(&mut chance) % LIFE_MS_MAX));
            let pid = host.pid().to_string();
            std::process::Command::new("kill").args(["-9", &pid]).status().expect("kill runs");
            stop.store(true, Ordering::SeqCst);
        });
        host.kill();
        host = Host::start(folder.path());
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() as u64 > rounds, "only {} messages", acknowledged.len());
    for (id, text) in &acknowledged {
        check(&host, id, text);
    }
    // I6: nothing needed mending.
    assert!(host.stop());
    let report = host.done(&["reconcile", "--check"]);
    println!("{} acknowledged, all archived; {report:?}", acknowledged.len());
}

fn check(host: &Host, id: &str, text: &str) {
    let end = host.end_of(id);
    assert_eq!(end["msg_state"], "notified", "I1: {end}");
    assert_eq!(end["seq"], WAY.len() as u64 - 1, "I3: {end}");
    let bundle = host.bundle(id);
    assert_eq!(*bundle.message.text, *text, "I2");
    let records = bundle.verify().unwrap_or_else(|e| panic!("I10: {id}: {e}"));
    let states: Vec<_> = records.iter().map(|r| r.to.as_str()).collect();
    assert_eq!(states, WAY, "I3: {id}");
}
