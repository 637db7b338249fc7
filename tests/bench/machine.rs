//! What the machine's decisions cost by themselves, and the check of a large
//! workflow.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use surety_core::check::check;
use surety_core::guard::Scope;
use surety_core::machine::{self, Advance, Decision, Loaded, Ran, Turn};
use surety_core::ports::{Clock as _, Found};
use surety_core::workflow::{Kind, Workflow};
use surety_store::Memory;
use surety_tests::clock::VirtualClock;
use surety_tests::corpus::{find, manifests, two_hundred_states};
use surety_tests::rig::Rig;

use crate::stages::{MEASUREMENTS, Stages, time};

/// A withdrawal with the choice that decides who has to look at it: three guards
/// are asked, and the last branch is taken.
fn workflow() -> Value {
    json!({
        "msg_type": "transfer", "version": 2, "initial": "received",
        "schema": {"type": "object"},
        "states": {
            "received": {"invoke": "first@^1", "targets": ["screened", "plain"], "on_failure": "failed"},
            "screened": {"choose": [
                {"guard": "dec(message.payload.amount) >= dec('1000000000000000000')", "target": "review"},
                {"guard": "has(ext.screening) && ext.screening.risk > 50", "target": "review"},
                {"guard": "message.payload.to in ext.screening.watched", "target": "review"},
                {"target": "cleared"},
            ]},
            "review": {"after": [{"delay": "1d", "target": "failed"}]},
            "cleared": {"final": true}, "plain": {"final": true}, "failed": {"parked": true},
        },
    })
}

/// Msg_Ext as the action before the choice writes it.
fn screening() -> Value {
    let watched: Vec<_> = (0..8).map(|i| format!("0x{i:040x}")).collect();
    json!({"screening": {"risk": 7, "list": "2026-11", "watched": watched}})
}

/// Adds what the machine costs to the stages.
pub async fn measure(stages: &mut Stages) -> Result<()> {
    let workflow = Workflow::parse(&workflow().to_string())?;
    let loaded = admitted(&workflow).await?;
    let now = VirtualClock::default().now();
    time("decide: an action is due", stages, || {
        black_box(machine::decide(&workflow, &loaded.head, now));
    });
    let Some(Decision::Run(invoke)) = machine::decide(&workflow, &loaded.head, now) else {
        anyhow::bail!("no action is due");
    };
    let ext = screening();
    let state = workflow.state(&"screened".parse()?).context("a state")?;
    let Kind::Choose(branches) = &state.kind else { anyhow::bail!("no choice") };
    let scope = Scope { message: &loaded.message.value, ext: &ext, signal: None, now };
    let choose = || {
        let holds = |guard: &surety_core::guard::Guard| guard.holds(&scope).expect("an answer");
        branches.iter().position(|branch| branch.guard.as_ref().is_none_or(holds))
    };
    ensure!(choose() == Some(3), "all guards are asked");
    time("decide: a choice, three guards", stages, || {
        black_box(choose());
    });
    // Records and hashes included; the difference is the choice with its record.
    let turn = Turn { workflow: &workflow, loaded: &loaded, invoke, module: None };
    for (name, state, records) in
        [("step: an action", "plain", 1), ("step: an action, a choice", "screened", 2)]
    {
        let answer = Advance { state: state.to_owned(), ext_patch: ext.to_string(), note: None };
        let ran =
            Ran { outcome: Ok(answer), fuel: 7, engine: "scripted".into(), effects: Vec::new() };
        ensure!(turn.step(&ran, now).records().len() == records, "{name} goes another way");
        time(name, stages, || {
            black_box(turn.step(&ran, now));
        });
    }
    check_large(stages)
}

/// The workflow's message, as it is admitted.
async fn admitted(workflow: &Workflow) -> Result<Loaded> {
    let clock = Arc::new(VirtualClock::default());
    let rig = Rig::new(Memory::new().stores(clock.clone()), &clock, &Arc::default());
    rig.intake.workflows.add(Workflow::parse(&workflow.text)?.into());
    rig.register().await;
    let to = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    let id = rig.submit(json!({"amount": "250000000000000000", "to": to})).await;
    match rig.stores.guarantee.load(id).await? {
        Found::Open(loaded) => Ok(*loaded),
        _ => anyhow::bail!("the message is not open"),
    }
}

fn check_large(stages: &mut Stages) -> Result<()> {
    let mut case = two_hundred_states();
    case["workflow"]["states"]["failed"]["redrive"] = json!(["s0"]);
    let workflow = Workflow::parse(&case["workflow"].to_string())?;
    let modules = manifests(&case["modules"]);
    let mut measured = Vec::with_capacity(MEASUREMENTS);
    for _ in 0..MEASUREMENTS {
        let started = Instant::now();
        let findings = check(&workflow, &|spec| find(&modules, spec));
        measured.push(started.elapsed().as_secs_f64() * 1e6);
        ensure!(findings.is_empty(), "it is proven");
    }
    measured.sort_by(f64::total_cmp);
    stages.push(("check: 200 states".to_owned(), measured[MEASUREMENTS / 2]));
    Ok(())
}
