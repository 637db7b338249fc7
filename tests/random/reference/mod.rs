//! What must come out: the workflow's file, read as docs/workflows.md says, and
//! nothing of the engine.

mod moves;
mod others;

use serde_json::{Map, Value, json};
use surety_tests::random::SIGNERS;

use super::case::START;
use super::guard::{Scope, holds};

/// The most records of a message: cases that go in circles are left out. The
/// engine's own limit has its test.
const RECORDS_MAX: usize = 60;

/// A transition, as far as it is the same in every run.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub at: u64,
    pub from: Option<String>,
    pub to: String,
    pub cause: &'static str,
    pub step: u64,
    pub attempt: u64,
    pub now: u64,
    pub failure: Option<String>,
    pub ext_before: Value,
    pub patch: Option<Value>,
    pub note: Option<String>,
}

/// A message between two events.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub records: Vec<Record>,
    pub state: String,
    /// `running`, `waiting`, `parked`, `final`, and `archived`.
    pub phase: &'static str,
    pub step: u64,
    pub attempt: u64,
    pub due: u64,
    pub ext: Value,
    /// The kind of the failure that is shown.
    pub last_error: Option<String>,
    /// Signals that are not complete: their name and signer.
    pub given: Vec<(String, String)>,
}

/// What must be seen after an event.
#[derive(Debug, Clone)]
pub struct After {
    /// `ok`, or the code of the refusal.
    pub outcome: String,
    pub now: u64,
    pub message: Message,
}

/// A signal that was signed.
#[derive(Clone)]
struct Signed {
    name: String,
    signer: String,
    state: String,
    /// The revision that it approves; none that there is, if none.
    about: Option<u64>,
    issued_at: u64,
    /// Whether it was given.
    taken: bool,
}

struct Reference<'c> {
    case: &'c Value,
    now: u64,
    message: Message,
    signed: Vec<Signed>,
}

/// What must be seen at the admission, after each event of the case, and when the
/// host has done then what it can; none if it goes in circles.
pub fn run(case: &Value) -> Option<Vec<After>> {
    let message = Message {
        records: Vec::new(),
        state: String::new(),
        phase: "running",
        step: 0,
        attempt: 1,
        due: START,
        ext: Value::Object(Map::new()),
        last_error: None,
        given: Vec::new(),
    };
    let mut run = Reference { case, now: START, message, signed: Vec::new() };
    let initial = text(&case["workflow"]["initial"]);
    run.go("admission", &initial, START, |record| record.from = None);
    let mut seen = vec![run.after("ok".to_owned())];
    for event in case["events"].as_array()?.iter().chain([&json!("work")]) {
        let outcome = run.event(event);
        seen.push(run.after(outcome));
        if run.message.records.len() > RECORDS_MAX {
            return None;
        }
    }
    Some(seen)
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

impl Reference<'_> {
    fn after(&self, outcome: String) -> After {
        After { outcome, now: self.now, message: self.message.clone() }
    }

    fn declared(&self, state: &str) -> &Value {
        &self.case["workflow"]["states"][state]
    }

    fn here(&self) -> &Value {
        self.declared(&self.message.state)
    }

    fn guard(&self, guard: &Value, now: u64, signer: Option<&str>) -> Option<bool> {
        let Some(guard) = guard.as_str() else { return Some(true) };
        let amount = self.case["amount"].as_str().expect("an amount");
        holds(guard, &Scope { amount, ext: &self.message.ext, now, signer })
    }

    fn event(&mut self, event: &Value) -> String {
        match event.as_str() {
            Some("work") => self.work(),
            Some("cancel") => return self.cancel(),
            Some(_) => {}
            None if !event["pass"].is_null() => self.now += event["pass"].as_u64().expect("a time"),
            None if !event["due"].is_null() => {
                let delta = event["due"].as_i64().expect("a number");
                let waits = ["running", "waiting"].contains(&self.message.phase);
                let due = self.message.due.saturating_add_signed(delta);
                self.now = self.now.max(if waits { due } else { 0 });
            }
            None if event.get("redrive").is_some() => return self.redrive(&event["redrive"]),
            None if event.get("resend").is_some() => {
                let at = event["resend"].as_u64().expect("a number");
                let at = usize::try_from(at).expect("a place");
                return if at < self.signed.len() { self.send(at) } else { "ok".to_owned() };
            }
            None => {
                let signer = usize::try_from(event["by"].as_u64().expect("a number"));
                let signed = Signed {
                    name: text(&event["signal"]),
                    signer: SIGNERS[signer.expect("a place")].to_owned(),
                    state: event["state"].as_str().unwrap_or(&self.message.state).to_owned(),
                    about: (event["right"] == true).then_some(self.message.step),
                    issued_at: self.now,
                    taken: false,
                };
                self.signed.push(signed);
                return self.send(self.signed.len() - 1);
            }
        }
        "ok".to_owned()
    }
}
