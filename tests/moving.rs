//! Moving: a store with messages in every state, out of each backend and into each.

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::canary::{Canary, Course, Tally};
use surety_core::deployment::{Change, Deployed, NewDeployment, Revocation};
use surety_core::effect::Entry;
use surety_core::endorse::Endorsements;
use surety_core::intake::IntakeError;
use surety_core::machine::Phase;
use surety_core::module::SETTINGS_BYTES_MAX;
use surety_core::ports::{Catalog, Deployment, Found, Placed, Use};
use surety_core::record::Sealed;
use surety_core::refusal::Code;
use surety_core::types::{Digest, MsgId, Time};
use surety_store::{Exported, MoveError, Stores};
use surety_tests::backend::Backend;
use surety_tests::clock::VirtualClock;
use surety_tests::fuse::{Fuse, fused_export, fused_import};
use surety_tests::rig::{Rig, envelope, text};
use surety_tests::scripted::{Scripted, workflow};
use tempfile::TempDir;

/// What the messages are told to do, and where each ends.
const RETRIES: usize = 0;
const WAITS: usize = 1;
const PARKED: usize = 2;
const ARCHIVED: usize = 3;
const FIRST: usize = 4;
const CLOSES: usize = 5;
const SCRIPTS: [(&str, &str); 6] = [
    ("heals", "done"),
    ("large", "done"),
    ("permanent", "failed"),
    ("ok", "done"),
    ("refuse", "refused"),
    ("ok", "done"),
];

fn payload(n: usize) -> Value {
    json!({"first": SCRIPTS[n].0})
}

/// A store that was filled.
struct Filled {
    ids: Vec<MsgId>,
    unused: MsgId,
    expired: MsgId,
    signal: MsgId,
}

/// What an action did outside.
fn debit(actions: &Scripted) -> Entry {
    actions.effect("/debit", "done")
}

/// One that ran, with what was counted of it.
fn canary() -> Canary {
    Canary {
        name: "screen".parse().unwrap(),
        version: "1.1.0".parse().unwrap(),
        digest: Digest::of(b"1.1.0"),
        share: "10%".parse().unwrap(),
        started_at: Time::from_millis(3),
        course: Course::Stopped { at: Time::from_millis(9), why: "rolled back".to_owned() },
        old: Tally { calls: 9, fuel: 90, ..Tally::default() },
        new: Tally { calls: 1, ..Tally::default() },
    }
}

async fn deploy(catalog: &dyn Catalog) {
    let put = |version: &str, settings: &str, at| NewDeployment {
        deployment: Deployment {
            name: "screen".parse().unwrap(),
            version: version.parse().unwrap(),
            digest: Digest::of(version.as_bytes()),
            settings: settings.into(),
            deployed_at: Time::from_millis(at),
        },
        endorsements: Endorsements::NONE,
        component: version.as_bytes().to_vec(),
    };
    let puts = [("1.0.0", "{}"), ("1.0.0", r#"{"a":1}"#), ("1.1.0", "{}")];
    for (n, (version, settings)) in (1..).zip(puts) {
        let change =
            Change { put: Some(put(version, settings, n)), ..Change::new(Time::from_millis(n)) };
        catalog.change_modules(change).await.unwrap();
    }
    let last = catalog.history(&"screen".parse().unwrap()).await.unwrap()[0].number;
    let ended = Change { end: vec![last], ..Change::new(Time::from_millis(9)) };
    catalog.change_modules(ended).await.unwrap();
    let revocation = Revocation {
        digest: Digest::of(b"1.1.0"),
        reason: "a hole".to_owned(),
        revoked_at: Time::from_millis(10),
        revoked_by: "ops".to_owned(),
    };
    catalog.revoke(revocation).await.unwrap();
    let change = Change { canary: Some(canary()), ..Change::new(Time::from_millis(11)) };
    catalog.change_modules(change).await.unwrap();
    for version in 1..=2 {
        let text = workflow(version).into();
        catalog.put_workflow("transfer".parse().unwrap(), version, text).await.unwrap();
    }
}

async fn fill(rig: &Rig) -> Filled {
    rig.register().await;
    deploy(&*rig.stores.catalog).await;
    let expired = rig.msg_id().await;
    rig.clock.advance(2 * 3_600_000);
    let mut ids = vec![rig.msg_id().await; SCRIPTS.len()];
    for n in [WAITS, PARKED, ARCHIVED, RETRIES] {
        ids[n] = rig.submit(payload(n)).await;
    }
    rig.run_now().await;
    let body = rig.signal_envelope(ids[WAITS], "approve", 0).await;
    let signed: Value = serde_json::from_str(&body).unwrap();
    let signed: Value = serde_json::from_str(signed["message"].as_str().unwrap()).unwrap();
    let signal = signed["msg_id"].as_str().unwrap().parse().unwrap();
    rig.intake.signal(ids[WAITS], &"approve".parse().unwrap(), body.as_bytes()).await.unwrap();
    // One that is final, and not in the archive.
    ids[CLOSES] = rig.submit(payload(CLOSES)).await;
    while rig.load(ids[CLOSES]).await.head.phase != Phase::Final {
        let lease = rig.at_hand().await.expect("its ticket");
        rig.controller.handle(lease).await.unwrap();
    }
    // One whose first ticket nobody has taken.
    ids[FIRST] = rig.submit(payload(FIRST)).await;
    // It did something outside, and came to no commit.
    rig.stores.guarantee.journal(ids[FIRST], 0, 0, debit(&rig.actions)).await.unwrap();
    Filled { ids, unused: rig.msg_id().await, expired, signal }
}

async fn records(stores: &Stores, id: MsgId) -> Vec<Sealed> {
    match stores.guarantee.load(id).await.unwrap() {
        Found::Open(loaded) => loaded.records,
        Found::Archived => {
            let packed = stores.archive.get(id).await.unwrap().unwrap();
            Bundle::unpack(&packed).unwrap().records
        }
        Found::Nothing => panic!("{id} is lost"),
    }
}

fn code<T: std::fmt::Debug>(outcome: Result<T, IntakeError>) -> Code {
    match outcome.unwrap_err() {
        IntakeError::Refused(refusal, _) => refusal.code,
        IntakeError::Fault(fault) => panic!("a fault: {fault}"),
    }
}

fn rig(stores: Stores, clock: &Arc<VirtualClock>) -> Rig {
    Rig::new(stores, clock, &Arc::new(Scripted::default()))
}

/// All that must hold in the store that a filled one was moved into.
async fn goes_on(rig: &Rig, filled: &Filled, before: &[Vec<Sealed>], way: &str) {
    let ids = rig.stores.moving.msg_ids(None, 1_000).await.unwrap();
    let used = |id| ids.iter().find(|issued| issued.msg_id == id).unwrap().used;
    assert_eq!(used(filled.signal), Some(Use::Signal), "I9: {way}");
    assert_eq!(used(filled.unused), None, "{way}");
    // I9: the same again is known, something else is not taken.
    for (n, id) in filled.ids.iter().enumerate() {
        rig.submit_body(&envelope(*id, &payload(n))).await.unwrap();
        let other = envelope(*id, &json!({"first": "small"}));
        assert_eq!(code(rig.submit_body(&other).await), Code::MsgIdUsed, "I9: {n} {way}");
    }
    let late = envelope(filled.expired, &json!({"first": "ok"}));
    assert_eq!(code(rig.submit_body(&late).await), Code::MsgIdExpired, "{way}");
    rig.submit_body(&envelope(filled.unused, &json!({"first": "ok"}))).await.unwrap();
    // The other half of the quorum.
    rig.signal(filled.ids[WAITS], "approve", 1).await.unwrap();
    rig.run().await;
    for (n, (id, (_, end))) in filled.ids.iter().zip(SCRIPTS).enumerate() {
        let shown = rig.stores.reference.get(*id).await.unwrap().unwrap();
        assert_eq!(shown.msg_state.as_str(), end, "{n} {way}");
        let now = records(&rig.stores, *id).await;
        assert!(now.len() >= before[n].len(), "{n} {way}");
        let same = now.iter().zip(&before[n]).all(|(now, before)| now.hash == before.hash);
        assert!(same, "the history of {n} changed {way}");
        if let Some(packed) = rig.stores.archive.get(*id).await.unwrap() {
            let bundle = Bundle::unpack(&packed).unwrap();
            bundle.verify().expect("I10: the chain holds");
            assert_eq!(*bundle.message.text, *text(*id, &payload(n)), "I2: {n} {way}");
        }
    }
}

/// Imports what was exported, and asserts that all of it is there.
async fn is_imported(
    stores: &Stores,
    folder: &Path,
    exported: &Exported,
    deployments: &[Deployed],
    way: &str,
) {
    let imported = stores.import(folder).await.unwrap_or_else(|e| panic!("{way}: {e}"));
    assert_eq!(imported.export, *exported, "{way}");
    let again = stores.import(folder).await.unwrap();
    assert_eq!((again.messages_new, again.msg_ids_new), (0, 0), "{way}");
    assert!(again.reference.is_clean(), "I6: {way}: {:?}", again.reference);
    assert_eq!(stores.moving.deployments().await.unwrap(), deployments, "{way}");
    let catalog = &stores.catalog;
    assert_eq!(catalog.canaries().await.unwrap(), [canary()], "{way}");
    assert_eq!(catalog.workflows().await.unwrap().len(), 2, "{way}");
    assert_eq!(catalog.revocations().await.unwrap()[0].reason, "a hole", "{way}");
    assert_eq!(stores.clients.list().await.unwrap().len(), 2, "{way}");
    let ids = stores.moving.msg_ids(None, 1_000).await.unwrap();
    assert_eq!(ids.len() as u64, exported.msg_ids, "{way}");
}

async fn moved(from: &Backend, to: &Backend, folder: &Path) {
    let way = format!("from {} to {}", from.name(), to.name());
    let clock = Arc::new(VirtualClock::default());
    let source = rig(from.open(clock.clone()), &clock);
    let filled = fill(&source).await;
    let mut before = Vec::new();
    for id in &filled.ids {
        before.push(records(&source.stores, *id).await);
    }
    let deployments = source.stores.moving.deployments().await.unwrap();
    assert_eq!(deployments.len(), 3);
    let exported = source.stores.export(folder).await.unwrap();
    assert_eq!((exported.open, exported.archived), (5, 1), "{way}");
    assert_eq!(source.stores.export(folder).await.unwrap(), exported, "again, {way}");
    source.stores.close().await;

    let stores = to.open(clock.clone());
    is_imported(&stores, folder, &exported, &deployments, &way).await;
    stores.close().await;

    let target = rig(to.open(clock.clone()), &clock);
    let journal = target.load(filled.ids[FIRST]).await.journal;
    assert_eq!(journal, [debit(&source.actions)], "{way}");
    goes_on(&target, &filled, &before, &way).await;
    // What went on there is not put back.
    let refused = target.stores.import(folder).await;
    assert!(matches!(refused, Err(MoveError::Taken(_))), "{way}: {refused:?}");
    target.stores.close().await;
}

#[tokio::test]
async fn i9_a_store_goes_on_in_every_other_backend() {
    for from in Backend::all() {
        for to in Backend::all() {
            let folder = TempDir::new().unwrap();
            moved(&from.another(), &to.another(), folder.path()).await;
        }
    }
}

#[tokio::test]
async fn a_history_moves_that_is_larger_than_one_transaction() {
    let component = b"one".to_vec();
    let deployed = |number| Deployed {
        number,
        deployment: Deployment {
            name: "screen".parse().unwrap(),
            version: semver::Version::new(1, number, 0),
            digest: Digest::of(&component),
            // As large as they may be: together more than the 4 MB of DynamoDB.
            settings: format!("\"{}\"", "x".repeat(SETTINGS_BYTES_MAX - 2)).into(),
            deployed_at: Time::from_millis(number),
        },
        endorsements: Endorsements::NONE,
        ended_at: None,
    };
    let history: Vec<_> = (1..=40).map(deployed).collect();
    for backend in Backend::all() {
        let stores = backend.open(Arc::new(VirtualClock::default()));
        let moving = &stores.moving;
        moving.place_component(component.clone()).await.unwrap();
        for placed in [Placed::Now, Placed::Before] {
            let now = moving.place_history(history.clone()).await.unwrap();
            assert_eq!(now, placed, "{}", backend.name());
        }
        assert!(moving.deployments().await.unwrap() == history, "{}", backend.name());
        stores.close().await;
    }
}

/// An import that is interrupted at a point, and what must hold of what it has put.
async fn import_until(stores: &Stores, folder: &Path, point: usize, all_ids: u64, way: &str) {
    let fuse = Fuse::at(point);
    let fused = fused_import(stores, &fuse);
    tokio::select! {
        biased;
        () = fuse.burnt() => {}
        done = fused.import(folder) => panic!("{way}: it was not interrupted: {done:?}"),
    }
    // Nobody can submit before all is there.
    if !stores.clients.list().await.unwrap().is_empty() {
        let ids = stores.moving.msg_ids(None, 1_000).await.unwrap();
        assert_eq!(ids.len() as u64, all_ids, "I9: {way}");
    }
}

#[tokio::test]
async fn i9_an_import_that_is_interrupted_anywhere_is_gone_on_with() {
    let clock = Arc::new(VirtualClock::default());
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let source = rig(Backend::all().remove(0).open(clock.clone()), &clock);
    fill(&source).await;
    let exported = source.stores.export(folder).await.unwrap();
    let deployments = source.stores.moving.deployments().await.unwrap();
    source.stores.close().await;
    for to in Backend::all() {
        // Before and after everything that is put, by a run without an interruption.
        let (fuse, stores) = (Fuse::never(), to.open(clock.clone()));
        fused_import(&stores, &fuse).import(folder).await.unwrap();
        stores.close().await;
        let points = fuse.points();
        assert!(points > 20, "only {points} points into {}", to.name());
        for point in 0..points {
            let way = format!("into {}, interrupted at {point}", to.name());
            let to = to.another();
            let stores = to.open(clock.clone());
            import_until(&stores, folder, point, exported.msg_ids, &way).await;
            stores.close().await;
            let stores = to.open(clock.clone());
            is_imported(&stores, folder, &exported, &deployments, &way).await;
            stores.close().await;
        }
        println!("{}: {points} points of an import", to.name());
    }
}

/// What each file under a folder holds, by its place there.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let place = |file: &PathBuf| file.strip_prefix(folder).unwrap().to_owned();
    files(folder).iter().map(|file| (place(file), std::fs::read(file).unwrap())).collect()
}

#[tokio::test]
async fn an_export_that_is_interrupted_anywhere_is_none_until_it_is_made_again() {
    let nothing = Backend::all().remove(0).open(Arc::new(VirtualClock::default()));
    for from in Backend::all() {
        let clock = Arc::new(VirtualClock::default());
        let source = rig(from.open(clock.clone()), &clock);
        fill(&source).await;
        // Before and after everything that is read.
        let (whole, fuse) = (TempDir::new().unwrap(), Fuse::never());
        let exported = fused_export(&source.stores, &fuse).export(whole.path()).await.unwrap();
        let points = fuse.points();
        assert!(points > 20, "only {points} points from {}", from.name());
        for point in 0..points {
            let way = format!("from {}, interrupted at {point}", from.name());
            let (folder, fuse) = (TempDir::new().unwrap(), Fuse::at(point));
            let fused = fused_export(&source.stores, &fuse);
            tokio::select! {
                biased;
                () = fuse.burnt() => {}
                done = fused.export(folder.path()) => panic!("{way}: it was not: {done:?}"),
            }
            let refused = nothing.import(folder.path()).await;
            assert!(matches!(refused, Err(MoveError::Unfinished(..))), "{way}: {refused:?}");
            let again = source.stores.export(folder.path()).await.unwrap();
            assert_eq!(again, exported, "{way}");
            assert!(contents(folder.path()) == contents(whole.path()), "{way}: other files");
        }
        println!("{}: {points} points of an export", from.name());
        source.stores.close().await;
    }
    assert!(nothing.moving.msg_ids(None, 1).await.unwrap().is_empty());
}

/// All files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

#[tokio::test]
async fn an_export_that_was_changed_or_not_finished_is_refused_with_the_file() {
    let clock = Arc::new(VirtualClock::default());
    let [from, to] = [1, 1].map(|n| Backend::all().remove(n));
    let source = rig(from.open(clock.clone()), &clock);
    fill(&source).await;
    let folder = TempDir::new().unwrap();
    source.stores.export(folder.path()).await.unwrap();
    source.stores.close().await;
    let stores = to.open(clock.clone());
    let all = files(folder.path());
    assert!(all.len() >= 11, "{all:?}");
    for file in all {
        let whole = std::fs::read(&file).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        for bytes in [Some(&changed), Some(&whole[..middle].to_vec()), None] {
            match bytes {
                Some(bytes) => std::fs::write(&file, bytes).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            let error = stores.import(folder.path()).await.unwrap_err().to_string();
            let name = file.file_name().unwrap().to_str().unwrap();
            // A digest that was changed is told of the file that does not have it.
            let named = error.contains(name) || name == "manifest.json" && error.contains(".jsonl");
            assert!(named, "{name}: {error}");
        }
        std::fs::write(&file, whole).unwrap();
    }
    // Nothing of all that was put.
    assert!(stores.moving.msg_ids(None, 1).await.unwrap().is_empty());
    let manifest = folder.path().join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"finished\": true", "\"finished\": false")).unwrap();
    let refused = stores.import(folder.path()).await;
    assert!(matches!(refused, Err(MoveError::Unfinished(..))), "{refused:?}");
    std::fs::write(&manifest, text).unwrap();
    stores.import(folder.path()).await.unwrap();
    stores.close().await;
}
