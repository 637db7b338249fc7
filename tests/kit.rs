//! The developer kit through the real binary: projects made, built, tested,
//! deployed and run, in every language.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use surety_tests::host::{Host, binary, guests, path, repository, sign};
use surety_tests::rig::client_key;
use tempfile::TempDir;

/// Language, file with the action, and what holds the tools that
/// `cargo xtask test` installed for it.
const LANGS: [(&str, &str, Option<&str>); 4] = [
    ("rust", "src/lib.rs", None),
    ("js", "src/action.js", Some("node_modules")),
    ("python", "src/app.py", Some(".venv")),
    ("c", "src/action.c", Some(".venv")),
];

fn toolchains() -> PathBuf {
    let folder = std::env::var_os("SURETY_TOOLCHAINS").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.exists());
    folder.expect("SURETY_TOOLCHAINS names no folder with the tools; run `cargo xtask test`")
}

/// The binary without a host.
fn surety(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env("CARGO_TARGET_DIR", toolchains().join("rust"));
    command
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Runs a command that succeeds, and gives what it prints.
fn done(arguments: &[&str]) -> Vec<Value> {
    let output = surety(arguments).arg("--json").output().unwrap();
    let (stdout, stderr) = said(&output);
    assert!(output.status.success(), "{arguments:?}: {stdout}{stderr}");
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A new project with the tools that are installed already.
fn project(folder: &Path, name: &str, lang: &str) -> PathBuf {
    let project = folder.join(name);
    let _ = done(&["action", "new", name, "--lang", lang, "--folder", &path(&project)]);
    let tools = LANGS.iter().find(|(of, ..)| *of == lang).unwrap().2;
    if let Some(tools) = tools {
        symlink(toolchains().join(lang).join(tools), project.join(tools)).unwrap();
    }
    project
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", file.display());
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// A project whose state and member of Msg_Ext carry its language, so that those of
/// all languages fit into one workflow.
fn link(folder: &Path, lang: &str, source: &str) -> PathBuf {
    let project = project(folder, &format!("link-{lang}"), lang);
    for file in [source, "manifest.json", "workflow.json", "fixtures/accepted.json"] {
        replace(&project.join(file), "accepted", &format!("accepted_{lang}"));
        if file != "workflow.json" {
            replace(&project.join(file), "checked", &format!("checked_{lang}"));
        }
    }
    project
}

/// new → build → check → test, as its README tells it.
fn built(folder: &Path, lang: &str, source: &str) -> PathBuf {
    let project = link(folder, lang, source);
    let folder = path(&project);
    let made = done(&["action", "build", &folder]).remove(0);
    let checked = done(&["action", "check", made["file"].as_str().unwrap()]).remove(0);
    assert_eq!(checked["digest"], made["digest"]);
    assert_eq!(checked["name"], format!("link-{lang}"));
    let imports = checked["imports"].as_array().unwrap();
    assert!(imports.contains(&json!("surety:action/log@1.0.0")), "{lang}: {imports:?}");
    let cases = done(&["action", "test", &folder, "--no-build"]);
    assert_eq!(cases.len(), 3, "{lang}");
    for case in cases {
        assert_eq!(case["held"], true, "{lang}: {case}");
        for measured in ["fuel", "memory_bytes", "took_us"] {
            assert!(case[measured].as_u64().unwrap() > 0, "{lang}: {case}");
        }
    }
    project
}

/// A project in Rust has unit tests, which run the same fixtures natively.
fn natively(project: &Path) {
    let mut test = Command::new("cargo");
    // For release, whose build scripts and macros were compiled for the component.
    test.args(["test", "--release", "--lib"]).current_dir(project);
    test.env("CARGO_TARGET_DIR", toolchains().join("rust"));
    let output = test.output().unwrap();
    let (stdout, stderr) = said(&output);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("the_fixtures_hold ... ok"), "{stdout}");
}

/// A validator's project goes the same way as an action's, and what it finds comes back
/// to who submits.
#[test]
fn a_validator_in_rust_checks_what_is_submitted() {
    let folder = TempDir::new().unwrap();
    let project = folder.path().join("within");
    let arguments = ["action", "new", "within", "--lang", "rust", "--kind", "validator"];
    let made = done(&[&arguments[..], &["--folder", &path(&project)]].concat()).remove(0);
    assert_eq!(made["kind"], "validator");
    let cases = done(&["action", "test", &path(&project)]);
    assert_eq!(cases.len(), 3);
    for case in cases {
        assert_eq!(case["held"], true, "{case}");
        assert!(case["fuel"].as_u64().unwrap() > 0, "{case}");
    }
    let checked = done(&["action", "check", &path(&project.join("within.wasm"))]).remove(0);
    assert_eq!(checked["name"], "within");
    natively(&project);

    let host = Host::start(&folder.path().join("data"));
    let signer = client_key().address().to_string();
    let _ = host.done(&["client", "put", "acme", "--signer", &signer, "--type", "within"]);
    let _ = host.done(&["action", "push", &path(&project)]);
    let _ = host.done(&["workflow", "push", &path(&project.join("workflow.json"))]);
    let (_, end) = submit(&host, "within", "250");
    assert_eq!(end["msg_state"], "accepted", "{end}");
    let (status, answer) = offer(&host, &host.msg_id().unwrap(), "within", "1001");
    assert_eq!((status, &answer["code"]), (422, &json!("validator_refused")), "{answer}");
    let finding = json!([{"pointer": "/payload/amount", "detail": "is above 1000"}]);
    assert_eq!(answer["errors"], finding, "{answer}");

    let other = ["action", "new", "other", "--lang", "c", "--kind", "validator"];
    let output = surety(&other).current_dir(&folder).output().unwrap();
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("`--lang rust --kind validator` has one"), "{stderr}");
}

/// Offers a payment to the host; gives its answer.
fn offer(host: &Host, id: &str, msg_type: &str, amount: &str) -> (u16, Value) {
    let text = json!({
        "msg_id": id, "msg_type": msg_type, "client_id": "acme",
        "creation_date": "2026-11-23T10:00:00Z", "payload": {"amount": amount},
    });
    let body = sign(&client_key(), &text.to_string()).to_string();
    host.ask("POST", "/v1/messages", &body).unwrap()
}

/// Submits a payment of this type; gives its id and how it ended.
fn submit(host: &Host, msg_type: &str, amount: &str) -> (String, Value) {
    let id = host.msg_id().unwrap();
    let (status, answer) = offer(host, &id, msg_type, amount);
    assert_eq!(status, 202, "{answer}");
    let end = host.end_of(&id);
    (id, end)
}

#[test]
fn a_module_in_each_language_runs_alone_and_all_in_one_workflow() {
    let folder = TempDir::new().unwrap();
    let projects: [PathBuf; 4] = std::thread::scope(|scope| {
        let folder = folder.path();
        let builds =
            LANGS.map(|(lang, source, _)| scope.spawn(move || built(folder, lang, source)));
        builds.map(|build| build.join().unwrap())
    });
    natively(&projects[0]);

    let host = Host::start(&folder.path().join("data"));
    let signer = client_key().address().to_string();
    let mut client = vec!["client", "put", "acme", "--signer", &signer, "--type", "chain"];
    let names: Vec<_> = LANGS.iter().map(|(lang, ..)| format!("link-{lang}")).collect();
    client.extend(names.iter().flat_map(|name| ["--type", name.as_str()]));
    let _ = host.done(&client);
    for (project, (lang, ..)) in projects.iter().zip(LANGS) {
        let pushed = host.done(&["action", "push", &path(project)]).remove(0);
        assert_eq!(pushed["name"], format!("link-{lang}"));
        let _ = host.done(&["workflow", "push", &path(&project.join("workflow.json"))]);
        let (_, end) = submit(&host, &format!("link-{lang}"), "250");
        assert_eq!(end["msg_state"], format!("accepted_{lang}"), "{end}");
        let (_, end) = submit(&host, &format!("link-{lang}"), "1001");
        assert_eq!(end["msg_state"], "refused", "{end}");
    }

    let (status, answer) = host.ask("PUT", "/v1/workflows", &chain().to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");
    let (id, end) = submit(&host, "chain", "7");
    assert_eq!(end["msg_state"], "accepted_c", "{end}");
    let records = host.bundle(&id).verify().unwrap();
    let ran: Vec<_> =
        records.iter().filter_map(|r| Some(r.module.as_ref()?.name.to_string())).collect();
    assert_eq!(ran, names);
    logs(&host, &id);
}

/// Every language's module, one behind the other.
fn chain() -> Value {
    let mut states = json!({"refused": {"final": true}, "failed": {"parked": true}});
    let mut state = "received".to_owned();
    for (lang, ..) in LANGS {
        let next = format!("accepted_{lang}");
        states[&state] = json!({
            "invoke": format!("link-{lang}@^0.1"), "targets": [next, "refused"], "on_failure": "failed",
        });
        state = next;
    }
    states[&state] = json!({"final": true});
    let schema = json!({"type": "object", "properties": {"msg_type": {"const": "chain"}}});
    json!({"msg_type": "chain", "version": 1, "schema": schema, "initial": "received", "states": states})
}

/// The lines of a message are those that its modules wrote, in their order.
fn logs(host: &Host, id: &str) {
    let lines = host.done(&["action", "logs", "--message", id]);
    let modules: Vec<_> = lines.iter().map(|line| line["module"].as_str().unwrap()).collect();
    assert_eq!(modules, ["link-rust@0.1.0", "link-js@0.1.0", "link-python@0.1.0", "link-c@0.1.0"]);
    for line in &lines {
        assert_eq!((&line["level"], &line["text"]), (&json!("info"), &json!("7 is within 1000")));
    }
    // Of one module: the message of its own workflow, and that of the chain.
    assert_eq!(host.done(&["action", "logs", "link-js"]).len(), 2);
    assert_eq!(host.done(&["action", "logs", "link-js@0.1.0", "--message", id]).len(), 1);
    assert_eq!(host.done(&["action", "logs", "link"]).len(), 0);

    // Who waits is answered when there is a line.
    let last = lines[3]["number"].as_u64().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let path = format!("/v1/logs?module=link-c&after={last}&wait=60");
            host.ask("GET", &path, "").unwrap()
        });
        let (other, _) = submit(host, "link-c", "8");
        let (status, page) = waiting.join().unwrap();
        assert_eq!((status, &page["lines"][0]["msg_id"]), (200, &json!(other)), "{page}");
        assert_eq!(page["lines"][0]["text"], "8 is within 1000");
    });
    let (status, problem) = host.ask("GET", "/v1/logs?wait=61", "").unwrap();
    assert_eq!((status, &problem["code"]), (400, &json!("request_invalid")), "{problem}");
}

/// An action in C that writes the text `amount` of the payload to Msg_Ext.
const ECHO: &str = r#"
#include "surety.h"

bool exports_action_run(action_call_t *call, action_advance_t *advance, action_failure_t *failure) {
    const char *amount = json_text(message_payload(call), "amount");
    if (amount == NULL) {
        return fail_permanently(failure, "there is no text");
    }
    return advance_to(advance, "accepted", format("{\"amount\":%s}", json_quoted(amount)), NULL);
}
"#;

/// The C template reads JSON by itself, so it is tried on the texts that clients sign.
#[test]
fn the_c_template_reads_json_as_it_was_signed() {
    let folder = TempDir::new().unwrap();
    let project = project(folder.path(), "echo", "c");
    std::fs::write(project.join("src/action.c"), ECHO).unwrap();
    let manifest = json!({
        "name": "echo", "version": "0.1.0", "world": "surety:action/action@1.0.0",
        "reads": true, "settings": true, "returns": {"accepted": true},
    });
    std::fs::write(project.join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(project.join("settings.json"), "{}").unwrap();
    let _ = done(&["action", "build", &path(&project)]);
    let host = Host::start(&folder.path().join("data"));
    let _ = host.done(&["action", "push", &path(&project)]);
    let schema = json!({"type": "object"});
    let states = json!({
        "received": {"invoke": "echo@^0.1", "targets": ["accepted"], "on_failure": "failed"},
        "accepted": {"final": true}, "failed": {"final": true},
    });
    let workflow = json!({
        "msg_type": "echo", "version": 1, "schema": schema, "initial": "received", "states": states,
    });
    let (status, answer) = host.ask("PUT", "/v1/workflows", &workflow.to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");
    let signer = client_key().address().to_string();
    let _ = host.done(&["client", "put", "acme", "--signer", &signer, "--type", "echo"]);

    let found = [
        (r#"{"amount":"1"}"#, "1"),
        ("{ \"b\" : [1, {\"amount\": \"no\"}, \"]}\\\"\"] ,\n\t\"amount\" : \"\" }", ""),
        (r#"{"x":{"amount":"no"},"y":-1.5,"z":null,"amount":"é€😀"}"#, "é€😀"),
        (r#"{"am\u006funt":"\u0041\u00e9\u20AC\ud83d\ude00"}"#, "Aé€😀"),
        (r#"{"amount":"\"\\\/\b\f\n\r\t\u001f"}"#, "\"\\/\u{8}\u{c}\n\r\t\u{1f}"),
    ];
    for (payload, expected) in found {
        assert_eq!(echoed(&host, payload), Some(expected.to_owned()), "{payload}");
    }
    for payload in [r#"{"amount":1}"#, r#"{"amount":"a\u0000b"}"#, r#"{"amounts":"1"}"#, "{}"] {
        assert_eq!(echoed(&host, payload), None, "{payload}");
    }
}

/// What the echo wrote for a payload of exactly this text; none when it failed.
fn echoed(host: &Host, payload: &str) -> Option<String> {
    let id = host.msg_id().unwrap();
    let text = format!(
        r#"{{"msg_id":"{id}", "payload" : {payload} ,"msg_type":"echo","client_id":"acme","creation_date":"2026-11-23T10:00:00Z"}}"#
    );
    let body = sign(&client_key(), &text).to_string();
    let (status, answer) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{payload}: {answer}");
    let end = host.end_of(&id);
    assert_eq!(end["final"], true, "{payload}: {end}");
    let records = host.bundle(&id).verify().unwrap();
    let ran = records.iter().find(|record| record.module.is_some()).unwrap();
    if let Some(failure) = &ran.failure {
        assert_eq!(failure.kind.as_str(), "permanent", "{payload}: {failure}");
        return None;
    }
    let patch: Value = serde_json::from_str(&ran.ext_patch).unwrap();
    Some(patch["amount"].as_str().unwrap().to_owned())
}

#[test]
fn a_fixture_that_does_not_hold_is_shown_and_can_be_updated() {
    let folder = TempDir::new().unwrap();
    let project = project(folder.path(), "strict", "c");
    let (folder, file) = (path(&project), project.join("fixtures/refused.json"));
    let golden = std::fs::read_to_string(&file).unwrap();
    replace(&file, "above", "below");
    let output = surety(&["action", "test", &folder]).output().unwrap();
    let (stdout, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(5), "{stdout}{stderr}");
    for part in [
        "ok    accepted",
        "DIFF  refused",
        r#"-   "note": "1001 is below 1000""#,
        r#"+   "note": "1001 is above 1000""#,
    ] {
        assert!(stdout.contains(part), "{part:?} is not in {stdout}");
    }
    assert!(stderr.contains("1 of 3 fixtures do not hold"), "{stderr}");

    let cases = done(&["action", "test", &folder, "--no-build", "--update"]);
    let updated: Vec<_> = cases.iter().filter(|case| case["updated"] == true).collect();
    assert_eq!((updated.len(), &updated[0]["fixture"]), (1, &json!("refused")));
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(&std::fs::read_to_string(&file).unwrap()), value(&golden));
    let cases = done(&["action", "test", &folder, "--no-build"]);
    assert!(cases.iter().all(|case| case["held"] == true && case["updated"] == false));
}

/// An action of this repository with its fixtures, as a project that is built.
fn built_already(folder: &Path, name: &str) -> PathBuf {
    let (project, source) = (folder.join(name), repository(&format!("actions/{name}")));
    std::fs::create_dir_all(project.join("fixtures")).unwrap();
    for file in ["Cargo.toml", "manifest.json"] {
        std::fs::copy(source.join(file), project.join(file)).unwrap();
    }
    for fixture in std::fs::read_dir(source.join("fixtures")).unwrap() {
        let fixture = fixture.unwrap();
        std::fs::copy(fixture.path(), project.join("fixtures").join(fixture.file_name())).unwrap();
    }
    let component = format!("{name}.wasm");
    std::fs::copy(guests().join(&component), project.join(component)).unwrap();
    project
}

/// Runs the fixtures of a project that is built; gives the exit code and the cases by
/// name.
fn cases(project: &Path, arguments: &[&str]) -> (i32, Value) {
    let mut command = surety(&["action", "test", &path(project), "--no-build", "--json"]);
    let output = command.args(arguments).output().unwrap();
    let (stdout, stderr) = said(&output);
    let mut cases = json!({});
    for line in stdout.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["fixture"].as_str().unwrap().to_owned();
        cases[name] = case;
    }
    (output.status.code().unwrap_or_else(|| panic!("{stderr}")), cases)
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn write(file: &Path, value: &Value) {
    std::fs::write(file, value.to_string()).unwrap();
}

#[test]
fn recorded_requests_are_the_world_of_a_fixture() {
    let folder = TempDir::new().unwrap();
    let project = built_already(folder.path(), "payout");
    let (code, all) = cases(&project, &[]);
    assert_eq!(code, 0, "{all}");
    assert_eq!(all.as_object().unwrap().len(), 5);
    let lines = [
        "POST https://treasury.example.com/payouts: 201 with 12 bytes",
        "GET https://treasury.example.com/payouts/p-1: 200 with 16 bytes",
    ];
    assert_eq!(all["paid"]["http"], json!(lines));
    let denied = all["elsewhere"]["http"][0].as_str().unwrap();
    assert!(denied.contains("denied: no grant covers POST to elsewhere.example.com"), "{denied}");

    // Each is not what the action does, or not what a host would do.
    let (paid, elsewhere) = (read_fixture(&project, "paid"), read_fixture(&project, "elsewhere"));
    let changed = |base: &Value, change: &dyn Fn(&mut Value)| {
        let mut fixture = base.clone();
        change(&mut fixture);
        fixture
    };
    let request = "/http/0/request";
    type Change<'a> = &'a dyn Fn(&mut Value);
    let rows: [(&Value, Change<'_>, usize, &str, &str); 9] = [
        (
            &paid,
            &|f| f["http"][0]["request"]["body"]["amount"] = json!("6"),
            0,
            "not the recorded",
            "diverged",
        ),
        (
            &paid,
            &|f| f["http"][0]["request"]["method"] = json!("PUT"),
            0,
            "not the recorded",
            "diverged",
        ),
        (
            &paid,
            &|f| {
                f["http"][1]["request"]["url"] = json!("https://treasury.example.com/payouts/p-1?x")
            },
            1,
            "not the recorded",
            "diverged",
        ),
        (
            &paid,
            &|f| f["http"][1]["request"]["headers"]["authorization"] = json!("Bearer value"),
            1,
            "not the recorded",
            "diverged",
        ),
        (
            &paid,
            &|f| {
                let extra = f["http"][1].clone();
                f["http"].as_array_mut().unwrap().push(extra);
            },
            2,
            "was not asked for",
            "paid",
        ),
        (
            &paid,
            &|f| drop(f["http"].as_array_mut().unwrap().pop()),
            1,
            "is not recorded",
            "diverged",
        ),
        (
            &paid,
            &|f| drop(f["http"][1].as_object_mut().unwrap().remove("response")),
            1,
            "no `response` or `error` yet",
            "diverged",
        ),
        (&paid, &|f| drop(f.pointer_mut(request).map(Value::take)), 0, "no `request` yet", "paid"),
        (
            &elsewhere,
            &|f| {
                f["http"][0] =
                    json!({"request": f["http"][0]["request"], "response": {"status": 200}})
            },
            0,
            "is denied: no grant covers POST to elsewhere.example.com at port 443",
            "permanent",
        ),
    ];
    for (base, change, exchange, why, found) in rows {
        write(&project.join("fixtures/changed.json"), &changed(base, change));
        let (code, all) = cases(&project, &[]);
        let case = &all["changed"];
        assert_eq!((code, &case["held"]), (5, &json!(false)), "{why}: {case}");
        let difference = &case["differences"][0];
        assert_eq!(difference["exchange"], exchange, "{why}: {case}");
        assert!(difference["why"].as_str().unwrap().contains(why), "{why}: {case}");
        let came = case["found"].get("failure").unwrap_or(&case["found"]["state"]);
        assert_eq!(came, found, "{why}: {case}");
    }

    // People see what was expected and what was asked, line by line.
    write(&project.join("fixtures/changed.json"), &changed(&paid, rows[0].1));
    let output = surety(&["action", "test", &path(&project), "--no-build"]).output().unwrap();
    let (stdout, _) = said(&output);
    for part in [
        "DIFF  changed",
        "http 0: is not the recorded request",
        r#"-     "amount": "6","#,
        r#"+     "amount": "5","#,
        "the action sends POST https://treasury.example.com/payouts as request 0",
    ] {
        assert!(stdout.contains(part), "{part:?} is not in {stdout}");
    }

    // What no host could give is a mistake of the fixture's.
    let wrong = changed(&paid, &|f| {
        f["http"][1] = json!({"request": f["http"][1]["request"], "error": "lost"})
    });
    write(&project.join("fixtures/changed.json"), &wrong);
    let output = surety(&["action", "test", &path(&project), "--no-build"]).output().unwrap();
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in ["changed.json", "exchange 1", "\"lost\" is none of denied, address"] {
        assert!(stderr.contains(part), "{part:?} is not in {stderr}");
    }
}

fn read_fixture(project: &Path, name: &str) -> Value {
    read(&project.join(format!("fixtures/{name}.json")))
}

/// Limits and secrets are judged as on a host.
#[test]
fn recorded_requests_are_judged_as_a_host_judges_them() {
    let folder = TempDir::new().unwrap();
    let project = built_already(folder.path(), "payout");
    let mut large = read_fixture(&project, "paid");
    large["http"][0]["response"]["body"] = json!("x".repeat(16 << 10));
    large["http"].as_array_mut().unwrap().pop();
    large["expect"] = json!({
        "failure": "permanent",
        "reason": "the response of https://treasury.example.com/payouts is larger than the limit",
    });
    write(&project.join("fixtures/large.json"), &large);
    // Whoever signs a placeholder does not get a secret put in.
    let mut stranger = read_fixture(&project, "paid");
    stranger["payload"]["to"] = json!("{{secret:treasury-api}}");
    stranger["http"][0]["request"]["body"]["to"] = json!("{{secret:treasury-api}}");
    stranger["http"] = json!([{"request": stranger["http"][0]["request"], "error": "denied"}]);
    stranger["expect"] = json!({"failure": "permanent"});
    write(&project.join("fixtures/stranger.json"), &stranger);
    // Nor does a service that answers with one.
    let mut service = read_fixture(&project, "paid");
    service["http"][0]["response"]["body"]["next"] = json!("{{secret:treasury-api}}");
    service["http"][1] = json!({"request": service["http"][1]["request"], "error": "denied"});
    service["expect"] = json!({"failure": "permanent"});
    write(&project.join("fixtures/service.json"), &service);
    let (code, all) = cases(&project, &[]);
    assert_eq!(code, 0, "{all}");
    let line = all["stranger"]["http"][0].as_str().unwrap();
    assert!(line.contains("the message itself holds a placeholder"), "{line}");
    let line = all["service"]["http"][1].as_str().unwrap();
    assert!(line.contains("an earlier response to this call holds a placeholder"), "{line}");
}

/// A fixture grows from its payload: each run writes the next request, and who writes
/// it fills in the answer.
#[test]
fn requests_are_recorded_one_by_one() {
    let folder = TempDir::new().unwrap();
    let project = built_already(folder.path(), "payout");
    let golden = read_fixture(&project, "paid");
    for name in ["elsewhere", "no-answer", "paid", "refused", "under-way"] {
        std::fs::remove_file(project.join(format!("fixtures/{name}.json"))).unwrap();
    }
    let file = project.join("fixtures/paid.json");
    write(&file, &json!({"payload": golden["payload"], "settings": golden["settings"]}));
    for n in 0..2 {
        let (code, all) = cases(&project, &["--update"]);
        let case = &all["paid"];
        assert_eq!((code, &case["updated"]), (5, &json!(false)), "{case}");
        let mut fixture = read(&file);
        let recorded = fixture["http"].as_array().unwrap();
        assert_eq!(recorded.len(), n + 1, "{fixture}");
        assert_eq!(recorded[n], json!({"request": golden["http"][n]["request"]}));
        assert!(fixture["expect"].is_null(), "{fixture}");
        fixture["http"][n]["response"] = golden["http"][n]["response"].clone();
        write(&file, &fixture);
    }
    let (code, all) = cases(&project, &["--update"]);
    assert_eq!((code, &all["paid"]["updated"]), (0, &json!(true)), "{all}");
    assert_eq!(read(&file), golden);

    // Other requests in their place, with the same answers; and none that is left over.
    let mut other = golden.clone();
    other["payload"]["amount"] = json!("7");
    other["http"].as_array_mut().unwrap().push(golden["http"][1].clone());
    write(&file, &other);
    let (code, all) = cases(&project, &["--update"]);
    assert_eq!((code, &all["paid"]["updated"]), (0, &json!(true)), "{all}");
    let mut expected = golden;
    expected["payload"]["amount"] = json!("7");
    expected["http"][0]["request"]["body"]["amount"] = json!("7");
    assert_eq!(read(&file), expected);
    assert_eq!(cases(&project, &[]).0, 0);
}

#[test]
fn a_validators_fixtures_say_what_it_finds() {
    let folder = TempDir::new().unwrap();
    let project = built_already(folder.path(), "policy");
    let (code, all) = cases(&project, &[]);
    assert_eq!(code, 0, "{all}");
    assert_eq!(all["meant"]["found"], json!({"findings": []}));
    for measured in ["fuel", "memory_bytes", "took_us"] {
        assert!(all["fee"][measured].as_u64().unwrap() > 0, "{all}");
    }

    let (file, fee) = (project.join("fixtures/fee.json"), read_fixture(&project, "fee"));
    let mut other = fee.clone();
    other["expect"]["findings"][0]["pointer"] = json!("/payload/fee");
    write(&file, &other);
    let (code, all) = cases(&project, &[]);
    assert_eq!((code, &all["fee"]["held"]), (5, &json!(false)), "{all}");
    let (code, all) = cases(&project, &["--update"]);
    assert_eq!((code, &all["fee"]["updated"]), (0, &json!(true)), "{all}");
    assert_eq!(read(&file), fee);

    other["ext"] = json!({"seen": true});
    write(&file, &other);
    let output = surety(&["action", "test", &path(&project), "--no-build"]).output().unwrap();
    let (_, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("fee.json") && stderr.contains("`ext`, which no validator"),
        "{stderr}"
    );
}

#[test]
fn what_a_host_would_not_take_shows_in_the_test() {
    let folder = TempDir::new().unwrap();
    let project = project(folder.path(), "wrong", "c");
    let (folder, manifest) = (path(&project), project.join("manifest.json"));
    let failures = |arguments: &[&str]| -> Vec<Value> {
        let output = surety(&[&["action", "test", &folder, "--json"], arguments].concat());
        let output = { output }.output().unwrap();
        let (stdout, stderr) = said(&output);
        assert_eq!(output.status.code(), Some(5), "{stdout}{stderr}");
        let cases = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        cases.map(|case| case["found"]["failure"].clone()).collect()
    };
    let good = std::fs::read_to_string(&manifest).unwrap();
    replace(&manifest, "\"reads\": true", "\"limits\": {\"fuel_max\": 100}, \"reads\": true");
    assert_eq!(failures(&[]), ["limit", "limit", "limit"]);

    std::fs::write(&manifest, &good).unwrap();
    replace(&manifest, "\"checked\": {", "\"compared\": {");
    replace(&manifest, "[\"checked\"]", "[\"compared\"]");
    assert_eq!(failures(&[]), [json!("undeclared"), json!("permanent"), Value::Null]);

    std::fs::write(&manifest, &good).unwrap();
    let reads = r#""reads": {"type": "object", "required": ["seen"]}"#;
    replace(&manifest, "\"reads\": true", reads);
    // Only `accepted` has it.
    assert_eq!(failures(&[]), [Value::Null, json!("unreadable"), json!("unreadable")]);
}

#[test]
fn what_is_missing_or_wrong_is_said_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let refused = |command: &mut Command, code: i32, parts: &[&str]| {
        let output = command.output().unwrap();
        let (stdout, stderr) = said(&output);
        assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{part:?} is not in {stderr}");
        }
    };
    let empty = path(folder.path());
    refused(&mut surety(&["action", "build", &empty]), 1, &["manifest.json", "surety action new"]);
    let new = ["action", "new", "Bad_Name", "--lang", "c"];
    refused(surety(&new).current_dir(&folder), 1, &["Bad_Name", "lowercase"]);

    // Without any tool: what is looked for, and how to get it.
    for (lang, tool, install) in [
        ("rust", "cargo is missing", "rustup"),
        ("js", "npm is missing", "nodejs npm"),
        ("python", "python3 is missing", "python3-venv"),
        ("c", "python3 is missing", "python3-venv"),
    ] {
        let project = folder.path().join(format!("bare-{lang}"));
        let _ = done(&["action", "new", "bare", "--lang", lang, "--folder", &path(&project)]);
        let build = ["action", "build", &path(&project)];
        let mut command = surety(&build);
        command.env("PATH", &empty).env_remove("CARGO");
        refused(&mut command, 1, &[tool, install]);
        refused(&mut surety(&["action", "push", &path(&project)]), 1, &["surety action build"]);
        let again = ["action", "new", "bare", "--lang", lang, "--folder", &path(&project)];
        refused(&mut surety(&again), 1, &["there already"]);
    }

    // What would need a host's clock is refused when the component is made.
    let clock = project(folder.path(), "clock", "c");
    let source = clock.join("src/action.c");
    replace(&source, "#include <string.h>", "#include <string.h>\n#include <time.h>");
    replace(&source, "log_info(note);", "log_info(ctime(&(time_t){time(NULL)}));");
    let build = ["action", "build", &path(&clock)];
    refused(&mut surety(&build), 1, &["no component can be made", "wasi_snapshot_preview1"]);

    // The manifest is checked with the component.
    let invalid = project(folder.path(), "invalid", "c");
    replace(&invalid.join("manifest.json"), "\"version\": \"0.1.0\"", "\"version\": \"one\"");
    let build = ["action", "build", &path(&invalid)];
    refused(&mut surety(&build), 3, &["module_invalid", "version"]);
}
