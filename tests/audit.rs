//! Reviews through the real binary: of files, of what a host has deployed, and of
//! the two beside each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use surety_tests::host::{Host, MODULES, binary, guests, path, repository};
use tempfile::TempDir;

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../host/sandbox/tests/support/component.rs"]
mod component;

fn surety(arguments: &[&str]) -> Output {
    // Nobody listens there.
    let nobody = ["--url", "http://127.0.0.1:9"];
    Command::new(binary()).args([arguments, &nobody].concat()).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn guest(module: &str) -> String {
    path(&guests().join(format!("{module}.wasm")))
}

fn json_of(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(repository(path)).unwrap()).unwrap()
}

/// The demo's screening with another manifest.
fn screen(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut manifest = json_of("actions/screen/manifest.json");
    change(&mut manifest);
    let component = component::encode(&component::core("", component::DONE), None);
    let file: PathBuf = folder.join(file);
    std::fs::write(&file, component::with_manifest(component, &manifest.to_string())).unwrap();
    path(&file)
}

/// What does not change with the folder and the tools that a module was built in.
fn lasting(audit: &Value) -> Value {
    let mut audit = audit.clone();
    let members = audit.as_object_mut().unwrap();
    for member in ["digest", "bytes", "core_modules", "producers", "manifest"] {
        assert!(members.remove(member).is_some(), "{member}");
    }
    for section in members["sections"].as_array_mut().unwrap() {
        section.as_object_mut().unwrap().remove("bytes");
    }
    // Notes say what the build left in it.
    let findings = members["findings"].as_array_mut().unwrap();
    findings.retain(|finding| finding["weight"] == "look");
    audit
}

#[test]
fn the_demos_modules_are_as_reviewed() {
    let mut audits = BTreeMap::new();
    // Without the signatures that a demo leaves beside them.
    let folder = TempDir::new().unwrap();
    // The demo's, and the one that sends requests.
    for module in MODULES.into_iter().chain(["payout"]) {
        let file = path(&folder.path().join(module));
        std::fs::copy(guest(module), &file).unwrap();
        let (code, out, err) = said(&surety(&["action", "audit", &file, "--json"]));
        assert_eq!(code, Some(0), "{err}");
        audits.insert(module, lasting(&serde_json::from_str(&out).unwrap()));
    }
    let file = repository("tests/golden/audits.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&audits).unwrap());
    if std::env::var_os("SURETY_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap(), "set SURETY_GOLDEN to write it anew");
}

#[test]
fn a_host_says_of_a_module_what_its_file_says() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.deploy();
    let deployed = host.done(&["action", "audit", "release", "--reach"]).remove(0);
    let file = host.done(&["action", "audit", &guest("release"), "--reach"]).remove(0);
    assert_eq!(deployed, file);
    assert_eq!(deployed["reach"]["by"][0]["state"], "unsettled");
    assert_eq!(deployed["reach"]["by"][0]["clients"][0]["client_id"], "acme");
    let digest = deployed["digest"].as_str().unwrap();
    let (status, served) = host.ask("GET", &format!("/v1/modules/{digest}/audit"), "").unwrap();
    assert_eq!((status, &served), (200, &deployed));
    let without = host.done(&["action", "audit", "release@1.0.0"]).remove(0);
    assert!(without.get("reach").is_none() && without["digest"] == deployed["digest"]);

    let touches = host.done(&["workflow", "touches", "withdrawal"]).remove(0);
    assert_eq!(touches["hosts"], json!([]));
    assert_eq!(touches["modules"].as_array().unwrap().len(), MODULES.len());
    assert_eq!(touches["modules"][0]["module"]["world"], "validator");
    assert_eq!(touches["unreached"], json!([]));
    let at_one = host.done(&["workflow", "touches", "withdrawal@1"]).remove(0);
    assert_eq!(at_one, touches);
    let (_, listed) = host.ask("GET", "/v1/workflows", "").unwrap();
    let (status, workflow) = host.ask("GET", "/v1/workflows/withdrawal/1", "").unwrap();
    assert_eq!((status, &workflow["initial"]), (200, &json!("received")));
    assert_eq!(touches["workflow"], listed["workflows"][0]["digest"]);

    let wider = screen(folder.path(), "wider.wasm", |manifest| {
        manifest["version"] = json!("1.1.0");
        manifest["returns"]["refunded"] = json!(false);
    });
    let diff = host.cli(&["action", "audit", &wider, "--diff", "screen"]);
    assert_eq!(diff.status.code(), Some(5));
    let diff: Value = serde_json::from_slice(&diff.stdout).unwrap();
    let states = diff["more"].as_array().unwrap().iter().filter(|change| change["what"] == "state");
    assert_eq!(states.map(|change| &change["at"]).collect::<Vec<_>>(), ["refunded"]);
}

#[test]
fn the_exit_code_says_whether_it_may_do_more() {
    let folder = TempDir::new().unwrap();
    let old = screen(folder.path(), "old.wasm", |_| {});
    let new = screen(folder.path(), "new.wasm", |manifest| {
        manifest["version"] = json!("1.1.0");
        manifest["limits"]["fuel_max"] = json!(1);
    });
    let (code, out, _) = said(&surety(&["action", "audit", &new, "--diff", &old]));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("may do more\n  none"), "{out}");
    assert!(out.contains("limit fuel_max: asks for 1, was 20000000"), "{out}");
    let (code, out, err) = said(&surety(&["action", "audit", &old, "--diff", &new]));
    assert_eq!(code, Some(5), "{out}");
    assert_eq!(err, "surety: it may do more: 1 changes\n");
}

#[test]
fn grants_are_named_with_their_line() {
    let folder = TempDir::new().unwrap();
    let asks = screen(folder.path(), "asks.wasm", |manifest| {
        let http = json!([{"hosts": ["api.example.com", "b.example"], "methods": ["GET"]}]);
        manifest["capabilities"] = json!({"http": http});
    });
    let policy = folder.path().join("policy.toml");
    let grant = "\n[[grant]]\nid = \"lists\"\nmodules = [\"screen\"]\nhttp = [{ hosts = [\"api.example.com\"], methods = [\"GET\"] }]\n";
    std::fs::write(&policy, grant).unwrap();
    let (code, out, _) = said(&surety(&["action", "audit", &asks, "--policy", &path(&policy)]));
    assert_eq!(code, Some(0), "{out}");
    let line = "is granted\n  GET to api.example.com at 443, by `lists` (line 2 of the policy)\n";
    assert!(out.contains(line), "{out}");
    let workflow = path(&repository("workflows/withdrawal.json"));
    let touches = ["workflow", "touches", &workflow, "--module", &guest("quote"), "--json"];
    let (code, out, _) = said(&surety(&[&touches[..], &["--policy", &path(&policy)]].concat()));
    assert_eq!(code, Some(0), "{out}");
    let (_, out, _) = said(&surety(&["action", "audit", &asks]));
    assert!(out.contains("is granted\n  none"), "{out}");
    assert!(out.contains("LOOK ungranted"), "{out}");
}

#[test]
fn what_is_no_module_is_audited_or_said() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("core.wasm");
    std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let (code, out, _) = said(&surety(&["action", "audit", &path(&file)]));
    assert_eq!(code, Some(0));
    assert!(out.contains("no host takes it: module_invalid"), "{out}");
    assert!(out.contains("LOOK no_manifest"), "{out}");
    let (code, _, err) = said(&surety(&["action", "audit", "no such file"]));
    assert_eq!(code, Some(1));
    assert!(err.contains("is no file that is there and no NAME[@VERSION]"), "{err}");
    let (code, _, _) = said(&surety(&["action", "audit", "screen"]));
    assert_eq!(code, Some(4), "there is no host");
}
