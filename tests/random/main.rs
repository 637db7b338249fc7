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
mod drive;
mod guard;
mod reference;
mod smaller;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use surety_store::Memory;
use surety_tests::backend::Backend;
use surety_tests::random::SIGNERS;
use surety_tests::rig::board_key;
use tempfile::TempDir;

use drive::Tally;

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
    drive::assert_start();
    for (member, signer) in SIGNERS.iter().enumerate() {
        assert_eq!(board_key(member).address().to_string(), *signer);
    }
    let mut tally = Tally::default();
    for seed in seeds {
        let case = case::case(seed);
        assert!(case::workflow(&case).is_some(), "seed {seed} makes no workflow: {case:#}");
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

#[test]
fn the_engine_does_what_is_written_in_memory() {
    let tally = run(seeds(0..1_000), || Backend::Memory(Memory::new()));
    let _ = tally;
}

#[test]
fn the_engine_does_what_is_written_on_the_embedded_store() {
    run(seeds(1_000_000..1_000_100), || Backend::Embedded(TempDir::new().expect("a folder")));
}
