//! A real action on the real host against a real service: `payout` asks a treasury,
//! through a policy, with a secret; and the host is killed in between.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};
use surety_tests::host::{Host, path, sign};
use surety_tests::payout::payout;
use surety_tests::rig::client_key;
use tempfile::TempDir;

const SECRET: &str = "hunter2-hunter2-hunter2";

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it arrived, with the line to answer on.
struct Arrived {
    text: String,
    stream: TcpStream,
}

impl Arrived {
    fn header(&self, name: &str) -> String {
        let found = self.text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.text)).to_owned()
    }

    fn answer(mut self, status: &str, body: &str) {
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        // The host may have been killed.
        drop(self.stream.write_all(answer.as_bytes()));
    }
}

/// A treasury that asks the test what to answer.
struct Treasury {
    port: u16,
    arrived: Receiver<Arrived>,
}

impl Treasury {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, arrived): (Sender<Arrived>, _) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sent = sender.send(arrive(stream.unwrap()));
                if sent.is_err() {
                    return; // the test is over
                }
            }
        });
        Self { port, arrived }
    }

    fn next(&self) -> Arrived {
        self.arrived.recv_timeout(PATIENCE).expect("a request arrives")
    }

    fn is_quiet(&self) -> bool {
        self.arrived.try_recv().is_err()
    }
}

fn arrive(mut stream: TcpStream) -> Arrived {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // An order is a JSON object; a question ends with its head.
        let end = if text.starts_with("GET") { "\r\n\r\n" } else { "}" };
        if n == 0 || text.ends_with(end) {
            return Arrived { text, stream };
        }
    }
}

fn private(file: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn workflow() -> Value {
    json!({
        "msg_type": "payout", "version": 1, "initial": "asked",
        "schema": {"type": "object", "required": ["payload"], "properties": {"payload": {
            "type": "object", "required": ["asset", "amount", "to"],
            "properties": {"asset": {"type": "string"}, "amount": {"type": "string"}, "to": {"type": "string"}},
        }}},
        "states": {
            "asked": {"invoke": "payout@^1", "targets": ["paid", "refused"],
                "retry": {"max_attempts": 3, "first_delay": "10ms"}, "on_failure": "failed"},
            "paid": {"final": true}, "refused": {"final": true}, "failed": {"parked": true},
        },
    })
}

struct Stage {
    folder: TempDir,
    treasury: Treasury,
    config: PathBuf,
    host: Host,
}

impl Stage {
    fn new() -> Self {
        let (folder, treasury) = (TempDir::new().unwrap(), Treasury::start());
        let port = treasury.port;
        let policy = format!(
            "[[grant]]\nid = 'treasury'\nmodules = ['payout']\nsecrets = ['treasury-api']\n\
             http = [{{ hosts = ['127.0.0.1'], methods = ['GET', 'POST'], ports = [{port}], private_addresses = ['127.0.0.1'], plain_http = true }}]"
        );
        let file = |name: &str| folder.path().join(name);
        private(&file("policy.toml"), &policy);
        private(&file("secrets.toml"), &format!("treasury-api = '{SECRET}'"));
        let config = file("surety.toml");
        private(
            &config,
            "[controller]\nthreads = 1\n[policy]\nfile = 'policy.toml'\nsecrets_file = 'secrets.toml'",
        );
        let host = Self::serve(&folder, &config);
        let stage = Self { folder, treasury, config, host };
        stage.push("1.0.0").unwrap();
        let workflow = stage.write("workflow.json", workflow().to_string().as_bytes());
        let _ = stage.host.done(&["workflow", "push", &workflow]);
        let signer = client_key().address().to_string();
        let client = ["client", "put", "acme", "--signer", &signer, "--type", "payout"];
        let _ = stage.host.done(&client);
        stage
    }

    fn serve(folder: &TempDir, config: &Path) -> Host {
        Host::start_with(&folder.path().join("data"), &["--config", &path(config)])
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        path(&file)
    }

    fn push(&self, version: &str) -> Result<(), String> {
        self.push_bytes(&payout(self.treasury.port, version, &["127.0.0.1"]))
    }

    fn push_bytes(&self, component: &[u8]) -> Result<(), String> {
        let component = self.write("payout.wasm", component);
        let url = format!("http://127.0.0.1:{}/v1/payouts", self.treasury.port);
        let settings = self.write("settings.json", json!({"url": url}).to_string().as_bytes());
        let output = self.host.cli(&["action", "push", &component, "--settings", &settings]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }

    fn submit(&self) -> String {
        let issue = json!({"client_id": "acme"}).to_string();
        let (_, ids) = self.host.ask("POST", "/v1/msg-ids", &issue).unwrap();
        let id = ids["msg_ids"][0].as_str().unwrap().to_owned();
        let text = json!({
            "msg_id": id, "msg_type": "payout", "client_id": "acme",
            "creation_date": "2026-11-23T10:00:00Z",
            "payload": {"asset": "ETH", "amount": "5", "to": "bob"},
        });
        let body = sign(&client_key(), &text.to_string()).to_string();
        let (status, answer) = self.host.ask("POST", "/v1/messages", &body).unwrap();
        assert_eq!(status, 202, "{answer}");
        id
    }

    fn kill_and_start(&mut self) {
        self.host.kill();
        self.host = Self::serve(&self.folder, &self.config);
    }
}

#[test]
fn a_payout_goes_through_policy_secret_and_history() {
    let stage = Stage::new();
    let id = stage.submit();
    let first = stage.treasury.next();
    assert!(first.text.starts_with("POST /v1/payouts HTTP/1.1\r\n"), "{}", first.text);
    assert_eq!(first.header("authorization"), format!("Bearer {SECRET}"));
    assert_eq!(first.header("idempotency-key"), format!("{id}-0-0"));
    // Later, please: another attempt, under the same key.
    first.answer("503 Service Unavailable", "");
    let second = stage.treasury.next();
    assert_eq!(second.header("idempotency-key"), format!("{id}-0-0"));
    second.answer("201 Created", &json!({"id": "p-1", "you_sent": SECRET}).to_string());
    let question = stage.treasury.next();
    assert!(question.text.starts_with("GET /v1/payouts/p-1 HTTP/1.1\r\n"), "{}", question.text);
    assert_eq!(question.header("idempotency-key"), format!("{id}-0-1"));
    question.answer("200 OK", r#"{"settled": true}"#);
    let end = stage.host.end_of(&id);
    assert_eq!(end["msg_state"], "paid", "{end}");

    let bundle = stage.host.bundle(&id);
    let records = bundle.verify().unwrap();
    assert_eq!(records[1].effects[0].outcome.as_ref().unwrap().status, 503);
    let effect = &records[2].effects[0];
    let body = String::from_utf8(effect.outcome.as_ref().unwrap().body.clone()).unwrap();
    assert_eq!(body, r#"{"id":"p-1","you_sent":"[secret:treasury-api]"}"#);
    assert_eq!(effect.request.headers[0].1, b"Bearer {{secret:treasury-api}}");
    let (_, history) = stage.host.ask("GET", &format!("/v1/messages/{id}/history"), "").unwrap();
    let shown = &history["records"][2]["effects"][0];
    let url = format!("http://127.0.0.1:{}/v1/payouts", stage.treasury.port);
    let expected = json!({"method": "POST", "url": url, "secrets": ["treasury-api"], "status": 201, "error": null});
    assert_eq!(*shown, expected);
    // Nowhere in what the host keeps is the value, nor in what it says.
    for name in ["surety.db", "surety.db-wal"] {
        let kept = std::fs::read(stage.folder.path().join("data").join(name)).unwrap_or_default();
        assert!(!kept.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()), "{name}");
    }
    let bundle = bundle.encode();
    assert!(!bundle.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()));
    assert!(!history.to_string().contains(SECRET));
}

#[test]
fn i4_a_host_killed_between_effect_and_commit_sends_nothing_twice() {
    let mut stage = Stage::new();
    let id = stage.submit();
    let order = stage.treasury.next();
    assert_eq!(order.header("idempotency-key"), format!("{id}-0-0"));
    order.answer("201 Created", r#"{"id": "p-1"}"#);
    // The action has the answer, so it is recorded; and it asks on, so nothing is
    // committed. Meanwhile a newer version comes.
    let question = stage.treasury.next();
    stage.push("1.0.1").unwrap();
    stage.kill_and_start();
    let again = stage.treasury.next();
    assert!(again.text.starts_with("GET "), "the order was sent twice: {}", again.text);
    for asked in [question, again] {
        assert_eq!(asked.header("idempotency-key"), format!("{id}-0-1"));
        asked.answer("200 OK", r#"{"settled": true}"#);
    }
    assert_eq!(stage.host.end_of(&id)["msg_state"], "paid");
    assert!(stage.treasury.is_quiet());
    let records = stage.host.bundle(&id).verify().unwrap();
    assert_eq!((records.len(), records[1].attempt, records[1].effects.len()), (2, 1, 2));
    let version = records[1].module.as_ref().unwrap().version.to_string();
    assert_eq!(version, "1.0.0", "the attempt goes on with the module that it began with");
}

#[test]
fn i8_an_action_that_waits_holds_up_nobody() {
    let stage = Stage::new();
    // One thread runs actions, and the first waits for as long as the test likes.
    let (first, one) = (stage.submit(), stage.treasury.next());
    let (second, two) = (stage.submit(), stage.treasury.next());
    for (id, order) in [(second, two), (first, one)] {
        order.answer("201 Created", r#"{"id": "p-1"}"#);
        stage.treasury.next().answer("200 OK", r#"{"settled": true}"#);
        assert_eq!(stage.host.end_of(&id)["msg_state"], "paid");
    }
}

#[test]
fn a_host_killed_before_the_journal_sends_again_under_the_same_key() {
    let mut stage = Stage::new();
    let id = stage.submit();
    let first = stage.treasury.next();
    // The treasury has it and has not answered: nothing is recorded.
    stage.kill_and_start();
    let second = stage.treasury.next();
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    let body = |arrived: &Arrived| arrived.text.split("\r\n\r\n").nth(1).unwrap().to_owned();
    assert_eq!(body(&first), body(&second));
    first.answer("201 Created", r#"{"id": "p-1"}"#);
    second.answer("201 Created", r#"{"id": "p-1"}"#);
    stage.treasury.next().answer("200 OK", r#"{"settled": true}"#);
    assert_eq!(stage.host.end_of(&id)["msg_state"], "paid");
    assert!(stage.treasury.is_quiet());
}

#[test]
fn a_module_that_is_not_granted_what_it_asks_for_is_refused() {
    let stage = Stage::new();
    let port = stage.treasury.port;
    let refused = stage.push_bytes(&payout(port, "1.1.0", &["evil.example"])).unwrap_err();
    assert!(
        refused.contains("module_not_granted") && refused.contains("evil.example"),
        "{refused}"
    );
    // Two of which one is granted: it has that one.
    stage.push_bytes(&payout(port, "1.2.0", &["127.0.0.1", "evil.example"])).unwrap();
}
