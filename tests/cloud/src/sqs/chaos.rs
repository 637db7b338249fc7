//! What the adversary may do. Each is something that AWS documents or that was seen
//! there; together they are worse than any day of it.

use std::collections::BTreeMap;

use super::errors::{
    DENIED, EXPIRED, Fault, INTERNAL, KMS_THROTTLED, OTHER_REGION, OVER_LIMIT, SERVICE_UNAVAILABLE,
    THROTTLED, THROTTLING, UNKNOWN,
};
use crate::chance::{Dice, Knob};
use crate::faults::Refusal;

/// How a throttle is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// `RequestThrottled`, 400: typed in the SDK.
    RequestThrottled,
    /// `ThrottlingException`, 400: not in the service's model.
    Throttling,
    /// `KmsThrottled`, 400: of sends and receives.
    Kms,
    /// `OverLimit`, 403: of receives.
    OverLimit,
    /// `ServiceUnavailable`, 503.
    Unavailable,
}

/// The knobs. All are off in `Chaos::none`.
#[derive(Clone, Debug, Default)]
pub struct Chaos {
    /// All chance comes from here.
    pub seed: u64,
    /// A receive sees some of what is there: a short poll any part, a long poll at
    /// least one. Of a FIFO queue it is the first part.
    pub sample: Knob,
    /// A receive does not see what is there when it begins: a short poll comes back
    /// empty, a long poll looks only when something else happens at the server.
    pub blind: Knob,
    /// A receive's messages come in any order. Standard queues only.
    pub shuffle: Knob,
    /// A received message may be received once more inside its visibility timeout.
    /// Drawn for each message. Standard queues only.
    pub duplicate: Knob,
    /// A deleted message comes back, once, within a minute. Standard queues only.
    pub zombie: Knob,
    /// An old handle, of an earlier receive or of a message that is visible again,
    /// is answered with 200 and has no effect. It has its effect otherwise.
    pub old_handle: Knob,
    /// A delete is answered with 200 and has no effect.
    pub delete_ignored: Knob,
    /// A change of visibility is answered with 200 and has no effect.
    pub change_ignored: Knob,
    /// The name of a deleted queue is blocked for 60 seconds.
    pub name_blocked: Knob,
    /// A deleted queue works on for up to 60 seconds; what is sent to it is lost.
    pub lingers: Knob,
    /// A new queue is not found for a second.
    pub slow_create: Knob,
    /// A queue is not in the list. Drawn for each.
    pub unlisted: Knob,
    /// Refused as too much, without effect.
    pub throttle: Knob,
    /// The spelling of all throttles; any that the operation has when `None`.
    pub spelling: Option<Throttle>,
    /// The caller is sent away, without effect.
    pub refuse: Knob,
    /// Why.
    pub refusal: Refusal,
    /// The connection closes and nothing was done.
    pub lost_before: Knob,
    /// The connection closes and it was done.
    pub lost_after: Knob,
    /// `InternalFailure`, 500, and it was done.
    pub error_after: Knob,
}

impl Chaos {
    /// Everything goes as documented.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything goes wrong now and then.
    pub fn hostile(seed: u64) -> Self {
        Self {
            seed,
            sample: Knob::chance(0.3),
            blind: Knob::chance(0.1),
            shuffle: Knob::chance(0.5),
            duplicate: Knob::chance(0.1),
            zombie: Knob::chance(0.05),
            old_handle: Knob::chance(0.5),
            delete_ignored: Knob::chance(0.05),
            change_ignored: Knob::chance(0.05),
            name_blocked: Knob::always(),
            lingers: Knob::chance(0.5),
            slow_create: Knob::chance(0.2),
            unlisted: Knob::chance(0.2),
            throttle: Knob::chance(0.03),
            spelling: None,
            refuse: Knob::off(),
            refusal: Refusal::Denied,
            lost_before: Knob::chance(0.02),
            lost_after: Knob::chance(0.02),
            error_after: Knob::chance(0.01),
        }
    }
}

/// What a caller is told who is sent away.
fn send_away(why: Refusal, operation: &str) -> Fault {
    let kind = match why {
        Refusal::Denied => DENIED,
        Refusal::Expired => EXPIRED,
        Refusal::Unknown => UNKNOWN,
        Refusal::OtherRegion => OTHER_REGION,
    };
    let action = operation.trim_end_matches("Batch").to_lowercase();
    kind.because(why.message(&format!("sqs:{action}")))
}

/// What happens to a request, drawn when it arrives.
#[derive(Debug)]
pub(crate) enum Fate {
    /// Nothing.
    Through,
    /// It is refused, and nothing was done.
    Refused(Fault),
    /// Nothing was done, and nobody answers.
    LostBefore,
    /// It is done, and nobody answers.
    LostAfter,
    /// It is done, and this is the answer.
    ErrorAfter(Fault),
}

/// The knobs with their dice.
#[derive(Debug)]
pub(crate) struct Adversary {
    knobs: Chaos,
    dice: Dice,
}

/// Draws one knob by its field.
macro_rules! draw {
    ($adversary:expr, $knob:ident, $operation:expr) => {{
        let adversary: &mut $crate::sqs::chaos::Adversary = $adversary;
        adversary.draw(stringify!($knob), |knobs| &mut knobs.$knob, $operation)
    }};
}
pub(crate) use draw;

impl Default for Adversary {
    fn default() -> Self {
        Self::new(Chaos::none())
    }
}

impl Adversary {
    pub(crate) fn new(knobs: Chaos) -> Self {
        Self { dice: Dice::new(knobs.seed), knobs }
    }

    /// Whether a knob hits; `draw!` is the short form.
    pub(crate) fn draw(
        &mut self,
        name: &'static str,
        knob: fn(&mut Chaos) -> &mut Knob,
        operation: &str,
    ) -> bool {
        self.dice.hits(name, knob(&mut self.knobs), operation)
    }

    pub(crate) fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    pub(crate) fn seed(&self) -> u64 {
        self.dice.seed
    }

    pub(crate) fn hits(&self) -> &BTreeMap<&'static str, u64> {
        &self.dice.hits
    }

    /// What happens to a request.
    pub(crate) fn fate(&mut self, operation: &str) -> Fate {
        if draw!(self, throttle, operation) {
            return Fate::Refused(self.throttle(operation));
        }
        if draw!(self, refuse, operation) {
            return Fate::Refused(send_away(self.knobs.refusal, operation));
        }
        if draw!(self, lost_before, operation) {
            return Fate::LostBefore;
        }
        if draw!(self, lost_after, operation) {
            return Fate::LostAfter;
        }
        if draw!(self, error_after, operation) {
            let message = "We encountered an internal error. Please try again.";
            return Fate::ErrorAfter(INTERNAL.because(message));
        }
        Fate::Through
    }

    fn throttle(&mut self, operation: &str) -> Fault {
        let receives = operation == "ReceiveMessage";
        let encrypts = receives || operation.starts_with("SendMessage");
        let mut spellings = vec![Throttle::RequestThrottled, Throttle::Throttling];
        spellings.push(Throttle::Unavailable);
        spellings.extend(encrypts.then_some(Throttle::Kms));
        spellings.extend(receives.then_some(Throttle::OverLimit));
        let spelling = match self.knobs.spelling {
            Some(spelling) => spelling,
            None => spellings[self.dice.index(spellings.len())],
        };
        let kind = match spelling {
            Throttle::RequestThrottled => THROTTLED,
            Throttle::Throttling => THROTTLING,
            Throttle::Kms => KMS_THROTTLED,
            Throttle::OverLimit => OVER_LIMIT,
            Throttle::Unavailable => SERVICE_UNAVAILABLE,
        };
        kind.because(format!("Throttled on purpose; the seed is {}.", self.dice.seed))
    }
}
