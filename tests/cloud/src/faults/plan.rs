//! The knobs of the proxy.

use crate::chance::Knob;

/// How a throttle is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `ProvisionedThroughputExceededException`.
    Provisioned,
    /// `ThrottlingException`.
    Throttling,
    /// `RequestLimitExceeded`.
    RequestLimit,
}

/// Why a caller is sent away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Its policies do not allow it.
    #[default]
    Denied,
    /// Its credentials have ended.
    Expired,
    /// Its credentials are nobody's.
    Unknown,
    /// It signed for another region.
    OtherRegion,
}

impl Refusal {
    /// What AWS says to who asked for this action of IAM.
    pub(crate) fn message(self, action: &str) -> String {
        match self {
            Self::Denied => format!("User: surety-test is not authorized to perform: {action}"),
            Self::Expired => "The security token included in the request is expired".to_owned(),
            Self::Unknown => "The security token included in the request is invalid.".to_owned(),
            Self::OtherRegion => "Credential should be scoped to a valid region.".to_owned(),
        }
    }
}

/// The knobs. All are off in `FaultPlan::none`.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    /// All chance comes from here.
    pub seed: u64,
    /// Refused as too much, without effect.
    pub throttle: Knob,
    /// The spelling of all throttles; any when `None`.
    pub spelling: Option<Spelling>,
    /// The caller is sent away, without effect.
    pub refuse: Knob,
    /// Why.
    pub refusal: Refusal,
    /// A write meets another: a transaction is cancelled with the reason
    /// `TransactionConflict`, a single write gets `TransactionConflictException`.
    pub conflict: Knob,
    /// `TransactionInProgressException`: the same token is at work already.
    pub in_progress: Knob,
    /// A batch does a part and gives the rest back as unprocessed.
    pub unprocessed: Knob,
    /// A query or a scan has short pages.
    pub short_page: Knob,
    /// A read that does not ask for consistency gets what the same read got before.
    pub stale: Knob,
    /// The connection closes and nothing was done.
    pub lost_before: Knob,
    /// The connection closes and it was done.
    pub lost_after: Knob,
    /// `InternalServerError`, 500, and it was done.
    pub error_after: Knob,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything goes wrong now and then.
    pub fn hostile(seed: u64) -> Self {
        Self {
            seed,
            throttle: Knob::chance(0.03),
            spelling: None,
            refuse: Knob::off(),
            refusal: Refusal::Denied,
            conflict: Knob::chance(0.03),
            in_progress: Knob::chance(0.01),
            unprocessed: Knob::chance(0.3),
            short_page: Knob::chance(0.5),
            stale: Knob::chance(0.3),
            lost_before: Knob::chance(0.02),
            lost_after: Knob::chance(0.02),
            error_after: Knob::chance(0.01),
        }
    }
}
