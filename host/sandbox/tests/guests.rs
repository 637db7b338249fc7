//! The real actions, as `cargo xtask guests` builds them.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use support::{Bench, DONE, action, call_with, core, limits};
use surety_core::effect::Closed;
use surety_core::ext::MsgExt;
use surety_core::machine::{Advance, Call, Ran};
use surety_core::module::Module;
use surety_core::ports::Actions;

/// The actions and the states that they lead to, on the way of a withdrawal.
const WAY: [(&str, &str); 5] = [
    ("screen", "screened"),
    ("quote", "quoted"),
    ("reserve", "reserved"),
    ("settle", "settled"),
    ("notify", "notified"),
];

const MESSAGE: &str = r#"{"msg_id":"0190a0b0-c0d0-7000-8000-000000000001","msg_type":"withdrawal",
    "client_id":"acme","creation_date":"2026-01-02T03:04:05Z","payload":{"asset":"ETH",
    "amount":"1000000000000000000","to":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","nonce":7,
    "max_fee_per_gas":"30000000000","max_priority_fee_per_gas":"1000000000"}}"#;

fn deploy(bench: &Bench, name: &str) -> Arc<Module> {
    let folder = std::env::var_os("SURETY_GUESTS")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("../guests"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    let component = fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; `cargo xtask guests` builds it", path.display()));
    let settings = format!("../../actions/{name}/settings.demo.json");
    bench.deploy_with(&component, &fs::read_to_string(settings).unwrap()).unwrap()
}

/// Walks all actions; gives each call with its module and end.
async fn walk(bench: &Bench) -> Vec<(Arc<Module>, Call, Ran)> {
    let mut ext = MsgExt::empty();
    let mut way = Vec::new();
    for (name, _) in WAY {
        let module = deploy(bench, name);
        let call = Call { ext: Arc::clone(ext.text()), ..call_with(MESSAGE) };
        let ran = bench.sandbox.run(&module, call.clone(), Arc::new(Closed)).await.unwrap();
        let patch = &ran.outcome.as_ref().unwrap().ext_patch;
        ext = ext.merged(&serde_json::from_str(patch).unwrap());
        way.push((module, call, ran));
    }
    way
}

#[tokio::test]
async fn a_withdrawal_goes_its_way() {
    let bench = Bench::new(limits());
    let way = walk(&bench).await;
    let states = way.iter().map(|(_, _, ran)| ran.outcome.as_ref().unwrap().state.clone());
    assert_eq!(states.collect::<Vec<_>>(), WAY.map(|(_, state)| state));
    let screened = Advance {
        state: "screened".to_owned(),
        ext_patch: concat!(
            r#"{"screening":{"to":"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed","#,
            r#""limit":"50000000000000000000","hold_above":"2000000000000000000","#,
            r#""approval_above":"20000000000000000000"}}"#,
        )
        .to_owned(),
        note: None,
    };
    assert_eq!(way[0].2.outcome.as_ref().unwrap(), &screened);
}

#[tokio::test]
async fn the_same_way_costs_the_same_fuel() {
    let (one, two) = (Bench::new(limits()), Bench::new(limits()));
    for ((_, _, one), (_, _, two)) in walk(&one).await.into_iter().zip(walk(&two).await) {
        assert_eq!((one.outcome, one.fuel), (two.outcome, two.fuel));
    }
}

/// `cargo test --release -p surety-sandbox --test guests -- --ignored --nocapture`
#[tokio::test]
#[ignore = "measures"]
#[expect(clippy::print_stdout, reason = "its result")]
async fn microseconds_per_call() {
    const CALLS: u32 = 20_000;
    let bench = Bench::new(limits());
    let mut way = walk(&bench).await;
    // What an instance costs that does nothing.
    let idle = bench.deploy(&action(&core("", DONE)));
    let ran = bench.sandbox.run(&idle, call_with(MESSAGE), Arc::new(Closed)).await.unwrap();
    way.push((idle, call_with(MESSAGE), ran));
    for (module, call, ran) in way {
        let mut best = f64::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..CALLS / 5 {
                let ran = bench.sandbox.run(&module, call.clone(), Arc::new(Closed)).await.unwrap();
                assert!(ran.outcome.is_ok());
            }
            best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS / 5));
        }
        println!("{module:?}: {best:.1} µs, {} fuel", ran.fuel);
    }
}
