//! What the host does by itself: it enters states, follows choices, runs actions
//! and takes timers.

use serde_json::{Map, Value};

use super::super::case::scripted;
use super::{Message, RECORDS_MAX, Record, Reference, text};

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
    /// Adds the record of a move, without making it.
    pub(super) fn record(
        &mut self,
        cause: &'static str,
        to: &str,
        now: u64,
        say: impl FnOnce(&mut Record),
    ) {
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
    pub(super) fn go(
        &mut self,
        cause: &'static str,
        to: &str,
        now: u64,
        say: impl FnOnce(&mut Record),
    ) {
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
    pub(super) fn work(&mut self) {
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
}
