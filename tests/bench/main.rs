//! `cargo xtask bench`: how fast, how large, how quick to come back, beside what
//! this machine's disk allows in the same run. Figures of a shared machine are
//! worth their ratios.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(unreachable_pub, reason = "nobody else sees the modules of a binary")]

mod ceiling;
mod engine;
mod guest;
mod hostile;
mod http;
mod machine;
mod open;
mod pipeline;
mod shapes;
mod stages;

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../../host/sandbox/tests/support/component.rs"]
mod component;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use surety_tests::host::Host;
use tempfile::TempDir;

/// In flight, and how many messages are enough for a steady figure.
const LOADS: [(usize, usize); 4] = [(1, 400), (8, 3_000), (64, 12_000), (512, 24_000)];

/// Open messages of the memory and restart figures.
const OPEN: usize = 100_000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bench FILE | --open FOLDER | --load | --hostile | --calls | --shapes";
    let first = arguments.next().context(usage)?;
    match first.as_str() {
        "--open" => return open::measure(arguments.next().context("no folder")?.as_ref()).await,
        // Parts, for a profiler.
        "--load" => return pipeline(&[(64, 12_000)]).await.map(drop),
        "--hostile" => return hostile::measure().await.map(drop),
        "--calls" => return stages::measure().await.map(drop),
        "--shapes" => return shapes::run_all().await,
        _ => {}
    }
    let (mut stages, calls) = stages::measure().await?;
    machine::measure(&mut stages).await?;
    println!("\nstage                                 µs");
    for (name, micros) in &stages {
        println!("{name:<30} {micros:>9.2}");
    }
    let pipeline = pipeline(&LOADS).await?;
    let alone = engine::drain(TempDir::new()?.path(), 4_000, 256).await;
    println!("engine and store alone, 256 in flight: {alone:.0} transitions/s");
    let pipeline = json!({"loads": pipeline, "engine_alone_transitions_per_second": alone});
    let hostile = hostile::measure().await?;
    let shapes = shapes::measure()?;
    let open = open::prepare_and_measure(OPEN).await?;
    println!("\n{OPEN} open messages: {open}");
    let stages: Vec<Value> = stages.iter().map(|(n, us)| json!({"stage": n, "us": us})).collect();
    let all = json!({
        "stages": stages, "guest_calls": calls, "pipeline": pipeline, "hostile": hostile,
        "shapes": shapes, "open": open,
    });
    std::fs::write(&first, serde_json::to_string_pretty(&all)?)?;
    println!("\nwritten to {first}");
    Ok(())
}

async fn pipeline(loads: &[(usize, usize)]) -> Result<Value> {
    let folder = TempDir::new()?;
    let host = Host::start(folder.path());
    host.deploy();
    println!(
        "\nin flight  messages/s  transitions/s   p50 ms   p99 ms  ceiling/s  ratio  host µs/transition"
    );
    let mut rows = Vec::new();
    for &(in_flight, messages) in loads {
        let measured = pipeline::run(&host, messages, in_flight).await?;
        let bytes = pipeline::bytes_per_record(&host)?;
        let ceiling = ceiling::records_per_second(folder.path(), bytes, in_flight)?;
        let ratio = measured.records_per_second() / ceiling;
        let cpu: f64 = measured.host_cpu.values().sum();
        println!(
            "{in_flight:>9}  {:>10.0}  {:>13.0}  {:>7.2}  {:>7.2}  {ceiling:>9.0}  {ratio:>5.2}  {:>18.1}",
            measured.messages as f64 / measured.seconds,
            measured.records_per_second(),
            measured.p50.as_secs_f64() * 1e3,
            measured.p99.as_secs_f64() * 1e3,
            cpu * 1e6 / (messages * pipeline::RECORDS) as f64,
        );
        let mut row = measured.json();
        row["ceiling_per_second"] = ceiling.into();
        row["ceiling_bytes_per_record"] = bytes.into();
        row["ratio"] = ratio.into();
        for (thread, cpu) in row["host_cpu_us_per_transition"].as_object().into_iter().flatten() {
            println!(
                "           {thread:<20} {:>6.1} µs CPU a transition",
                cpu.as_f64().unwrap_or(0.0)
            );
        }
        rows.push(row);
    }
    Ok(rows.into())
}
