//! Many open messages: the memory that they take, and how quick a host with them
//! is back. In a process of its own, so that nothing else is counted.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use surety_store::{Config, EmbeddedConfig};
use tempfile::TempDir;

use crate::engine::{Engine, RealClock};

/// Admits the messages, then opens them in another process.
pub async fn prepare_and_measure(messages: usize) -> Result<Value> {
    let folder = TempDir::new()?;
    let engine = Engine::open(folder.path()).await;
    engine.admit(messages, 64).await;
    engine.stores.close().await;
    let output =
        Command::new(std::env::current_exe()?).arg("--open").arg(folder.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut measured: Value = serde_json::from_slice(&output.stdout)?;
    let bytes = measured["bytes"].as_f64().context("no figure")?;
    measured["bytes_per_1000_open"] = (bytes * 1e3 / messages as f64).into();
    Ok(measured)
}

/// Opens a folder, leases the first ticket, and prints what that took.
pub async fn measure(folder: &Path) -> Result<()> {
    let before = resident()?;
    let started = Instant::now();
    let config = Config::Embedded(EmbeddedConfig::new(folder));
    let stores = surety_store::open(&config, Arc::new(RealClock::default()))?;
    let opened = started.elapsed();
    let lease = stores.feeder.lease().await?;
    let found = stores.guarantee.load(lease.ticket.msg_id).await?;
    ensure!(matches!(found, surety_core::ports::Found::Open(_)));
    let ready = started.elapsed();
    let bytes = resident()?.saturating_sub(before);
    let figures = json!({
        "open_ms": opened.as_secs_f64() * 1e3,
        "first_message_ms": ready.as_secs_f64() * 1e3,
        "bytes": bytes,
    });
    println!("{figures}");
    Ok(())
}

/// Resident memory of this process in bytes.
fn resident() -> Result<u64> {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).context("no figure")?.parse()?;
    Ok(pages * PAGE)
}
