//! The canaries of this process: who gets a call, and what became of it. What is
//! counted here is added to the catalog each second, where other processes add theirs;
//! a crash loses at most that much of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use surety_core::canary::{Canary, CanaryLimits, Counts, Tally};
use surety_core::machine::Step;
use surety_core::module::Module;
use surety_core::record::{Cause, Record};
use surety_core::types::{Digest, ModuleName, MsgId, Seq, Time};
use surety_core::workflow::ModuleSpec;

/// The last canary of each module.
pub struct Canaries {
    limits: CanaryLimits,
    /// Whether any runs; read without the lock, so that calls cost nothing when none
    /// does.
    any: AtomicBool,
    known: RwLock<BTreeMap<ModuleName, Known>>,
}

struct Known {
    /// As the catalog had it.
    kept: Canary,
    /// What was counted here since and is on its way there.
    sent: Counts,
    /// What was counted here since then.
    counts: Counts,
    /// The components whose calls it gets a share of.
    replaced: BTreeSet<Digest>,
    /// Why it must stop. It gets no more calls from then on.
    fallen: Option<String>,
}

impl Known {
    fn runs(&self) -> bool {
        self.kept.runs() && self.fallen.is_none()
    }

    /// With what was counted here and is not kept yet.
    fn canary(&self) -> Canary {
        let mut canary = self.kept.clone();
        canary.add(&self.sent);
        canary.add(&self.counts);
        canary
    }

    /// The counts that a component's calls belong to.
    fn counts_of(&mut self, digest: Digest) -> Option<&mut Tally> {
        if digest == self.kept.digest {
            Some(&mut self.counts.new)
        } else if self.replaced.contains(&digest) {
            Some(&mut self.counts.old)
        } else {
            None
        }
    }

    fn judge(&mut self, limits: CanaryLimits) {
        if self.runs() {
            self.fallen = self.canary().verdict(limits);
        }
    }
}

/// What is to be done for a canary.
pub enum Due {
    /// It must stop, for this reason.
    Stop(String),
    /// Counts are to be added to those that are kept of the trial that began then.
    Keep(Time, Counts),
}

impl Canaries {
    /// None yet.
    #[must_use]
    pub fn new(limits: CanaryLimits) -> Arc<Self> {
        Arc::new(Self { limits, any: AtomicBool::new(false), known: RwLock::default() })
    }

    /// Takes a canary in, in place of what was known of its module's.
    pub fn put(&self, canary: Canary) {
        let mut known = self.write();
        let name = canary.name.clone();
        let fresh = Known {
            kept: canary,
            sent: Counts::default(),
            counts: Counts::default(),
            replaced: BTreeSet::new(),
            fallen: None,
        };
        known.insert(name, fresh);
        let any = known.values().any(|known| known.kept.runs());
        self.any.store(any, Ordering::SeqCst);
    }

    /// The last canary of a module, with what was counted so far.
    #[must_use]
    pub fn of(&self, name: &ModuleName) -> Option<Canary> {
        self.read().get(name).map(Known::canary)
    }

    /// The module's canary, if it runs.
    #[must_use]
    pub fn running(&self, name: &ModuleName) -> Option<Canary> {
        self.of(name).filter(Canary::runs)
    }

    /// Whether any runs.
    #[must_use]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// Whether a module is a canary that runs, or ran until this process found it
    /// to fail: only those whom it gives a call run it.
    #[must_use]
    pub fn is_one(&self, module: &Module) -> bool {
        let known = self.read();
        let known = known.get(&module.manifest.name);
        known.is_some_and(|known| known.kept.runs() && known.kept.digest == module.digest)
    }

    /// The component that gets a step's calls in place of the module that would have
    /// them, if one does.
    #[must_use]
    pub fn takes(
        &self,
        spec: &ModuleSpec,
        stable: &Module,
        id: MsgId,
        step: Seq,
    ) -> Option<Digest> {
        let name = &stable.manifest.name;
        {
            let all = self.read();
            let known = all.get(name)?;
            let Canary { version, digest, share, .. } = &known.kept;
            let competes = known.runs()
                && spec.admits(name, version, *digest)
                && *version > stable.manifest.version;
            if !competes {
                return None;
            }
            if known.replaced.contains(&stable.digest) {
                return share.takes(*digest, id, step).then_some(*digest);
            }
        }
        let mut all = self.write();
        let known = all.get_mut(name).filter(|known| known.runs())?;
        known.replaced.insert(stable.digest);
        let Canary { digest, share, .. } = &known.kept;
        share.takes(*digest, id, step).then_some(*digest)
    }

    /// The call of a step that is about to be committed, if it counts.
    #[must_use]
    pub fn counts(&self, step: &Step) -> Option<Record> {
        let record = step.records().first().filter(|_| self.any())?.record().ok()?;
        (record.cause == Cause::Action && record.module.is_some()).then_some(record)
    }

    /// Counts a call whose end is committed; judges its canary.
    pub fn count(&self, record: &Record) {
        let Some(module) = &record.module else { return };
        let mut all = self.write();
        let Some(known) = all.get_mut(&module.name).filter(|known| known.kept.runs()) else {
            return;
        };
        if let Some(tally) = known.counts_of(module.digest) {
            tally.count(record);
            known.judge(self.limits);
        }
    }

    /// Counts the time of a call.
    pub fn time(&self, module: &Module, micros: u64) {
        let mut all = self.write();
        let Some(known) = all.get_mut(&module.manifest.name) else { return };
        if known.kept.runs()
            && let Some(tally) = known.counts_of(module.digest)
        {
            tally.time(micros);
        }
    }

    /// A canary that has this component gets no more calls.
    pub fn fall(&self, digest: Digest, why: &str) {
        for known in self.write().values_mut().filter(|known| known.runs()) {
            if known.kept.digest == digest {
                known.fallen = Some(why.to_owned());
            }
        }
    }

    /// What is to be done. Counts come again until [`kept`](Self::kept) says that the
    /// catalog has them.
    #[must_use]
    pub fn due(&self) -> Vec<(ModuleName, Due)> {
        let mut all = self.write();
        let running = all.iter_mut().filter(|(_, known)| known.kept.runs());
        let due = running.map(|(name, known)| {
            let due = match &known.fallen {
                Some(why) => Due::Stop(why.clone()),
                None => {
                    known.sent.add(&std::mem::take(&mut known.counts));
                    Due::Keep(known.kept.started_at, known.sent.clone())
                }
            };
            (name.clone(), due)
        });
        due.collect()
    }

    /// Takes in what the catalog has of a canary since counts were added to it.
    pub fn kept(&self, canary: Canary) {
        let mut all = self.write();
        if let Some(known) = all.get_mut(&canary.name)
            && known.kept.is_trial_of(canary.started_at)
        {
            known.kept = canary;
            known.sent = Counts::default();
            known.judge(self.limits);
        }
    }

    // A panic of another thread cannot leave a count in a way that matters.

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ModuleName, Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<ModuleName, Known>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use surety_core::canary::Course;

    use super::*;

    fn canary() -> Canary {
        Canary {
            name: "job".parse().unwrap(),
            version: "1.1.0".parse().unwrap(),
            digest: Digest([1; 32]),
            share: "10%".parse().unwrap(),
            started_at: Time::from_millis(5),
            course: Course::Runs,
            old: Tally::default(),
            new: Tally::default(),
        }
    }

    fn count_failures(canaries: &Canaries, calls: u64) {
        let failures = [("trap".to_owned(), calls)].into();
        let tally = Tally { calls, failures, ..Tally::default() };
        let mut all = canaries.write();
        let known = all.get_mut(&canary().name).unwrap();
        known.counts.new.add(&tally);
        known.judge(canaries.limits);
    }

    fn to_keep(canaries: &Canaries) -> Counts {
        match canaries.due().remove(0) {
            (_, Due::Keep(since, counts)) if since == canary().started_at => counts,
            (_, Due::Keep(..)) => panic!("another trial"),
            (_, Due::Stop(why)) => panic!("{why}"),
        }
    }

    #[test]
    fn hosts_judge_what_all_of_them_counted() {
        let limits = CanaryLimits { calls_min: 4, failures_above_percent_max: 20 };
        let [one, other] = [(), ()].map(|()| Canaries::new(limits));
        let mut catalog = canary();
        for host in [&one, &other] {
            host.put(catalog.clone());
            count_failures(host, 2);
        }
        let counts = to_keep(&one);
        assert_eq!(one.of(&catalog.name).unwrap().new.calls, 2, "while they are on their way");
        // It did not get there, and is sent again with what came since.
        assert_eq!(to_keep(&one), counts);
        catalog.add(&counts);
        one.kept(catalog.clone());
        assert_eq!(one.of(&catalog.name).unwrap(), catalog);
        assert_eq!(to_keep(&one), Counts::default());

        catalog.add(&to_keep(&other));
        other.kept(catalog.clone());
        assert!(matches!(other.due()[0].1, Due::Stop(_)));
        one.kept(catalog);
        assert!(matches!(one.due()[0].1, Due::Stop(_)));
    }
}
