//! The protocol holds; and with any of the simplifications that look right, it does
//! not. The second half is how one knows that the first can fail.
//!
//! Each test prints the states that it walked through, or the way that it found; see
//! them with `cargo test -p surety-model -- --nocapture`. `SURETY_MODEL=deep` walks
//! further, with more of each at once.

#![allow(clippy::print_stdout, reason = "the figures are what the tests are read for")]

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};
use surety_model::properties::{ARCHIVE, KEPT, NO_LOSS, ONE_COMMIT, PROGRESS};
use surety_model::{Flaw, Protocol, Scope};

/// More would be an error in the model's bounds, and fill the memory.
const MOVES_MAX: usize = 400_000_000;

/// All states of the scope have all properties.
fn holds(name: &str, scope: Scope, flaw: Option<Flaw>) {
    let began = Instant::now();
    let run = Protocol { scope, flaw, property: None }.checker();
    // One thread: counts repeat, and other tests have the other cores.
    let run = run.threads(1).target_state_count(MOVES_MAX);
    let run = run.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{name}: {} states, {} moves, depth {}, {:.1} s, {scope:?}",
        run.unique_state_count(),
        run.state_count(),
        run.max_depth(),
        began.elapsed().as_secs_f64(),
    );
    if let Some((property, way)) = run.discoveries().into_iter().next() {
        let (end, way) = (way.last_state().clone(), way.into_actions());
        panic!("{name}: not so: {property}, after {way:#?}, in {end:#?}");
    }
    assert!(run.state_count() < MOVES_MAX, "{name}: too large to walk through");
}

/// With the flaw, a way leads to a state without the property; a shortest is shown.
fn breaks(property: &'static str, flaw: Flaw, scope: Scope) {
    let run = Protocol { scope, flaw: Some(flaw), property: Some(property) }.checker();
    let run = run.threads(1).target_state_count(MOVES_MAX).spawn_bfs().join();
    let way = run.discovery(property).unwrap_or_else(|| panic!("{flaw:?}: still {property}"));
    let moves: Vec<_> = way.into_actions().iter().map(|m| format!("{m:?}")).collect();
    println!(
        "{flaw:?}: not so: {property}, after {} moves, found in {} states:\n    {}",
        moves.len(),
        run.unique_state_count(),
        moves.join("\n    "),
    );
}

/// The scope for every run of the tests, or that for `SURETY_MODEL=deep`.
fn depth(usual: Scope, deep: Scope) -> Scope {
    match std::env::var("SURETY_MODEL").as_deref() {
        Ok("deep") => deep,
        Ok(other) => panic!("SURETY_MODEL is `{other}`; it can only be `deep`, or not be set"),
        Err(_) => usual,
    }
}

// The protocol as it is built.

#[test]
fn holds_under_faults() {
    let usual = Scope { faults: 2, ..Scope::SMALL };
    holds("faults", depth(usual, Scope { faults: 3, ..usual }), None);
}

/// Pages are forgotten at the end of their second week. Two processes at once multiply
/// the pages, so they renew a message without ext; one process renews one with ext.
#[test]
fn holds_over_weeks() {
    let usual = Scope { weeks: 2, faults: 0, last_rev: 0, ..Scope::SMALL };
    holds("weeks", depth(usual, Scope { faults: 1, ..usual }), None);
    let usual = Scope { weeks: 2, processes: 1, ..Scope::SMALL };
    holds("weeks, with ext", depth(usual, Scope { faults: 2, ..usual }), None);
}

#[test]
fn holds_over_revisions() {
    let usual = Scope { last_rev: 2, ..Scope::SMALL };
    holds("revisions", depth(usual, Scope { faults: 2, ..usual }), None);
}

#[test]
fn holds_when_submitted_twice() {
    let usual = Scope { submissions: 2, ..Scope::SMALL };
    holds("submissions", depth(usual, Scope { faults: 2, ..usual }), None);
}

#[test]
fn holds_with_three_processes() {
    let usual = Scope { processes: 3, faults: 0, ..Scope::SMALL };
    holds("processes", depth(usual, Scope { faults: 1, ..usual }), None);
}

#[test]
fn holds_with_two_messages() {
    let usual = Scope { messages: 2, faults: 0, ..Scope::SMALL };
    holds("messages", depth(usual, Scope { faults: 1, ..usual }), None);
}

/// What is acknowledged comes to its end by the tickets alone, and by the sweeper alone:
/// either makes up for a ticket that was never pushed.
#[test]
fn repush_and_sweeper_suffice_each() {
    let usual = Scope { faults: 2, ..Scope::SMALL };
    let scope = depth(usual, Scope { faults: 3, ..usual });
    holds("tickets alone", Scope { sweeper: false, ..scope }, None);
    holds("sweeper alone", scope, Some(Flaw::NoRepush));
}

// The simplifications that look right.

#[test]
fn without_a_fence_it_commits_twice() {
    breaks(ONE_COMMIT, Flaw::NoFence, Scope::SMALL);
    breaks(ARCHIVE, Flaw::NoFence, Scope::SMALL);
}

#[test]
fn orphans_must_not_be_deleted_eagerly() {
    breaks(NO_LOSS, Flaw::EagerOrphans, Scope::SMALL);
}

#[test]
fn the_first_of_equal_pages_must_not_win() {
    breaks(NO_LOSS, Flaw::FirstCome, Scope::SMALL);
}

#[test]
fn the_old_must_not_be_deleted_before_the_new_is_sent() {
    breaks(PROGRESS, Flaw::DeleteBeforeSend, Scope::SMALL);
}

#[test]
fn a_commit_must_not_come_before_its_pages() {
    breaks(PROGRESS, Flaw::CommitBeforeSend, Scope::SMALL);
}

#[test]
fn somebody_must_push_what_a_crash_left_out() {
    breaks(PROGRESS, Flaw::NoRepush, Scope { sweeper: false, ..Scope::SMALL });
}

#[test]
fn a_refused_commit_may_be_ones_own() {
    breaks(NO_LOSS, Flaw::RefusedIsForeign, Scope::SMALL);
}

#[test]
fn without_renewal_sqs_forgets() {
    breaks(NO_LOSS, Flaw::NoRenewal, Scope { weeks: 2, faults: 0, ..Scope::SMALL });
}

// What the model itself found wrong, or shows that a property can fail.

#[test]
fn an_attempt_must_not_outlive_its_first_page() {
    breaks(NO_LOSS, Flaw::NoDeadline, Scope { weeks: 2, faults: 0, ..Scope::SMALL });
}

/// A row that is deleted can be made again, and what was decided for the first is then
/// done to the second.
#[test]
fn a_removed_admission_must_leave_its_row() {
    breaks(NO_LOSS, Flaw::RowDeleted, Scope { faults: 0, ..Scope::SMALL });
}

#[test]
fn the_bundle_must_come_before_the_row() {
    breaks(NO_LOSS, Flaw::ArchiveLast, Scope::SMALL);
}

#[test]
fn the_client_must_not_hear_early() {
    breaks(KEPT, Flaw::EarlyAnswer, Scope::SMALL);
}
