//! Effects: what an action did outside is durable before the action sees it, comes
//! again in a re-run, and is in the message's history. On every backend.

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::effect::{Budget, Effect, Exchanges, Outcome, Outside as _, Request};
use surety_core::machine::{self, Loaded, Order};
use surety_core::ports::{Clock as _, CommitError, Egress};
use surety_core::record::{Cause, FailureKind, Record};
use surety_core::types::{Digest, MsgId};
use surety_core::workflow::Workflow;
use surety_tests::backend::Backend;
use surety_tests::clock::VirtualClock;
use surety_tests::fuse::{Fuse, fused};
use surety_tests::rig::{Rig, envelope};
use surety_tests::scripted::{Scripted, workflow};

async fn rig(backend: &Backend, clock: &Arc<VirtualClock>, actions: &Arc<Scripted>) -> Rig {
    let rig = Rig::new(backend.open(clock.clone()), clock, actions);
    rig.register().await;
    rig
}

/// The records of a finished message, verified.
async fn records(rig: &Rig, id: MsgId) -> Vec<Record> {
    let packed = rig.stores.archive.get(id).await.unwrap().expect("a bundle");
    Bundle::unpack(&packed).unwrap().verify().expect("I10: the chain holds")
}

fn said(effects: &[Effect]) -> Vec<String> {
    let body = |e: &Effect| String::from_utf8(e.outcome.as_ref().unwrap().body.clone()).unwrap();
    effects.iter().map(body).collect()
}

#[tokio::test]
async fn a_journal_is_kept_in_order_until_its_revision_is_done_with() {
    for backend in Backend::everywhere() {
        let (clock, actions) = (Arc::default(), Arc::default());
        let first = rig(&backend, &clock, &actions).await;
        let id = first.submit(json!({"first": "transient"})).await;
        let entries = [actions.effect("/debit", "a"), actions.effect("/credit", "b")];
        let guarantee = &first.stores.guarantee;
        for (seq, n) in [(0, 1), (1, 0), (7, 0)] {
            let refused = guarantee.journal(id, seq, n, entries[0].clone()).await;
            assert_eq!(refused, Err(CommitError::Conflict(seq)), "{seq} {n}");
        }
        let nobody = MsgId::from_bytes([9; 16]);
        let refused = guarantee.journal(nobody, 0, 0, entries[0].clone()).await;
        assert_eq!(refused, Err(CommitError::Conflict(0)));
        for (n, entry) in entries.iter().enumerate() {
            guarantee.journal(id, 0, n, entry.clone()).await.unwrap();
            let again = guarantee.journal(id, 0, n, entry.clone()).await;
            assert_eq!(again, Err(CommitError::Conflict(0)));
        }
        first.stores.close().await;

        let second = rig(&backend, &clock, &actions).await;
        assert_eq!(second.load(id).await.journal, entries, "{}", backend.name());
        second.run_now().await;
        let loaded = second.load(id).await;
        assert_eq!(loaded.head.seq, 1, "the attempt failed");
        assert!(loaded.journal.is_empty(), "a new attempt starts with an empty journal");
        second.stores.close().await;
    }
}

#[tokio::test]
async fn a_re_run_is_given_what_was_recorded() {
    for backend in Backend::everywhere() {
        let (clock, actions) = (Arc::default(), Arc::<Scripted>::default());
        let before = rig(&backend, &clock, &actions).await;
        let id = before.submit(json!({"first": "pays"})).await;
        let debit = actions.effect("/debit", "recorded");
        before.stores.guarantee.journal(id, 0, 0, debit.clone()).await.unwrap();
        before.stores.close().await;

        let after = rig(&backend, &clock, &actions).await;
        after.run().await;
        let credit =
            BTreeMap::from([(format!("{id}-0-1"), vec!["https://bank.example/credit".to_owned()])]);
        assert_eq!(actions.remote.asked(), credit, "only what was not recorded is sent");
        let records = records(&after, id).await;
        assert_eq!(said(&records[1].effects), ["recorded", "1"]);
        assert_eq!(records[1].ext_patch, r#"{"by":"recorded,1"}"#);
        assert_eq!(records[1].effects[0], debit.effect);
        after.stores.close().await;
    }
}

#[tokio::test]
async fn a_re_run_that_does_something_else_fails_and_says_so() {
    for backend in Backend::everywhere() {
        let (clock, actions) = (Arc::default(), Arc::<Scripted>::default());
        let before = rig(&backend, &clock, &actions).await;
        let id = before.submit(json!({"first": "drifts"})).await;
        let done = actions.effect("/debit", "recorded");
        before.stores.guarantee.journal(id, 0, 0, done).await.unwrap();
        before.stores.close().await;

        let after = rig(&backend, &clock, &actions).await;
        after.run().await;
        assert!(actions.remote.asked().is_empty(), "nothing is sent");
        let loaded = after.load(id).await;
        let record = loaded.records[1].record().unwrap();
        let failure = record.failure.unwrap();
        assert_eq!(failure.kind, FailureKind::Diverged);
        assert!(failure.detail.contains("which was POST https://bank.example/debit"), "{failure}");
        assert_eq!(said(&record.effects), ["recorded"], "what was done stays in sight");
        assert_eq!(loaded.head.state.as_str(), "failed", "it is not tried again");
        after.stores.close().await;
    }
}

#[tokio::test]
async fn a_new_attempt_sends_again_under_the_same_keys() {
    let (clock, actions) = (Arc::default(), Arc::<Scripted>::default());
    let rig = rig(&Backend::all().remove(0), &clock, &actions).await;
    let id = rig.submit(json!({"first": "pays twice"})).await;
    rig.run().await;
    let asked = actions.remote.asked();
    assert_eq!(
        asked.keys().cloned().collect::<Vec<_>>(),
        [format!("{id}-0-0"), format!("{id}-0-1")]
    );
    assert!(asked.values().all(|requests| requests.len() == 2 && requests[0] == requests[1]));
    let records = records(&rig, id).await;
    assert_eq!(said(&records[1].effects), ["1", "2"], "a failed attempt's are kept too");
    assert_eq!(said(&records[2].effects), ["3", "4"]);
}

#[tokio::test]
async fn an_attempt_goes_on_with_the_module_it_began_with_or_is_over() {
    let (clock, actions) = (Arc::default(), Arc::<Scripted>::default());
    let backend = Backend::all().remove(0);
    let rig = rig(&backend, &clock, &actions).await;
    let id = rig.submit(json!({"first": "pays"})).await;
    let mut gone = actions.effect("/debit", "recorded");
    gone.module.digest = Digest([7; 32]);
    rig.stores.guarantee.journal(id, 0, 0, gone).await.unwrap();
    // As after a crash: the message is loaded.
    let again = Rig::new(backend.open(clock.clone()), &clock, &actions);
    again.run().await;
    let records = records(&again, id).await;
    let failure = records[1].failure.as_ref().unwrap();
    assert_eq!(failure.kind, FailureKind::Missing);
    assert!(failure.detail.contains(&Digest([7; 32]).to_string()), "{failure}");
    assert_eq!(said(&records[1].effects), ["recorded"]);
    assert_eq!((records[2].attempt, said(&records[2].effects).len()), (2, 2));
}

#[tokio::test]
async fn who_moves_a_message_takes_an_unfinished_attempts_effects_along() {
    for backend in Backend::everywhere() {
        let (clock, actions) = (Arc::<VirtualClock>::default(), Arc::<Scripted>::default());
        let rig = rig(&backend, &clock, &actions).await;
        let id = rig.submit(json!({"first": "pays"})).await;
        let guarantee = Arc::clone(&rig.stores.guarantee);
        let debit = actions.effect("/debit", "recorded");
        guarantee.journal(id, 0, 0, debit.clone()).await.unwrap();
        let mut file: Value = serde_json::from_str(&workflow(1)).unwrap();
        file["states"]["begin"]["cancel"] = json!("refused");
        let workflow = Workflow::parse(&file.to_string()).unwrap();
        let order = Order { by: "ops", reason: "stop", at: clock.now() };
        let step = machine::cancel(&workflow, &rig.load(id).await, order).unwrap();
        guarantee.commit(step).await.unwrap();
        // The call that is still under way finds out before its guest sees more.
        let late = guarantee.journal(id, 0, 1, debit.clone()).await;
        assert_eq!(late, Err(CommitError::Conflict(0)));
        rig.run().await;
        let records = records(&rig, id).await;
        assert_eq!(records[1].cause, Cause::Cancel);
        assert_eq!(records[1].effects, [debit.effect], "{}", backend.name());
        let gone = guarantee.journal(id, 1, 0, actions.effect("/x", "y")).await;
        assert_eq!(gone, Err(CommitError::Conflict(1)));
        rig.stores.close().await;
    }
}

/// The outside of a call that may have the secret `key`.
fn with_secret(rig: &Rig, actions: &Scripted, loaded: &Loaded) -> Arc<Exchanges> {
    let egress = Arc::clone(&actions.remote) as Arc<dyn Egress>;
    Exchanges::new(Arc::clone(&rig.stores.guarantee), egress, loaded, actions.with_secret())
}

async fn send(outside: &Exchanges, path: &str, body: &str) -> Outcome {
    let body = body.as_bytes().to_vec();
    let request = Request::new("POST", true, "bank.example", path, Vec::new(), body).unwrap();
    let budget = Budget { response_bytes_max: 1_000, ms_max: 1_000 };
    outside.exchange(request, budget).await.unwrap()
}

#[tokio::test]
async fn strangers_placeholders_are_not_filled() {
    let (clock, actions) = (Arc::default(), Arc::<Scripted>::default());
    let rig = rig(&Backend::all().remove(0), &clock, &actions).await;
    let id = rig.submit(json!({"first": "pays", "second": "{{secret:key}}"})).await;
    let outside = with_secret(&rig, &actions, &rig.load(id).await);
    let denied = send(&outside, "/", "{{secret:key}}").await.unwrap_err();
    assert!(denied.detail.contains("the message itself holds a placeholder"), "{denied}");
    assert!(actions.remote.asked().is_empty());

    // The same with nothing of the kind in the message.
    let id = rig.submit(json!({"first": "pays"})).await;
    let outside = with_secret(&rig, &actions, &rig.load(id).await);
    assert_eq!(send(&outside, "/", "{{secret:key}}").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_placeholder_out_of_a_response_is_not_filled() {
    let (clock, actions) = (Arc::default(), Arc::<Scripted>::default());
    let rig = rig(&Backend::all().remove(0), &clock, &actions).await;
    let id = rig.submit(json!({"first": "pays"})).await;
    let outside = with_secret(&rig, &actions, &rig.load(id).await);
    // A service that gives back what it was told is no stranger.
    actions.remote.say("you sent [secret:key]");
    assert!(send(&outside, "/debit", "{}").await.is_ok());
    let stranger = r#"{"next": "\u007b\u007bsecret:key}}"}"#;
    actions.remote.say(stranger);
    assert!(send(&outside, "/debit", "{{secret:key}}").await.is_ok());
    for _ in 0..2 {
        let denied = send(&outside, "/debit", "{{secret:key}}").await.unwrap_err();
        assert!(denied.detail.contains("an earlier response to this call holds"), "{denied}");
        assert!(send(&outside, "/debit", "{}").await.is_ok(), "nothing is put in here");
    }
    let sent: usize = actions.remote.asked().values().map(Vec::len).sum();
    assert_eq!(sent, 4);

    // The same after a crash behind the response.
    let id = rig.submit(json!({"first": "pays"})).await;
    let recorded = actions.effect("/debit", stranger);
    rig.stores.guarantee.journal(id, 0, 0, recorded.clone()).await.unwrap();
    let outside = with_secret(&rig, &actions, &rig.load(id).await);
    assert_eq!(send(&outside, "/debit", "{}").await, recorded.effect.outcome);
    let denied = send(&outside, "/debit", "{{secret:key}}").await.unwrap_err();
    assert!(denied.detail.contains("an earlier response to this call holds"), "{denied}");
    assert_eq!(actions.remote.asked().values().map(Vec::len).sum::<usize>(), sent);
}

/// What each crash point must leave: the message at its end, each request sent once
/// or, where the crash fell between it and its journal, twice under one key.
async fn crash_at(backend: &Backend, point: usize) -> usize {
    let (clock, actions) = (Arc::<VirtualClock>::default(), Arc::<Scripted>::default());
    let stores = backend.open(clock.clone());
    let fuse = Fuse::at(point);
    let mut id = None;
    {
        let rig = Rig::new(fused(&stores, &fuse), &clock, &actions);
        rig.register().await;
        tokio::select! {
            biased;
            () = fuse.burnt() => {}
            () = work(&rig, &mut id) => {}
        }
    }
    stores.close().await;
    let rig = Rig::new(backend.open(clock.clone()), &clock, &actions);
    if let Some(id) = id {
        rig.submit_body(&envelope(id, &payload())).await.expect("accepted");
    }
    rig.run().await;
    let Some(id) = id else { return 0 };
    let records = records(&rig, id).await;
    let effects = &records[1].effects;
    assert_eq!(effects.len(), 2, "at {point}");
    // What the action returned is made of what is recorded.
    assert_eq!(records[1].ext_patch, json!({"by": said(effects).join(",")}).to_string());
    let asked = actions.remote.asked();
    assert_eq!(asked.len(), 2, "at {point}: {asked:?}");
    let repeated = asked.values().map(|requests| requests.len() - 1).sum();
    assert!(repeated <= 1, "at {point}: {asked:?}");
    for requests in asked.values() {
        assert!(requests.iter().all(|request| *request == requests[0]), "at {point}");
    }
    rig.stores.close().await;
    repeated
}

fn payload() -> Value {
    json!({"first": "pays"})
}

async fn work(rig: &Rig, id: &mut Option<MsgId>) {
    let fresh = rig.msg_id().await;
    *id = Some(fresh);
    rig.submit_body(&envelope(fresh, &payload())).await.expect("accepted");
    while let Some(lease) = rig.lease().await {
        rig.controller.handle(lease).await.expect("the turn ends");
    }
}

#[tokio::test]
async fn i4_effects_survive_every_crash_point() {
    for backend in Backend::all() {
        let (clock, fuse) = (Arc::<VirtualClock>::default(), Fuse::never());
        let counted = backend.another();
        let stores = counted.open(clock.clone());
        let rig = Rig::new(fused(&stores, &fuse), &clock, &Arc::default());
        rig.register().await;
        work(&rig, &mut None).await;
        drop(rig);
        stores.close().await;
        let mut repeated = 0;
        for point in 0..fuse.points() {
            repeated += crash_at(&backend.another(), point).await;
        }
        // Before each of the two journal entries, and nowhere else.
        assert_eq!(repeated, 2, "{}", backend.name());
        println!("{}: {} crash points with effects", backend.name(), fuse.points());
    }
}
