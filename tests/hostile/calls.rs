//! Modules that are in order, and mean harm when they are called. The sources are in
//! `wat/`: what goes into a core module, with the function `$hostile` as its `run`.

use serde_json::{Value, json};

use crate::component::{composed, core, encode, with_manifest};
use crate::{Case, End, manifest};

/// `run`, in terms of what a source defines.
const BODY: &str = "(call $hostile)";

/// A source, its limits, and its end.
type Row = (&'static str, &'static str, fn() -> Value, End);

fn usual() -> Value {
    json!({"fuel_max": 20_000_000, "memory_bytes_max": 1 << 20})
}

/// Enough to be stopped by the clock.
fn brief() -> Value {
    json!({"wall_ms_max": 20})
}

macro_rules! row {
    ($name:literal, $limits:expr, $end:expr) => {
        ($name, include_str!(concat!("wat/", $name, ".wat")), $limits, $end)
    };
}

fn rows() -> Vec<Row> {
    use End::{Done, Parked};
    let memory = "limit: the limit `memory_bytes_max` of 1048576 is reached";
    let fuel = "limit: the limit `fuel_max` of 20000000 is reached";
    vec![
        row!("infinite-loop", usual, Parked(fuel, 1)),
        row!(
            "infinite-loop",
            brief,
            Parked("timeout: the limit `wall_ms_max` of 20 is reached", 2)
        ),
        row!("memory", usual, Parked(memory, 1)),
        row!("memories", usual, Parked(memory, 1)),
        row!("tables", usual, Parked(memory, 1)),
        row!("recursion", usual, Parked("trap: call stack exhausted", 1)),
        row!("start-trap", usual, Parked("trap: wasm `unreachable`", 1)),
        row!("start-loop", usual, Parked(fuel, 1)),
        row!("lying-string", usual, Parked("trap: what the action handed over cannot be read", 1)),
        row!("huge-string", usual, Parked("limit: the limit `output_bytes_max` of", 1)),
        row!("invalid-utf8", usual, Parked("invalid utf-8", 1)),
        row!("wild-answer", usual, Parked("trap: ", 1)),
        row!("log-flood", usual, Parked("limit: the limit `host_calls_max` of 1000 is reached", 1)),
        row!("log-lying", usual, Parked("trap: ", 1)),
        row!(
            "undeclared-state",
            usual,
            Parked("undeclared: the action returned the state \"other\"", 1)
        ),
        row!(
            "undeclared-patch",
            usual,
            Parked("undeclared: the ext patch is outside the module's schema", 1)
        ),
        row!("ext-number", usual, Parked("undeclared: the ext patch is not strict JSON", 1)),
        row!("ext-depth", usual, Parked("undeclared: the ext patch is not strict JSON", 1)),
        row!("ext-size", usual, Parked("limit: msg_ext would have", 1)),
        row!("transient", usual, Parked("transient: later", 2)),
        row!("leak", usual, Done),
    ]
}

/// All of them, and those that no core module can be.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = rows()
        .into_iter()
        .map(|(name, source, limits, end)| (name, core(source, BODY), limits(), end))
        .chain([reentrancy(), lying_allocator()])
        .enumerate()
        .map(|(version, (name, core, limits, end))| Case {
            name,
            module: with_manifest(encode(&core, None), &manifest(version, &limits)),
            settings: json!({}),
            end,
        })
        .collect();
    let whole = [
        (
            "handles",
            "",
            "(loop $again (drop (call $new (i32.const 1))) (br $again)) unreachable",
            "limit: the limit `handles_max` of 1000 is reached",
        ),
        (
            "a start function that hands over text that is none",
            "(func $start (call $log (i32.const 3) (i32.const -16) (i32.const 64))) (start $start)",
            "i32.const 1024",
            "trap: what the action handed over cannot be read",
        ),
        (
            "memories of several instances",
            "",
            "(if (i32.lt_s (call $grow (i32.const 7)) (i32.const 0)) (then (return (i32.const 1024))))
             (if (i32.lt_s (memory.grow (i32.const 7)) (i32.const 0)) (then unreachable))
             i32.const 1024",
            "limit: the limit `memory_bytes_max` of 1048576 is reached",
        ),
    ];
    for (name, items, body, reason) in whole {
        let manifest = manifest(cases.len(), &usual());
        let module = with_manifest(composed(items, body), &manifest);
        let (settings, end) = (json!({}), End::Parked(reason, 1));
        cases.push(Case { name, module, settings, end });
    }
    cases
}

/// Calls the host while the host is calling its allocator.
fn reentrancy() -> (&'static str, String, Value, End) {
    let call = "(call $log (i32.const 1) (i32.const 2048) (i32.const 4)) (local.get $at))";
    let core = core("", "(i32.const 1024)").replace("(local.get $at))", call);
    ("reentrancy", core, usual(), End::Parked("trap: cannot leave component instance", 1))
}

/// Says that there is room where there is none.
fn lying_allocator() -> (&'static str, String, Value, End) {
    let core = core("", "(i32.const 1024)").replace("(local.get $at))", "(i32.const -16))");
    ("lying-allocator", core, usual(), End::Parked("trap: ", 1))
}
