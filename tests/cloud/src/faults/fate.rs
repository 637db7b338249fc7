//! What happens to a request, drawn when it arrives.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::Value;

use super::plan::{FaultPlan, Spelling};
use super::{refusal, rewrite};
use crate::chance::{Dice, Knob};
use crate::forward::Reply;

/// Answers that are kept for stale reads. An eventually consistent read is behind by
/// less than a second; counted in reads, a run repeats.
const STALE_READS_MAX: usize = 32;

/// What happens to a request.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It goes through as it is.
    Through,
    /// Another goes through in its place; `later` is given back as unprocessed.
    Changed { request: Value, later: Option<Value> },
    /// It is not done, and this is the answer.
    Answered(Reply),
    /// It is not done, and nobody answers.
    LostBefore,
    /// It is done, and nobody answers.
    LostAfter,
    /// It is done, and this is the answer.
    ErrorAfter(Reply),
}

/// What the proxy knows.
#[derive(Debug)]
pub(crate) struct State {
    plan: FaultPlan,
    pub(crate) dice: Dice,
    /// By operation.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Reads with their answers, oldest first.
    read: VecDeque<(Bytes, Reply)>,
}

impl State {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        Self { dice: Dice::new(plan.seed), plan, calls: BTreeMap::new(), read: VecDeque::new() }
    }

    pub(crate) fn set_plan(&mut self, plan: FaultPlan) {
        self.dice = Dice::new(plan.seed);
        self.plan = plan;
        self.read.clear();
    }

    fn hits(
        &mut self,
        name: &'static str,
        knob: fn(&mut FaultPlan) -> &mut Knob,
        operation: &str,
    ) -> bool {
        self.dice.hits(name, knob(&mut self.plan), operation)
    }

    /// Draws.
    pub(crate) fn fate(&mut self, operation: &str, body: &Bytes, input: &Value) -> Fate {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        if self.hits("throttle", |p| &mut p.throttle, operation) {
            let all = [Spelling::Provisioned, Spelling::Throttling, Spelling::RequestLimit];
            let spelling = self.plan.spelling.unwrap_or(all[self.dice.index(all.len())]);
            return Fate::Answered(refusal::throttle(spelling, self.dice.seed));
        }
        if self.hits("refuse", |p| &mut p.refuse, operation) {
            return Fate::Answered(refusal::send_away(self.plan.refusal, operation));
        }
        if refusal::can_conflict(operation) && self.hits("conflict", |p| &mut p.conflict, operation)
        {
            let at = self.dice.index(refusal::items(input));
            return Fate::Answered(refusal::conflict(operation, input, at));
        }
        if operation == "TransactWriteItems"
            && self.hits("in_progress", |p| &mut p.in_progress, operation)
        {
            let message = "The transaction with the given request token is already in progress.";
            let reply = refusal::refuse(400, "TransactionInProgressException", message);
            return Fate::Answered(reply);
        }
        if self.hits("lost_before", |p| &mut p.lost_before, operation) {
            return Fate::LostBefore;
        }
        if self.hits("lost_after", |p| &mut p.lost_after, operation) {
            return Fate::LostAfter;
        }
        if self.hits("error_after", |p| &mut p.error_after, operation) {
            let message = "Internal server error, on purpose, after it was done.";
            return Fate::ErrorAfter(refusal::refuse(500, "InternalServerError", message));
        }
        self.fate_of_reads_and_batches(operation, body, input)
    }

    fn fate_of_reads_and_batches(&mut self, operation: &str, body: &Bytes, input: &Value) -> Fate {
        if rewrite::may_be_stale(operation, input) {
            let kept = self.read.iter().find(|(read, _)| read == body).map(|(_, r)| r.clone());
            if let Some(reply) = kept
                && self.hits("stale", |p| &mut p.stale, operation)
            {
                return Fate::Answered(reply);
            }
        }
        let mut request = input.clone();
        if matches!(operation, "BatchGetItem" | "BatchWriteItem")
            && self.hits("unprocessed", |p| &mut p.unprocessed, operation)
        {
            let later = rewrite::part_batch(operation, &mut request, &mut self.dice);
            return Fate::Changed { request, later };
        }
        if matches!(operation, "Query" | "Scan")
            && self.hits("short_page", |p| &mut p.short_page, operation)
            && rewrite::shorten(&mut request, &mut self.dice)
        {
            return Fate::Changed { request, later: None };
        }
        Fate::Through
    }

    /// Remembers an answer, if the same read may get it again.
    pub(crate) fn keep(&mut self, operation: &str, body: &Bytes, input: &Value, reply: &Reply) {
        if !rewrite::may_be_stale(operation, input) || !reply.status.is_success() {
            return;
        }
        self.read.push_back((body.clone(), reply.clone()));
        if self.read.len() > STALE_READS_MAX {
            self.read.pop_front();
        }
    }
}
