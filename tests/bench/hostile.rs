//! What ten hostile modules cost everybody else: the same load of withdrawals
//! without them, with them, and without them again, on one host in one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use surety_core::crypto::PrivateKey;
use surety_tests::host::{Host, withdrawal};
use surety_tests::rig::{CLIENT_KEY, client_key};
use tempfile::TempDir;

use crate::component::{core, encode, with_manifest};
use crate::http::Connection;
use crate::pipeline;

/// The neighbours' load: enough in flight for a p99, few enough that it is not their
/// own crowd.
const MESSAGES: usize = 2_000;
const IN_FLIGHT: usize = 8;

/// Messages of each hostile module in flight: ten modules have more of them than the
/// host has workers.
const HOSTILE_IN_FLIGHT: usize = 32;

/// How long they run before the neighbours are measured.
const BEFORE: Duration = Duration::from_secs(2);

/// What is new of each module's messages in a second, at most: a module is measured
/// here, and not a crowd of clients.
const PAUSE: Duration = Duration::from_millis(500);

/// Ten modules, by what they do.
const BODIES: [(&str, &str); 5] = [
    ("loops", "(loop $l (br $l)) unreachable"),
    (
        "takes all memory, and writes to it",
        "(drop (memory.grow (i32.const 1000)))
         (loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65000000)) (br $l))
         unreachable",
    ),
    (
        "fills the log",
        "(loop $l (call $log (i32.const 3) (i32.const 0) (i32.const 100)) (br $l)) unreachable",
    ),
    ("fails and is tried again at once", "unreachable"),
    (
        "moves memory",
        "(loop $l (memory.copy (i32.const 0) (i32.const 65536) (i32.const 60000)) (br $l)) unreachable",
    ),
];
const MODULES: usize = 10;

/// p50 and p99 of the neighbours in all three parts.
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
    let stop = Arc::new(AtomicBool::new(false));
    let ended = Arc::new(AtomicUsize::new(0));
    let mut pranks = Vec::new();
    for module in 0..MODULES {
        for _ in 0..HOSTILE_IN_FLIGHT {
            let (host, stop, ended) = (Arc::clone(&host), Arc::clone(&stop), Arc::clone(&ended));
            pranks.push(tokio::spawn(async move { prank(&host, module, &stop, &ended).await }));
        }
    }
    tokio::time::sleep(BEFORE).await;
    let beside = part("with", &host, Some(&ended)).await?;
    stop.store(true, Ordering::Relaxed);
    for prank in pranks {
        prank.abort();
    }
    let ratio = beside["p99_ms"].as_f64().unwrap_or(0.0) / alone["p99_ms"].as_f64().unwrap_or(1.0);
    println!("p99 with to without: {ratio:.2}");
    Ok(json!({"without": alone, "with": beside, "p99_ratio": ratio}))
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

/// One message of a hostile module after another.
async fn prank(host: &Host, module: usize, stop: &AtomicBool, ended: &AtomicUsize) -> Result<()> {
    let key: PrivateKey = CLIENT_KEY.parse()?;
    let mut connection = Connection::open(host.address(), host.token()).await?;
    while !stop.load(Ordering::Relaxed) {
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
    Ok(())
}
