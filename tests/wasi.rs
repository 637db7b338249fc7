//! WASI as a guest sees it: an action that asks the clocks and draws numbers, sends a
//! request with a secret, reads the answer, and then sends its whole memory away.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use surety_core::effect::{
    Budget, Outcome, Outside, Request, Response, Stopped, Unsent, UnsentKind,
};
use surety_core::machine::{Call, Ran};
use surety_core::message::Message;
use surety_core::module::Module;
use surety_core::policy::Policy;
use surety_core::ports::{Actions as _, Deployment, Egress as _, Fault, Order};
use surety_core::record::FailureKind;
use surety_core::scheme::Scheme;
use surety_core::types::{Address, Digest, Seq, Time};
use surety_egress::{EgressConfig, Gate, Secrets, SystemResolver};
use surety_sandbox::{Inspected, Limits, Sandbox};
use surety_tests::host::compiling;
use tempfile::TempDir;

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../host/sandbox/tests/support/component.rs"]
mod component;

use component::{DONE, core, encode, with_manifest};

const SECRET: &str = "hunter2-hunter2-hunter2";

/// Where the guest keeps what it was told, in its memory.
const RANDOM: usize = 3000;
const INSECURE: usize = 3008;
const WALL: usize = 3016;
const BEFORE: usize = 3032;
const AFTER: usize = 3040;

const WORLD: &str = "package test:test;
    world test {
        include surety:action/action@1.0.0;
        import wasi:http/outgoing-handler@0.2.12;
        import wasi:random/random@0.2.12;
        import wasi:random/insecure@0.2.12;
        import wasi:clocks/wall-clock@0.2.12;
        import wasi:clocks/monotonic-clock@0.2.12;
    }";

const IMPORTS: &str = r#"
    (import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))
    (import "wasi:random/insecure@0.2.12" "get-insecure-random-u64" (func $insecure (result i64)))
    (import "wasi:clocks/wall-clock@0.2.12" "now" (func $wall (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $mono (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $sleep (param i64) (result i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $put (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $get (param i32 i64 i32)))
    (import "wasi:http/types@0.2.12" "[static]fields.from-list" (func $fields (param i32 i32 i32)))
    (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-method" (func $method (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-scheme" (func $scheme (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority" (func $authority (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.body" (func $body (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $write (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $response (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]incoming-response.consume" (func $consume (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $stream (param i32 i32)))
    (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $handle (param i32 i32 i32 i32)))"#;

/// The guest's parts: `$send` sends a body and gives the future of the response.
fn items(authority: &str) -> String {
    let length = authority.len();
    format!(
        r#"(data (i32.const 2100) "{authority}")
        (data (i32.const 2200) "authorization")
        (data (i32.const 2220) "Bearer {{{{secret:treasury-api}}}}")
        ;; One header: name and value.
        (data (i32.const 2300) "\98\08\00\00" "\0d\00\00\00" "\ac\08\00\00" "\1e\00\00\00")
        (func $send (param $headers i32) (param $from i32) (param $len i32) (result i32)
            (local $req i32) (local $out i32)
            (call $fields (i32.const 2300) (local.get $headers) (i32.const 3100))
            (local.set $req (call $request (i32.load (i32.const 3104))))
            (drop (call $method (local.get $req) (i32.const 2) (i32.const 0) (i32.const 0)))
            (drop (call $scheme (local.get $req) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
            (drop (call $authority (local.get $req) (i32.const 1) (i32.const 2100) (i32.const {length})))
            (call $body (local.get $req) (i32.const 3100))
            (local.set $out (i32.load (i32.const 3104)))
            (call $handle (local.get $req) (i32.const 0) (i32.const 0) (i32.const 3200))
            (call $write (local.get $out) (i32.const 3100))
            (call $put (i32.load (i32.const 3104)) (local.get $from) (local.get $len) (i32.const 3100))
            (call $finish (local.get $out) (i32.const 0) (i32.const 0) (i32.const 3304))
            (i32.load (i32.const 3208)))"#
    )
}

/// Asks, sends, reads, and sends away all that it has.
const TELLS_ALL: &str = r#"
    (local $future i32)
    (i64.store (i32.const 3000) (call $random))
    (i64.store (i32.const 3008) (call $insecure))
    (call $wall (i32.const 3016))
    (i64.store (i32.const 3032) (call $mono))
    (call $block (call $sleep (i64.const 5000000000)))
    (i64.store (i32.const 3040) (call $mono))
    (local.set $future (call $send (i32.const 1) (i32.const 2220) (i32.const 30)))
    (call $block (call $subscribe (local.get $future)))
    (call $response (local.get $future) (i32.const 3400))
    ;; There is a response, and it is one.
    (if (i32.ne (i32.load8_u (i32.const 3416)) (i32.const 0)) (then unreachable))
    (call $consume (i32.load (i32.const 3424)) (i32.const 3100))
    (call $stream (i32.load (i32.const 3104)) (i32.const 3100))
    (call $get (i32.load (i32.const 3104)) (i64.const 4096) (i32.const 3100))
    (drop (call $send (i32.const 0) (i32.const 0)
        (i32.mul (memory.size) (i32.const 65536))))
    (i32.const 1024)"#;

/// The world of one call: the first request goes out by the real way, the second
/// stays here.
struct Tap {
    gate: Gate,
    module: Arc<Module>,
    asked: Mutex<Vec<Request>>,
}

#[async_trait]
impl Outside for Tap {
    async fn exchange(&self, request: Request, budget: Budget) -> Result<Outcome, Stopped> {
        let n = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.clone());
            asked.len() - 1
        };
        if n > 0 {
            return Ok(Err(Unsent::new(UnsentKind::Denied, "kept here")));
        }
        let order = Order {
            module: self.module.manifest.name.clone(),
            grant: Arc::clone(&self.module.grant),
            idempotency_key: "k".to_owned(),
            request,
            budget,
        };
        Ok(self.gate.send(order).await)
    }
}

/// A service that echoes all it is sent, once.
fn echo() -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut heard, mut chunk) = (String::new(), [0; 4096]);
        // Header and body carry it.
        while heard.matches(SECRET).count() < 2 {
            let n = stream.read(&mut chunk).unwrap();
            assert!(n > 0, "the request ended early: {heard}");
            heard.push_str(std::str::from_utf8(&chunk[..n]).unwrap());
        }
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{heard}", heard.len());
        stream.write_all(answer.as_bytes()).unwrap();
        heard
    });
    (port, thread)
}

struct Bench {
    sandbox: Sandbox,
    module: Arc<Module>,
    _folder: TempDir,
}

fn policy(port: u16) -> Policy {
    Policy::parse(&format!(
        "[[grant]]\nmodules = ['tells']\nsecrets = ['treasury-api']\n\
         http = [{{ hosts = ['127.0.0.1'], methods = ['POST'], ports = [{port}], private_addresses = ['127.0.0.1'], plain_http = true }}]"
    ))
    .unwrap()
}

fn bench(port: u16, body: &str, policy: Policy, limits: Limits) -> Bench {
    let module = core(&items(&format!("127.0.0.1:{port}")), body);
    let module = module.replacen("(module", &format!("(module {IMPORTS}"), 1);
    let manifest = json!({
        "name": "tells", "version": "1.0.0", "world": "surety:action/action@1.0.0",
        "reads": true, "settings": true, "returns": {"done": true},
        "capabilities": {
            "http": [{"hosts": ["127.0.0.1"], "methods": ["POST"], "ports": [port]}],
            "secrets": ["treasury-api"],
        },
    });
    let component = with_manifest(encode(&module, Some(WORLD)), &manifest.to_string());
    let folder = TempDir::new().unwrap();
    let compiling = compiling(&folder.path().join("compiled"));
    let sandbox = Sandbox::new(limits, compiling).unwrap().under(policy);
    let Inspected { manifest, digest, .. } = sandbox.inspect(&component).unwrap();
    let deployment = Deployment {
        name: manifest.name,
        version: manifest.version,
        digest,
        settings: "{}".into(),
        deployed_at: Time::from_millis(0),
    };
    let module = sandbox.install(sandbox.prepare(deployment, &component).unwrap());
    Bench { sandbox, module, _folder: folder }
}

fn call(seq: Seq) -> Call {
    let text = r#"{"payload":{}}"#;
    let key = surety_tests::rig::client_key();
    let message = Message {
        msg_id: "0190a0b0-c0d0-7000-8000-000000000001".parse().unwrap(),
        msg_type: "payout".parse().unwrap(),
        client_id: "acme".parse().unwrap(),
        creation_date: "2026-01-02T03:04:05Z".into(),
        scheme: Scheme::Eip191,
        text: text.into(),
        value: Arc::new(serde_json::from_str(text).unwrap()),
        signer: Address([0x11; 20]),
        signer_text: Address([0x11; 20]).to_string().into(),
        signature: key.sign_text(text),
        content_hash: Digest::of(text.as_bytes()),
    };
    Call {
        message: Arc::new(message),
        state: "received".parse().unwrap(),
        seq,
        step: 0,
        attempt: 1,
        now: Time::from_millis(1_767_323_045_678),
        ext: "{}".into(),
    }
}

fn limits() -> Limits {
    Limits { concurrency: 4, ..Limits::default() }
}

fn tap(module: &Arc<Module>) -> Arc<Tap> {
    let secrets = Secrets::parse(&format!("treasury-api = '{SECRET}'")).unwrap();
    let gate = Gate::open(EgressConfig::default(), secrets, Arc::new(SystemResolver)).unwrap();
    Arc::new(Tap { gate, module: Arc::clone(module), asked: Mutex::default() })
}

/// Runs the guest once; gives its memory as it was at the end.
async fn memory(seq: Seq) -> Vec<u8> {
    let (port, heard) = echo();
    let bench = bench(port, TELLS_ALL, policy(port), limits());
    let outside = tap(&bench.module);
    let ran = bench.sandbox.run(&bench.module, call(seq), Arc::clone(&outside) as _).await;
    let Ran { outcome, .. } = ran.unwrap();
    assert_eq!(outcome.unwrap().state, "done");
    let heard = heard.join().unwrap();
    assert!(heard.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{heard}");
    assert!(heard.ends_with(&format!("\r\n\r\nBearer {SECRET}")), "{heard}");
    let asked = std::mem::take(&mut *outside.asked.lock().unwrap());
    let [first, second] = <[Request; 2]>::try_from(asked).unwrap();
    assert_eq!(first.body, b"Bearer {{secret:treasury-api}}");
    assert!(second.body.len() >= 128 << 10, "{} bytes", second.body.len());
    second.body
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|w| w == what.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_nowhere_in_the_guests_memory() {
    let memory = memory(0).await;
    // It has the echo of its own request, so it would have the value.
    assert!(contains(&memory, "idempotency-key: k\r\n"));
    assert!(contains(&memory, "Bearer [secret:treasury-api]\r\n"));
    assert!(!contains(&memory, SECRET) && !contains(&memory, "hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_and_random_are_the_calls_own() {
    let number =
        |memory: &[u8], at: usize| u64::from_le_bytes(memory[at..at + 8].try_into().unwrap());
    let (one, again, other) = (memory(0).await, memory(0).await, memory(1).await);
    for at in [RANDOM, INSECURE] {
        assert_eq!(number(&one, at), number(&again, at), "the same call draws the same");
        assert_ne!(number(&one, at), number(&other, at), "another revision draws others");
    }
    assert_ne!(number(&one, RANDOM), number(&one, INSECURE));
    assert_eq!(number(&one, WALL), 1_767_323_045);
    assert_eq!(one[WALL + 8..WALL + 12], 678_000_000_u32.to_le_bytes());
    assert_eq!(number(&one, BEFORE), 1_767_323_045_678_000_000);
    assert_eq!(number(&one, AFTER) - number(&one, BEFORE), 5_000_000_000, "at once");
}

/// Answers nothing but how it was told to end.
struct Ends(Stopped);

#[async_trait]
impl Outside for Ends {
    async fn exchange(&self, _: Request, _: Budget) -> Result<Outcome, Stopped> {
        Err(self.0.clone())
    }
}

#[tokio::test]
async fn what_stops_an_exchange_stops_the_call() {
    let bench = bench(1, TELLS_ALL, policy(1), limits());
    let fault = Fault::Unavailable("the disk is full".to_owned());
    let outside = Arc::new(Ends(Stopped::Fault(fault.clone())));
    let ran = bench.sandbox.run(&bench.module, call(0), outside).await;
    assert_eq!(ran.unwrap_err(), fault);
    let failure = surety_core::record::Failure::new(FailureKind::Diverged, "so it is");
    let outside = Arc::new(Ends(Stopped::Failed(failure.clone())));
    let ran = bench.sandbox.run(&bench.module, call(0), outside).await.unwrap();
    assert_eq!(ran.outcome.unwrap_err(), failure);
}

struct Full;

#[async_trait]
impl Outside for Full {
    async fn exchange(&self, _: Request, budget: Budget) -> Result<Outcome, Stopped> {
        let body = vec![b'x'; budget.response_bytes_max];
        Ok(Ok(Response { status: 200, headers: Vec::new(), body }))
    }
}

#[tokio::test]
async fn requests_and_bytes_are_limited() {
    let send = "(drop (call $send (i32.const 1) (i32.const 2220) (i32.const 30)))";
    let twice = format!("{send} {send} {DONE}");
    for (limits, name) in [
        (Limits { http_requests_max: 1, ..limits() }, "`http_requests_max` of 1"),
        // The first response takes all that is left.
        (Limits { http_bytes_max: 1000, ..limits() }, "`http_bytes_max` of 1000"),
        (Limits { http_bytes_max: 10, ..limits() }, "`http_bytes_max` of 10"),
        (Limits { host_calls_max: 12, ..limits() }, "`host_calls_max` of 12"),
    ] {
        let bench = bench(1, &twice, policy(1), limits);
        let ran = bench.sandbox.run(&bench.module, call(0), Arc::new(Full)).await.unwrap();
        let failure = ran.outcome.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Limit, "{failure}");
        assert!(failure.detail.contains(name), "{failure}");
    }
    // One that waits for a response to what it has not sent.
    let waits = r#"(call $fields (i32.const 2300) (i32.const 0) (i32.const 3100))
        (i32.store (i32.const 3500) (call $request (i32.load (i32.const 3104))))
        (call $body (i32.load (i32.const 3500)) (i32.const 3100))
        (call $handle (i32.load (i32.const 3500)) (i32.const 0) (i32.const 0) (i32.const 3200))
        (call $block (call $subscribe (i32.load (i32.const 3208)))) unreachable"#;
    let bench = bench(1, waits, policy(1), limits());
    let ran = bench.sandbox.run(&bench.module, call(0), Arc::new(Full)).await.unwrap();
    let failure = ran.outcome.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.detail.contains("waits for a response"), "{failure}");
}

/// Takes its time, and notes how much it was given.
#[derive(Default)]
struct Slow(Mutex<Vec<u64>>);

#[async_trait]
impl Outside for Slow {
    async fn exchange(&self, _: Request, budget: Budget) -> Result<Outcome, Stopped> {
        self.0.lock().unwrap().push(budget.ms_max);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        Ok(Ok(Response { status: 200, headers: Vec::new(), body: Vec::new() }))
    }
}

#[tokio::test]
async fn waiting_is_not_the_guests_own_time_and_is_counted_apart() {
    let limits = Limits { wall_ms_max: 100, http_ms_max: 400, ..limits() };
    let send = "(drop (call $send (i32.const 1) (i32.const 2220) (i32.const 30)))";
    let bench = bench(1, &format!("{send} {send} {send} {DONE}"), policy(1), limits);
    let slow = Arc::new(Slow::default());
    let ran = bench.sandbox.run(&bench.module, call(0), Arc::clone(&slow) as _).await.unwrap();
    assert_eq!(ran.outcome.unwrap().state, "done", "900 ms are above wall_ms_max");
    let left = slow.0.lock().unwrap().clone();
    assert_eq!((left[0], left[2]), (400, 1));
    assert!((1..=100).contains(&left[1]), "{left:?}");
}

#[tokio::test]
async fn i7_a_module_without_its_grant_does_not_run() {
    let bench = bench(1, TELLS_ALL, Policy::default(), limits());
    let ran = bench.sandbox.run(&bench.module, call(0), Arc::new(Full)).await.unwrap();
    let failure = ran.outcome.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.detail.contains("grants the module none"), "{failure}");
}
