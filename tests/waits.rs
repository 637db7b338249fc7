//! Waits: choices, signals, timers, and what an operator may do, on every
//! backend.

use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::intake::IntakeError;
use surety_core::operator::OperateError;
use surety_core::ports::Found;
use surety_core::receipt::Closing;
use surety_core::record::{Cause, Record};
use surety_core::refusal::Code;
use surety_core::types::{Digest, MsgId};
use surety_core::workflow::Workflow;
use surety_tests::backend::Backend;
use surety_tests::clock::VirtualClock;
use surety_tests::rig::{Rig, signal_envelope};
use surety_tests::scripted::{Scripted, workflow};

const DAY_MS: u64 = 86_400_000;

async fn rig(backend: &Backend, clock: &Arc<VirtualClock>) -> Rig {
    let stores = backend.open(clock.clone());
    let rig = Rig::new(stores, clock, &Arc::new(Scripted::default()));
    rig.register().await;
    rig
}

/// A message that waits for its approval.
async fn waiting(rig: &Rig) -> MsgId {
    let id = rig.submit(json!({"first": "large"})).await;
    rig.run_now().await;
    assert_eq!(state(rig, id).await, "approval");
    id
}

async fn state(rig: &Rig, id: MsgId) -> String {
    rig.stores.reference.get(id).await.unwrap().unwrap().msg_state.to_string()
}

async fn records(rig: &Rig, id: MsgId) -> Vec<Record> {
    let sealed = match rig.stores.guarantee.load(id).await.unwrap() {
        Found::Open(loaded) => loaded.records,
        Found::Archived => {
            let packed = rig.stores.archive.get(id).await.unwrap().unwrap();
            let bundle = Bundle::unpack(&packed).unwrap();
            bundle.verify().expect("I10: the chain holds");
            bundle.records
        }
        Found::Nothing => panic!("{id} is lost"),
    };
    sealed.iter().map(|record| record.record().unwrap()).collect()
}

async fn causes(rig: &Rig, id: MsgId) -> Vec<&'static str> {
    records(rig, id).await.iter().map(|record| record.cause.as_str()).collect()
}

fn code<T: std::fmt::Debug>(outcome: Result<T, IntakeError>) -> Code {
    match outcome.unwrap_err() {
        IntakeError::Refused(refusal, _) => refusal.code,
        IntakeError::Fault(fault) => panic!("a fault: {fault}"),
    }
}

fn operated<T: std::fmt::Debug>(outcome: Result<T, OperateError>) -> Code {
    match outcome.unwrap_err() {
        OperateError::Refused(refusal) => refusal.code,
        OperateError::Fault(fault) => panic!("a fault: {fault}"),
    }
}

#[tokio::test]
async fn choices_are_followed_at_once_each_with_its_record() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let id = rig.submit(json!({"first": "small"})).await;
        rig.run().await;
        assert_eq!(state(&rig, id).await, "done");
        assert_eq!(causes(&rig, id).await, ["admission", "action", "choice", "action"]);
        let records = records(&rig, id).await;
        assert_eq!(records[1].at, records[2].at, "one step");
        assert_eq!(records[2].note, "otherwise");
    }
}

#[tokio::test]
async fn a_guard_that_fails_parks_its_message_with_the_expression() {
    let clock = Arc::new(VirtualClock::default());
    let rig = rig(&Backend::all().remove(0), &clock).await;
    let id = rig.submit(json!({"first": "unsized"})).await;
    rig.run().await;
    let shown = rig.stores.reference.get(id).await.unwrap().unwrap();
    assert!(shown.parked && shown.msg_state.as_str() == "sized", "{shown:?}");
    let error = shown.last_error.unwrap();
    assert!(error.starts_with("guard: the guard `ext.n > 10` cannot be evaluated"), "{error}");
    // Redriven it meets the same guard, and says so again.
    rig.operator.redrive(id, None, "ops", "again").await.unwrap();
    rig.run().await;
    assert!(rig.stores.reference.get(id).await.unwrap().unwrap().parked);
    let expected = ["admission", "action", "choice", "redrive", "choice"];
    assert_eq!(causes(&rig, id).await, expected);
}

#[tokio::test]
async fn a_quorum_of_different_signers_moves_a_message() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let id = waiting(&rig).await;
        let first = rig.signal(id, "approve", 0).await.unwrap();
        assert!(first.is_genuine() && first.msg_state.as_str() == "approval");
        assert_eq!(code(rig.signal(id, "approve", 0).await), Code::SignalTwice);
        assert_eq!(code(rig.signal(id, "approve", 2).await), Code::SignalNotAllowed);
        // The first signer's word stands over a restart.
        rig.run_now().await;
        rig.stores.close().await;
        let rig = self::rig(&backend, &clock).await;
        assert_eq!(code(rig.signal(id, "approve", 0).await), Code::SignalTwice);
        let second = rig.signal(id, "approve", 1).await.unwrap();
        assert_eq!(second.msg_state.as_str(), "middle");
        rig.run().await;
        assert_eq!(state(&rig, id).await, "done");
        let expected = ["admission", "action", "choice", "signal", "signal", "action"];
        assert_eq!(causes(&rig, id).await, expected, "{}", backend.name());
    }
}

#[tokio::test]
async fn a_signal_that_does_not_fit_is_refused_with_its_code() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let id = rig.submit(json!({"first": "large"})).await;
        let name = |name: &str| name.parse().unwrap();
        let own =
            async || rig.intake.issue(&surety_tests::rig::board(), 1).await.unwrap().msg_ids[0];
        let (begin, subject) = rig.subject(id).await;
        let approval = "approval".parse().unwrap();
        // Before the message waits.
        let body = signal_envelope(own().await, id, "approve", &approval, subject, 0);
        let early = rig.intake.signal(id, &name("approve"), body.as_bytes()).await;
        assert_eq!(code(early), Code::SignalEarly);
        let body = signal_envelope(own().await, id, "approve", &begin, subject, 0);
        let unknown = rig.intake.signal(id, &name("approve"), body.as_bytes()).await;
        assert_eq!(code(unknown), Code::SignalUnknown);
        rig.run_now().await;
        // About something else.
        let body = signal_envelope(own().await, id, "approve", &approval, Digest([7; 32]), 0);
        let other = rig.intake.signal(id, &name("approve"), body.as_bytes()).await;
        assert_eq!(code(other), Code::SignalSubject);
        // Not what the path says, and not for this message.
        let body = rig.signal_envelope(id, "approve", 0).await;
        let path = rig.intake.signal(id, &name("deny"), body.as_bytes()).await;
        assert_eq!(code(path), Code::SchemaInvalid);
        let path = rig.intake.signal(own().await, &name("approve"), body.as_bytes()).await;
        assert_eq!(code(path), Code::SchemaInvalid);
        // Under a Msg_ID that was never issued, or to somebody else.
        let (state, subject) = rig.subject(id).await;
        let invented = MsgId::from_bytes([9; 16]);
        let body = signal_envelope(invented, id, "approve", &state, subject, 0);
        let invented = rig.intake.signal(id, &name("approve"), body.as_bytes()).await;
        assert_eq!(code(invented), Code::MsgIdUnknown);
        let foreign = signal_envelope(rig.msg_id().await, id, "approve", &state, subject, 0);
        let foreign = rig.intake.signal(id, &name("approve"), foreign.as_bytes()).await;
        assert_eq!(code(foreign), Code::MsgIdForeign);
        // Nothing of this moved the message, or used an id up.
        assert_eq!(records(&rig, id).await.len(), 3);
        // Too late.
        let late = rig.signal_envelope(id, "deny", 1).await;
        rig.signal(id, "deny", 0).await.unwrap();
        let again = rig.intake.signal(id, &name("deny"), late.as_bytes()).await;
        assert_eq!(code(again), Code::SignalLate);
        rig.run().await;
        let again = rig.intake.signal(id, &name("deny"), late.as_bytes()).await;
        assert_eq!(code(again), Code::SignalLate, "archived");
        assert_eq!(self::state(&rig, id).await, "refused");
    }
}

/// Whoever had no answer to a signal sends it again, and is not told, with the host's
/// signature, that it was refused.
#[tokio::test]
async fn i9_a_signal_that_was_taken_gets_its_receipt_again() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let id = waiting(&rig).await;
        let approve = "approve".parse().unwrap();
        let give = async |body: &str| rig.intake.signal(id, &approve, body.as_bytes()).await;
        let first = rig.signal_envelope(id, "approve", 0).await;
        let second = rig.signal_envelope(id, "approve", 1).await;
        let of_first = give(&first).await.unwrap();
        assert_eq!(give(&first).await.unwrap(), of_first, "in the quorum");
        let of_second = give(&second).await.unwrap();
        clock.advance(1_000);
        assert_eq!(give(&first).await.unwrap(), of_first, "the wait is over");
        rig.run().await;
        assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
        for (body, receipt) in [(&first, &of_first), (&second, &of_second)] {
            assert_eq!(give(body).await.unwrap(), *receipt, "archived, {}", backend.name());
        }
        assert_eq!(records(&rig, id).await.iter().filter(|r| r.cause == Cause::Signal).count(), 2);
    }
}

/// A host that is not honest cannot make one approval into two, or have an approval of
/// an earlier stay.
#[tokio::test]
async fn i10_a_signal_counts_once_and_where_it_was_given() {
    let clock = Arc::new(VirtualClock::default());
    let rig = rig(&Backend::all().remove(0), &clock).await;
    let id = waiting(&rig).await;
    rig.signal(id, "approve", 0).await.unwrap();
    rig.signal(id, "approve", 1).await.unwrap();
    rig.run().await;
    let packed = rig.stores.archive.get(id).await.unwrap().unwrap();
    let bundle = Bundle::unpack(&packed).unwrap();
    let genuine = bundle.verify().unwrap();
    let forged = |change: &dyn Fn(&mut Vec<Record>)| {
        let mut records = genuine.clone();
        change(&mut records);
        let mut link = bundle.message.content_hash;
        let mut sealed = Vec::new();
        for record in &mut records {
            record.prev = link;
            sealed.push(record.seal());
            link = sealed.last().unwrap().hash;
        }
        let closing = Closing::sign(&rig.controller.key, id, link);
        Bundle { records: sealed, closing, ..bundle.clone() }.verify().map(|_| ())
    };
    forged(&|_| {}).unwrap();
    let given = genuine.iter().position(|r| r.cause == Cause::Signal).unwrap();
    let twice = forged(&|records| records[given + 1].signal = records[given].signal.clone());
    assert!(twice.unwrap_err().to_string().contains("used before"));
    for step in [0, genuine[given].step - 1, genuine[given].step + 1] {
        let elsewhere = forged(&|records| records[given].step = step);
        assert!(elsewhere.unwrap_err().to_string().contains("its step is not"));
    }
}

#[tokio::test]
async fn a_signal_uses_its_msg_id_up_for_ever() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let (one, other) = (waiting(&rig).await, waiting(&rig).await);
        let (state, subject) = rig.subject(one).await;
        let own = rig.intake.issue(&surety_tests::rig::board(), 1).await.unwrap().msg_ids[0];
        let body = signal_envelope(own, one, "approve", &state, subject, 0);
        rig.intake.signal(one, &"approve".parse().unwrap(), body.as_bytes()).await.unwrap();
        let (state, subject) = rig.subject(other).await;
        let body = signal_envelope(own, other, "approve", &state, subject, 1);
        let again = rig.intake.signal(other, &"approve".parse().unwrap(), body.as_bytes()).await;
        assert_eq!(code(again), Code::MsgIdUsed, "{}", backend.name());
        // It takes no message of the same client either.
        let board = surety_tests::rig::board();
        let mut client = (*rig.stores.clients.get(&board).await.unwrap().unwrap()).clone();
        client.msg_types.insert("transfer".parse().unwrap());
        rig.stores.clients.put(client).await.unwrap();
        let mut message: Value =
            serde_json::from_str(&surety_tests::rig::text(own, &json!({"first": "ok"}))).unwrap();
        message["client_id"] = json!(board);
        let text = message.to_string();
        let signature = surety_tests::rig::board_key(0).sign_text(&text);
        let body = json!({"scheme": "eip191", "message": text, "signature": signature});
        let refused = rig.submit_body(&body.to_string()).await;
        assert_eq!(code(refused), Code::MsgIdUsed, "{}", backend.name());
    }
}

#[tokio::test]
async fn timers_come_after_months_and_not_early() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let id = waiting(&rig).await;
        let entered = rig.clock_now();
        rig.stores.close().await;
        // Restarts on the way change nothing, and a day too early is too early.
        for day in 1..30 {
            clock.advance(DAY_MS);
            let rig = self::rig(&backend, &clock).await;
            rig.run_now().await;
            assert_eq!(state(&rig, id).await, "approval", "day {day} on {}", backend.name());
            rig.stores.close().await;
        }
        let rig = self::rig(&backend, &clock).await;
        rig.run().await;
        assert_eq!(state(&rig, id).await, "expired");
        let records = records(&rig, id).await;
        let last = records.last().unwrap();
        assert_eq!(last.cause, Cause::Timer);
        assert_eq!(last.now.as_millis() - entered, 30 * DAY_MS, "{}", backend.name());
        assert!(last.at >= last.now, "early");
    }
}

#[tokio::test]
async fn a_guarded_timer_comes_only_where_its_guard_holds() {
    let clock = Arc::new(VirtualClock::default());
    let rig = rig(&Backend::all().remove(0), &clock).await;
    let id = rig.submit(json!({"first": "huge"})).await;
    let started = rig.clock_now();
    rig.run().await;
    assert_eq!(state(&rig, id).await, "refused");
    let last = records(&rig, id).await.pop().unwrap();
    assert_eq!(last.now.as_millis() - started, 3_600_000);
}

/// A year in which a message comes and waits each day, some are approved, and all
/// others expire after their 30 days.
#[tokio::test]
async fn a_year_passes() {
    for backend in Backend::all() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let mut ids = Vec::new();
        for day in 0..365 {
            let id = waiting(&rig).await;
            if day % 7 == 0 {
                rig.signal(id, "approve", 0).await.unwrap();
                rig.signal(id, "approve", 1).await.unwrap();
            }
            ids.push((id, day % 7 == 0));
            clock.advance(DAY_MS);
        }
        rig.run().await;
        for (id, approved) in ids {
            let end = if approved { "done" } else { "expired" };
            assert_eq!(state(&rig, id).await, end, "{}", backend.name());
        }
    }
}

#[tokio::test]
async fn waiting_messages_are_not_in_the_hands_of_the_process() {
    let clock = Arc::new(VirtualClock::default());
    let backend = Backend::embedded();
    let rig = rig(&backend, &clock).await;
    let id = waiting(&rig).await;
    clock.stand_still(true);
    assert!(rig.at_hand().await.is_none());
    clock.stand_still(false);
    // Its ticket comes once it is due, and can be put off for days again.
    let lease = rig.stores.feeder.lease().await.unwrap();
    assert_eq!(lease.ticket.msg_id, id);
    let again = surety_core::types::Time::from_millis(rig.clock_now() + 5 * DAY_MS);
    rig.stores.feeder.release(lease, again).await.unwrap();
    let lease = rig.stores.feeder.lease().await.unwrap();
    assert_eq!(lease.ticket.msg_id, id);
    assert!(rig.clock_now() >= again.as_millis());
}

#[tokio::test]
async fn an_operator_moves_what_is_declared_and_nothing_else() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let operator = &rig.operator;
        let failed = rig.submit(json!({"first": "ok", "second": "permanent"})).await;
        let waits = waiting(&rig).await;
        let begin = "begin".parse().unwrap();
        let done = "done".parse().unwrap();

        let redriven = operator.redrive(waits, None, "ops", "why not").await;
        assert_eq!(operated(redriven), Code::NotParked);
        let nowhere = operator.redrive(failed, Some(&done), "ops", "why not").await;
        assert_eq!(operated(nowhere), Code::RedriveNotDeclared);
        let no_reason = operator.redrive(failed, None, "ops", "").await;
        assert_eq!(operated(no_reason), Code::RequestInvalid);
        let nobody = operator.cancel(MsgId::from_bytes([3; 16]), "ops", "gone").await;
        assert_eq!(operated(nobody), Code::NotFound);

        // Back to where it came from, and to where the workflow lets it.
        let shown = operator.redrive(failed, None, "ops", "once more").await.unwrap();
        assert_eq!(shown.msg_state.as_str(), "middle");
        rig.run_now().await;
        let shown = operator.redrive(failed, Some(&begin), "ops", "from the start").await.unwrap();
        assert_eq!(shown.msg_state.as_str(), "begin");
        rig.run_now().await;
        operator.cancel(failed, "ops", "given up").await.unwrap();
        operator.cancel(waits, "ops", "given up").await.unwrap();
        rig.run().await;
        assert_eq!(state(&rig, failed).await, "refused");
        assert_eq!(state(&rig, waits).await, "refused");
        let records = records(&rig, failed).await;
        let notes: Vec<_> =
            records.iter().map(|r| r.note.as_str()).filter(|n| !n.is_empty()).collect();
        assert_eq!(notes, ["ops: once more", "ops: from the start", "ops: given up"]);
        let late = operator.cancel(waits, "ops", "again").await;
        assert_eq!(operated(late), Code::NotFound);
    }
}

#[tokio::test]
async fn a_message_moves_to_another_version_where_it_fits() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let (waits, given) = (waiting(&rig).await, waiting(&rig).await);
        rig.signal(given, "approve", 0).await.unwrap();
        let failed = rig.submit(json!({"first": "permanent"})).await;
        rig.run_now().await;

        let mut file: Value = serde_json::from_str(&workflow(2)).unwrap();
        file["states"]["approval"]["after"] = json!([{"delay": "10d", "target": "expired"}]);
        let second = Arc::new(Workflow::parse(&file.to_string()).unwrap());
        rig.intake.workflows.add(Arc::clone(&second));
        let verdict = async |id| rig.operator.verdict(id, &second).await.unwrap().unwrap();
        assert!(verdict(waits).await.refused.is_none());
        assert!(verdict(failed).await.refused.is_none());
        let refused = verdict(given).await.refused.unwrap();
        assert!(refused.detail.contains("1 signals were given"), "{refused}");
        let not = rig.operator.migrate(given, &second, "ops", "new rules").await;
        assert_eq!(operated(not), Code::MigrationRefused);

        let started = rig.clock_now();
        rig.operator.migrate(waits, &second, "ops", "new rules").await.unwrap();
        assert!(rig.operator.verdict(waits, &second).await.unwrap().is_none(), "it is there");
        let pins = rig.stores.guarantee.pins().await.unwrap();
        assert_eq!(pins[&second.digest], 1);
        assert_eq!(pins.values().sum::<u64>(), 3);

        // The wait goes on from when it began, with the new version's timer.
        rig.run().await;
        let records = records(&rig, waits).await;
        let expected = ["admission", "action", "choice", "migration", "timer"];
        assert_eq!(causes(&rig, waits).await, expected);
        assert_eq!(records.last().unwrap().now.as_millis() - started, 10 * DAY_MS);
        assert_eq!(records.last().unwrap().workflow, second.digest);

        // To a version without its state nothing moves.
        let mut third = file;
        third["version"] = json!(3);
        third["states"].as_object_mut().unwrap().remove("failed");
        third["states"]["lost"] = json!({"parked": true});
        for state in ["begin", "middle"] {
            third["states"][state]["on_failure"] = json!("lost");
        }
        let third = Workflow::parse(&third.to_string()).unwrap();
        let refused = rig.operator.verdict(failed, &third).await.unwrap().unwrap().refused;
        assert_eq!(refused.unwrap().detail, "version 3 has no state `failed`");
    }
}

/// A message is redriven to where it came from, unless a migration took that away.
#[tokio::test]
async fn i5_a_migrated_message_is_not_redriven_to_a_state_that_is_no_more() {
    for backend in Backend::all() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let failed = rig.submit(json!({"first": "permanent"})).await;
        rig.run_now().await;
        let mut file: Value = serde_json::from_str(&workflow(2)).unwrap();
        let begin = file["states"].as_object_mut().unwrap().remove("begin").unwrap();
        file["states"]["start"] = begin;
        file["initial"] = json!("start");
        file["states"]["middle"]["targets"] = json!(["done", "start"]);
        file["states"]["failed"]["redrive"] = json!(["start"]);
        let second = Arc::new(Workflow::parse(&file.to_string()).unwrap());
        rig.intake.workflows.add(Arc::clone(&second));
        rig.operator.migrate(failed, &second, "ops", "new rules").await.unwrap();
        let back = rig.operator.redrive(failed, None, "ops", "once more").await;
        assert_eq!(operated(back), Code::RedriveNotDeclared);
        let start = "start".parse().unwrap();
        rig.operator.redrive(failed, Some(&start), "ops", "once more").await.unwrap();
        rig.run_now().await;
        assert_eq!(state(&rig, failed).await, "failed");
        rig.operator.cancel(failed, "ops", "given up").await.unwrap();
        rig.run().await;
        assert_eq!(state(&rig, failed).await, "refused", "{}", backend.name());
    }
}

/// After a crash under load thousands of messages may be due. One that is shown as
/// final does not wait with its bundle until all of them have moved.
#[tokio::test]
async fn what_is_final_is_archived_before_others_move() {
    // Queues of SQS know no order; what is final there waits its turn.
    for backend in Backend::all().into_iter().filter(|b| !matches!(b, Backend::Aws(_))) {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        for _ in 0..20 {
            rig.submit(json!({"first": "refuse"})).await;
        }
        let lease = rig.at_hand().await.expect("one is due");
        let id = lease.ticket.msg_id;
        rig.controller.handle(lease).await.unwrap();
        assert_eq!(state(&rig, id).await, "refused");
        // Also when the process ends in between, and the clock is set back.
        rig.stores.close().await;
        clock.set_back(3_600_000);
        let rig = self::rig(&backend, &clock).await;
        let lease = rig.at_hand().await.expect("the same is due");
        assert_eq!(lease.ticket.msg_id, id, "{}", backend.name());
        rig.controller.handle(lease).await.unwrap();
        assert!(matches!(rig.stores.guarantee.load(id).await.unwrap(), Found::Archived));
        assert!(rig.at_hand().await.is_some(), "the others wait for the clock");
    }
}

/// A message that waits for its next attempt is not hurried by a migration.
#[tokio::test]
async fn a_migration_brings_no_attempt_early() {
    for backend in Backend::everywhere() {
        let clock = Arc::new(VirtualClock::default());
        let rig = rig(&backend, &clock).await;
        let id = rig.submit(json!({"first": "transient"})).await;
        rig.run_now().await;
        let second = Arc::new(Workflow::parse(&workflow(2)).unwrap());
        rig.intake.workflows.add(Arc::clone(&second));
        rig.operator.migrate(id, &second, "ops", "new rules").await.unwrap();
        rig.run_now().await;
        assert_eq!(causes(&rig, id).await, ["admission", "action", "migration"]);
        rig.run().await;
        for record in records(&rig, id).await {
            assert!(record.at >= record.now, "early on {}: {record:?}", backend.name());
        }
    }
}
