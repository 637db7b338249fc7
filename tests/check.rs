//! The static check where it stands: on the command line, before a workflow is
//! deployed, and before a module is.

use std::process::{Command, Output};

use base64::Engine as _;
use serde_json::{Value, json};
use surety_tests::host::{Host, binary, guests, path, repository};
use tempfile::TempDir;

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../host/sandbox/tests/support/component.rs"]
mod component;

fn json_of(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(repository(path)).unwrap()).unwrap()
}

/// The withdrawal workflow with its schema in it.
fn withdrawal() -> Value {
    let mut workflow = json_of("workflows/withdrawal.json");
    workflow["schema"] = json_of("schemas/withdrawal.schema.json");
    workflow
}

/// A component that says this of itself.
fn component(manifest: &Value) -> Vec<u8> {
    let component = component::encode(&component::core("", component::DONE), None);
    component::with_manifest(component, &manifest.to_string())
}

/// The manifest of `screen` in another version, which writes nothing.
fn silent(version: &str) -> Value {
    let mut manifest = json_of("actions/screen/manifest.json");
    manifest["version"] = json!(version);
    manifest["settings"] = json!(true);
    manifest["returns"]["screened"] = json!({"type": "object", "additionalProperties": false});
    manifest
}

fn check(arguments: &[&str]) -> Output {
    // Nobody listens there.
    let nobody = ["--url", "http://127.0.0.1:9"];
    let command = [&["workflow", "check"], arguments, &nobody].concat();
    Command::new(binary()).args(command).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_workflow_is_checked_with_components_at_hand() {
    let (file, folder) = (path(&repository("workflows/withdrawal.json")), path(&guests()));
    let (code, out, _) = said(&check(&[&file, "--modules", &folder]));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("holds: 14 states, with notify@1.0.0, quote@1.0.0"), "{out}");

    // Without a module, without a host.
    let screen = path(&guests().join("screen.wasm"));
    let (code, out, err) = said(&check(&[&file, "--module", &screen]));
    assert_eq!((code, err.trim()), (Some(3), "surety: refused: 6 findings"), "{out}");
    assert!(out.contains("wrong: /states/screened/invoke\n  no module fits `quote@^1`"), "{out}");
    let (code, out, err) = said(&check(&[&file]));
    assert_eq!((code, out.as_str()), (Some(4), ""), "{err}");
    assert!(err.contains("--module"), "{err}");

    // The highest version that fits is the one that counts.
    let scratch = TempDir::new().unwrap();
    let newer = scratch.path().join("newer.wasm");
    std::fs::write(&newer, component(&silent("1.0.1"))).unwrap();
    let named = path(&newer);
    let with_newer: [&str; 5] = [&file, "--modules", &folder, "--module", &named];
    let (code, out, _) = said(&check(&[&with_newer[..], &["--json"]].concat()));
    assert_eq!(code, Some(3), "{out}");
    let checked: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(checked["modules"]["received"], "screen@1.0.1");
    // After the two guards that look at what it does not write.
    let finding = &checked["findings"][2];
    assert_eq!(finding["rule"], "ext_missing", "{out}");
    assert_eq!(
        finding["path"],
        json!(["received", "screened", "quoted", "approved", "reserved"]),
        "{out}"
    );
    assert_eq!(finding["action"], "settle@1.0.0", "{out}");
    assert_eq!(finding["property"], "/screening", "{out}");
    std::fs::write(&newer, component(&silent("2.0.0"))).unwrap();
    let (code, out, _) = said(&check(&with_newer));
    assert_eq!(code, Some(0), "{out}");
}

#[test]
fn nothing_is_deployed_that_does_not_hold() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.deploy();
    let file = path(&repository("workflows/withdrawal.json"));
    let checked = &host.done(&["workflow", "check", &file])[0];
    assert_eq!((&checked["states"], &checked["findings"]), (&json!(14), &json!([])));

    // A workflow in which `reserve` comes too early.
    let mut early = withdrawal();
    early["version"] = json!(2);
    early["states"]["screened"]["invoke"] = json!("reserve@^1");
    early["states"]["screened"]["targets"] = json!(["reserved", "rejected"]);
    for skipped in ["quoted", "awaiting_approval", "held", "approved", "expired"] {
        early["states"].as_object_mut().unwrap().remove(skipped);
    }
    let (status, problem) = host.ask("PUT", "/v1/workflows", &early.to_string()).unwrap();
    assert_eq!((status, &problem["code"]), (422, &json!("workflow_invalid")), "{problem}");
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| &e["pointer"]).collect();
    let invokes =
        ["reserved", "screened", "settled"].map(|state| format!("/states/{state}/invoke"));
    assert_eq!(pointers, invokes.each_ref());
    let detail = problem["errors"][1]["detail"].as_str().unwrap();
    for part in
        ["`reserve@1.0.0`", "`/quote`", "along received → screened", "have an action before"]
    {
        assert!(detail.contains(part), "{detail}");
    }
    let (_, listed) = host.ask("GET", "/v1/workflows", "").unwrap();
    assert_eq!(listed["workflows"].as_array().unwrap().len(), 1);

    // A module that the workflow would invoke from then on.
    let push = |manifest: &Value| {
        let component = base64::prelude::BASE64_STANDARD.encode(component(manifest));
        let body = json!({"component": component, "settings": {}}).to_string();
        host.ask("PUT", "/v1/modules", &body).unwrap()
    };
    let (status, problem) = push(&silent("1.0.1"));
    assert_eq!((status, &problem["code"]), (422, &json!("module_unfit")), "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "/states/quoted/choose/0/guard");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("workflow `withdrawal` version 1: "), "{detail}");
    // What it left alone still runs.
    let id = host.submit();
    assert_eq!(host.end_of(&id)["msg_state"], "notified");
    // Outside the range it is nobody's business.
    assert_eq!(push(&silent("2.0.0")).0, 200);
    assert_eq!(push(&silent("0.9.0")).0, 200);
}
