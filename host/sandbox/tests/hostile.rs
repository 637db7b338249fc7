//! Modules that mean harm: each harms only its own call, and the call's failure
//! says which limit or trap ended it. Names I7 and I8.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{
    Bench, DONE, action, assert_failure, call, composed, core, done, encode, failure, limits,
    manifest, with_manifest,
};
use surety_core::effect::Closed;
use surety_core::machine::Ran;
use surety_core::ports::{Actions, Fault};
use surety_core::record::FailureKind::{Limit, Permanent, Timeout, Transient, Trap};
use surety_sandbox::Limits;

const LOOP: &str = "(loop $l (br $l)) unreachable";

#[tokio::test]
async fn an_answer_comes_with_fuel_and_engine() {
    let Ran { outcome, fuel, engine, effects } = Bench::new(limits()).run(DONE).await;
    assert_eq!(outcome.unwrap(), done());
    assert!((1..10_000).contains(&fuel), "{fuel}");
    assert!(engine.starts_with("wasmtime 48.") && effects.is_empty(), "{engine}");
}

#[tokio::test]
async fn a_refusal_of_the_action_is_its_own() {
    for (case, kind) in [(0, Transient), (1, Permanent)] {
        let body = format!(
            "(i32.store8 (i32.const 1024) (i32.const 1))
             (i32.store8 (i32.const 1028) (i32.const {case}))
             (i32.store (i32.const 1032) (i32.const 2048))
             (i32.store (i32.const 1036) (i32.const 4)) {DONE}"
        );
        assert_failure(&failure(limits(), &body).await, kind, "done");
    }
}

#[tokio::test]
async fn traps_have_their_names() {
    let table = [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "integer divide by zero"),
        ("(i32.load (i32.const -4))", "out of bounds memory access"),
        ("(call $run (local.get 0))", "call stack exhausted"),
    ];
    for (body, name) in table {
        assert_failure(&failure(limits(), body).await, Trap, name);
    }
}

#[tokio::test]
async fn a_loop_runs_out_of_fuel() {
    let bench = Bench::new(Limits { fuel_max: 10_000, ..limits() });
    let ran = bench.run(LOOP).await;
    assert_failure(&ran.outcome.unwrap_err(), Limit, "the limit `fuel_max` of 10000 is reached");
    assert!((10_000..10_100).contains(&ran.fuel), "{}", ran.fuel);
}

#[tokio::test]
async fn moving_bytes_costs_fuel() {
    let body =
        "(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $l)) unreachable";
    let bench = Bench::new(Limits { fuel_max: 1_000_000, ..limits() });
    let failure = bench.run(body).await.outcome.unwrap_err();
    assert_failure(&failure, Limit, "the limit `fuel_max` of 1000000 is reached");
}

#[tokio::test]
async fn i8_a_loop_lets_other_messages_pass_on_its_own_thread() {
    let limits = Limits { fuel_max: 1 << 50, wall_ms_max: 200, ..limits() };
    let bench = Arc::new(Bench::new(limits));
    let quick = with_manifest(encode(&core("", DONE), None), &manifest("quick", "1.0.0"));
    let (quick, slow) = (bench.deploy(&quick), bench.deploy(&action(&core("", LOOP))));
    let slow = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            bench.sandbox.run(&slow, call(), Arc::new(Closed)).await.unwrap().outcome
        })
    };
    for _ in 0..10 {
        // A timer, which is input from outside; then a call.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let ran = bench.sandbox.run(&quick, call(), Arc::new(Closed)).await.unwrap();
        assert_eq!(ran.outcome.unwrap(), done());
    }
    assert!(!slow.is_finished());
    let failure = slow.await.unwrap().unwrap_err();
    assert_failure(&failure, Timeout, "the limit `wall_ms_max` of 200 is reached");
}

#[tokio::test]
async fn more_calls_than_the_pool_has_room_for_wait() {
    let bench = Bench::new(Limits { concurrency: 1, wall_ms_max: 3, ..limits() });
    // Until it is known for quick calls.
    for _ in 0..20 {
        assert_eq!(bench.run(DONE).await.outcome.unwrap(), done());
    }
    let module = bench.deploy(&action(&core("", LOOP)));
    let run = || bench.sandbox.run(&module, call(), Arc::new(Closed));
    let (a, b, c) = tokio::join!(run(), run(), run());
    for ran in [a, b, c] {
        assert_eq!(ran.unwrap().outcome.unwrap_err().kind, Timeout);
    }
}

#[tokio::test]
async fn a_call_that_may_not_begin_any_more_when_it_is_its_turn_does_not() {
    let bench = Bench::new(Limits { concurrency: 1, wall_ms_max: 20, ..limits() });
    let slow = bench.deploy(&action(&core("", LOOP)));
    let next = with_manifest(encode(&core("", DONE), None), &manifest("next", "1.0.0"));
    let next = bench.deploy(&next);
    let revoked = AtomicBool::new(false);
    let may = || match revoked.load(Ordering::SeqCst) {
        true => Err(Fault::Unavailable("revoked".to_owned())),
        false => Ok(()),
    };
    let call = call();
    let run = |module| bench.sandbox.measure(module, &call, Arc::new(Closed), &may);
    let waits = async {
        tokio::task::yield_now().await; // behind the slow one
        tokio::join!(run(&next), async { revoked.store(true, Ordering::SeqCst) }).0
    };
    let (slow, next) = tokio::join!(run(&slow), waits);
    assert_eq!(slow.unwrap().ran.outcome.unwrap_err().kind, Timeout);
    assert!(matches!(next, Err(Fault::Unavailable(why)) if why == "revoked"));
}

#[tokio::test]
async fn i8_all_memories_and_tables_count_together() {
    let limits = Limits { memory_bytes_max: 1 << 20, ..limits() };
    let grow =
        |grow: &str| format!("(loop $l (br_if $l (i32.ge_s {grow} (i32.const 0)))) unreachable");
    let one = core("", &grow("(memory.grow (i32.const 1))"));
    // Each of both would fit, together they do not.
    let two = core(
        "(memory $second 0)",
        "(if (i32.lt_s (memory.grow (i32.const 7)) (i32.const 0)) (then (i32.const 0) (return)))
         (if (i32.lt_s (memory.grow $second (i32.const 8)) (i32.const 0)) (then unreachable))
         i32.const 1024",
    );
    let table =
        core("(table $t 0 funcref)", &grow("(table.grow $t (ref.null func) (i32.const 1000))"));
    let beyond = core("", "(drop (memory.grow (i32.const 65535))) unreachable");
    let start = core("(memory $second 15)", DONE);
    for core in [one, two, table, beyond, start] {
        let failure = Bench::new(limits).run_core(&core).await.outcome.unwrap_err();
        assert_failure(&failure, Limit, "the limit `memory_bytes_max` of 1048576 is reached");
    }
}

#[tokio::test]
async fn i8_memories_of_all_instances_count_together() {
    let bench = Bench::new(Limits { memory_bytes_max: 1 << 20, ..limits() });
    // One page here and two there at first; each of both would fit by itself.
    let body = "(drop (call $grow (i32.const 7)))
        (if (i32.lt_s (memory.grow (i32.const 7)) (i32.const 0)) (then unreachable))
        i32.const 1024";
    let module = bench.deploy(&with_manifest(composed("", body), &manifest("hostile", "1.0.0")));
    let failure =
        bench.sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap().outcome.unwrap_err();
    assert_failure(&failure, Limit, "the limit `memory_bytes_max` of 1048576 is reached");
}

#[tokio::test]
async fn i8_a_guest_holds_as_many_resources_as_it_may() {
    let bench = Bench::new(Limits { handles_max: 100, ..limits() });
    let body = "(loop $again (drop (call $new (i32.const 1))) (br $again)) unreachable";
    let module = bench.deploy(&with_manifest(composed("", body), &manifest("hostile", "1.0.0")));
    let failure =
        bench.sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap().outcome.unwrap_err();
    assert_failure(&failure, Limit, "the limit `handles_max` of 100 is reached");
}

#[tokio::test]
async fn what_a_module_denies_itself_is_no_limit_of_ours() {
    let core = core("(memory $own 0 1)", "(drop (memory.grow $own (i32.const 2))) unreachable");
    let failure = Bench::new(limits()).run_core(&core).await.outcome.unwrap_err();
    assert_failure(&failure, Trap, "wasm `unreachable` instruction executed");
}

#[tokio::test]
async fn growth_that_was_denied_is_no_failure_by_itself() {
    let bench = Bench::new(Limits { memory_bytes_max: 1 << 20, ..limits() });
    let ran = bench.run(&format!("(drop (memory.grow (i32.const 100))) {DONE}")).await;
    assert_eq!(ran.outcome.unwrap(), done());
}

#[tokio::test]
async fn a_limit_need_not_be_whole_pages() {
    let limits = Limits { memory_bytes_max: 150_000, ..limits() };
    let ran = Bench::new(limits).run(DONE).await;
    assert_eq!(ran.outcome.unwrap(), done());
    let body = "(drop (memory.grow (i32.const 1))) unreachable";
    let detail = "the limit `memory_bytes_max` of 150000 is reached";
    assert_failure(&failure(limits, body).await, Limit, detail);
}

#[tokio::test]
async fn a_table_has_a_limit_of_its_own() {
    let limits = Limits { table_elements_max: 100, ..limits() };
    let body = "(drop (table.grow $t (ref.null func) (i32.const 101))) unreachable";
    let core = core("(table $t 0 funcref)", body);
    let failure = Bench::new(limits).run_core(&core).await.outcome.unwrap_err();
    assert_failure(&failure, Limit, "the limit `table_elements_max` of 100 is reached");
}

#[tokio::test]
async fn an_answer_has_a_size() {
    // The patch is the whole memory.
    let body = format!(
        "(i32.store (i32.const 1036) (i32.const 0))
         (i32.store (i32.const 1040) (i32.const 131072)) {DONE}"
    );
    let limits = Limits { output_bytes_max: 100_000, ..limits() };
    let detail = "the limit `output_bytes_max` of 100000 is reached";
    assert_failure(&failure(limits, &body).await, Limit, detail);
    // The same text three times: no part is over the limit, the whole is.
    let body = format!(
        "(i32.store (i32.const 1028) (i32.const 4096))
         (i32.store (i32.const 1032) (i32.const 40000))
         (i32.store (i32.const 1036) (i32.const 4096))
         (i32.store (i32.const 1040) (i32.const 40000))
         (i32.store8 (i32.const 1044) (i32.const 1))
         (i32.store (i32.const 1048) (i32.const 4096))
         (i32.store (i32.const 1052) (i32.const 40000)) {DONE}"
    );
    assert_failure(&failure(limits, &body).await, Limit, detail);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_a_trap() {
    let table = [
        // A state that is not UTF-8.
        ("(i32.store8 (i32.const 2048) (i32.const 255))", "invalid utf-8"),
        // A text outside of the memory.
        ("(i32.store (i32.const 1028) (i32.const -16))", "out of bounds"),
        // Neither ok nor error.
        ("(i32.store8 (i32.const 1024) (i32.const 7))", "discriminant"),
    ];
    for (body, text) in table {
        let failure = failure(limits(), &format!("{body} {DONE}")).await;
        assert_eq!(failure.kind, Trap, "{failure}");
        assert!(failure.detail.contains(text), "{failure}");
    }
    // An answer outside of the memory, and one that is not aligned.
    for at in ["-64", "1025"] {
        let failure = failure(limits(), &format!("(i32.const {at})")).await;
        assert_eq!(failure.kind, Trap, "{failure}");
    }
}

#[tokio::test]
async fn the_host_is_not_called_for_ever() {
    let body =
        "(loop $l (call $log (i32.const 1) (i32.const 2048) (i32.const 4)) (br $l)) unreachable";
    let detail = "the limit `host_calls_max` of 1000 is reached";
    assert_failure(&failure(limits(), body).await, Limit, detail);
}

#[tokio::test]
async fn what_the_host_writes_has_to_fit() {
    // The guest's allocator gives what is not there.
    let core = core("", DONE).replace("(local.get $at))", "(i32.const -16))");
    let failure = Bench::new(limits()).run_core(&core).await.outcome.unwrap_err();
    assert_eq!(failure.kind, Trap, "{failure}");
}

#[tokio::test]
async fn what_a_start_function_hands_over_is_the_guests() {
    let bench = Bench::new(limits());
    for (text, wrong) in [
        ("(i32.const -16) (i32.const 64)", "out of bounds"),
        ("(i32.const 0) (i32.const 1)", "utf-8"),
    ] {
        let start = format!("(func $start (call $log (i32.const 3) {text})) (start $start)");
        let module = with_manifest(composed(&start, DONE), &manifest("hostile", "1.0.0"));
        let module = bench.deploy(&module);
        let ran = bench.sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap();
        let failure = ran.outcome.unwrap_err();
        assert_eq!(failure.kind, Trap, "{failure}");
        assert!(failure.detail.starts_with("what the action handed over"), "{failure}");
        assert!(failure.detail.contains(wrong), "{failure}");
    }
}

#[tokio::test]
async fn a_start_function_is_inside_the_limits() {
    let limits = Limits { fuel_max: 10_000, ..limits() };
    let core = core("(func $start (loop $l (br $l))) (start $start)", DONE);
    let failure = Bench::new(limits).run_core(&core).await.outcome.unwrap_err();
    assert_failure(&failure, Limit, "the limit `fuel_max` of 10000 is reached");
}

#[tokio::test]
async fn i4_the_same_call_gives_the_same_answer_for_the_same_fuel() {
    let bodies =
        [DONE, LOOP, "unreachable", "(call $run (local.get 0))", "(i32.load (i32.const -4))"];
    for body in bodies {
        let limits = Limits { fuel_max: 1_000_000, ..limits() };
        let component = action(&core("", body));
        let mut seen = Vec::new();
        for _ in 0..2 {
            let bench = Bench::new(limits); // and another process would do as well
            let module = bench.deploy(&component);
            for _ in 0..2 {
                let ran = bench.sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap();
                seen.push((ran.outcome, ran.fuel));
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    }
}

#[tokio::test]
async fn i7_an_instance_knows_nothing_of_the_call_before() {
    // Counts its calls in memory; a second one would answer what is not UTF-8.
    let body = format!(
        "(i32.store8 (i32.const 2048)
            (i32.add (i32.load8_u (i32.const 2048)) (i32.load8_u (i32.const 2060))))
         (i32.store8 (i32.const 2060) (i32.const 200)) {DONE}"
    );
    let bench = Bench::new(limits());
    for _ in 0..3 {
        assert_eq!(bench.run(&body).await.outcome.unwrap(), done());
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_its_place() {
    let bench = Bench::new(Limits { concurrency: 1, ..limits() });
    let module = bench.deploy(&action(&core("", LOOP)));
    for _ in 0..3 {
        let call = bench.sandbox.run(&module, call(), Arc::new(Closed));
        let stopped = tokio::time::timeout(Duration::from_millis(20), call).await;
        assert!(stopped.is_err());
    }
    let ran = bench.run(DONE).await;
    assert_eq!(ran.outcome.unwrap(), done());
}
