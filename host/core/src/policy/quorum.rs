//! Who must sign a module: `[[publish]]` and `[[review]]` of the policy.

use std::collections::BTreeSet;

use super::pattern::NamePattern;
use super::{Policy, PolicyLine};
use crate::refusal::{Code, Refusal};
use crate::types::{Address, Digest, ModuleName};

/// A number of different people out of some.
#[derive(Debug, Clone)]
pub struct Quorum {
    /// Where it stands.
    pub line: PolicyLine,
    /// The modules that it is for, by name.
    pub modules: Vec<NamePattern>,
    /// Who counts.
    pub of: BTreeSet<Address>,
    /// How many of them it takes.
    pub needed: usize,
}

impl Quorum {
    fn is_for(&self, name: &ModuleName) -> bool {
        self.modules.iter().any(|pattern| pattern.admits(name.as_str()))
    }

    /// What is missing, in words; nothing if enough of them are among those given.
    fn missing(&self, given: &BTreeSet<Address>) -> Option<String> {
        let count = self.of.intersection(given).count();
        let Self { line, of, needed, .. } = self;
        (count < *needed)
            .then(|| format!("{line} wants {needed} of {} who may sign, and {count} did", of.len()))
    }
}

impl Policy {
    /// Whether those who signed a module may publish it: **every** `[[publish]]` for
    /// its name has its number, so that a line for some names makes a wider one
    /// stricter and never weaker. In development a name without one may be
    /// published by anybody.
    ///
    /// # Errors
    /// `module_unsigned` with every line that lacks signatures.
    pub fn check_publishers(
        &self,
        name: &ModuleName,
        signers: &BTreeSet<Address>,
        development: bool,
    ) -> Result<(), Refusal> {
        let mut lines = self.publish.iter().filter(|line| line.is_for(name)).peekable();
        if lines.peek().is_none() && !development {
            let detail = format!(
                "no `[[publish]]` of the host's policy is for `{name}`, so nobody may publish it; name its publishers there, or run the host with `--development`"
            );
            return Err(Refusal::new(Code::ModuleUnsigned, detail));
        }
        let missing: Vec<_> = lines.filter_map(|line| line.missing(signers)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "`{name}` is not signed by enough of its publishers: {}; `surety action sign` signs it",
            missing.join("; ")
        );
        Err(Refusal::new(Code::ModuleUnsigned, detail))
    }

    /// Whether the policy names reviewers for modules of this name.
    #[must_use]
    pub fn wants_review(&self, name: &ModuleName) -> bool {
        self.review.iter().any(|line| line.is_for(name))
    }

    /// Whether what is new of a module was approved, by every `[[review]]` for it.
    ///
    /// # Errors
    /// `review_needed` with what is new.
    pub fn check_reviewers(
        &self,
        name: &ModuleName,
        new: &[String],
        powers: Digest,
        reviewers: &BTreeSet<Address>,
    ) -> Result<(), Refusal> {
        let lines = self.review.iter().filter(|line| line.is_for(name));
        let missing: Vec<_> = lines.filter_map(|line| line.missing(reviewers)).collect();
        if new.is_empty() || missing.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "`{name}` may do more than the version before it, {powers}, and not enough of its reviewers approved that: {}; `surety action approve` approves it",
            missing.join("; ")
        );
        let refusal = Refusal::new(Code::ReviewNeeded, detail);
        let new = new.iter().take(crate::schema::FINDINGS_MAX);
        Err(new.fold(refusal, |refusal, power| refusal.at("/component", format!("may {power}"))))
    }
}
