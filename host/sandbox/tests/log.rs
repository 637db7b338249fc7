//! What a module logs, and how much of it.

mod support;

use support::{Bench, DONE, Logged, core, done, limits};
use surety_core::machine::Ran;
use surety_sandbox::Limits;

/// Logs the text at 4096 with this length, so many times.
fn logging(text: &str, length: usize, times: usize) -> String {
    core(
        &format!("(data (i32.const 4096) \"{text}\")"),
        &format!(
            "(local $i i32)
             (loop $l
                (call $log (i32.const 1) (i32.const 4096) (i32.const {length}))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const {times}))))
             {DONE}"
        ),
    )
}

async fn logged(limits: Limits, core: &str) -> (Ran, Vec<String>) {
    let bench = Bench::new(limits);
    let logged = Logged::start();
    let ran = bench.run_core(core).await;
    let lines = logged.take();
    let guest = |line: &&str| line.contains("surety::guest");
    (ran, lines.lines().filter(guest).map(|line| line.trim().to_owned()).collect())
}

#[tokio::test]
async fn a_line_says_whose_it_is_and_stays_one() {
    let (ran, lines) = logged(limits(), &logging("one\\0atwo\\1b[31m", 12, 1)).await;
    assert_eq!(ran.outcome.unwrap(), done());
    assert_eq!(
        lines,
        [
            r"INFO surety::guest: one\ntwo\u{1b}[31m module=hostile@1.0.0 msg_id=0190a0b0-c0d0-7000-8000-000000000001"
        ]
    );
}

#[tokio::test]
async fn a_flood_is_cut_and_counted_and_fails_nothing() {
    let (ran, lines) = logged(limits(), &logging("text", 4, 900)).await;
    assert_eq!(ran.outcome.unwrap(), done());
    assert_eq!(lines.len(), 101);
    assert!(lines[100].contains("800 log lines were cut or dropped"), "{}", lines[100]);
}

#[tokio::test]
async fn a_long_line_is_cut_between_characters() {
    let limits = Limits { log_bytes_max: 5, ..limits() };
    // Twice two characters of two bytes.
    let (ran, lines) = logged(limits, &logging("\\c3\\bc\\c3\\bc", 4, 2)).await;
    assert_eq!(ran.outcome.unwrap(), done());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains(": üü module"), "{}", lines[0]);
    assert!(lines[1].contains("1 log lines were cut or dropped"), "{}", lines[1]);
}

#[tokio::test]
async fn a_text_that_is_none_ends_the_call() {
    let (ran, lines) = logged(limits(), &logging("\\ff", 1, 1)).await;
    let failure = ran.outcome.unwrap_err();
    assert!(failure.detail.contains("invalid utf-8"), "{failure}");
    assert!(lines.is_empty());
    let limits = Limits { output_bytes_max: 1_000, ..limits() };
    let failure = logged(limits, &logging("", 1_001, 1)).await.0.outcome.unwrap_err();
    assert_eq!(failure.detail, "the limit `output_bytes_max` of 1000 is reached");
}
