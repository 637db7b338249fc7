//! Random workflows through the whole engine, against a plain reading of their
//! file: the same state, Msg_Ext, attempts and records must come out of both,
//! whatever happens to a message, crashes included.
//!
//! `SURETY_SEEDS=1..100000 cargo test -p surety-tests --test random` runs other
//! cases than those of every day.

#![allow(clippy::print_stdout, reason = "what was covered belongs beside the result")]
#![allow(unreachable_pub, reason = "nobody else sees the modules of a test")]

mod actions;
mod case;
mod compare;
mod drive;
mod guard;
mod reference;
mod smaller;
mod tally;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};
use surety_core::ports::Clock as _;
use surety_store::Memory;
use surety_tests::backend::Backend;
use surety_tests::clock::VirtualClock;
use surety_tests::random::SIGNERS;
use surety_tests::rig::board_key;
use tempfile::TempDir;

use tally::Tally;

/// What differs in a case from what must be seen; none if nothing does or the
/// case goes in circles.
fn difference(backend: &Backend, case: &Value, tally: &mut Tally) -> Option<String> {
    let Some(expected) = reference::run(case) else {
        tally.count("circle");
        return None;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let driven = || runtime.block_on(drive::drive(backend, case, &expected, tally));
    match catch_unwind(AssertUnwindSafe(driven)) {
        Ok(ended) => ended.err(),
        Err(_) => Some("it panicked".to_owned()),
    }
}

fn seeds(of_every_day: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("SURETY_SEEDS") else { return of_every_day };
    let (from, to) = text.split_once("..").expect("SURETY_SEEDS is FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Runs the cases of these seeds; panics with the first that fails, made smaller.
fn run(seeds: Range<u64>, backend: impl Fn() -> Backend) -> Tally {
    assert_eq!(VirtualClock::default().now().as_millis(), case::START);
    for (member, signer) in SIGNERS.iter().enumerate() {
        assert_eq!(board_key(member).address().to_string(), *signer);
    }
    let mut tally = Tally::default();
    for seed in seeds {
        let case = case::case(seed);
        let Some(_) = difference(&backend(), &case, &mut tally) else { continue };
        let fails = |case: &Value| difference(&backend(), case, &mut Tally::default()).is_some();
        let case = smaller::smaller(case, fails);
        let difference = difference(&backend(), &case, &mut Tally::default());
        let difference = difference.unwrap_or_else(|| "it fails no more".to_owned());
        panic!("seed {seed}: {difference}\nthe case, made smaller: {case:#}");
    }
    for (what, times) in &tally.0 {
        println!("{times:>6} {what}");
    }
    tally
}

/// The runs say something only if all of this happened, and not once by chance.
const HAPPENS: [&str; 35] = [
    "cause action",
    "cause cancel",
    "cause choice",
    "cause redrive",
    "cause signal",
    "cause timer",
    "crash",
    "crash behind a move",
    "failure guard",
    "failure limit",
    "failure missing",
    "failure permanent",
    "failure timeout",
    "failure transient",
    "failure trap",
    "failure undeclared",
    "failure unreadable",
    "given one of several",
    "outcome cancel_not_declared",
    "outcome guard_failed",
    "outcome not_found",
    "outcome not_parked",
    "outcome redrive_not_declared",
    "outcome signal_early",
    "outcome signal_late",
    "outcome signal_not_allowed",
    "outcome signal_subject",
    "outcome signal_twice",
    "outcome signal_unknown",
    "phase archived",
    "phase parked",
    "phase running",
    "phase waiting",
    "quorum of several",
    "retry",
];

#[test]
fn the_engine_does_what_is_written_in_memory() {
    let tally = run(seeds(0..800), || Backend::Memory(Memory::new()));
    if std::env::var("SURETY_SEEDS").is_err() {
        for what in HAPPENS {
            let times = tally.0.get(what).copied().unwrap_or_default();
            assert!(times > 2, "`{what}` happened {times} times");
        }
    }
}

/// Fewer: here each start of a host opens a file.
#[test]
fn the_engine_does_what_is_written_on_the_embedded_store() {
    run(seeds(1_000_000..1_000_040), || Backend::Embedded(TempDir::new().expect("a folder")));
}

/// What was wrong once, on every backend; in memory with a crash at every point.
#[test]
fn what_was_found_stays_right() {
    /// More calls of ports than any of these cases makes.
    const POINTS: usize = 60;
    let found: Value = serde_json::from_str(include_str!("found.json")).expect("JSON");
    for (name, case) in found.as_object().expect("cases by name") {
        for backend in Backend::all() {
            let difference = difference(&backend, case, &mut Tally::default());
            assert_eq!(difference, None, "{name} on {}", backend.name());
        }
        for point in 0..POINTS {
            let mut case = case.clone();
            case["crashes"] = json!([point]);
            let memory = Backend::Memory(Memory::new());
            let difference = difference(&memory, &case, &mut Tally::default());
            assert_eq!(difference, None, "{name}, with a crash at {point}");
        }
    }
}
