//! What is deployed, by name and version.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use semver::Version;
use surety_core::module::Module;
use surety_core::types::{Digest, ModuleName};
use surety_core::workflow::ModuleSpec;

use crate::call::Compiled;
use crate::gate::Gate;

/// All deployments. A new one is there for the next `resolve`, whole.
#[derive(Default)]
pub(crate) struct Registry(RwLock<Deployed>);

#[derive(Default)]
struct Deployed {
    modules: BTreeMap<ModuleName, BTreeMap<Version, Arc<Module>>>,
    /// Of the modules above and of no others; nothing while one is being compiled.
    compiled: HashMap<Digest, Option<Arc<Compiled>>>,
    /// One for the modules of a name.
    gates: HashMap<ModuleName, Arc<Gate>>,
}

/// A deployed module, ready to run or not yet.
pub(crate) struct Found {
    pub(crate) compiled: Option<Arc<Compiled>>,
    pub(crate) gate: Arc<Gate>,
}

impl Registry {
    /// Puts a module in place of the one with its name and version.
    pub(crate) fn insert(&self, module: Arc<Module>, compiled: Option<Arc<Compiled>>) {
        // A panic of another thread cannot leave the maps half changed in a way
        // that matters: at worst something compiled too many.
        let mut deployed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Deployed { modules, compiled: all, gates } = &mut *deployed;
        let known = all.entry(module.digest).or_default();
        *known = compiled.or_else(|| known.take());
        let name = module.manifest.name.clone();
        gates.entry(name).or_insert_with(|| Arc::new(Gate::new()));
        let versions = modules.entry(module.manifest.name.clone()).or_default();
        let replaced = versions.insert(module.manifest.version.clone(), module);
        if let Some(old) = replaced {
            let mut left = modules.values().flat_map(BTreeMap::values);
            if !left.any(|module| module.digest == old.digest) {
                all.remove(&old.digest);
            }
        }
    }

    /// The highest version that fits.
    pub(crate) fn resolve(&self, spec: &ModuleSpec) -> Option<Arc<Module>> {
        let deployed = self.read();
        let versions = deployed.modules.get(&spec.name)?;
        let fits = |module: &&Arc<Module>| {
            spec.admits(&module.manifest.name, &module.manifest.version, module.digest)
        };
        versions.values().rev().find(fits).cloned()
    }

    /// Makes the modules with this digest ready.
    pub(crate) fn ready(&self, digest: Digest, compiled: Arc<Compiled>) {
        let mut deployed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = deployed.compiled.get_mut(&digest) {
            *known = Some(compiled);
        }
    }

    /// What runs a module, while it is deployed.
    pub(crate) fn find(&self, module: &Module) -> Option<Found> {
        let deployed = self.read();
        let compiled = deployed.compiled.get(&module.digest)?.clone();
        let gate = Arc::clone(deployed.gates.get(&module.manifest.name)?);
        Some(Found { compiled, gate })
    }

    /// A deployed module with this digest, and what runs it.
    pub(crate) fn known(&self, digest: Digest) -> Option<(Arc<Module>, Option<Arc<Compiled>>)> {
        let deployed = self.read();
        let compiled = deployed.compiled.get(&digest)?.clone();
        let mut modules = deployed.modules.values().flat_map(BTreeMap::values);
        let module = modules.find(|module| module.digest == digest)?;
        Some((Arc::clone(module), compiled))
    }

    /// All modules, by name and version.
    pub(crate) fn list(&self) -> Vec<Arc<Module>> {
        self.read().modules.values().flat_map(BTreeMap::values).cloned().collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Deployed> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
