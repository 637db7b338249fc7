//! What others do: they give signals, redrive and cancel.

use serde_json::Value;

use super::{Reference, Signed, text};

/// How long a Msg_ID may be used, as the rig issues them.
const MSG_ID_TTL: u64 = 3_600_000;

impl Reference<'_> {
    /// Sends a signal, maybe again: one that was taken gets its receipt, whatever has
    /// happened since.
    pub(super) fn send(&mut self, at: usize) -> String {
        let signed = self.signed[at].clone();
        if signed.taken {
            return "ok".to_owned();
        }
        let outcome = self.signal(&signed);
        self.signed[at].taken = outcome == "ok";
        outcome
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

    pub(super) fn redrive(&mut self, to: &Value) -> String {
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

    pub(super) fn cancel(&mut self) -> String {
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
