//! Hostile modules on the real host: each parks its own message with the reason
//! in sight (I5, I8), and everybody else's go on.

use base64::Engine as _;
use serde_json::{Value, json};
use surety_tests::host::{Host, sign, withdrawal};
use surety_tests::rig::client_key;
use tempfile::TempDir;

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../host/sandbox/tests/support/component.rs"]
mod component;

/// What an action does; what is shown of it; after how many transitions.
const CASES: [(&str, &str, &str, u64); 7] = [
    ("", "unreachable", "trap: ", 1),
    ("", "(loop (br 0)) unreachable", "limit: the limit `fuel_max` of 1000000 is reached", 1),
    (
        "",
        "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
        "limit: the limit `memory_bytes_max` of 1048576 is reached",
        1,
    ),
    (
        "(func $deep (call $deep) (call $deep))",
        "(call $deep) unreachable",
        "trap: call stack exhausted",
        1,
    ),
    // A state that the workflow does not declare.
    (
        r#"(data (i32.const 1200) "\00\00\00\00" "\00\09\00\00" "\05\00\00\00" "\04\08\00\00" "\02\00\00\00" "\00") (data (i32.const 2304) "other")"#,
        "(i32.const 1200)",
        "undeclared: the action returned the state \"other\"",
        1,
    ),
    // A patch outside the manifest's schema.
    (
        r#"(data (i32.const 1200) "\00\00\00\00" "\00\08\00\00" "\04\00\00\00" "\00\09\00\00" "\07\00\00\00" "\00") (data (i32.const 2304) "{\"x\":1}")"#,
        "(i32.const 1200)",
        "undeclared: the ext patch is outside the module's schema",
        1,
    ),
    // A failure that it calls transient, each time: tried twice.
    (
        r#"(data (i32.const 1200) "\01\00\00\00" "\00\00\00\00" "\00\09\00\00" "\05\00\00\00") (data (i32.const 2304) "later")"#,
        "(i32.const 1200)",
        "transient: later",
        2,
    ),
];

fn manifest(version: usize) -> String {
    json!({
        "name": "hostile", "version": format!("1.0.{version}"),
        "world": "surety:action/action@1.0.0", "reads": true, "settings": true,
        "returns": {"done": {"type": "object", "additionalProperties": false}},
        "limits": {"fuel_max": 1_000_000, "memory_bytes_max": 1 << 20},
    })
    .to_string()
}

fn workflow() -> Value {
    json!({
        "msg_type": "prank", "version": 1, "initial": "start", "schema": {"type": "object"},
        "states": {
            "start": {"invoke": "hostile@^1", "targets": ["done"], "on_failure": "failed",
                "retry": {"max_attempts": 2, "first_delay": "10ms"}},
            "done": {"final": true}, "failed": {"parked": true},
        },
    })
}

fn submit(host: &Host, message: &Value) {
    let body = sign(&client_key(), &message.to_string()).to_string();
    let (status, answer) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{answer}");
}

#[test]
fn i8_a_hostile_module_harms_its_own_message_alone() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(folder.path());
    host.deploy();
    let address = client_key().address().to_string();
    let types = ["--type", "withdrawal", "--type", "prank"];
    let client = [&["client", "put", "acme", "--signer", address.as_str()][..], &types].concat();
    let _ = host.done(&client);
    for (version, (items, body, reason, revisions)) in CASES.into_iter().enumerate() {
        let core = component::core(items, body);
        let module = component::with_manifest(component::encode(&core, None), &manifest(version));
        let module = base64::prelude::BASE64_STANDARD.encode(module);
        let push = json!({"component": module, "settings": {}}).to_string();
        let (status, answer) = host.ask("PUT", "/v1/modules", &push).unwrap();
        assert!(status < 300, "{body}: {answer}");
        let (status, answer) = host.ask("PUT", "/v1/workflows", &workflow().to_string()).unwrap();
        assert!(status < 300, "{answer}");

        let id = host.msg_id().unwrap();
        let mut prank = withdrawal(&id);
        prank["msg_type"] = json!("prank");
        submit(&host, &prank);
        let neighbour = host.submit();
        assert_eq!(host.end_of(&neighbour)["msg_state"], "notified");
        let end = host.end_of(&id);
        assert_eq!((&end["msg_state"], &end["parked"]), (&json!("failed"), &json!(true)), "{end}");
        let error = end["last_error"].as_str().unwrap();
        assert!(error.starts_with(reason), "{body}: {error}");
        assert_eq!(end["seq"], revisions, "{body}: {end}");
        // Parked is not final: there is nothing to take out yet.
        let bundle = format!("/v1/messages/{id}/bundle");
        let (status, problem) = host.ask("GET", &bundle, "").unwrap();
        assert_eq!((status, &problem["code"]), (409, &json!("not_archived")), "{problem}");
    }
}
