//! Who may deploy a module, what stops one, and the ways back, through the real
//! binary: signatures, approvals, revocation, rollback, canaries.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use surety_core::crypto::PrivateKey;
use surety_core::types::Digest;
use surety_tests::host::{Host, path, sign};
use surety_tests::rig::{BOARD_KEYS, board_key, client_key};
use tempfile::TempDir;

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../host/sandbox/tests/support/component.rs"]
mod component;

/// How long something may take that the host does each second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a host's data, its configuration, and what is pushed.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str) -> String {
        path(&self.0.path().join(name))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.file(name), content).unwrap();
        self.file(name)
    }

    /// A component that answers `done`, or does what its body does. Gives its file.
    fn component(&self, version: &str, body: &str, more: Value) -> String {
        let mut manifest: Value =
            serde_json::from_str(&component::manifest("job", version)).unwrap();
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let core = component::core("", body);
        // What asks for requests imports what sends them.
        let component = match manifest["capabilities"]["http"].is_array() {
            true => component::encode(&core.replacen("(module", SENDS, 1), Some(WORLD)),
            false => component::encode(&core, None),
        };
        let component = component::with_manifest(component, &manifest.to_string());
        self.write(&format!("job-{version}.wasm"), component)
    }

    fn good(&self, version: &str) -> String {
        self.component(version, component::DONE, json!({}))
    }

    /// The key file of one of the board.
    fn key(&self, member: usize) -> String {
        self.write(&format!("{member}.key"), BOARD_KEYS[member])
    }

    /// A host in development, with what `[canary]` says.
    fn development(&self) -> Host {
        let config = "[canary]\ncalls_min = 8\nfailures_above_percent_max = 20\n";
        let config = self.write("development.toml", config);
        Host::start_with(&self.0.path().join("data"), &["--config", &config])
    }

    /// A host that is not in development, under a policy.
    fn strict(&self, policy: &str) -> Host {
        self.write("policy.toml", policy);
        let config = self.write("surety.toml", "[policy]\nfile = \"policy.toml\"\n");
        Host::start_strict(&self.0.path().join("data"), &["--config", &config])
    }
}

fn digest(file: &str) -> String {
    Digest::of(&std::fs::read(file).unwrap()).to_string()
}

fn push(host: &Host, file: &str) -> Value {
    host.done(&["action", "push", file]).remove(0)
}

/// Asserts that a command is refused; gives the problem.
fn refused(host: &Host, arguments: &[&str], code: &str) -> Value {
    let Output { status, stderr, .. } = host.cli(arguments);
    let said = String::from_utf8(stderr).unwrap();
    let problem: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {said}"));
    assert_eq!((status.code(), &problem["code"]), (Some(3), &json!(code)), "{said}");
    problem
}

/// Deploys the workflow and its client.
fn workflow(host: &Host, place: &Place, version: u32, invoke: &str) {
    let workflow = json!({
        "msg_type": "job", "version": version, "initial": "begin", "schema": {},
        "states": {
            "begin": {"invoke": invoke, "targets": ["done"], "on_failure": "failed"},
            "done": {"final": true},
            "failed": {"parked": true, "redrive": ["begin"]},
        },
    });
    let file = place.write("workflow.json", workflow.to_string());
    let _ = host.done(&["workflow", "push", &file]);
    let signer = client_key().address().to_string();
    let client = ["client", "put", "acme", "--signer", &signer, "--type", "job"];
    let _ = host.done(&[&client[..], &["--msg-ids-outstanding-max", "1000"]].concat());
}

fn submit(host: &Host) -> String {
    let id = host.msg_id().unwrap();
    let text = json!({
        "msg_id": id, "msg_type": "job", "client_id": "acme",
        "creation_date": "2026-11-23T10:00:00Z", "payload": {},
    });
    let body = sign(&client_key(), &text.to_string()).to_string();
    let (status, answer) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{answer}");
    id
}

/// State and last error of a message of now.
fn outcome(host: &Host) -> (String, String) {
    let message = host.end_of(&submit(host));
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    (text("msg_state"), text("last_error"))
}

fn modules(host: &Host) -> Vec<Value> {
    let listed = host.done(&["action", "list"]).remove(0);
    listed["modules"].as_array().unwrap().clone()
}

fn versions(host: &Host) -> Vec<String> {
    modules(host).iter().map(|m| m["version"].as_str().unwrap().to_owned()).collect()
}

fn publish(members: &[usize], needed: usize) -> String {
    let signers: Vec<_> = members.iter().map(|m| board_key(*m).address().to_string()).collect();
    format!("[[publish]]\nmodules = [\"job\"]\nsigners = {signers:?}\nneeded = {needed}\n")
}

#[test]
fn a_module_runs_when_enough_of_its_publishers_signed_it() {
    let place = Place::new();
    let mut host = place.strict(&publish(&[0, 1], 2));
    let (one, two) = (place.good("1.0.0"), place.good("1.0.1"));
    let sign = |host: &Host, file: &str, member| {
        host.done(&["action", "sign", file, "--key", &place.key(member)]).remove(0)
    };
    let problem = refused(&host, &["action", "push", &one], "module_unsigned");
    assert!(problem["detail"].as_str().unwrap().contains("wants 2 of 2"), "{problem}");
    let signed = sign(&host, &one, 0);
    assert_eq!(signed["signer"], board_key(0).address().to_string());
    refused(&host, &["action", "push", &one], "module_unsigned");
    // Twice by one, and by one who does not count.
    sign(&host, &one, 0);
    sign(&host, &one, 2);
    refused(&host, &["action", "push", &one], "module_unsigned");
    sign(&host, &one, 1);
    assert_eq!(push(&host, &one)["digest"], digest(&one));
    // Signatures are of one component.
    let other = format!("{one}.signatures.json");
    let foreign = ["action", "push", &two, "--signatures", &other];
    let problem = refused(&host, &foreign, "signature_mismatch");
    assert_eq!(problem["errors"][0]["pointer"], "/signatures/0");
    // A name that no line is for has no publishers at all.
    let screen = path(&surety_tests::host::guests().join("screen.wasm"));
    let problem = refused(&host, &["action", "push", &screen], "module_unsigned");
    assert!(problem["detail"].as_str().unwrap().contains("--development"), "{problem}");

    workflow(&host, &place, 1, "job@^1");
    assert_eq!(outcome(&host).0, "done");
    let listed = modules(&host).remove(0);
    let signers: Vec<_> = listed["signers"].as_array().unwrap().iter().collect();
    assert_eq!(signers.len(), 3, "all that came along: {listed}");
    assert!(signers.contains(&&json!(board_key(1).address().to_string())), "{listed}");
    let used = json!([{"msg_type": "job", "version": 1, "msg_state": "begin"}]);
    assert_eq!((&listed["takes_calls"], &listed["used_by"]), (&json!(true), &used));

    // The policy of now decides, for what is deployed too.
    assert!(host.stop());
    host = place.strict(&publish(&[1, 2], 2));
    assert_eq!(outcome(&host).0, "done", "2 and 3 signed it as well");
    assert!(host.stop());
    host = place.strict(&publish(&[0], 1).replace("\"job\"", "\"other\""));
    let (state, error) = outcome(&host);
    assert_eq!(state, "failed");
    assert!(error.contains("without what the policy wants now"), "{error}");
    assert_eq!(modules(&host)[0]["takes_calls"], false);
    assert!(host.stop());
    host = place.strict(&format!("revoked = [\"{}\"]\n{}", digest(&one), publish(&[0], 1)));
    assert!(outcome(&host).1.contains("is revoked: the host's policy names it"));
    refused(&host, &["action", "push", &one], "module_revoked");
}

#[test]
fn a_revoked_component_stops_at_once_and_for_good() {
    let place = Place::new();
    let mut host = place.development();
    let bad = place.good("1.0.0");
    push(&host, &bad);
    workflow(&host, &place, 1, "job@^1");
    assert_eq!(outcome(&host).0, "done");

    let revoke = ["action", "revoke", &digest(&bad), "--reason", "leaks \u{1b}[31mkeys"];
    let listed = host.done(&revoke).remove(0);
    assert_eq!(listed["revocations"][0]["revoked_by"], "operator");
    let expected = r"missing: `job@1.0.0`, which fits `job@^1`, is revoked: leaks \u{1b}[31mkeys";
    let stopped = submit(&host);
    assert_eq!(host.end_of(&stopped)["last_error"], expected);
    let bundle = format!("/v1/messages/{stopped}/history");
    let (_, history) = host.ask("GET", &bundle, "").unwrap();
    assert_eq!(history["records"][1]["error"], expected, "{history}");
    refused(&host, &["action", "push", &bad], "module_revoked");

    host.kill();
    host = place.development();
    assert_eq!(outcome(&host).1, expected);
    refused(&host, &["action", "push", &bad], "module_revoked");
    // What takes its place mends what it left.
    push(&host, &place.good("1.0.1"));
    let _ = host.done(&["redrive", &stopped, "--reason", "mended"]);
    assert_eq!(host.end_of(&stopped)["msg_state"], "done");
    assert_eq!(outcome(&host).0, "done");
}

#[test]
fn a_rollback_brings_back_the_deployment_before_with_its_settings() {
    let place = Place::new();
    let mut host = place.development();
    let (old, new) = (place.good("1.0.0"), place.component("1.1.0", "unreachable", json!({})));
    for (n, file) in [(1, &old), (2, &old), (3, &new)] {
        let settings = place.write("settings.json", json!({ "n": n }).to_string());
        let _ = host.done(&["action", "push", file, "--settings", &settings]);
        if n == 1 {
            workflow(&host, &place, 1, "job@^1");
        }
    }
    assert_eq!(outcome(&host).0, "failed");
    let _ = host.done(&["action", "rollback", "job"]);
    assert_eq!(outcome(&host).0, "done");
    assert_eq!(versions(&host), ["1.0.0"]);

    let settings = |host: &Host| {
        let id = submit(host);
        assert_eq!(host.end_of(&id)["msg_state"], "done");
        host.bundle(&id).verify().unwrap()[1].module.clone().unwrap().settings
    };
    assert_eq!(settings(&host), Digest::of(br#"{"n":2}"#));
    let history = host.done(&["action", "rollback", "job"]).remove(0);
    assert_eq!(settings(&host), Digest::of(br#"{"n":1}"#));
    let effects: Vec<_> =
        history["deployments"].as_array().unwrap().iter().map(|d| &d["in_effect"]).collect();
    assert_eq!(effects, [false, false, true]);
    refused(&host, &["action", "rollback", "job"], "rollback_none");
    refused(&host, &["action", "rollback", "nobody"], "not_found");

    // After a crash it is as before; a version that was taken stays so.
    host.kill();
    host = place.development();
    assert_eq!(settings(&host), Digest::of(br#"{"n":1}"#));
    let other = place.component("1.1.0", "nop unreachable", json!({}));
    refused(&host, &["action", "push", &other], "module_version_used");

    // Several at once, back to a version.
    push(&host, &place.good("1.2.0"));
    push(&host, &place.good("1.3.0"));
    let _ = host.done(&["action", "rollback", "job@1.0.0"]);
    assert_eq!(versions(&host), ["1.0.0"]);
}

#[test]
fn a_version_stays_while_a_workflow_needs_it() {
    let place = Place::new();
    let host = place.development();
    push(&host, &place.good("1.0.0"));
    workflow(&host, &place, 1, "job@=1.0.0");
    push(&host, &place.good("1.1.0"));
    let problem = refused(&host, &["action", "remove", "job@1.0.0"], "module_pinned");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("workflow `job` version 1: "), "{problem}");
    assert_eq!(problem["errors"][0]["pointer"], "/states/begin/invoke");
    refused(&host, &["action", "remove", "job@3.0.0"], "not_found");

    // A newer workflow admits; a message that waits still needs the old one.
    let revoke = ["action", "revoke", &digest(&place.file("job-1.1.0.wasm")), "--reason", "x"];
    workflow(&host, &place, 2, "job@^1");
    let _ = host.done(&["action", "remove", "job@1.0.0"]);
    assert_eq!(versions(&host), ["1.1.0"]);
    refused(&host, &["action", "remove", "job@1.1.0"], "module_pinned");
    // One that may not run helps nobody, and can go.
    let _ = host.done(&revoke);
    let _ = host.done(&["action", "remove", "job@1.1.0"]);
    assert_eq!(versions(&host), [""; 0]);
    let (state, error) = outcome(&host);
    assert_eq!(
        (state.as_str(), error.as_str()),
        ("failed", "missing: no deployed module fits `job@^1`")
    );
}

#[test]
fn an_open_message_keeps_the_version_that_its_workflow_pins() {
    let place = Place::new();
    let host = place.development();
    push(&host, &place.component("1.0.0", "unreachable", json!({})));
    workflow(&host, &place, 1, "job@=1.0.0");
    let parked = submit(&host);
    assert_eq!(host.end_of(&parked)["msg_state"], "failed");
    push(&host, &place.good("1.1.0"));
    workflow(&host, &place, 2, "job@=1.1.0");
    refused(&host, &["action", "remove", "job@1.0.0"], "module_pinned");
    refused(&host, &["action", "rollback", "job"], "module_pinned");
    assert_eq!(versions(&host), ["1.0.0", "1.1.0"]);
}

fn canary(host: &Host) -> Value {
    host.done(&["action", "canary", "job"]).remove(0)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_canary_that_fails_stops_by_itself() {
    let place = Place::new();
    let mut host = place.development();
    push(&host, &place.good("1.0.0"));
    workflow(&host, &place, 1, "job@^1");
    let bad = place.component("1.1.0", "unreachable", json!({}));
    let pushed = host.done(&["action", "push", &bad, "--canary", "50%"]).remove(0);
    assert_eq!((&pushed["canary"], &pushed["takes_calls"]), (&json!("50%"), &json!(true)));
    refused(&host, &["action", "push", &place.good("1.2.0")], "canary_runs");
    let same = ["action", "push", &bad, "--canary", "5%"];
    refused(&host, &same, "canary_runs");

    // As many as it takes to know, and those that were in hand then.
    let ids: Vec<_> = (0..60).map(|_| submit(&host)).collect();
    let failed = ids.iter().filter(|id| host.end_of(id)["msg_state"] == "failed").count();
    assert!(failed >= 8, "{failed} of 60");
    for _ in 0..20 {
        assert_eq!(outcome(&host).0, "done", "a canary that failed gets a call");
    }
    wait_until("taking the canary out", || versions(&host) == ["1.0.0"]);
    let view = canary(&host);
    assert_eq!(view["course"], "stopped");
    assert!(view["why"].as_str().unwrap().contains("of its"), "{view}");
    let (old, new) = (&view["old"], &view["new"]);
    assert_eq!(new["failures"], json!({ "trap": failed }), "{view}");
    assert!(old["states"]["done"].as_u64().unwrap() >= 60 - failed as u64, "{view}");
    assert_eq!((&old["failed"], &new["failed"]), (&json!(0), &json!(failed)));
    assert!(old["fuel_mean"].as_u64() > Some(0) && old["micros_max"].as_u64() > Some(0), "{view}");

    host.kill();
    host = place.development();
    assert_eq!(canary(&host), view);
    assert_eq!(versions(&host), ["1.0.0"]);
    let parked = ids.iter().find(|id| host.end_of(id)["msg_state"] == "failed").unwrap();
    let _ = host.done(&["redrive", parked, "--reason", "the canary is out"]);
    assert_eq!(host.end_of(parked)["msg_state"], "done");
}

#[test]
fn a_good_canary_is_counted_over_restarts_and_promoted() {
    let place = Place::new();
    let mut host = place.development();
    push(&host, &place.good("1.0.0"));
    workflow(&host, &place, 1, "job@^1");
    let (new, share) = (place.good("1.1.0"), "40%");
    let _ = host.done(&["action", "push", &new, "--canary", share]);
    for round in 1..=2 {
        let ids: Vec<_> = (0..20).map(|_| submit(&host)).collect();
        for id in &ids {
            assert_eq!(host.end_of(id)["msg_state"], "done");
        }
        assert!(host.stop());
        host = place.development();
        let view = canary(&host);
        let calls = |side: &str| view[side]["calls"].as_u64().unwrap();
        assert_eq!(calls("old") + calls("new"), 20 * round, "{view}");
        assert!(calls("new") > 0 && view["course"] == "runs", "{view}");
    }
    // Taking it back is a rollback like any other.
    let _ = host.done(&["action", "rollback", "job"]);
    let view = canary(&host);
    assert_eq!((&view["course"], &view["why"]), (&json!("stopped"), &json!("rolled back")));

    let newer = place.good("1.2.0");
    let _ = host.done(&["action", "push", &newer, "--canary", "0.01%"]);
    let promoted = host.done(&["action", "canary", "job", "--promote"]).remove(0);
    assert_eq!(promoted["course"], "promoted");
    refused(&host, &["action", "canary", "job", "--stop"], "canary_none");
    let id = submit(&host);
    let _ = host.end_of(&id);
    let module = host.bundle(&id).verify().unwrap()[1].module.clone().unwrap();
    assert_eq!(module.version.to_string(), "1.2.0");
    // A canary is newer than what is there.
    let old = ["action", "push", &place.good("1.1.5"), "--canary", "5%"];
    refused(&host, &old, "request_invalid");
}

/// What asks for a host and a method.
/// The start of a core module that can send requests, and its world.
const SENDS: &str = r#"(module
    (import "wasi:http/outgoing-handler@0.2.12" "handle" (func (param i32 i32 i32 i32)))"#;
const WORLD: &str = "package test:test;
    world test {
        include surety:action/action@1.0.0;
        import wasi:http/outgoing-handler@0.2.12;
    }";

fn asking(place: &Place, version: &str, methods: &[&str]) -> String {
    let http = json!([{"hosts": ["api.example.com"], "methods": methods}]);
    place.component(version, component::DONE, json!({"capabilities": {"http": http}}))
}

#[test]
fn signing_approving_and_publishing_are_under_a_hosts_limits() {
    let place = Place::new();
    let host = place.development();
    let (component, key) = (place.good("1.0.0"), place.key(0));
    let policy = place.write("policy.toml", "");
    let small = place.write("small.toml", "[sandbox]\ncomponent_bytes_max = 10\n");
    for arguments in [
        &["sign", "--key", &key][..],
        &["approve", "--key", &key, "--policy", &policy],
        &["publish", "--to", "oci://127.0.0.1:9/job"],
    ] {
        let all = [&["action"][..], arguments, &["--config", &small, &component]].concat();
        let problem = refused(&host, &all, "module_invalid");
        assert!(problem["detail"].as_str().unwrap().contains("component_bytes_max"), "{problem}");
    }
    assert!(!Path::new(&format!("{component}.signatures.json")).exists());
}

#[test]
fn what_a_module_may_do_more_needs_its_reviewers() {
    let place = Place::new();
    let reviewer: PrivateKey = board_key(2);
    let policy = format!(
        "{}[[review]]\nmodules = [\"*\"]\nreviewers = [\"{}\"]\nneeded = 1\n[[grant]]\nmodules = [\"*\"]\nhttp = [{{ hosts = [\"*.example.com\"], methods = [\"GET\", \"POST\"] }}]\n",
        publish(&[0], 1),
        reviewer.address(),
    );
    let host = place.strict(&policy);
    let (policy, publisher, reviewer) = (place.file("policy.toml"), place.key(0), place.key(2));
    let sign = |file: &str| host.done(&["action", "sign", file, "--key", &publisher]).remove(0);
    let approve = |file: &str, key: &str| {
        host.done(&["action", "approve", file, "--key", key, "--policy", &policy]).remove(0)
    };
    let plain = place.good("1.0.0");
    sign(&plain);
    push(&host, &plain);

    let asks = asking(&place, "1.1.0", &["GET"]);
    sign(&asks);
    let problem = refused(&host, &["action", "push", &asks], "review_needed");
    assert_eq!(problem["errors"][0]["detail"], "may GET api.example.com port 443", "{problem}");
    // The publisher is no reviewer.
    approve(&asks, &publisher);
    refused(&host, &["action", "push", &asks], "review_needed");
    let approved = approve(&asks, &reviewer);
    assert_eq!(approved["may"], json!(["GET api.example.com port 443"]));
    let pushed = push(&host, &asks);
    assert!(pushed["reviewers"].as_array().unwrap().len() == 2, "{pushed}");

    // The next version may do the same, without asking again; not more.
    let same = asking(&place, "1.2.0", &["GET"]);
    sign(&same);
    push(&host, &same);
    let more = asking(&place, "1.3.0", &["GET", "POST"]);
    sign(&more);
    let problem = refused(&host, &["action", "push", &more], "review_needed");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "only what is new: {problem}");
    // An approval of another component is none.
    std::fs::copy(format!("{asks}.signatures.json"), format!("{more}.signatures.json")).unwrap();
    refused(&host, &["action", "push", &more], "signature_mismatch");
    std::fs::remove_file(format!("{more}.signatures.json")).unwrap();
    // One of what another policy gives is none either.
    let wide = place.write("wide.toml", "[[grant]]\nmodules = [\"*\"]\nhttp = [{ hosts = [\"*.example.com\"], methods = [\"POST\"] }]\n");
    sign(&more);
    let _ = host.done(&["action", "approve", &more, "--key", &reviewer, "--policy", &wide]);
    let problem = refused(&host, &["action", "push", &more], "signature_mismatch");
    assert_eq!(problem["errors"][0]["pointer"], "/approvals/0", "{problem}");
    approve(&more, &reviewer);
    push(&host, &more);
    assert!(Path::new(&format!("{more}.signatures.json")).is_file());
}
