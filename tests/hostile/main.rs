//! Hostile modules on the real host: each is refused, or harms its own message
//! alone, within a time and a memory that are bounded, and the reason is on record
//! (I5, I7, I8). Everybody else's messages go on.
//!
//! The host is the binary that `SURETY_BIN` names, so the corpus runs against a
//! release build as well:
//! `SURETY_BIN=$PWD/target/release/surety SURETY_GUESTS=$PWD/target/guests cargo test --workspace
//! --test hostile`.

mod bombs;
mod calls;
mod memory;
mod rust;
mod validators;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use surety_tests::host::{Host, path, sign, withdrawal};
use surety_tests::rig::client_key;
use tempfile::TempDir;

use memory::{Memory, children_peak};

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../../host/sandbox/tests/support/component.rs"]
mod component;

/// How long one case may take, from push to the end of its message: the longest are
/// stopped by the limits below.
const CASE_MAX: Duration = Duration::from_secs(90);

/// What a process that compiles may have: the limit below, in the system's own count.
const COMPILER_BYTES_MAX: u64 = 2 << 30;

/// How many engines a host has at most. A call is on any of them, and what it leaves
/// behind is seen by a later one on the same.
const ENGINES_MAX: usize = 4;

/// What is kept of a reason, with its kind before it and what escapes it.
const ERROR_BYTES_MAX: usize = 1_200;

/// Limits of compiling that stop the bombs soon. The dearest component that is taken
/// needs 4.5 s of a slow processor.
const CONFIG: &str = "[compile]\ncpu_s_max = 8\nwall_ms_max = 40000\n\
    memory_bytes_max = 2147483648\noutput_bytes_max = 33554432\n\
    [log]\nlevel = \"warn,surety::guest=off\"\n";

/// What becomes of a module.
enum End {
    /// The host does not read it to its end: it says 413, and closes the connection,
    /// which a sender may see first.
    Unread,
    /// It is not deployed: a code, and what the refusal says.
    Refused(&'static str, &'static str),
    /// Its message parks with this error, after so many transitions.
    Parked(&'static str, u64),
    /// It runs like any other.
    Done,
}

/// What was seen while a case was played.
struct Played {
    /// The messages that it was played on.
    ids: Vec<String>,
    /// The most memory that a process had which compiled, in bytes; 0 when none was seen.
    compiler_bytes: u64,
}

/// A module, and what becomes of it.
struct Case {
    name: &'static str,
    module: Vec<u8>,
    settings: Value,
    end: End,
}

fn manifest(version: usize, limits: &Value) -> String {
    json!({
        "name": "hostile", "version": format!("1.0.{version}"),
        "world": "surety:action/action@1.0.0", "reads": true, "settings": true,
        "returns": {"done": {
            "type": "object", "additionalProperties": false,
            "properties": {"x": {"type": "string"}},
        }},
        "limits": limits,
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

/// A host on which `acme` may submit pranks, too.
fn start(folder: &Path) -> Host {
    let config = folder.join("surety.toml");
    fs::write(&config, CONFIG).unwrap();
    let host = Host::start_with(&folder.join("data"), &["--config", &path(&config)]);
    host.deploy();
    let address = client_key().address().to_string();
    let types = ["--type", "withdrawal", "--type", "prank", "--type", validators::MSG_TYPE];
    let client = [&["client", "put", "acme", "--signer", address.as_str()][..], &types].concat();
    let _ = host.done(&client);
    host
}

fn push(host: &Host, module: &[u8], settings: &Value) -> Result<(u16, Value), String> {
    let component = BASE64_STANDARD.encode(module);
    let push = json!({"component": component, "settings": settings}).to_string();
    host.ask("PUT", "/v1/modules", &push)
}

fn submit(host: &Host) -> String {
    let id = host.msg_id().unwrap();
    let mut prank = withdrawal(&id);
    prank["msg_type"] = json!("prank");
    let body = sign(&client_key(), &prank.to_string()).to_string();
    let (status, answer) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{answer}");
    id
}

/// Somebody else's message goes its way.
fn neighbour(host: &Host, name: &str) {
    let id = host.submit();
    assert_eq!(host.end_of(&id)["msg_state"], "notified", "{name}");
}

/// Plays a case to its end.
fn run(host: &Host, case: &Case) -> Played {
    let Case { name, module, settings, end } = case;
    let (started, memory) = (Instant::now(), Memory::of(host.pid()));
    let is_answered = AtomicBool::new(false);
    let (answer, compiler_bytes) = std::thread::scope(|scope| {
        let pushed = scope.spawn(|| {
            let answer = push(host, module, settings);
            is_answered.store(true, Ordering::SeqCst);
            answer
        });
        let compiler = scope.spawn(|| children_peak(host.pid(), &is_answered));
        // While the module is looked at.
        neighbour(host, name);
        (pushed.join().unwrap(), compiler.join().unwrap())
    });
    assert!(compiler_bytes <= COMPILER_BYTES_MAX, "{name}: {compiler_bytes} to compile it");
    let (status, answer) = match (end, answer) {
        (End::Unread, Err(_)) => (413, Value::Null),
        (_, answer) => answer.unwrap(),
    };
    let mut ids = Vec::new();
    if let End::Unread = end {
        assert_eq!(status, 413, "{name}: {answer}");
    } else if let End::Refused(code, detail) = end {
        assert!((400..500).contains(&status), "{name}: {status} {answer}");
        assert_eq!(answer["code"], *code, "{name}: {answer}");
        assert!(answer.to_string().contains(detail), "{name}: {answer}");
    } else {
        assert_eq!(status, 200, "{name}: {answer}");
        let (status, answer) = host.ask("PUT", "/v1/workflows", &workflow().to_string()).unwrap();
        assert!(status < 300, "{name}: {answer}");
        // One after the other, so that what one left behind would be seen: of what looks
        // for it, one more than there are engines, so that two are on the same.
        let looks = ["leak", "leftovers"].contains(name);
        for _ in 0..if looks { ENGINES_MAX + 1 } else { 2 } {
            let id = submit(host);
            check(host, name, &host.end_of(&id), end);
            ids.push(id);
        }
    }
    neighbour(host, name);
    let took = started.elapsed();
    assert!(took < CASE_MAX, "{name}: {took:?}");
    memory.assert_bounded(name);
    Played { ids, compiler_bytes }
}

fn check(host: &Host, name: &str, message: &Value, end: &End) {
    let End::Parked(reason, revisions) = end else {
        assert_eq!(message["msg_state"], "done", "{name}: {message}");
        return;
    };
    assert_eq!(
        (&message["msg_state"], &message["parked"]),
        (&json!("failed"), &json!(true)),
        "{name}: {message}"
    );
    let error = message["last_error"].as_str().unwrap();
    assert!(error.contains(reason), "{name}: {error}");
    assert!(!error.contains(char::is_control), "{name}: {error:?}");
    assert!(error.len() <= ERROR_BYTES_MAX, "{name}: {} bytes", error.len());
    assert_eq!(message["seq"], *revisions, "{name}: {message}");
    // The reason is in the history as well, which is what is proven later.
    let id = message["msg_id"].as_str().unwrap();
    let (_, history) = host.ask("GET", &format!("/v1/messages/{id}/history"), "").unwrap();
    assert!(history.to_string().contains("\"failed\""), "{name}: {history}");
    // Parked is not final: there is nothing to take out yet.
    let (status, problem) = host.ask("GET", &format!("/v1/messages/{id}/bundle"), "").unwrap();
    assert_eq!((status, &problem["code"]), (409, &json!("not_archived")), "{name}: {problem}");
}

#[test]
fn i8_a_hostile_call_harms_its_own_message_alone() {
    let folder = TempDir::new().unwrap();
    let host = start(folder.path());
    for case in calls::cases() {
        let _ = run(&host, &case);
    }
}

#[test]
fn i8_hostile_rust_harms_its_own_message_alone() {
    let folder = TempDir::new().unwrap();
    let host = start(folder.path());
    for case in rust::cases() {
        let played = run(&host, &case);
        rust::check_traces(&host, case.name, &played.ids);
    }
}

#[test]
fn i8_a_hostile_component_is_refused_in_time() {
    let folder = TempDir::new().unwrap();
    let host = start(folder.path());
    let played: Vec<_> = bombs::cases().iter().map(|case| run(&host, case)).collect();
    // Some compile for seconds.
    let most = played.iter().map(|played| played.compiler_bytes).max();
    assert!(most > Some(0), "no process was seen that compiles");
}

#[test]
fn i8_a_hostile_validator_refuses_its_own_messages_alone() {
    let folder = TempDir::new().unwrap();
    validators::run(&start(folder.path()));
}

#[test]
fn a_start_without_compiled_modules_serves_and_compiles_them_again() {
    let folder = TempDir::new().unwrap();
    let mut host = Host::start(folder.path());
    host.deploy();
    let compiled = || fs::read_dir(folder.path().join("compiled")).unwrap().map(|e| e.unwrap());
    let files = || compiled().filter(|e| e.file_type().unwrap().is_file()).count();
    let kept = files();
    assert!(host.stop() && kept > 0);
    // One is gone, one is another's, one is cut off: none is loaded as it is.
    let mut paths: Vec<_> = compiled().map(|e| e.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    fs::remove_file(&paths[0]).unwrap();
    fs::copy(&paths[3], &paths[1]).unwrap();
    fs::OpenOptions::new().write(true).open(&paths[2]).unwrap().set_len(1000).unwrap();

    let host = Host::start(folder.path());
    let message = host.submit_when_ready();
    assert_eq!(host.end_of(&message)["msg_state"], "notified");
    let (_, history) = host.ask("GET", &format!("/v1/messages/{message}/history"), "").unwrap();
    // Waiting for the compiler is no failed attempt.
    for record in history["records"].as_array().unwrap() {
        assert!(record["attempt"].as_u64().unwrap() <= 1, "{history}");
    }
    let started = Instant::now();
    while files() < kept {
        assert!(started.elapsed() < CASE_MAX);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn i8_a_module_is_called_as_often_as_it_may_and_its_messages_wait() {
    const PER_SECOND: u64 = 5;
    const MESSAGES: u64 = 15;
    let folder = TempDir::new().unwrap();
    let host = start(folder.path());
    let core = component::core("", "(i32.const 1024)");
    let manifest = manifest(0, &json!({"module_calls_per_second_max": PER_SECOND}));
    let module = component::with_manifest(component::encode(&core, None), &manifest);
    let (status, answer) = push(&host, &module, &json!({})).unwrap();
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = host.ask("PUT", "/v1/workflows", &workflow().to_string()).unwrap();
    assert!(status < 300, "{answer}");
    let started = Instant::now();
    let ids: Vec<String> = (0..MESSAGES).map(|_| submit(&host)).collect();
    let neighbour = host.submit();
    assert_eq!(host.end_of(&neighbour)["msg_state"], "notified");
    for id in &ids {
        let end = host.end_of(id);
        // One transition: that it had to wait is no failed attempt.
        assert_eq!((&end["msg_state"], &end["seq"]), (&json!("done"), &json!(1)), "{end}");
    }
    // All but those that may bunch up at first.
    let least = Duration::from_secs((MESSAGES - 2) / PER_SECOND) - Duration::from_millis(200);
    assert!(started.elapsed() > least, "{:?}", started.elapsed());
}
