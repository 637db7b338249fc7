//! The rules of the house, enforced, and the rules of the machine, tried on
//! every kind of answer that an action can give.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::machine::{RECORDS_BYTES_MAX, TRANSITIONS_MAX};
use surety_core::ports::Found;
use surety_core::record::FailureKind;
use surety_core::refusal::Code;
use surety_core::workflow::Workflow;
use surety_store::Memory;
use surety_tests::clock::VirtualClock;
use surety_tests::rig::Rig;
use surety_tests::scripted::workflow;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// core ← store, core ← sandbox, core ← egress, core ← audit, all five ← surety ←
/// tests; the four never see each other; the SDK sees none of them, and neither do the kit,
/// which surety and xtask use, and oci, which surety's command line uses.
#[test]
fn crates_depend_only_downwards() {
    let allowed: [(&str, &[&str]); 12] = [
        ("host/core", &[]),
        ("host/audit", &["surety-core"]),
        ("host/store", &["surety-core"]),
        ("host/sandbox", &["surety-core"]),
        // Apart from the sandbox: what runs modules opens no connections, and what
        // opens connections and holds secrets runs no modules.
        ("host/egress", &["surety-core"]),
        ("host/kit", &[]),
        ("host/oci", &[]),
        (
            "host/surety",
            &[
                "surety-audit",
                "surety-core",
                "surety-egress",
                "surety-kit",
                "surety-oci",
                "surety-sandbox",
                "surety-store",
            ],
        ),
        ("sdk/rust", &["surety-sdk"]), // itself, with all features, for its tests
        ("xtask", &["surety-kit"]),
        // Stand-ins and a model: of the services and the protocol, not of surety.
        ("tests/cloud", &[]),
        ("tests/model", &[]),
    ];
    for (folder, allowed) in allowed {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let names = manifest.get(table).and_then(|t| t.as_table()).into_iter().flatten();
            for (name, _) in names.filter(|(name, _)| name.starts_with("surety")) {
                assert!(allowed.contains(&name.as_str()), "{folder} depends on {name}");
            }
        }
    }
    let core = std::fs::read_to_string(root().join("host/core/Cargo.toml")).unwrap();
    for foreign in ["wasmtime", "aws", "axum", "hyper", "tokio", "rusqlite", "rand", "getrandom"] {
        assert!(!core.contains(foreign), "the engine depends on {foreign}");
    }
}

/// The files of a folder, with their texts.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
    files
}

/// The engine cannot read a clock, draw chance, or touch files.
#[test]
fn the_engine_has_no_time_chance_or_files() {
    let files = sources("host/core/src");
    for (path, text) in &files {
        for word in ["SystemTime", "Instant", "Timestamp::now", "std::fs", "std::net", "std::env"] {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
    assert!(files.len() > 15);
}

/// Registries are asked by the command line alone: a host that serves gets modules as
/// bytes, and opens no connection for them.
#[test]
fn a_host_asks_no_registry() {
    let asks = |(_, text): &&(PathBuf, String)| text.contains("surety_oci");
    let files = sources("host/surety/src");
    let asking: Vec<_> = files.iter().filter(asks).map(|(path, _)| path).collect();
    assert!(!asking.is_empty());
    for path in asking {
        let commands = root().join("host/surety/src/cli/action");
        assert!(path.starts_with(commands), "{} asks registries", path.display());
    }
}

async fn end_of(payload: Value) -> (Rig, surety_core::types::MsgId) {
    let clock = Arc::new(VirtualClock::default());
    let rig = Rig::new(Memory::new().stores(clock.clone()), &clock, &Arc::default());
    rig.register().await;
    let id = rig.submit(payload).await;
    rig.run().await;
    (rig, id)
}

/// I5: whatever an action answers, only declared moves are committed; the rest
/// is retried or parked, with the reason in sight.
#[tokio::test]
async fn i5_every_answer_goes_its_declared_way() {
    // What the first action does; where the message ends; in how many
    // transitions; and what is shown of the reason.
    let cases = [
        ("ok", "done", 2, None),
        ("refuse", "refused", 1, None),
        ("heals", "done", 3, None),
        ("transient", "failed", 3, Some("transient: as scripted")),
        ("permanent", "failed", 1, Some("permanent: as scripted")),
        ("trap", "failed", 1, Some("trap: as scripted")),
        ("undeclared", "failed", 1, Some("undeclared: the action returned the state \"nowhere\"")),
        ("outside", "failed", 1, Some("undeclared: the ext patch is outside the module's schema")),
        ("no json", "failed", 1, Some("undeclared: the ext patch is not strict JSON")),
        // `second` reads `by`, which `first` did not write.
        ("mute", "failed", 2, Some("unreadable: msg_ext is not what `second` reads")),
    ];
    for (first, end, revisions, reason) in cases {
        let (rig, id) = end_of(json!({"first": first})).await;
        let shown = rig.stores.reference.get(id).await.unwrap().unwrap();
        assert_eq!((shown.msg_state.as_str(), shown.seq), (end, revisions), "{first}");
        assert_eq!(shown.parked, end == "failed", "{first}");
        let error = shown.last_error.unwrap_or_default();
        match reason {
            Some(reason) => assert!(error.starts_with(reason), "{first}: {error}"),
            None => assert_eq!(&*error, "", "{first}"),
        }
        rig.actions.assert_fixed_input();
    }
}

#[tokio::test]
async fn retries_wait_longer_each_time() {
    let (rig, id) = end_of(json!({"first": "transient"})).await;
    let Found::Open(loaded) = rig.stores.guarantee.load(id).await.unwrap() else { panic!() };
    let records: Vec<_> = loaded.records.iter().map(|r| r.record().unwrap()).collect();
    let delays: Vec<_> =
        records.windows(2).map(|r| r[1].now.as_millis() - r[0].now.as_millis()).collect();
    // Jitter takes up to a fifth away.
    assert_eq!(delays[0], 0);
    assert!((800..=1_000).contains(&delays[1]), "{delays:?}");
    assert!((1_600..=2_000).contains(&delays[2]), "{delays:?}");
    let attempts: Vec<_> = records.iter().skip(1).map(|r| (r.attempt, r.step)).collect();
    assert_eq!(attempts, [(1, 0), (2, 0), (3, 0)], "I4: the step stays over attempts");
    let kinds: Vec<_> = records.iter().skip(1).map(|r| r.failure.as_ref().unwrap().kind).collect();
    assert_eq!(kinds, [FailureKind::Transient; 3]);
}

#[tokio::test]
async fn a_workflow_in_circles_is_stopped_and_parked() {
    let (rig, id) = end_of(json!({"first": "ok", "second": "back"})).await;
    let shown = rig.stores.reference.get(id).await.unwrap().unwrap();
    assert_eq!(shown.seq, TRANSITIONS_MAX);
    assert!(shown.parked);
    assert!(shown.last_error.unwrap().contains("transitions_max"));
}

/// What is kept of a message can be read as a whole, whatever its actions answer.
#[tokio::test]
async fn a_history_of_too_many_bytes_is_stopped_and_comes_to_its_end() {
    let (rig, id) = end_of(json!({"first": "padded", "second": "back"})).await;
    let shown = rig.stores.reference.get(id).await.unwrap().unwrap();
    assert!(shown.parked && shown.seq < TRANSITIONS_MAX);
    assert!(shown.last_error.unwrap().contains("records_bytes_max"));
    let bytes: usize = rig.load(id).await.records.iter().map(|record| record.bytes.len()).sum();
    assert!((RECORDS_BYTES_MAX..RECORDS_BYTES_MAX + (1 << 20)).contains(&bytes), "{bytes}");
    // Going on is stopped at once, going away is not.
    rig.operator.redrive(id, None, "ops", "once more").await.unwrap();
    rig.run().await;
    assert!(rig.stores.reference.get(id).await.unwrap().unwrap().parked);
    assert_eq!(rig.load(id).await.head.seq, shown.seq + 1);
}

#[test]
fn workflows_are_refused_with_the_place() {
    let good: Value = serde_json::from_str(&workflow(1)).unwrap();
    let state = |word: &str, value: Value| {
        let mut file = good.clone();
        file["states"]["begin"] = json!({word: value});
        file
    };
    let with = |pointer: &str, value: Value| {
        let mut file = good.clone();
        *file.pointer_mut(pointer).unwrap() = value;
        file
    };
    let cases = [
        (state("choose", json!([])), Code::WorkflowInvalid, "/states/begin/choose"),
        (state("on", json!({})), Code::WorkflowInvalid, "/states/begin"),
        (state("after", json!([])), Code::WorkflowInvalid, "/states/begin/after"),
        (state("invoke", json!("first@^1")), Code::WorkflowInvalid, "/states/begin"),
        (with("/initial", json!("nowhere")), Code::WorkflowInvalid, "/initial"),
        (with("/initial", json!("done")), Code::WorkflowInvalid, "/initial"),
        (
            with("/states/begin/targets", json!(["lost"])),
            Code::WorkflowInvalid,
            "/states/begin/targets/0",
        ),
        (
            with("/states/begin/on_failure", json!("lost")),
            Code::WorkflowInvalid,
            "/states/begin/on_failure",
        ),
        (
            with("/states/begin/invoke", json!("first@nonsense")),
            Code::WorkflowInvalid,
            "/states/begin/invoke",
        ),
        (
            with("/states/begin/retry/first_delay", json!("soon")),
            Code::WorkflowInvalid,
            "/states/begin/retry/first_delay",
        ),
        (
            with("/states/done", json!({"final": true, "parked": true})),
            Code::WorkflowInvalid,
            "/states/done",
        ),
        (with("/schema", json!("schemas/a.json")), Code::WorkflowInvalid, "/schema"),
        (
            with("/schema", json!({"$ref": "https://example.com/a.json"})),
            Code::WorkflowInvalid,
            "/schema/$ref",
        ),
        (with("/schema", json!({"type": "wrong"})), Code::WorkflowInvalid, "/schema/type"),
    ];
    for (file, code, pointer) in cases {
        let refusal = Workflow::parse(&file.to_string()).unwrap_err();
        assert_eq!(refusal.code, code, "{pointer}: {refusal}");
        let named = refusal.errors.iter().any(|e| e.pointer == pointer);
        assert!(named, "{pointer} is not named: {refusal}");
    }
    Workflow::parse(&good.to_string()).unwrap();
}
