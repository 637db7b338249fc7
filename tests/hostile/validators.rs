//! Validators that mean harm with the list of what they find: the only list of the
//! contract, and read while a client waits. The message is refused, nothing is kept of
//! it, and its Msg_ID is as good as before.

use std::time::Instant;

use serde_json::{Value, json};
use surety_tests::host::{Host, sign, withdrawal};
use surety_tests::rig::client_key;

use crate::component::{encode, with_manifest};
use crate::memory::Memory;
use crate::{CASE_MAX, neighbour, push};

/// The type of the messages that they look at.
pub(crate) const MSG_TYPE: &str = "guarded";

/// The most findings that a client is told of.
const FINDINGS_MAX: usize = 100;

/// Where a list begins, behind what the validator is given.
const LIST: u32 = 65_536;

const WORLD: &str = "package test:test; world test { include surety:action/validator@1.0.0; }";

/// What becomes of a message.
enum End {
    /// It passes.
    Passes,
    /// So much is found.
    Finds(usize),
    /// The validator came to no end; what is said of it.
    Fails(&'static str),
}

/// A validator: its pages of memory, what it does first, and the list that it gives.
struct Row {
    name: &'static str,
    pages: u32,
    body: String,
    list: (u32, u32),
    end: End,
}

fn rows() -> Vec<Row> {
    let row =
        |name, pages, body: &str, list, end| Row { name, pages, body: body.into(), list, end };
    let output = "the limit `output_bytes_max` of";
    let store = |at: u32, value: i64| format!("(i32.store (i32.const {at}) (i32.const {value}))");
    // Each finding's detail is the same 60,000 bytes.
    let shared = "(local $at i32) (local.set $at (i32.const 65536))
        (loop $next
            (i32.store offset=8 (local.get $at) (i32.const 131072))
            (i32.store offset=12 (local.get $at) (i32.const 60000))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 81536))))";
    vec![
        row("a thousand findings", 2, "", (LIST, 1_000), End::Finds(FINDINGS_MAX)),
        row("a million findings", 260, "", (LIST, 1_000_000), End::Fails(output)),
        row("a thousand findings with one text", 4, shared, (LIST, 1_000), End::Fails(output)),
        row("more findings than memory", 2, "", (LIST, 0x0fff_ffff), End::Fails("trap: ")),
        row("findings without an end", 2, "", (LIST, u32::MAX), End::Fails("trap: ")),
        row("findings behind memory", 2, "", (u32::MAX - 15, 1), End::Fails("trap: ")),
        row("findings at an odd place", 2, "", (LIST + 1, 1), End::Fails("trap: ")),
        row(
            "a finding of 4 GiB",
            2,
            &(store(LIST + 8, 8) + &store(LIST + 12, -1)),
            (LIST, 1),
            End::Fails("trap: "),
        ),
        row(
            "a finding of no text",
            2,
            &(store(LIST, i64::from(LIST)) + &store(LIST + 4, 16) + &store(LIST + 8, -1)),
            (LIST, 1),
            End::Fails("trap: "),
        ),
        row("no list at all", 2, "unreachable", (LIST, 0), End::Fails("trap: ")),
        row(
            "a list that never comes",
            2,
            "(loop $l (br $l))",
            (LIST, 0),
            End::Fails("the limit `"),
        ),
        // And one that means no harm.
        row("nothing", 2, "", (LIST, 0), End::Passes),
    ]
}

/// A core module of the world `validator`. What it is given lies behind the first
/// kilobyte; its list is told at 0.
fn core(Row { pages, body, list: (place, length), .. }: &Row) -> String {
    let strings = "i32 ".repeat(12);
    // As the text format has them: with a sign.
    let (place, length) = (place.cast_signed(), length.cast_signed());
    format!(
        r#"(module
            (memory (export "memory") {pages})
            (global $next (mut i32) (i32.const 1024))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "validate") (param {strings} i64 i32 i32) (result i32)
                {body}
                (i32.store (i32.const 0) (i32.const {place}))
                (i32.store (i32.const 4) (i32.const {length}))
                (i32.const 0)))"#
    )
}

fn manifest(version: usize) -> String {
    json!({
        "name": "guard", "version": format!("1.0.{version}"),
        "world": "surety:action/validator@1.0.0", "settings": true,
    })
    .to_string()
}

fn workflow() -> Value {
    json!({
        "msg_type": MSG_TYPE, "version": 1, "initial": "start", "schema": {"type": "object"},
        "validators": ["guard@^1"],
        "states": {
            "start": {"after": [{"delay": "10ms", "target": "done"}]},
            "done": {"final": true},
        },
    })
}

fn envelope(id: &str) -> String {
    let mut message = withdrawal(id);
    message["msg_type"] = json!(MSG_TYPE);
    sign(&client_key(), &message.to_string()).to_string()
}

pub(crate) fn run(host: &Host) {
    let mut refused = Vec::new();
    for (version, row) in rows().iter().enumerate() {
        let name = row.name;
        let (started, memory) = (Instant::now(), Memory::of(host.pid()));
        let module = with_manifest(encode(&core(row), Some(WORLD)), &manifest(version));
        let (status, answer) = push(host, &module, &json!({})).unwrap();
        assert_eq!(status, 200, "{name}: {answer}");
        if version == 0 {
            let (status, answer) =
                host.ask("PUT", "/v1/workflows", &workflow().to_string()).unwrap();
            assert!(status < 300, "{name}: {answer}");
        }
        // Several, so that what the first left behind would be seen.
        for _ in 0..2 {
            let id = host.msg_id().unwrap();
            let (status, answer) = host.send_when_ready(&envelope(&id));
            check(name, &row.end, status, &answer);
            match row.end {
                End::Passes => assert_eq!(host.end_of(&id)["msg_state"], "done", "{name}"),
                End::Finds(_) | End::Fails(_) => {
                    let (status, _) = host.ask("GET", &format!("/v1/messages/{id}"), "").unwrap();
                    assert_eq!(status, 404, "{name}: it is kept");
                    refused.push(id);
                }
            }
        }
        neighbour(host, name);
        let took = started.elapsed();
        assert!(took < CASE_MAX, "{name}: {took:?}");
        memory.assert_bounded(name);
    }
    // None of these ids was used up.
    for id in refused {
        let (status, answer) = host.send_when_ready(&envelope(&id));
        assert_eq!(status, 202, "{id}: {answer}");
        assert_eq!(host.end_of(&id)["msg_state"], "done", "{id}");
    }
}

fn check(name: &str, end: &End, status: u16, answer: &Value) {
    match end {
        End::Passes => assert_eq!(status, 202, "{name}: {answer}"),
        End::Finds(count) => {
            assert_eq!((status, &answer["code"]), (422, &json!("validator_refused")), "{name}");
            assert_eq!(answer["errors"].as_array().unwrap().len(), *count, "{name}");
        }
        End::Fails(reason) => {
            assert_eq!((status, &answer["code"]), (422, &json!("validator_failed")), "{name}");
            let detail = answer["detail"].as_str().unwrap();
            let said = detail.contains("came to no end: ") && detail.contains(reason);
            assert!(said, "{name}: {detail}");
        }
    }
}
