//! The sandbox of surety: runs action modules, which are WebAssembly components
//! that nobody has to trust.
//!
//! ```text
//!   component ── inspect ── cache (compile) ── link ──┐
//!   (bytes)      manifest,  cwasm files               ├─ registry ── resolve
//!                imports,                             │
//!                types                                └─ call ── guest ── meter
//!                                                        fresh instance a call
//! ```
//!
//! A call has its own instance, which sees nothing but the call: no clock, no
//! chance, no file, no network, no earlier call. With the same call it gives the
//! same answer for the same fuel, and the same failure too, but for
//! [`FailureKind::Timeout`](surety_core::record::FailureKind::Timeout).
//!
//! Compiling happens in this process. wasmtime does not call its compiler safe
//! against hostile input, so who may deploy a module is trusted that far.

mod bindings;
mod cache;
mod call;
mod engine;
mod guest;
mod inspect;
mod limits;
mod meter;
mod registry;
mod shape;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use semver::Version;
use surety_core::machine::{Call, Ran};
use surety_core::message::Message;
use surety_core::module::Module;
use surety_core::ports::{Actions, Deployment, Fault};
use surety_core::record::Failure;
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::types::{ModuleName, MsgId, Seq, Time};
use surety_core::workflow::ModuleSpec;
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::cache::Cache;
use crate::call::Compiled;
use crate::engine::Ticker;
use crate::registry::Registry;

pub use crate::cache::CacheError;
pub use crate::call::Measured;
pub use crate::guest::{GuestLine, GuestLog};
pub use crate::inspect::{Inspected, inspect};
pub use crate::limits::{LimitError, Limits};

/// Why there is no sandbox.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// A limit is out of its range.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The cache folder cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The engine does not start with these limits on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The thread that interrupts guests does not start.
    #[error("the thread that interrupts actions does not start")]
    Ticker(#[source] io::Error),
}

/// A module that is compiled and linked, and not installed yet: between the two
/// it can be made durable, so that nothing runs that a crash would take back.
pub struct Prepared {
    module: Arc<Module>,
    compiled: Arc<Compiled>,
}

impl Prepared {
    /// The module, as it will be deployed.
    #[must_use]
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }
}

/// Deployed modules, and the engine that runs them.
pub struct Sandbox {
    limits: Limits,
    cache: Cache,
    registry: Registry,
    log: Option<Arc<dyn GuestLog>>,
    /// A turn for each instance that the pool has room for.
    turns: Semaphore,
    _ticker: Ticker,
}

impl Sandbox {
    /// A sandbox without modules, which keeps what it compiles in `cache_dir`.
    ///
    /// # Errors
    /// See [`SandboxError`].
    pub fn new(limits: Limits, cache_dir: &Path) -> Result<Self, SandboxError> {
        limits.check()?;
        let engine = engine::build(&limits).map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
        Ok(Self {
            limits,
            cache: Cache::open(cache_dir, &engine)?,
            registry: Registry::default(),
            log: None,
            turns: Semaphore::new(limits.concurrency as usize),
            _ticker: Ticker::start(&engine).map_err(SandboxError::Ticker)?,
        })
    }

    /// Hands what modules write to `log` as well; for modules that are prepared
    /// from now on.
    #[must_use]
    pub fn log_to(self, log: Arc<dyn GuestLog>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Reads a component, without compiling or running anything of it.
    ///
    /// # Errors
    /// See [`inspect()`].
    pub fn inspect(&self, component: &[u8]) -> Result<Inspected, Refusal> {
        inspect(component, &self.limits)
    }

    /// Makes a component ready to run. It takes effect when it is installed.
    ///
    /// Compiles, for up to 20 s, unless it was compiled before; not for an
    /// asynchronous thread.
    ///
    /// # Errors
    /// The refusals of [`inspect()`] and of [`Module::new`]; `module_invalid` when
    /// the component is not the deployment's or cannot be compiled.
    pub fn prepare(&self, deployment: Deployment, component: &[u8]) -> Result<Prepared, Refusal> {
        let Inspected { manifest, digest } = self.inspect(component)?;
        let Deployment { name, version, digest: expected, settings, .. } = deployment;
        let refuse = |detail| Refusal::new(Code::ModuleInvalid, detail);
        if (&manifest.name, &manifest.version) != (&name, &version) {
            let (is, at) = (&manifest.name, &manifest.version);
            return Err(refuse(format!(
                "the component is {is}@{at}; deployed was {name}@{version}"
            )));
        }
        if digest != expected {
            return Err(refuse(format!("the component's digest is {digest}, not {expected}")));
        }
        let module = Arc::new(Module::new(manifest, digest, &settings)?);
        let compiled = match self.registry.compiled(digest) {
            Some(compiled) => compiled,
            None => self
                .compile(&module, component)
                .map_err(|e| refuse(format!("the component cannot be compiled: {e:#}")))?,
        };
        Ok(Prepared { module, compiled })
    }

    /// Puts a module in place of what is installed under its name and version.
    /// It takes effect with the next `resolve`.
    pub fn install(&self, prepared: Prepared) -> Arc<Module> {
        let Prepared { module, compiled } = prepared;
        self.registry.insert(Arc::clone(&module), compiled);
        module
    }

    /// Takes a module out. Calls that run go on to their end.
    pub fn remove(&self, name: &ModuleName, version: &Version) {
        self.registry.remove(name, version);
    }

    /// The highest version that fits, of those that may.
    #[must_use]
    pub fn resolve_among(
        &self,
        spec: &ModuleSpec,
        may: &dyn Fn(&Module) -> bool,
    ) -> Option<Arc<Module>> {
        self.registry.resolve(spec, may)
    }

    fn compile(&self, module: &Module, component: &[u8]) -> wasmtime::Result<Arc<Compiled>> {
        let component = self.cache.compile(module.digest, component)?;
        let label = format!("{}@{}", module.manifest.name, module.manifest.version);
        let world = module.manifest.world;
        let limits = self.limits.of_world(world).lowered(&module.manifest.limits);
        let log = self.log.clone();
        Ok(Arc::new(Compiled::link(&component, world, label.into(), limits, log)?))
    }

    /// All deployed modules, by name and version.
    #[must_use]
    pub fn deployed(&self) -> Vec<Arc<Module>> {
        self.registry.list()
    }
}

#[async_trait]
impl Actions for Sandbox {
    fn resolve(&self, spec: &ModuleSpec) -> Option<Arc<Module>> {
        self.registry.resolve(spec, &|_| true)
    }

    fn assign(&self, spec: &ModuleSpec, _: MsgId, _: Seq) -> Result<Arc<Module>, Failure> {
        self.resolve(spec).ok_or_else(|| spec.missing())
    }

    async fn run(&self, module: &Module, call: Call) -> Result<Ran, Fault> {
        Ok(self.measure(module, &call).await?.ran)
    }

    async fn validate(
        &self,
        module: &Module,
        message: &Message,
        now: Time,
    ) -> Result<Result<Vec<Finding>, Failure>, Fault> {
        let (compiled, _turn) = self.turn(module).await?;
        compiled.validate(module, message, now).await
    }
}

impl Sandbox {
    /// Runs one call of an action, as [`Actions::run`], and says what it took.
    ///
    /// # Errors
    /// The host's own failures.
    pub async fn measure(&self, module: &Module, call: &Call) -> Result<Measured, Fault> {
        let (compiled, _turn) = self.turn(module).await?;
        compiled.run(module, call).await
    }

    /// What runs a module, with the leave to do so.
    async fn turn(&self, module: &Module) -> Result<(Arc<Compiled>, SemaphorePermit<'_>), Fault> {
        let compiled = self
            .registry
            .compiled(module.digest)
            .ok_or_else(|| Fault::Unavailable(format!("{module:?} is not deployed any more")))?;
        let turn = self.turns.acquire().await.map_err(|e| Fault::Unavailable(e.to_string()))?;
        Ok((compiled, turn))
    }
}
