//! The engine, driven through a case on a backend, and held to what must be seen.

use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::intake::IntakeError;
use surety_core::machine::Loaded;
use surety_core::operator::OperateError;
use surety_core::ports::Found;
use surety_core::reconcile::{Mode, reconcile};
use surety_core::types::{Digest, MsgId, MsgState};
use surety_core::workflow::Workflow;
use surety_store::Stores;
use surety_tests::backend::Backend;
use surety_tests::clock::VirtualClock;
use surety_tests::fuse::{Fuse, fused};
use surety_tests::rig::{Rig, acme, board, envelope, register_clients, signal_envelope};

use super::actions::CaseActions;
use super::case::workflow;
use super::compare;
use super::reference::After;
use super::tally::Tally;

/// A signal as it was sent, and by which name.
struct Sent {
    body: String,
    name: String,
}

/// A host that crashes and starts again, and what a client and an operator know.
struct Drive<'c> {
    case: &'c Value,
    workflow: Arc<Workflow>,
    backend: &'c Backend,
    clock: Arc<VirtualClock>,
    actions: Arc<CaseActions>,
    /// Without the fuse.
    stores: Stores,
    rig: Rig,
    fuse: Arc<Fuse>,
    crashes: Vec<usize>,
    /// The message's id, once it was issued.
    id: Option<MsgId>,
    sent: Vec<Sent>,
    /// The signal of this event: after a crash the same is sent again.
    sending: Option<Sent>,
}

/// Runs the case; what differs from what must be seen, if something does.
pub async fn drive(
    backend: &Backend,
    case: &Value,
    expected: &[After],
    tally: &mut Tally,
) -> Result<(), String> {
    let clock = Arc::new(VirtualClock::default());
    clock.stand_still(true);
    let actions = Arc::new(CaseActions::new(case));
    let mut crashes: Vec<usize> = serde_json::from_value(case["crashes"].clone()).expect("points");
    crashes.reverse();
    let workflow = Arc::new(workflow(case).ok_or("it is no workflow")?);
    let (stores, rig, fuse) = start(backend, &workflow, &clock, &actions, crashes.pop());
    register_clients(&stores).await;
    let (id, sent, sending) = (None, Vec::new(), None);
    let clock_here = Arc::clone(&clock);
    let mut drive = Drive {
        case,
        workflow,
        backend,
        clock: clock_here,
        actions,
        stores,
        rig,
        fuse,
        crashes,
        id,
        sent,
        sending,
    };
    let (submit, work) = (json!("submit again"), json!("work"));
    let events = case["events"].as_array().expect("events");
    let events = [&submit].into_iter().chain(events).chain([&work]);
    for (i, (event, after)) in events.zip(expected).enumerate() {
        let outcome = drive.event(event, after, tally).await;
        let what = format!("after event {i}, {event}");
        tally.count(format!("outcome {outcome}"));
        if outcome != after.outcome {
            return Err(format!("{what}: {outcome}, and not {}", after.outcome));
        }
        let same = match (drive.loaded().await, after.message.phase) {
            (Some(loaded), _) => compare::open(&loaded, &after.message),
            (None, "archived") => Ok(()),
            (None, phase) => Err(format!("it is not open, and should be {phase}")),
        };
        same.map_err(|e| format!("{what}: {e}"))?;
    }
    let last = expected.last().expect("the admission at least");
    drive.end(last, tally).await
}

fn start(
    backend: &Backend,
    workflow: &Arc<Workflow>,
    clock: &Arc<VirtualClock>,
    actions: &Arc<CaseActions>,
    crash: Option<usize>,
) -> (Stores, Rig, Arc<Fuse>) {
    let stores = backend.open(Arc::clone(clock) as _);
    let fuse = crash.map_or_else(Fuse::never, Fuse::at);
    let mut rig = Rig::new(fused(&stores, &fuse), clock, &Arc::default());
    rig.intake.workflows.add(Arc::clone(workflow));
    rig.intake.actions = Arc::clone(actions) as _;
    rig.operator.actions = Arc::clone(actions) as _;
    rig.controller.actions = Arc::clone(actions) as _;
    (stores, rig, fuse)
}

impl Drive<'_> {
    /// Makes an event happen, over crashes, and gives its outcome.
    async fn event(&mut self, event: &Value, after: &After, tally: &mut Tally) -> String {
        self.clock.advance(after.now - self.rig.clock_now());
        self.sending = None;
        let outcome = loop {
            let before = self.records().await;
            let fuse = Arc::clone(&self.fuse);
            let ended = tokio::select! {
                biased;
                () = fuse.burnt() => None,
                outcome = self.perform(event) => Some(outcome),
            };
            if let Some(outcome) = ended {
                break outcome;
            }
            tally.count("crash");
            self.restart().await;
            // What the client or operator wanted was done, and they were not told.
            let by_somebody = event != "work" && event != "submit again";
            if by_somebody && self.records().await > before {
                tally.count("crash behind a move");
                break "ok".to_owned();
            }
        };
        self.sent.extend(self.sending.take());
        outcome
    }

    async fn restart(&mut self) {
        self.stores.clone().close().await;
        let crash = self.crashes.pop();
        let started = start(self.backend, &self.workflow, &self.clock, &self.actions, crash);
        (self.stores, self.rig, self.fuse) = started;
    }

    async fn perform(&mut self, event: &Value) -> String {
        match event.as_str() {
            Some("work") => {
                while let Some(lease) = self.rig.at_hand().await {
                    self.rig.controller.handle(lease).await.expect("the turn ends");
                }
            }
            Some("cancel") => {
                let id = self.id.expect("it was submitted");
                return operated(self.rig.operator.cancel(id, "ops", "by hand").await);
            }
            Some(_) => return self.submit().await,
            None if event.get("redrive").is_some() => {
                let id = self.id.expect("it was submitted");
                let to: Option<MsgState> =
                    event["redrive"].as_str().map(|to| to.parse().expect("a name"));
                return operated(
                    self.rig.operator.redrive(id, to.as_ref(), "ops", "by hand").await,
                );
            }
            None if event.get("signal").is_some() => {
                if self.sending.is_none() {
                    self.sending = Some(self.sign(event).await);
                }
                let sent = self.sending.as_ref().expect("it was signed");
                return self.signal(sent).await;
            }
            None if event.get("resend").is_some() => {
                let at = usize::try_from(event["resend"].as_u64().expect("a number"));
                let sent = self.sent.get(at.expect("a place"));
                return match sent {
                    Some(sent) => self.signal(sent).await,
                    None => "ok".to_owned(),
                };
            }
            // Time has passed.
            None => {}
        }
        "ok".to_owned()
    }

    async fn submit(&mut self) -> String {
        if self.id.is_none() {
            self.id = Some(self.rig.intake.issue(&acme(), 1).await.expect("an id").msg_ids[0]);
        }
        let payload = json!({"amount": self.case["amount"]});
        let body = envelope(self.id.expect("it was issued"), &payload);
        refused(self.rig.submit_body(&body).await)
    }

    /// Signs the signal of an event, about the message as it is.
    async fn sign(&self, event: &Value) -> Sent {
        let id = self.id.expect("it was submitted");
        let own = self.rig.intake.issue(&board(), 1).await.expect("an id").msg_ids[0];
        let (state, mut subject) = match self.loaded().await {
            Some(loaded) => {
                let step = usize::try_from(loaded.head.step).expect("a place");
                (loaded.head.state, loaded.records[step].hash)
            }
            // It is too late for whatever it is about.
            None => ("end".parse().expect("a name"), Digest([7; 32])),
        };
        if event["right"] != true {
            subject = Digest([9; 32]);
        }
        let state = event["state"].as_str().map_or(state, |state| state.parse().expect("a name"));
        let name = event["signal"].as_str().expect("a name").to_owned();
        let member = usize::try_from(event["by"].as_u64().expect("a number")).expect("a place");
        Sent { body: signal_envelope(own, id, &name, &state, subject, member), name }
    }

    async fn signal(&self, sent: &Sent) -> String {
        let id = self.id.expect("it was submitted");
        let name = sent.name.parse().expect("a name");
        refused(self.rig.intake.signal(id, &name, sent.body.as_bytes()).await)
    }

    /// The message, if it is open.
    async fn loaded(&self) -> Option<Box<Loaded>> {
        match self.stores.guarantee.load(self.id?).await.expect("readable") {
            Found::Open(loaded) => Some(loaded),
            Found::Archived | Found::Nothing => None,
        }
    }

    async fn records(&self) -> usize {
        self.loaded().await.map_or(0, |loaded| loaded.records.len())
    }

    /// What must hold when all is over: the chain (I10), Reference (I6), and the
    /// actions' input (I4).
    async fn end(self, last: &After, tally: &mut Tally) -> Result<(), String> {
        let id = self.id.expect("it was submitted");
        if last.message.phase == "archived" {
            let packed = self.stores.archive.get(id).await.expect("readable").ok_or("no bundle")?;
            let bundle = Bundle::unpack(&packed).map_err(|e| e.to_string())?;
            let records = bundle.verify().map_err(|e| format!("I10: {e}"))?;
            compare::records(&records, &last.message)?;
        }
        tally.message(&last.message);
        self.actions.fixed_input()?;
        let Stores { guarantee, archive, reference, .. } = &self.stores;
        let shown = reference.get(id).await.expect("readable");
        let state = shown.as_ref().map(|shown| (shown.msg_state.as_str(), shown.seq));
        let seq = last.message.records.len() as u64 - 1;
        if state != Some((last.message.state.as_str(), seq)) {
            return Err(format!("I6: Reference shows {state:?}"));
        }
        let report = reconcile(&**guarantee, &**archive, &**reference, Mode::Check).await;
        let report = report.expect("readable");
        self.stores.close().await;
        if report.is_clean() { Ok(()) } else { Err(format!("I6: {report:?} of {shown:?}")) }
    }
}

fn refused<T>(outcome: Result<T, IntakeError>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(IntakeError::Refused(refusal, _)) => refusal.code.as_str().to_owned(),
        Err(IntakeError::Fault(fault)) => format!("a fault: {fault}"),
    }
}

fn operated<T>(outcome: Result<T, OperateError>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(OperateError::Refused(refusal)) => refusal.code.as_str().to_owned(),
        Err(OperateError::Fault(fault)) => format!("a fault: {fault}"),
    }
}
