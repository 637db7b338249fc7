//! The canaries of this process: who gets a call, and what became of it. What is
//! counted here is kept each second; a crash loses at most that much of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use surety_core::canary::{Canary, CanaryLimits};
use surety_core::machine::Step;
use surety_core::module::Module;
use surety_core::record::{Cause, Record};
use surety_core::types::{Digest, ModuleName, MsgId, Seq};
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
    canary: Canary,
    /// The components whose calls it gets a share of.
    replaced: BTreeSet<Digest>,
    /// Why it must stop. It gets no more calls from then on.
    fallen: Option<String>,
    /// Whether anything was counted since it was last kept.
    counted: bool,
}

impl Known {
    fn runs(&self) -> bool {
        self.canary.runs() && self.fallen.is_none()
    }
}

/// What is to be done for a canary.
pub enum Due {
    /// It must stop, for this reason.
    Stop(String),
    /// Its counts are to be kept.
    Keep(Box<Canary>),
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
        let fresh = Known { canary, replaced: BTreeSet::new(), fallen: None, counted: false };
        known.insert(name, fresh);
        let any = known.values().any(|known| known.canary.runs());
        self.any.store(any, Ordering::SeqCst);
    }

    /// The last canary of a module, with what was counted so far.
    #[must_use]
    pub fn of(&self, name: &ModuleName) -> Option<Canary> {
        self.read().get(name).map(|known| known.canary.clone())
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
        known.is_some_and(|known| known.canary.runs() && known.canary.digest == module.digest)
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
            let Canary { version, digest, share, .. } = &known.canary;
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
        let Canary { digest, share, .. } = &known.canary;
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
        let Some(known) = all.get_mut(&module.name).filter(|known| known.canary.runs()) else {
            return;
        };
        let Known { canary, replaced, fallen, counted } = known;
        if module.digest == canary.digest {
            canary.new.count(record);
        } else if replaced.contains(&module.digest) {
            canary.old.count(record);
        } else {
            return;
        }
        *counted = true;
        if fallen.is_none() {
            *fallen = canary.verdict(self.limits);
        }
    }

    /// Counts the time of a call.
    pub fn time(&self, module: &Module, micros: u64) {
        let mut all = self.write();
        let Some(known) = all.get_mut(&module.manifest.name) else { return };
        let Known { canary, replaced, counted, .. } = known;
        if !canary.runs() {
            return;
        }
        if module.digest == canary.digest {
            canary.new.time(micros);
        } else if replaced.contains(&module.digest) {
            canary.old.time(micros);
        } else {
            return;
        }
        *counted = true;
    }

    /// A canary that has this component gets no more calls.
    pub fn fall(&self, digest: Digest, why: &str) {
        for known in self.write().values_mut().filter(|known| known.runs()) {
            if known.canary.digest == digest {
                known.fallen = Some(why.to_owned());
            }
        }
    }

    /// What is to be done.
    #[must_use]
    pub fn due(&self) -> Vec<(ModuleName, Due)> {
        let mut due = Vec::new();
        for (name, known) in self.write().iter_mut().filter(|(_, known)| known.canary.runs()) {
            let counted = std::mem::take(&mut known.counted);
            match &known.fallen {
                Some(why) => due.push((name.clone(), Due::Stop(why.clone()))),
                None if counted => {
                    due.push((name.clone(), Due::Keep(Box::new(known.canary.clone()))));
                }
                None => {}
            }
        }
        due
    }

    // A panic of another thread cannot leave a count in a way that matters.

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ModuleName, Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<ModuleName, Known>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}
