//! Which module gets a call. In front of the sandbox, which runs whatever it is
//! told to: here are canaries, and those that may not run.
//!
//! ```text
//!   spec ─→ highest version that fits, canaries aside ─→ a canary's share? ─→ withheld? ─→ sandbox
//! ```

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use async_trait::async_trait;
use surety_core::effect::Outside;
use surety_core::machine::{Call, Ran};
use surety_core::message::Message;
use surety_core::module::Module;
use surety_core::ports::{Actions, Fault};
use surety_core::record::{Failure, FailureKind};
use surety_core::refusal::Finding;
use surety_core::types::{Digest, MsgId, Seq, Time};
use surety_core::workflow::ModuleSpec;
use surety_sandbox::Sandbox;

use crate::canaries::Canaries;

/// Why a component may not run, as it stands behind its name.
#[derive(Default)]
struct Withheld {
    /// For good.
    revoked: HashMap<Digest, String>,
    /// Until it is pushed with its signatures.
    unsigned: HashMap<Digest, String>,
}

/// The modules as messages meet them.
pub struct Routes {
    sandbox: Arc<Sandbox>,
    canaries: Arc<Canaries>,
    withheld: RwLock<Withheld>,
}

impl Routes {
    /// All of the sandbox's modules, without exception yet.
    #[must_use]
    pub fn new(sandbox: Arc<Sandbox>, canaries: Arc<Canaries>) -> Arc<Self> {
        Arc::new(Self { sandbox, canaries, withheld: RwLock::default() })
    }

    /// What runs them.
    #[must_use]
    pub fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// Their canaries.
    #[must_use]
    pub fn canaries(&self) -> &Arc<Canaries> {
        &self.canaries
    }

    /// From now on no call of the component starts.
    pub fn revoke(&self, digest: Digest, reason: &str) {
        let why = format!("is revoked: {reason}");
        self.canaries.fall(digest, &why);
        let mut withheld = self.withheld.write().unwrap_or_else(PoisonError::into_inner);
        withheld.revoked.insert(digest, why);
    }

    /// Whether the component lacks signatures, and which.
    pub fn set_unsigned(&self, digest: Digest, why: Option<String>) {
        let mut withheld = self.withheld.write().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => withheld.unsigned.insert(digest, why),
            None => withheld.unsigned.remove(&digest),
        };
    }

    /// Whether the component is revoked.
    #[must_use]
    pub fn is_revoked(&self, digest: Digest) -> bool {
        let withheld = self.withheld.read().unwrap_or_else(PoisonError::into_inner);
        withheld.revoked.contains_key(&digest)
    }

    /// Why no call of the component starts, if none does.
    #[must_use]
    pub fn withheld(&self, digest: Digest) -> Option<String> {
        let withheld = self.withheld.read().unwrap_or_else(PoisonError::into_inner);
        withheld.revoked.get(&digest).or_else(|| withheld.unsigned.get(&digest)).cloned()
    }

    /// The highest version that fits, whether it may run or not. Of canaries only
    /// one that is wanted by its digest.
    #[must_use]
    pub fn stable(&self, spec: &ModuleSpec) -> Option<Arc<Module>> {
        if !self.canaries.any() {
            return self.sandbox.resolve(spec);
        }
        let may = |module: &Module| spec.pins(module.digest) || !self.canaries.is_one(module);
        self.sandbox.resolve_among(spec, &may)
    }

    fn canary(
        &self,
        spec: &ModuleSpec,
        stable: &Module,
        id: MsgId,
        step: Seq,
    ) -> Option<Arc<Module>> {
        let digest = self.canaries.takes(spec, stable, id, step)?;
        let canary = self.sandbox.resolve_among(spec, &|module| module.digest == digest)?;
        self.withheld(digest).is_none().then_some(canary)
    }

    /// A call may have been overtaken by a revocation, while it waited for its turn in
    /// the sandbox as well. Its ticket comes again, and finds that.
    fn check(&self, module: &Module) -> Result<(), Fault> {
        match self.withheld(module.digest) {
            None => Ok(()),
            Some(why) => Err(Fault::Unavailable(format!("{module:?} {why}"))),
        }
    }
}

#[async_trait]
impl Actions for Routes {
    fn resolve(&self, spec: &ModuleSpec) -> Option<Arc<Module>> {
        self.stable(spec).filter(|module| self.withheld(module.digest).is_none())
    }

    fn assign(&self, spec: &ModuleSpec, id: MsgId, step: Seq) -> Result<Arc<Module>, Failure> {
        let stable = self.stable(spec).ok_or_else(|| spec.missing())?;
        if self.canaries.any()
            && let Some(canary) = self.canary(spec, &stable, id, step)
        {
            return Ok(canary);
        }
        match self.withheld(stable.digest) {
            None => Ok(stable),
            Some(why) => {
                let label = format!("{}@{}", stable.manifest.name, stable.manifest.version);
                let detail = format!("`{label}`, which fits `{spec}`, {why}");
                Err(Failure::new(FailureKind::Missing, detail))
            }
        }
    }

    async fn run(
        &self,
        module: &Module,
        call: Call,
        outside: Arc<dyn Outside>,
    ) -> Result<Ran, Fault> {
        let may = || self.check(module);
        may()?;
        if !self.canaries.any() {
            return Ok(self.sandbox.measure(module, &call, outside, &may).await?.ran);
        }
        let started = Instant::now();
        let ran = self.sandbox.measure(module, &call, outside, &may).await?.ran;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.canaries.time(module, micros);
        Ok(ran)
    }

    async fn validate(
        &self,
        module: &Module,
        message: &Message,
        now: Time,
    ) -> Result<Result<Vec<Finding>, Failure>, Fault> {
        let may = || self.check(module);
        may()?;
        Ok(self.sandbox.measure_validation(module, message, now, &may).await?.found)
    }
}
