//! What every backend must do: plain functions, run on each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use surety_core::bundle::Bundle;
use surety_core::canary::{Canary, Counts, Course, Tally};
use surety_core::deployment::{Change, Deployed, HISTORY_MAX, NewDeployment, Revocation};
use surety_core::effect::Closed;
use surety_core::endorse::{Claim, Endorsements};
use surety_core::intake::IntakeError;
use surety_core::machine::{self, Decision, Loaded, Ran, Step, Turn, UsedId};
use surety_core::ports::{
    Actions as _, CommitError, DeployError, Deployment, Fault, Found, IdRefused, Query, Ticket,
};
use surety_core::projection::Projection;
use surety_core::reconcile::{Mode, reconcile};
use surety_core::refusal::Code;
use surety_core::types::{Digest, MsgId};
use surety_core::workflow::Workflow;
use surety_store::{Config, EmbeddedConfig, OpenError};
use surety_tests::backend::Backend;
use surety_tests::clock::VirtualClock;
use surety_tests::rig::{Rig, client_key, envelope, signal_envelope};
use surety_tests::scripted::{Scripted, workflow};

/// A process on a backend, maybe behind another one.
async fn rig(backend: &Backend) -> Rig {
    static PROCESS: AtomicU64 = AtomicU64::new(0);
    let clock = VirtualClock::drawing_from(PROCESS.fetch_add(1, Ordering::SeqCst) << 32);
    let clock = Arc::new(clock);
    let stores = backend.open(clock.clone());
    let rig = Rig::new(stores, &clock, &Arc::new(Scripted::default()));
    rig.register().await;
    rig
}

fn code(error: IntakeError) -> Code {
    match error {
        IntakeError::Refused(refusal, _) => refusal.code,
        IntakeError::Fault(fault) => panic!("a fault: {fault}"),
    }
}

/// The step that the message's action makes of it now.
async fn step(rig: &Rig, loaded: &Loaded) -> Step {
    let workflow = Workflow::parse(&workflow(1)).unwrap();
    let Some(Decision::Run(invoke)) = machine::decide(&workflow, &loaded.head, loaded.head.due)
    else {
        panic!("no action is due");
    };
    let module = rig.actions.resolve(&invoke.module).unwrap();
    let ran: Ran = rig.actions.run(&module, machine::call(loaded), Arc::new(Closed)).await.unwrap();
    let turn = Turn { workflow: &workflow, loaded, invoke, module: Some(&module) };
    turn.step(&ran, loaded.head.updated_at)
}

async fn i1_what_was_admitted_survives_a_restart(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    let before = rig.load(id).await;
    rig.stores.close().await;

    let rig = self::rig(backend).await;
    let after = rig.load(id).await;
    assert_eq!(*after.message, *before.message);
    assert_eq!(after.receipt, before.receipt);
    assert_eq!(after.records, before.records);
    assert_eq!(after.head.encode(), before.head.encode());
    rig.run().await;
    assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
}

async fn i3_one_of_many_commits_wins(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    let step = step(&rig, &rig.load(id).await).await;
    let commits = (0..8).map(|_| rig.stores.guarantee.commit(step.clone()));
    let outcomes = futures_util::future::join_all(commits).await;
    let won = outcomes.iter().filter(|o| o.is_ok()).count();
    assert_eq!(won, 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|o| matches!(o, Ok(_) | Err(CommitError::Conflict(0)))));
    assert_eq!(rig.load(id).await.records.len(), 2);
}

async fn i9_a_msg_id_is_accepted_once(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.msg_id().await;
    let (first, other) = (json!({"first": "ok"}), json!({"first": "refuse"}));
    let accepted = rig.submit_body(&envelope(id, &first)).await.unwrap();
    assert!(!accepted.before);
    for _ in 0..2 {
        let again = rig.submit_body(&envelope(id, &first)).await.unwrap();
        assert!(again.before);
        assert_eq!(again.receipt, accepted.receipt, "the same receipt");
        let refused = rig.submit_body(&envelope(id, &other)).await.unwrap_err();
        assert_eq!(code(refused), Code::MsgIdUsed);
        // The second time around it is archived.
        rig.run().await;
    }
    // And years later, after a restart.
    rig.stores.close().await;
    let rig = self::rig(backend).await;
    rig.clock.advance(20 * 365 * 86_400_000);
    let again = rig.submit_body(&envelope(id, &first)).await.unwrap();
    assert_eq!(again.receipt, accepted.receipt);
    assert_eq!(code(rig.submit_body(&envelope(id, &other)).await.unwrap_err()), Code::MsgIdUsed);
}

async fn i9_a_signal_cannot_use_the_msg_id_of_its_message(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.submit(json!({"first": "large"})).await;
    rig.run_now().await;
    let (state, subject) = rig.subject(id).await;
    let before = rig.load(id).await.head.seq;
    let body = signal_envelope(id, id, "approve", &state, subject, 0);
    let signal = rig.intake.signal(id, &"approve".parse().unwrap(), body.as_bytes()).await;
    assert_eq!(code(signal.unwrap_err()), Code::MsgIdUsed, "{}", backend.name());
    // Not by who asks the backend itself either.
    let loaded = rig.load(id).await;
    assert_eq!(loaded.head.seq, before);
    let workflow = Workflow::parse(&workflow(1)).unwrap();
    let now = loaded.head.due;
    let timer = machine::timer(&workflow, &loaded, now).expect("a timer");
    let client_id = loaded.message.client_id.clone();
    let uses = Some(UsedId { msg_id: id, client_id, at: now });
    let refused = rig.stores.guarantee.commit(Step { uses, ..timer }).await;
    assert_eq!(refused, Err(CommitError::Id(IdRefused::Used)), "{}", backend.name());
    // It was not moved, and a signal of its own moves it.
    rig.signal(id, "approve", 0).await.unwrap();
    assert_eq!(rig.load(id).await.head.seq, before + 1, "{}", backend.name());
}

async fn i9_what_is_kept_is_so_while_a_validator_is_not_ready(backend: &Backend) {
    let rig = rig(backend).await;
    let [kept, fresh] = [rig.msg_id().await, rig.msg_id().await];
    let payload = json!({"first": "ok"});
    let accepted = rig.submit_body(&envelope(kept, &payload)).await.unwrap();
    let mut newer: serde_json::Value = serde_json::from_str(&workflow(2)).unwrap();
    newer["validators"] = json!(["first@^1"]);
    rig.intake.workflows.add(Arc::new(Workflow::parse(&newer.to_string()).unwrap()));
    let again = rig.submit_body(&envelope(kept, &payload)).await.unwrap();
    assert_eq!((again.before, again.receipt), (true, accepted.receipt));
    for (id, payload) in [(fresh, payload), (kept, json!({"first": "refuse"}))] {
        let put_off = rig.submit_body(&envelope(id, &payload)).await.unwrap_err();
        assert!(matches!(put_off, IntakeError::Fault(Fault::Busy(_))), "{put_off}");
    }
}

async fn msg_ids_are_bound_to_client_and_time(backend: &Backend) {
    let rig = rig(backend).await;
    let payload = json!({"first": "ok"});
    let invented = MsgId::new(surety_core::types::Time::from_millis(1), [9; 10]);
    let refused = rig.submit_body(&envelope(invented, &payload)).await.unwrap_err();
    assert_eq!(code(refused), Code::MsgIdUnknown);

    let mut other =
        (*rig.stores.clients.get(&surety_tests::rig::acme()).await.unwrap().unwrap()).clone();
    other.client_id = "other".parse().unwrap();
    rig.stores.clients.put(other.clone()).await.unwrap();
    let foreign = rig.intake.issue(&other.client_id, 1).await.unwrap().msg_ids[0];
    let refused = rig.submit_body(&envelope(foreign, &payload)).await.unwrap_err();
    assert_eq!(code(refused), Code::MsgIdForeign);

    let expired = rig.msg_id().await;
    rig.clock.advance(rig.intake.limits.msg_id_ttl_ms + 1);
    let refused = rig.submit_body(&envelope(expired, &payload)).await.unwrap_err();
    assert_eq!(code(refused), Code::MsgIdExpired);
    assert!(rig.at_hand().await.is_none(), "something refused was fed");
}

async fn unused_msg_ids_are_capped(backend: &Backend) {
    let rig = rig(backend).await;
    let acme = surety_tests::rig::acme();
    rig.intake.issue(&acme, 100).await.unwrap();
    rig.intake.issue(&acme, 100).await.unwrap();
    assert_eq!(code(rig.intake.issue(&acme, 1).await.unwrap_err()), Code::MsgIdCap);
    // Expired ones do not count.
    rig.clock.advance(rig.intake.limits.msg_id_ttl_ms + 1);
    rig.intake.issue(&acme, 1).await.unwrap();
}

async fn retiring_archives_once(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    rig.run().await;
    let bundle = rig.stores.archive.get(id).await.unwrap().unwrap();
    let again = rig.stores.guarantee.retire(id, 2, b"other".to_vec()).await;
    assert_eq!(again, Err(CommitError::Conflict(2)));
    assert_eq!(rig.stores.archive.get(id).await.unwrap().unwrap(), bundle);
    let bundle = Bundle::unpack(&bundle).unwrap();
    bundle.verify().unwrap();
    assert_eq!(bundle.message.signer, client_key().address());
    assert_eq!(rig.stores.archive.list(None, 10).await.unwrap(), [id]);
    assert_eq!(rig.stores.archive.list(Some(id), 10).await.unwrap(), []);
    assert_eq!(rig.stores.guarantee.open(None, 10).await.unwrap(), []);
}

async fn tickets_come_at_least_once(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    let lease = rig.at_hand().await.expect("the first ticket");
    assert_eq!(lease.ticket, Ticket { msg_id: id, seq: 0 });
    assert!(rig.at_hand().await.is_none(), "leased twice");
    // Released: it comes again, whatever the time. Not released: after a restart.
    let at = rig.controller.clock.now().after(std::time::Duration::from_secs(5));
    rig.stores.feeder.release(lease, at).await.unwrap();
    let lease = rig.at_hand().await.expect("the ticket again");
    assert!(rig.controller.clock.now() >= at, "early");
    assert_eq!(lease.ticket.msg_id, id);
    rig.stores.close().await;

    let rig = self::rig(backend).await;
    let lease = rig.at_hand().await.expect("the ticket after a restart");
    rig.stores.feeder.acknowledge(lease).await.unwrap();
    rig.stores.close().await;

    let rig = self::rig(backend).await;
    assert!(rig.at_hand().await.is_none(), "acknowledged, and came again");
    rig.stores
        .feeder
        .push(Ticket { msg_id: id, seq: 0 }, rig.controller.clock.now())
        .await
        .unwrap();
    rig.run().await;
    assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
}

async fn a_stale_ticket_moves_nothing(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    let now = rig.controller.clock.now();
    for seq in [0, 0, 1, 7] {
        rig.stores.feeder.push(Ticket { msg_id: id, seq }, now).await.unwrap();
    }
    rig.run().await;
    let bundle = rig.stores.archive.get(id).await.unwrap().unwrap();
    assert_eq!(Bundle::unpack(&bundle).unwrap().records.len(), 3);
}

async fn i6_reference_is_rebuilt_from_the_truth(backend: &Backend) {
    let rig = rig(backend).await;
    let archived = rig.submit(json!({"first": "ok"})).await;
    let parked = rig.submit(json!({"first": "permanent"})).await;
    rig.run().await;
    let open = rig.submit(json!({"first": "ok"})).await;
    let s = &rig.stores;
    let check = || reconcile(&*s.guarantee, &*s.archive, &*s.reference, Mode::Check);
    let report = check().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.open, report.archived), (2, 1));

    let truth = s.reference.get(archived).await.unwrap().unwrap();
    s.reference.remove(archived).await.unwrap();
    s.reference.put(&Projection { seq: 9, ..truth.clone() }).await.unwrap();
    s.reference.remove(parked).await.unwrap();
    let invented = MsgId::new(surety_core::types::Time::from_millis(1), [9; 10]);
    s.reference.put(&Projection { msg_id: invented, ..truth.clone() }).await.unwrap();
    let report = check().await.unwrap();
    assert_eq!((report.different, report.missing, report.invented), (1, 1, 1), "{report:?}");

    let mended = reconcile(&*s.guarantee, &*s.archive, &*s.reference, Mode::Rebuild).await.unwrap();
    assert_eq!(mended, report);
    assert!(check().await.unwrap().is_clean());
    assert_eq!(s.reference.get(archived).await.unwrap(), Some(truth));
    assert!(s.reference.get(parked).await.unwrap().unwrap().parked);
    assert_eq!(s.reference.get(open).await.unwrap().unwrap().seq, 0);
}

async fn reference_keeps_the_later_revision(backend: &Backend) {
    let rig = rig(backend).await;
    let id = rig.submit(json!({"first": "ok"})).await;
    let first = rig.stores.reference.get(id).await.unwrap().unwrap();
    rig.run().await;
    let last = rig.stores.reference.get(id).await.unwrap();
    rig.stores.reference.put(&first).await.unwrap();
    assert_eq!(rig.stores.reference.get(id).await.unwrap(), last);
}

async fn reference_answers_queries_by_page(backend: &Backend) {
    let rig = rig(backend).await;
    let mut done = Vec::new();
    for n in 0..7 {
        let first = if n % 2 == 0 { "ok" } else { "refuse" };
        let id = rig.submit(json!({"first": first})).await;
        if n % 2 == 0 {
            done.push(id);
        }
    }
    rig.run().await;
    done.reverse();
    let mut query =
        Query { msg_state: Some("done".parse().unwrap()), limit: 3, ..Query::default() };
    let mut seen = Vec::new();
    loop {
        let page = rig.stores.reference.list(&query).await.unwrap();
        seen.extend(page.messages.iter().map(|p| p.msg_id));
        let Some(cursor) = page.cursor else { break };
        query.after = Some(cursor);
    }
    assert_eq!(seen, done, "newest first, each once");
    let all = |query: Query| {
        let reference = Arc::clone(&rig.stores.reference);
        async move { reference.list(&query).await.unwrap().messages.len() }
    };
    let limit = 100;
    let created: surety_core::types::Time = "2026-11-23T10:00:00Z".parse().unwrap();
    let query = || Query { limit, ..Query::default() };
    assert_eq!(all(query()).await, 7);
    assert_eq!(all(Query { client_id: Some("nobody".parse().unwrap()), ..query() }).await, 0);
    assert_eq!(all(Query { client_id: Some(surety_tests::rig::acme()), ..query() }).await, 7);
    assert_eq!(all(Query { msg_type: Some("transfer".parse().unwrap()), ..query() }).await, 7);
    assert_eq!(all(Query { created_from: Some(created), ..query() }).await, 7);
    assert_eq!(all(Query { created_to: Some(created), ..query() }).await, 0);
    let counts = rig.stores.reference.counts().await.unwrap();
    let states: Vec<_> = counts.iter().map(|((_, state), n)| (state.as_str(), *n)).collect();
    assert_eq!(states, [("done", 4), ("refused", 3)]);
}

async fn the_catalog_keeps_canaries_and_revocations(backend: &Backend) {
    let rig = rig(backend).await;
    let (catalog, now) = (&rig.stores.catalog, rig.controller.clock.now());
    let canary = |calls, course| Canary {
        name: "screen".parse().unwrap(),
        version: "1.1.0".parse().unwrap(),
        digest: Digest::of(b"two"),
        share: "10%".parse().unwrap(),
        started_at: now,
        course,
        old: Tally::default(),
        new: Tally { calls, states: [("screened".to_owned(), calls)].into(), ..Tally::default() },
    };
    assert_eq!(catalog.canaries().await.unwrap(), []);
    let why = "\"quoted\" and\nlong".to_owned();
    for canary in [canary(0, Course::Runs), canary(9, Course::Stopped { at: now, why })] {
        let change = Change { canary: Some(canary.clone()), ..Change::new(now) };
        catalog.change_modules(change).await.unwrap();
        assert_eq!(catalog.canaries().await.unwrap(), [canary]);
    }
    // What is counted adds up, and goes to the trial that it was counted of.
    let counts = |calls| Counts { new: canary(calls, Course::Runs).new, ..Counts::default() };
    let name = "screen".parse().unwrap();
    let count = |since, n| {
        let (counts, name) = (counts(n), &name);
        async move { catalog.count_canary(name, since, &counts).await.unwrap() }
    };
    assert_eq!(count(now, 1).await, None, "it has ended");
    let change = Change { canary: Some(canary(0, Course::Runs)), ..Change::new(now) };
    catalog.change_modules(change).await.unwrap();
    assert_eq!(count(now.after(Duration::from_millis(1)), 1).await, None, "another trial");
    assert_eq!(count(now, 2).await, Some(canary(2, Course::Runs)));
    let (three, four) = tokio::join!(count(now, 3), count(now, 4));
    let last = [three, four].map(|canary| canary.unwrap().new.calls).into_iter().max();
    assert_eq!(last, Some(9));
    assert_eq!(count(now, 0).await, Some(canary(9, Course::Runs)));
    assert_eq!(catalog.canaries().await.unwrap(), [canary(9, Course::Runs)]);

    let revocation = |reason: &str| Revocation {
        digest: Digest::of(b"two"),
        reason: reason.to_owned(),
        revoked_at: now,
        revoked_by: "operator".to_owned(),
    };
    catalog.revoke(revocation("leaks")).await.unwrap();
    catalog.revoke(revocation("again")).await.unwrap();
    assert_eq!(catalog.revocations().await.unwrap(), [revocation("leaks")]);
    // As after a start.
    drop(rig);
    let rig = self::rig(backend).await;
    assert_eq!(rig.stores.catalog.revocations().await.unwrap(), [revocation("leaks")]);
    assert_eq!(rig.stores.catalog.canaries().await.unwrap()[0].new.calls, 9);
}

async fn the_catalog_keeps_versions(backend: &Backend) {
    let rig = rig(backend).await;
    let catalog = &rig.stores.catalog;
    let now = rig.controller.clock.now();
    let put = |version: &str, content: &[u8], settings: &str| Change {
        put: Some(NewDeployment {
            deployment: Deployment {
                name: "screen".parse().unwrap(),
                version: version.parse().unwrap(),
                digest: Digest::of(content),
                settings: settings.into(),
                deployed_at: now,
            },
            endorsements: Endorsements {
                signatures: vec![Claim::sign(&client_key(), settings)],
                approvals: vec![],
            },
            component: content.to_vec(),
        }),
        ..Change::new(now)
    };
    let effective = || async {
        let modules = catalog.modules().await.unwrap();
        let show = |d: &Deployed| format!("{} {}", d.deployment.version, d.deployment.settings);
        modules.iter().map(show).collect::<Vec<_>>()
    };
    catalog.change_modules(put("1.0.0", b"one", "{}")).await.unwrap();
    catalog.change_modules(put("1.0.0", b"one", r#"{"a":1}"#)).await.unwrap();
    let taken = catalog.change_modules(put("1.0.0", b"two", "{}")).await;
    assert_eq!(taken, Err(DeployError::AlreadyExists(Digest::of(b"one"))));
    assert_eq!(effective().await, [r#"1.0.0 {"a":1}"#]);
    assert_eq!(catalog.component(Digest::of(b"one")).await.unwrap().unwrap(), b"one");
    assert_eq!(catalog.component(Digest::of(b"two")).await.unwrap(), None);
    catalog.change_modules(put("1.1.0", b"two", "{}")).await.unwrap();
    assert_eq!(effective().await, [r#"1.0.0 {"a":1}"#, "1.1.0 {}"]);

    // What ends gives way to what was before, and its version stays taken.
    let history = catalog.history(&"screen".parse().unwrap()).await.unwrap();
    let numbers: Vec<_> = history.iter().map(|d| d.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "{numbers:?}");
    assert_eq!(history[1].endorsements.signatures[0], Claim::sign(&client_key(), r#"{"a":1}"#));
    let ends = Change { end: numbers[..2].to_vec(), ..Change::new(now) };
    catalog.change_modules(ends).await.unwrap();
    assert_eq!(effective().await, ["1.0.0 {}"]);
    let refused = Change { end: vec![numbers[2]], ..put("1.1.0", b"three", "{}") };
    let refused = catalog.change_modules(refused).await;
    assert_eq!(refused, Err(DeployError::AlreadyExists(Digest::of(b"two"))));
    assert_eq!(effective().await, ["1.0.0 {}"], "nothing of a refused change is made");
    let history = catalog.history(&"screen".parse().unwrap()).await.unwrap();
    let ended: Vec<_> = history.iter().map(|d| d.ended_at).collect();
    assert_eq!(ended, [Some(now), Some(now), None]);
    assert_eq!(catalog.history(&"other".parse().unwrap()).await.unwrap(), []);
    for n in 0..HISTORY_MAX {
        catalog.change_modules(put("1.2.0", b"three", &n.to_string())).await.unwrap();
    }
    let history = catalog.history(&"screen".parse().unwrap()).await.unwrap();
    assert_eq!(history.len(), HISTORY_MAX + 1, "what is in effect stays");
    assert_eq!(effective().await, ["1.0.0 {}", "1.2.0 63"]);
    assert!(catalog.component(Digest::of(b"two")).await.unwrap().is_some());

    let put =
        |version, text: &str| catalog.put_workflow("t".parse().unwrap(), version, text.into());
    put(1, "a").await.unwrap();
    put(1, "a").await.unwrap();
    assert_eq!(put(1, "b").await, Err(DeployError::AlreadyExists(Digest::of(b"a"))));
    put(2, "b").await.unwrap();
    assert_eq!(catalog.workflows().await.unwrap(), ["a".into(), "b".into()]);
}

async fn the_catalogs_revision_grows_with_every_change(backend: &Backend) {
    let rig = rig(backend).await;
    let (catalog, now) = (&rig.stores.catalog, rig.controller.clock.now());
    let mut last = catalog.revision().await.unwrap();
    let mut grew = async |what: &str| {
        let revision = catalog.revision().await.unwrap();
        assert!(revision > last, "{what}: {last}, then {revision}");
        assert_eq!(catalog.revision().await.unwrap(), revision, "reading changes nothing");
        last = revision;
    };
    let deployment = Deployment {
        name: "screen".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        digest: Digest::of(b"one"),
        settings: "{}".into(),
        deployed_at: now,
    };
    let component = b"one".to_vec();
    let put = NewDeployment { deployment, endorsements: Endorsements::NONE, component };
    catalog.change_modules(Change { put: Some(put), ..Change::new(now) }).await.unwrap();
    grew("a deployment").await;
    let number = catalog.history(&"screen".parse().unwrap()).await.unwrap()[0].number;
    catalog.change_modules(Change { end: vec![number], ..Change::new(now) }).await.unwrap();
    grew("its end").await;
    let canary = |course| Canary {
        name: "screen".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        digest: Digest::of(b"one"),
        share: "10%".parse().unwrap(),
        started_at: now,
        course,
        old: Tally::default(),
        new: Tally::default(),
    };
    for course in [Course::Runs, Course::Promoted { at: now }] {
        let change = Change { canary: Some(canary(course)), ..Change::new(now) };
        catalog.change_modules(change).await.unwrap();
        grew("a canary's course").await;
    }
    let (reason, revoked_by) = ("leaks".to_owned(), "operator".to_owned());
    let revocation = Revocation { digest: Digest::of(b"one"), reason, revoked_at: now, revoked_by };
    catalog.revoke(revocation).await.unwrap();
    grew("a revocation").await;
    catalog.put_workflow("t".parse().unwrap(), 1, "a".into()).await.unwrap();
    grew("a workflow").await;
    catalog.remove_workflow(&"t".parse().unwrap(), 1).await.unwrap();
    grew("its removal").await;
    assert_eq!(catalog.workflows().await.unwrap(), [] as [Arc<str>; 0]);
}

macro_rules! suite {
    ($($name:ident,)*) => {
        $(mod $name {
            #[tokio::test]
            async fn holds() {
                for backend in super::Backend::everywhere() {
                    println!("on {}", backend.name());
                    super::$name(&backend).await;
                }
            }
        })*
    };
}

suite! {
    i1_what_was_admitted_survives_a_restart,
    i3_one_of_many_commits_wins,
    i6_reference_is_rebuilt_from_the_truth,
    i9_a_msg_id_is_accepted_once,
    i9_a_signal_cannot_use_the_msg_id_of_its_message,
    i9_what_is_kept_is_so_while_a_validator_is_not_ready,
    msg_ids_are_bound_to_client_and_time,
    unused_msg_ids_are_capped,
    retiring_archives_once,
    tickets_come_at_least_once,
    a_stale_ticket_moves_nothing,
    reference_keeps_the_later_revision,
    reference_answers_queries_by_page,
    the_catalog_keeps_versions,
    the_catalog_keeps_canaries_and_revocations,
    the_catalogs_revision_grows_with_every_change,
}

fn embedded(folder: &std::path::Path, pages_max: Option<u32>) -> Config {
    Config::Embedded(EmbeddedConfig { pages_max, ..EmbeddedConfig::new(folder) })
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let clock = Arc::new(VirtualClock::default());
    let config = embedded(folder.path(), None);
    let stores = surety_store::open(&config, clock.clone()).unwrap();
    assert!(matches!(surety_store::open(&config, clock.clone()), Err(OpenError::Locked(_))));
    stores.close().await;
    surety_store::open(&config, clock).unwrap().close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_said_to_be_corrupt() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("surety.db"), "not a database, but long enough".repeat(200))
        .unwrap();
    let opened =
        surety_store::open(&embedded(folder.path(), None), Arc::new(VirtualClock::default()));
    assert!(matches!(opened, Err(OpenError::Corrupt(..))));
}

#[tokio::test]
async fn i1_a_full_disk_acknowledges_nothing_that_is_not_kept() {
    let folder = tempfile::TempDir::new().unwrap();
    let clock = Arc::new(VirtualClock::default());
    let open = |pages| surety_store::open(&embedded(folder.path(), pages), clock.clone()).unwrap();
    let rig = Rig::new(open(Some(40)), &clock, &Arc::default());
    rig.register().await;
    let ids = rig.intake.issue(&surety_tests::rig::acme(), 100).await.unwrap().msg_ids;
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for id in ids {
        match rig.submit_body(&envelope(id, &json!({"first": "ok"}))).await {
            Ok(_) => kept.push(id),
            Err(IntakeError::Fault(fault)) => {
                assert!(fault.to_string().contains("full"), "{fault}");
                refused.push(id);
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }
    assert!(!kept.is_empty() && !refused.is_empty(), "{} {}", kept.len(), refused.len());
    rig.stores.close().await;

    let rig = Rig::new(open(None), &clock, &Arc::default());
    for id in &kept {
        rig.load(*id).await;
    }
    for id in &refused {
        assert!(matches!(rig.stores.guarantee.load(*id).await.unwrap(), Found::Nothing));
    }
    rig.run().await;
    assert_eq!(rig.stores.archive.list(None, 1000).await.unwrap().len(), kept.len());
}
