//! The whole pipeline: signed messages over HTTP, through the real guests, to
//! the archive. Each worker submits a message and waits for its end, so that as
//! many are in flight as there are workers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use surety_core::crypto::PrivateKey;
use surety_tests::host::{Host, WAY};
use surety_tests::rig::CLIENT_KEY;

use crate::http::Connection;

/// Records of one withdrawal: its admission, five actions and a choice.
pub const RECORDS: usize = WAY.len();

pub struct Measured {
    pub in_flight: usize,
    pub messages: usize,
    pub seconds: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// CPU seconds of the host by thread name.
    pub host_cpu: BTreeMap<String, f64>,
    /// CPU seconds of this process, the load.
    pub load_cpu: f64,
}

impl Measured {
    pub fn records_per_second(&self) -> f64 {
        (self.messages * RECORDS) as f64 / self.seconds
    }

    pub fn json(&self) -> Value {
        let per_record = |cpu: f64| cpu * 1e6 / (self.messages * RECORDS) as f64;
        let by_thread: BTreeMap<_, _> =
            self.host_cpu.iter().map(|(name, cpu)| (name, per_record(*cpu))).collect();
        json!({
            "in_flight": self.in_flight,
            "messages": self.messages,
            "messages_per_second": self.messages as f64 / self.seconds,
            "transitions_per_second": self.records_per_second(),
            "p50_ms": self.p50.as_secs_f64() * 1e3,
            "p99_ms": self.p99.as_secs_f64() * 1e3,
            "host_cpu_us_per_transition": by_thread,
            "load_cpu_us_per_transition": per_record(self.load_cpu),
        })
    }
}

/// Runs `messages` withdrawals with `in_flight` of them at a time.
pub async fn run(host: &Host, messages: usize, in_flight: usize) -> Result<Measured> {
    let bodies = Arc::new(Mutex::new(sign(host, messages).await?));
    let (host_before, load_before) = (threads_cpu(host.pid()), process_cpu("self"));
    let started = Instant::now();
    let workers: Vec<_> = (0..in_flight)
        .map(|_| {
            let (address, token) = (host.address().to_owned(), host.token().to_owned());
            tokio::spawn(work(address, token, Arc::clone(&bodies)))
        })
        .collect();
    let mut latencies = Vec::with_capacity(messages);
    for worker in workers {
        latencies.extend(worker.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut host_cpu = threads_cpu(host.pid());
    for (name, before) in host_before {
        *host_cpu.entry(name).or_default() -= before;
    }
    host_cpu.retain(|_, cpu| *cpu > 0.005);
    latencies.sort_unstable();
    ensure!(latencies.len() == messages, "{} of {messages} ended", latencies.len());
    Ok(Measured {
        in_flight,
        messages,
        seconds,
        p50: latencies[messages / 2],
        p99: latencies[messages * 99 / 100],
        host_cpu,
        load_cpu: process_cpu("self") - load_before,
    })
}

async fn work(
    address: String,
    token: String,
    bodies: Arc<Mutex<VecDeque<(String, String)>>>,
) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(&address, &token).await?;
    let mut latencies = Vec::new();
    loop {
        let next = bodies.lock().expect("no worker panics").pop_front();
        let Some((id, body)) = next else { return Ok(latencies) };
        let started = Instant::now();
        let (status, answer) = connection.send("POST", "/v1/messages", body.as_bytes()).await?;
        ensure!(status == 202, "{status}: {}", String::from_utf8_lossy(answer));
        let path = format!("/v1/messages/{id}?wait=30");
        let (status, answer) = connection.send("GET", &path, b"").await?;
        ensure!(status == 200, "{status}");
        let answer = std::str::from_utf8(answer)?;
        ensure!(answer.contains(r#""msg_state":"notified""#), "{answer}");
        latencies.push(started.elapsed());
    }
}

/// Msg_IDs and signed envelopes, made beforehand.
async fn sign(host: &Host, messages: usize) -> Result<VecDeque<(String, String)>> {
    let key: PrivateKey = CLIENT_KEY.parse()?;
    let mut connection = Connection::open(host.address(), host.token()).await?;
    let mut bodies = VecDeque::with_capacity(messages);
    while bodies.len() < messages {
        let count = (messages - bodies.len()).min(1000);
        let body = json!({"client_id": "acme", "count": count}).to_string();
        let (status, answer) = connection.send("POST", "/v1/msg-ids", body.as_bytes()).await?;
        ensure!(status == 201, "{status}: {}", String::from_utf8_lossy(answer));
        let answer: Value = serde_json::from_slice(answer)?;
        for id in answer["msg_ids"].as_array().context("no ids")? {
            let text = surety_tests::host::withdrawal(id.as_str().context("no id")?).to_string();
            let envelope =
                json!({"scheme": "eip191", "message": text, "signature": key.sign_text(&text)});
            bodies.push_back((id.as_str().unwrap_or_default().to_owned(), envelope.to_string()));
        }
    }
    Ok(bodies)
}

/// What must reach the disk for one record at the least: a message's bundle,
/// which is message, receipts and records once, over its records.
pub fn bytes_per_record(host: &Host) -> Result<usize> {
    let (_, answer) = host.ask("GET", "/v1/messages?limit=1", "").map_err(anyhow::Error::msg)?;
    let id = answer["messages"][0]["msg_id"].as_str().context("no message")?;
    Ok(host.bundle(id).encode().len() / RECORDS)
}

/// CPU seconds of a process, from `/proc`.
pub fn process_cpu(pid: &str) -> f64 {
    stat(&format!("/proc/{pid}/stat")).map_or(0.0, |(_, cpu)| cpu)
}

/// CPU seconds of each thread name of a process.
fn threads_cpu(pid: u32) -> BTreeMap<String, f64> {
    let mut cpu = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        if let Some((name, seconds)) = stat(&format!("{}/stat", entry.path().display())) {
            *cpu.entry(name).or_default() += seconds;
        }
    }
    cpu
}

fn stat(path: &str) -> Option<(String, f64)> {
    /// Clock ticks a second, the same on every Linux.
    const TICKS: f64 = 100.0;
    let text = std::fs::read_to_string(path).ok()?;
    let (name, rest) = text.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some((name.to_owned(), ticks / TICKS))
}
