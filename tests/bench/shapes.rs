//! What a message pays for what its workflow can do: the same two actions in three
//! workflows, from submission to archive, on the engine and the embedded store.
//!
//! `plain` has nothing but actions. `declared` has a choice, an approval, timers
//! and cancels, which the message does not meet. In `used` it passes a choice and
//! a timer. `plain` against `declared` is the cost to who does not use them.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use surety_tests::scripted::workflow;
use tempfile::TempDir;

use crate::engine::Engine;
use crate::pipeline::process_cpu;

/// Messages of a run, and how often each shape is run; the shapes take turns, so
/// that whatever else the machine does meets all of them.
const MESSAGES: usize = 4_000;
const ROUNDS: usize = 9;

/// Submitted and moved at a time.
const AT_ONCE: usize = 64;

/// A workflow with the payload that is sent through it.
struct Shape {
    name: &'static str,
    workflow: Value,
    payload: Value,
    /// Records of a message, its admission included.
    records: usize,
}

fn shapes() -> [Shape; 3] {
    let declared: Value = serde_json::from_str(&workflow(1)).expect("JSON");
    let mut plain = declared.clone();
    let states = plain["states"].as_object_mut().expect("states");
    states.retain(|name, _| ["begin", "middle", "done", "failed"].contains(&name.as_str()));
    states["begin"]["targets"] = json!(["middle"]);
    states["failed"] = json!({"parked": true});
    let mut used = declared.clone();
    used["states"]["sized"]["choose"][1]["target"] = json!("pause");
    used["states"]["pause"] = json!({"after": [{"delay": "1ms", "target": "middle"}]});
    let (ok, small) = (json!({"first": "ok"}), json!({"first": "small"}));
    [
        Shape { name: "plain", workflow: plain, payload: ok.clone(), records: 3 },
        Shape { name: "declared", workflow: declared, payload: ok, records: 3 },
        Shape { name: "used", workflow: used, payload: small, records: 5 },
    ]
}

/// Microseconds a message, on the clock and of this process's CPU.
async fn run(shape: &Shape) -> Result<[f64; 2]> {
    let folder = TempDir::new()?;
    let engine = Engine::open_with(folder.path(), &shape.workflow.to_string()).await;
    let bodies = engine.bodies(MESSAGES, &shape.payload).await;
    let (started, cpu) = (Instant::now(), process_cpu("self"));
    let workers = engine.workers(AT_ONCE);
    engine.submit(&bodies, AT_ONCE).await;
    engine.drained().await;
    let seconds = [started.elapsed().as_secs_f64(), process_cpu("self") - cpu];
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    engine.stores.close().await;
    Ok(seconds.map(|seconds| seconds * 1e6 / MESSAGES as f64))
}

/// Runs the shapes and prints what they cost, for [`measure`].
pub async fn run_all() -> Result<()> {
    let shapes = shapes();
    let mut rounds = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mut micros = [[0.0; 2]; 3];
        for turn in 0..shapes.len() {
            let at = (round + turn) % shapes.len();
            micros[at] = run(&shapes[at]).await?;
        }
        rounds.push(micros);
    }
    let spread = |at: usize, what: usize| {
        let ratios = sorted(rounds.iter().map(|round| round[at][what] / round[0][what]));
        json!({"median": ratios[ROUNDS / 2], "least": ratios[0], "most": ratios[ROUNDS - 1]})
    };
    let median =
        |at: usize, what: usize| sorted(rounds.iter().map(|round| round[at][what]))[ROUNDS / 2];
    let row = |(at, shape): (usize, &Shape)| {
        json!({
            "workflow": shape.name, "records": shape.records,
            "us_per_message": median(at, 0), "to_plain": spread(at, 0),
            "cpu_us_per_message": median(at, 1), "cpu_to_plain": spread(at, 1),
        })
    };
    let rows: Vec<_> = shapes.iter().enumerate().map(row).collect();
    println!("{}", json!({"messages": MESSAGES, "rounds": ROUNDS, "workflows": rows}));
    Ok(())
}

/// The shapes beside each other, in a process of their own: what a message costs,
/// and the ratio to `plain` within each round, with the median and the whole
/// spread of the rounds.
pub fn measure() -> Result<Value> {
    let output = Command::new(std::env::current_exe()?).arg("--shapes").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout)?;
    println!("\nworkflow   records  µs/message  to plain            CPU µs  to plain");
    for row in measured["workflows"].as_array().context("no figures")? {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let spread = |ratio: &Value| {
            let of = |name: &str| number(&ratio[name]);
            format!("{:.2} ({:.2} to {:.2})", of("median"), of("least"), of("most"))
        };
        println!(
            "{:<9}  {:>7}  {:>10.1}  {:<18}  {:>6.1}  {}",
            row["workflow"].as_str().unwrap_or_default(),
            row["records"],
            number(&row["us_per_message"]),
            spread(&row["to_plain"]),
            number(&row["cpu_us_per_message"]),
            spread(&row["cpu_to_plain"]),
        );
    }
    Ok(measured)
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
