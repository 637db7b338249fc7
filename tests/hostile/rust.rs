//! A component in Rust that means harm when it is called: `rust/src/lib.rs`, which
//! `cargo xtask guests` builds as the actions are. Its settings say which prank it plays.

use serde_json::{Value, json};
use surety_tests::host::{Host, guests};

use crate::component::with_manifest;
use crate::{Case, End, manifest};

/// What the host keeps of one call's log: lines, and bytes of text.
const LOG: (usize, usize) = (100, 16 << 10);

/// What escaping makes of a byte at most.
const ESCAPED_BYTES_MAX: usize = 8;

/// What the host keeps of a note, escaped.
const NOTE_BYTES_MAX: usize = 1_024;

/// A quarter more than Rust's own megabyte of stack and what `leftovers` looks at.
const MEMORY_BYTES: u64 = 8 << 20;

fn limits() -> Value {
    json!({"fuel_max": 200_000_000, "memory_bytes_max": MEMORY_BYTES})
}

fn rows() -> Vec<(&'static str, End)> {
    use End::{Done, Parked};
    let memory = "limit: the limit `memory_bytes_max` of 8388608 is reached";
    let stack = "trap: ";
    vec![
        ("ext-depth", Parked("undeclared: the ext patch is not strict JSON", 1)),
        ("ext-width", Parked("undeclared: the ext patch is outside the module's schema", 1)),
        ("ext-numbers", Parked("undeclared: the ext patch is not strict JSON", 1)),
        ("log-flood", Done),
        ("long-note", Done),
        ("long-reason", Parked("permanent: ", 1)),
        ("garbage-state", Parked("invalid utf-8", 1)),
        ("garbage-patch", Parked("invalid utf-8", 1)),
        ("garbage-log", Parked("invalid utf-8", 1)),
        ("recursion", Parked(stack, 1)),
        ("recursion-in-drop", Parked(stack, 1)),
        ("doubling", Parked(memory, 1)),
        ("small-boxes", Parked(memory, 1)),
        ("asks-nicely", Done),
        ("panic", Parked("trap: wasm `unreachable`", 1)),
        ("panic-in-panic", Parked("trap: wasm `unreachable`", 1)),
        ("leftovers", Done),
    ]
}

/// One component, with a version for each prank.
pub(crate) fn cases() -> Vec<Case> {
    let built = guests().join("hostile/rust.wasm");
    let built = std::fs::read(&built).unwrap_or_else(|e| panic!("{}: {e}", built.display()));
    let rows = rows().into_iter().enumerate();
    let case = |(version, (name, end))| Case {
        name,
        module: with_manifest(built.clone(), &manifest(version, &limits())),
        settings: json!({"prank": name}),
        end,
    };
    rows.map(case).collect()
}

/// Whatever a module wrote somewhere, it is bounded, and no terminal obeys it.
pub(crate) fn check_traces(host: &Host, name: &str, ids: &[String]) {
    let (status, page) = host.ask("GET", "/v1/logs?module=hostile", "").unwrap();
    assert_eq!(status, 200, "{name}: {page}");
    let lines = page["lines"].as_array().unwrap();
    let texts: Vec<_> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
    for text in &texts {
        assert!(!text.contains(char::is_control), "{name}: {text:?}");
        assert!(!text.contains('\u{202e}'), "{name}: {text:?}");
    }
    if name == "log-flood" {
        // Two messages, each with a line that says how much is missing.
        assert!(texts.len() <= 2 * (LOG.0 + 1), "{name}: {} lines", texts.len());
        assert!(texts.iter().any(|text| text.contains("log lines were cut or dropped")), "{name}");
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        assert!(bytes <= 2 * LOG.1 * ESCAPED_BYTES_MAX, "{name}: {bytes} bytes");
    }
    if name == "long-note" {
        for id in ids {
            let records = host.bundle(id).verify().unwrap();
            let note = &records.iter().find(|record| record.module.is_some()).unwrap().note;
            assert!(note.len() <= NOTE_BYTES_MAX && note.contains("owned"), "{note:?}");
            assert!(!note.contains(char::is_control), "{note:?}");
        }
    }
}
