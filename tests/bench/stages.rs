//! What one message costs, stage by stage, on one thread without store or HTTP:
//! the real message, the real actions, in the order in which they happen.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;
use surety_core::bundle::Bundle;
use surety_core::crypto::{PrivateKey, Signature, eip191_hash, recover};
use surety_core::effect::Closed;
use surety_core::json;
use surety_core::machine::{self, Decision, Loaded, Turn};
use surety_core::message::Envelope;
use surety_core::ports::{Actions as _, Clock as _, Deployment, Found};
use surety_core::types::{Digest, Time};
use surety_core::workflow::Workflow;
use surety_sandbox::{Limits, Sandbox};
use surety_store::Memory;
use surety_tests::clock::VirtualClock;
use surety_tests::host::{MODULES, compiling, guests, repository, sign, withdrawal};
use surety_tests::rig::{HOST_KEY, Rig, client_key};
use tempfile::TempDir;

use crate::guest::{self, Called};

/// Runs of one measurement, and measurements of which the median counts.
const RUNS: u32 = 300;
pub const MEASUREMENTS: usize = 7;

pub type Stages = Vec<(String, f64)>;

/// Microseconds of each stage, and what guests' calls come to.
pub async fn measure() -> Result<(Stages, Value)> {
    let mut stages = Stages::new();
    let workflow = withdrawal_workflow()?;
    let loaded = admitted(&workflow, &mut stages).await?;
    let folder = TempDir::new()?;
    let sandbox = sandbox(&folder.path().join("compiled"))?;
    let mut calls = Vec::new();
    let closed = walk(&sandbox, &workflow, loaded, &mut stages, &mut calls).await?;
    let key: PrivateKey = HOST_KEY.parse()?;
    time("bundle: sign, encode, pack", &mut stages, || {
        black_box(Bundle::close(&closed, &key).pack());
    });
    let calls = tokio::task::block_in_place(|| guest::measure(&sandbox, &calls))?;
    Ok((stages, calls))
}

/// Adds the median of what a run takes.
pub fn time(name: &str, stages: &mut Stages, mut run: impl FnMut()) {
    let mut measured: Vec<f64> = (0..MEASUREMENTS)
        .map(|_| {
            let started = Instant::now();
            (0..RUNS).for_each(|_| run());
            started.elapsed().as_secs_f64() * 1e6 / f64::from(RUNS)
        })
        .collect();
    measured.sort_by(f64::total_cmp);
    stages.push((name.to_owned(), measured[MEASUREMENTS / 2]));
}

/// Without its validator, which the rig's scripted actions do not have.
fn withdrawal_workflow() -> Result<Workflow> {
    let read = |path: &str| std::fs::read_to_string(repository(path));
    let mut file: serde_json::Value = serde_json::from_str(&read("workflows/withdrawal.json")?)?;
    file["schema"] = serde_json::from_str(&read("schemas/withdrawal.schema.json")?)?;
    file["validators"] = serde_json::json!([]);
    Ok(Workflow::parse(&file.to_string())?)
}

/// The way in, and the message as it is admitted.
async fn admitted(workflow: &Workflow, stages: &mut Stages) -> Result<Loaded> {
    let clock = Arc::new(VirtualClock::default());
    let rig = Rig::new(Memory::new().stores(clock.clone()), &clock, &Arc::default());
    rig.intake.workflows.add(Workflow::parse(&workflow.text)?.into());
    rig.register().await;
    let mut client = surety_core::ports::Client::clone(
        &*rig.stores.clients.get(&surety_tests::rig::acme()).await?.context("a client")?,
    );
    client.msg_types.insert(workflow.msg_type.clone());
    rig.stores.clients.put(client).await?;

    let id = rig.msg_id().await;
    let text = withdrawal(&id.to_string()).to_string();
    let body = sign(&client_key(), &text).to_string();
    time("envelope: strict JSON, schema", stages, || {
        black_box(Envelope::parse(body.as_bytes()).is_ok());
    });
    time("message: strict JSON", stages, || {
        black_box(json::parse(text.as_bytes()).is_ok());
    });
    let value = json::parse(text.as_bytes())?;
    time("message: its type's schema", stages, || {
        black_box(workflow.schema.check(&value));
    });
    let signature = client_key().sign_text(&text);
    let (signature, hash) =
        (Signature::parse(&signature.to_string())?, eip191_hash(text.as_bytes()));
    time("signature: recover", stages, || {
        black_box(recover(&hash, &signature).is_ok());
    });
    let key: PrivateKey = HOST_KEY.parse()?;
    time("receipt: sign", stages, || {
        black_box(key.sign_text("a receipt is about this long, or a little longer than this"));
    });
    rig.submit_body(&body).await?;
    match rig.stores.guarantee.load(id).await? {
        Found::Open(loaded) => Ok(*loaded),
        _ => anyhow::bail!("the message is not open"),
    }
}

fn sandbox(folder: &std::path::Path) -> Result<Sandbox> {
    // A module is called here as often as it can be.
    let limits = Limits { module_calls_per_second_max: 1_000_000, ..Limits::default() };
    let sandbox = Sandbox::new(limits, compiling(folder))?;
    for module in MODULES {
        let component = std::fs::read(guests().join(format!("{module}.wasm")))?;
        let settings = repository(&format!("actions/{module}/settings.demo.json"));
        let deployment = Deployment {
            name: module.parse()?,
            version: "1.0.0".parse()?,
            digest: Digest::of(&component),
            settings: std::fs::read_to_string(settings)?.into(),
            deployed_at: Time::from_millis(0),
        };
        sandbox.install(sandbox.prepare(deployment, &component)?);
    }
    Ok(sandbox)
}

/// The way through: each action's call, and the step made of it.
async fn walk(
    sandbox: &Sandbox,
    workflow: &Workflow,
    mut loaded: Loaded,
    stages: &mut Stages,
    calls: &mut Vec<Called>,
) -> Result<Loaded> {
    let now = VirtualClock::default().now();
    while let Some(Decision::Run(invoke)) = machine::decide(workflow, &loaded.head, loaded.head.due)
    {
        let module = sandbox.resolve(&invoke.module).context("no module")?;
        let name = module.manifest.name.as_str().to_owned();
        let turn = Turn { workflow, loaded: &loaded, invoke, module: Some(&module) };
        let handle = tokio::runtime::Handle::current();
        let call = || {
            tokio::task::block_in_place(|| {
                handle.block_on(sandbox.run(&module, machine::call(&loaded), Arc::new(Closed)))
            })
        };
        time(&format!("action: {name}"), stages, || {
            black_box(call().is_ok());
        });
        let ran = call()?;
        time(&format!("step: {name}"), stages, || {
            black_box(turn.check_input(&module).is_ok());
            black_box(turn.step(&ran, now));
        });
        let step = turn.step(&ran, now);
        calls.push(Called { call: machine::call(&loaded), module: Arc::clone(&module) });
        loaded = step.loaded;
    }
    Ok(loaded)
}
