//! What ten hostile modules cost everybody else: the same load of withdrawals without
//! them, and then with them, on one host in one run.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use surety_core::crypto::PrivateKey;
use surety_tests::host::{Host, withdrawal};
use surety_tests::rig::{CLIENT_KEY, client_key};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::component::{core, encode, with_manifest};
use crate::http::Connection;
use crate::pipeline;

/// The neighbours' load: enough in flight for a p99, few enough that it is not their
/// own crowd.
const MESSAGES: usize = 1_000;
const IN_FLIGHT: usize = 8;

/// Messages of a hostile module in flight: of those that never end by themselves
/// many, so that they are more than half of the host's workers; of those that end at
/// once a few, since each message is work for the host whatever its module does.
const LONG_IN_FLIGHT: usize = 32;
const QUICK_IN_FLIGHT: usize = 2;

/// How long they run before the neighbours are measured.
const BEFORE: Duration = Duration::from_secs(2);

/// How long after the end of one of them the next comes.
const PAUSE: Duration = Duration::from_secs(1);

/// Ten modules, by what they do.
const BODIES: [(usize, &str); 5] = [
    // Loops.
    (LONG_IN_FLIGHT, "(loop $l (br $l)) unreachable"),
    (
        // Takes all memory, and writes to it.
        LONG_IN_FLIGHT,
        "(drop (memory.grow (i32.const 1000)))
         (loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65000000)) (br $l))
         unreachable",
    ),
    (
        // Fills the log.
        QUICK_IN_FLIGHT,
        "(loop $l (call $log (i32.const 3) (i32.const 0) (i32.const 100)) (br $l)) unreachable",
    ),
    (QUICK_IN_FLIGHT, TRANSIENT),
    (
        // Moves memory.
        LONG_IN_FLIGHT,
        "(loop $l (memory.copy (i32.const 0) (i32.const 65536) (i32.const 60000)) (br $l)) unreachable",
    ),
];
const MODULES: usize = 10;

/// Fails, and is tried again at once.
const TRANSIENT: &str = "(i32.store8 (i32.const 1024) (i32.const 1))
    (i32.store (i32.const 1032) (i32.const 2048)) (i32.store (i32.const 1036) (i32.const 4))
    (i32.const 1024)";

/// p50 and p99 of the neighbours in both parts.
pub async fn measure() -> Result<Value> {
    let folder = TempDir::new()?;
    let host = Arc::new(Host::start(folder.path()));
    host.deploy();
    deploy(&host)?;
    let _ = pipeline::run(&host, MESSAGES / 4, IN_FLIGHT).await?; // warm
    println!(
        "\nneighbours of ten hostile modules  messages/s   p50 ms   p99 ms  hostile calls ended"
    );
    let alone = part("without", &host, None).await?;
    let ended = Arc::new(AtomicUsize::new(0));
    let mut pranks = JoinSet::new();
    for module in 0..MODULES {
        for _ in 0..BODIES[module % BODIES.len()].0 {
            let (host, ended) = (Arc::clone(&host), Arc::clone(&ended));
            pranks.spawn(async move {
                let ended = prank(&host, module, &ended).await;
                ended.with_context(|| format!("the hostile module {module}"))
            });
        }
    }
    tokio::time::sleep(BEFORE).await;
    let beside = part("with", &host, Some(&ended)).await?;
    // Who is not there any more has not been hostile to the end.
    if let Some(failed) = pranks.try_join_next() {
        let Err(e) = failed?;
        return Err(e);
    }
    pranks.shutdown().await;
    let ended = ended.load(Ordering::Relaxed);
    ensure!(ended > 0, "no call of a hostile module came to an end: nothing was hostile");
    let ratio = beside["p99_ms"].as_f64().unwrap_or(0.0) / alone["p99_ms"].as_f64().unwrap_or(1.0);
    println!("p99 with to without: {ratio:.2}");
    Ok(json!({"without": alone, "with": beside, "p99_ratio": ratio, "hostile_ended": ended}))
}

async fn part(name: &str, host: &Host, ended: Option<&AtomicUsize>) -> Result<Value> {
    let before = ended.map_or(0, |ended| ended.load(Ordering::Relaxed));
    let measured = pipeline::run(host, MESSAGES, IN_FLIGHT).await?;
    let pranks = ended.map_or(0, |ended| ended.load(Ordering::Relaxed)) - before;
    println!(
        "{name:<33}  {:>10.0}  {:>7.2}  {:>7.2}  {pranks:>19}",
        measured.messages as f64 / measured.seconds,
        measured.p50.as_secs_f64() * 1e3,
        measured.p99.as_secs_f64() * 1e3,
    );
    Ok(measured.json())
}

fn name(module: usize) -> String {
    format!("prank-{module}")
}

fn deploy(host: &Host) -> Result<()> {
    for module in 0..MODULES {
        let (name, body) = (name(module), BODIES[module % BODIES.len()].1);
        let manifest = json!({
            "name": name, "version": "1.0.0", "world": "surety:action/action@1.0.0",
            "reads": true, "settings": true, "returns": {"done": true},
        });
        let component = with_manifest(encode(&core("", body), None), &manifest.to_string());
        let component = BASE64_STANDARD.encode(component);
        let push = json!({"component": component, "settings": {}}).to_string();
        let workflow = json!({
            "msg_type": name, "version": 1, "initial": "start", "schema": {"type": "object"},
            "states": {
                "start": {"invoke": format!("{name}@^1"), "targets": ["done"], "on_failure": "failed",
                    "retry": {"max_attempts": 5, "first_delay": "1ms"}},
                "done": {"final": true}, "failed": {"parked": true},
            },
        })
        .to_string();
        for (path, body) in [("/v1/modules", push), ("/v1/workflows", workflow)] {
            let (status, answer) = host.ask("PUT", path, &body).map_err(anyhow::Error::msg)?;
            ensure!(status < 300, "{answer}");
        }
    }
    let address = client_key().address().to_string();
    let names: Vec<String> = (0..MODULES).map(name).collect();
    let mut client = vec!["client", "put", "acme", "--signer", address.as_str()];
    client.extend(["--msg-ids-outstanding-max", "1000000", "--type", "withdrawal"]);
    names.iter().for_each(|name| client.extend(["--type", name.as_str()]));
    let _ = host.done(&client);
    Ok(())
}

/// One message of a hostile module after another, until somebody stops it.
async fn prank(host: &Host, module: usize, ended: &AtomicUsize) -> Result<Infallible> {
    let key: PrivateKey = CLIENT_KEY.parse()?;
    let mut connection = Connection::open(host.address(), host.token()).await?;
    loop {
        let (status, answer) =
            connection.send("POST", "/v1/msg-ids", br#"{"client_id":"acme"}"#).await?;
        ensure!(status == 201, "{status}");
        let answer: Value = serde_json::from_slice(answer)?;
        let id = answer["msg_ids"][0].as_str().context("no id")?.to_owned();
        let mut text = withdrawal(&id);
        text["msg_type"] = name(module).into();
        let text = text.to_string();
        let body = json!({"scheme": "eip191", "message": text, "signature": key.sign_text(&text)});
        let (status, _) =
            connection.send("POST", "/v1/messages", body.to_string().as_bytes()).await?;
        ensure!(status == 202, "{status}");
        let path = format!("/v1/messages/{id}?wait=30");
        loop {
            let (status, answer) = connection.send("GET", &path, b"").await?;
            ensure!(status == 200, "{status}");
            if std::str::from_utf8(answer)?.contains(r#""parked":true"#) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        ended.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}
