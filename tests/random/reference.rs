//! What must come out: the workflow's file, read as docs/workflows.md says, and
//! nothing of the engine.

use serde_json::{Map, Value, json};
use surety_tests::random::SIGNERS;

use super::case::{START, scripted};
use super::guard::{Scope, holds};

/// The most records of a message: cases that go in circles are left out. The
/// engine's own limit has its test.
const RECORDS_MAX: usize = 60;

/// How long a Msg_ID may be used, as the rig issues them.
const MSG_ID_TTL: u64 = 3_600_000;

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

/// `200ms`, `7s`, `1m`, `2h`, `3d`.
fn millis(delay: &Value) -> u64 {
    let delay = delay.as_str().expect("a delay");
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let read =
        |(unit, millis): (&str, u64)| Some(delay.strip_suffix(unit)?.parse::<u64>().ok()? * millis);
    units.into_iter().find_map(read).expect("a delay")
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *target = patch.clone() };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (name, change) in patch {
        if change.is_null() {
            target.as_object_mut().expect("an object").remove(name);
        } else {
            merge(&mut target[name], change);
        }
    }
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
                let signed = self.signed.get(usize::try_from(at).expect("a place")).cloned();
                return signed.map_or_else(|| "ok".to_owned(), |signed| self.signal(&signed));
            }
            None => {
                let signer = usize::try_from(event["by"].as_u64().expect("a number"));
                let signed = Signed {
                    name: text(&event["signal"]),
                    signer: SIGNERS[signer.expect("a place")].to_owned(),
                    state: event["state"].as_str().unwrap_or(&self.message.state).to_owned(),
                    about: (event["right"] == true).then_some(self.message.step),
                    issued_at: self.now,
                };
                self.signed.push(signed.clone());
                return self.signal(&signed);
            }
        }
        "ok".to_owned()
    }

    /// Adds the record of a move, without making it.
    fn record(&mut self, cause: &'static str, to: &str, now: u64, say: impl FnOnce(&mut Record)) {
        let Message { state, step, attempt, ext, .. } = &self.message;
        let mut record = Record {
            at: self.now,
            from: Some(state.clone()),
            to: to.to_owned(),
            cause,
            step: *step,
            attempt: *attempt,
            now,
            failure: None,
            ext_before: ext.clone(),
            patch: None,
            note: None,
        };
        say(&mut record);
        self.message.records.push(record);
    }

    /// Moves the message to a state, and on from there if it is a choice.
    fn go(&mut self, cause: &'static str, to: &str, now: u64, say: impl FnOnce(&mut Record)) {
        self.record(cause, to, now, say);
        let record = self.message.records.last().expect("a record");
        self.message.last_error = record.failure.clone();
        if let Some(patch) = record.patch.clone() {
            merge(&mut self.message.ext, &patch);
        }
        self.enter(to);
    }

    fn enter(&mut self, state: &str) {
        let step = self.message.records.len() as u64 - 1;
        let message = &mut self.message;
        message.state = state.to_owned();
        (message.step, message.attempt, message.due) = (step, 1, self.now);
        message.given.clear();
        let declared = &self.case["workflow"]["states"][state];
        if declared["final"] == true {
            message.phase = "final";
        } else if declared["parked"] == true {
            message.phase = "parked";
        } else if declared["after"].is_array() {
            message.phase = "waiting";
            match self.timer() {
                Some((due, _)) => self.message.due = due,
                None => self.park("timer"),
            }
        } else {
            message.phase = "running";
            if declared["choose"].is_array() {
                self.choose();
            }
        }
    }

    fn choose(&mut self) {
        for branch in self.here()["choose"].as_array().expect("branches").clone() {
            let guard = &branch["guard"];
            match self.guard(guard, self.now, None) {
                None => return self.park("choice"),
                Some(false) => {}
                Some(true) => {
                    let to = text(&branch["target"]);
                    self.record("choice", &to, self.now, |record| {
                        record.note = Some(guard.as_str().unwrap_or("otherwise").to_owned());
                    });
                    return self.enter(&to);
                }
            }
        }
        unreachable!("the last branch has no guard");
    }

    /// When the wait ends and where it leads then; none if a guard gives no answer.
    fn timer(&self) -> Option<(u64, String)> {
        let entered = self.message.records[usize::try_from(self.message.step).ok()?].at;
        for after in self.here()["after"].as_array()? {
            let due = entered + millis(&after["delay"]);
            if self.guard(&after["guard"], due, None)? {
                return Some((due, text(&after["target"])));
            }
        }
        unreachable!("the last timer has no guard");
    }

    /// Stops the message where it is, because a guard gave no answer.
    fn park(&mut self, cause: &'static str) {
        let state = self.message.state.clone();
        self.record(cause, &state, self.now, |record| record.failure = Some("guard".to_owned()));
        self.message.phase = "parked";
        self.message.last_error = Some("guard".to_owned());
    }

    /// All that the host does at this time.
    fn work(&mut self) {
        while self.message.records.len() <= RECORDS_MAX {
            match self.message.phase {
                "running" if self.message.due <= self.now => self.run_action(),
                "waiting" if self.message.due <= self.now => {
                    let (due, to) = self.timer().expect("it gave an answer before");
                    self.go("timer", &to, due, |_| {});
                }
                "final" => self.message.phase = "archived",
                _ => return,
            }
        }
    }

    fn run_action(&mut self) {
        let now = self.message.due;
        let answer = match self.answered() {
            Ok((to, patch)) => {
                return self.go("action", &to, now, |record| record.patch = Some(patch));
            }
            Err(kind) => kind,
        };
        let declared = self.here().clone();
        let retry = &declared["retry"];
        let heals = ["transient", "timeout", "missing"].contains(&&*answer);
        let attempt = self.message.attempt;
        if heals && attempt < retry["max_attempts"].as_u64().unwrap_or(1) {
            let state = self.message.state.clone();
            self.record("action", &state, now, |record| record.failure = Some(answer.clone()));
            let factor = retry["factor"].as_u64().unwrap_or(2);
            let longest =
                if retry["delay_max"].is_null() { 3_600_000 } else { millis(&retry["delay_max"]) };
            let delay = (1..attempt).fold(millis(&retry["first_delay"]), |delay, _| delay * factor);
            self.message.due = self.now + delay.min(longest);
            self.message.attempt += 1;
            self.message.last_error = Some(answer);
            return;
        }
        let routes = &declared["on_failure"];
        let route = [&routes[&answer], &routes["default"], routes];
        let to = route.into_iter().find_map(Value::as_str).expect("a way").to_owned();
        self.go("action", &to, now, |record| record.failure = Some(answer));
    }

    /// The state and the patch that the action answers, or the kind of its failure.
    fn answered(&self) -> Result<(String, Value), String> {
        let module = self.here()["invoke"].as_str().and_then(|name| name.strip_suffix("@*"));
        match self.case["modules"][module.expect("a module")].as_str() {
            Some("missing") => return Err("missing".to_owned()),
            Some("needs_n") if self.message.ext["n"].as_i64().is_none() => {
                return Err("unreadable".to_owned());
            }
            _ => {}
        }
        let answer = scripted(self.case, self.message.records.len() as u64 - 1);
        if let Some(kind) = answer.as_str() {
            let undeclared = ["nowhere", "outside", "no json"].contains(&kind);
            return Err(if undeclared { "undeclared" } else { kind }.to_owned());
        }
        let targets = self.here()["targets"].as_array().expect("targets");
        let target = usize::try_from(answer["target"].as_u64().expect("a number")).expect("small");
        Ok((text(&targets[target % targets.len()]), answer["patch"].clone()))
    }

    fn signal(&mut self, signed: &Signed) -> String {
        let on = self.declared(&signed.state)["on"][&signed.name].clone();
        let message = &self.message;
        let refused = |code: &str| code.to_owned();
        if message.phase == "archived" {
            return refused("signal_late");
        }
        if on.is_null() {
            return refused("signal_unknown");
        }
        if message.state != signed.state {
            let was_there = message.records.iter().any(|record| record.to == signed.state);
            return refused(if was_there { "signal_late" } else { "signal_early" });
        }
        if message.phase != "waiting" {
            return refused("signal_early");
        }
        match signed.about {
            None => return refused("signal_subject"),
            Some(about) if about != message.step => return refused("signal_late"),
            Some(_) if self.now >= message.due => return refused("signal_late"),
            Some(_) => {}
        }
        let given = (signed.name.clone(), signed.signer.clone());
        if message.given.contains(&given) {
            return refused("signal_twice");
        }
        match self.guard(&on["guard"], self.now, Some(&signed.signer)) {
            None => return refused("guard_failed"),
            Some(false) => return refused("signal_not_allowed"),
            Some(true) => {}
        }
        if self.now > signed.issued_at + MSG_ID_TTL {
            return refused("msg_id_expired");
        }
        let mut signers = vec![&given.1];
        signers.extend(message.given.iter().filter(|(name, _)| *name == given.0).map(|(_, by)| by));
        if signers.len() as u64 >= on["quorum"].as_u64().unwrap_or(1) {
            self.go("signal", &text(&on["target"]), self.now, |_| {});
        } else {
            let state = message.state.clone();
            self.record("signal", &state, self.now, |_| {});
            self.message.given.push(given);
        }
        "ok".to_owned()
    }

    fn redrive(&mut self, to: &Value) -> String {
        let message = &self.message;
        match message.phase {
            "archived" => return "not_found".to_owned(),
            "parked" => {}
            _ => return "not_parked".to_owned(),
        }
        let parked_by_a_state = self.here()["parked"] == true;
        let back = if parked_by_a_state {
            message.records[usize::try_from(message.step).expect("a place")].from.clone()
        } else {
            Some(message.state.clone())
        };
        let listed = self.here()["redrive"].as_array().is_some_and(|states| states.contains(to));
        let to = if to.is_null() || listed {
            to.as_str().map(str::to_owned).or(back)
        } else {
            back.filter(|back| to == back)
        };
        let Some(to) = to else { return "redrive_not_declared".to_owned() };
        self.go("redrive", &to, self.now, |_| {});
        "ok".to_owned()
    }

    fn cancel(&mut self) -> String {
        if self.message.phase == "archived" {
            return "not_found".to_owned();
        }
        let Some(to) = self.here()["cancel"].as_str().map(str::to_owned) else {
            return "cancel_not_declared".to_owned();
        };
        self.go("cancel", &to, self.now, |_| {});
        "ok".to_owned()
    }
}
