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
//! A call has its own instance, which sees nothing but the call: no file, no socket,
//! no earlier call, the recorded time as its clock, and chance that follows from the
//! message. Requests, where the policy grants them, go through
//! [`Outside`](surety_core::effect::Outside), which records them. With the same call
//! and the same outside it gives the same answer for the same fuel, and the same
//! failure too, but for
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
mod wasi;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use surety_core::effect::Outside;
use surety_core::machine::{Call, Ran};
use surety_core::message::Message;
use surety_core::module::Module;
use surety_core::policy::Policy;
use surety_core::ports::{Actions, Deployment, Fault};
use surety_core::record::Failure;
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::types::Time;
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
pub use crate::inspect::{Imports, Inspected, inspect};
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
    policy: Policy,
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
            policy: Policy::default(),
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

    /// What modules may have beyond `log`.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same under a policy; without one modules have nothing but `log`.
    #[must_use]
    pub fn under(self, policy: Policy) -> Self {
        Self { policy, ..self }
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
        let Inspected { manifest, digest, imports } = self.inspect(component)?;
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
        let module = Arc::new(Module::new(manifest, digest, &settings)?.granted(&self.policy));
        let compiled = match self.registry.compiled(digest) {
            Some(compiled) => compiled,
            None => self
                .compile(&module, imports, component)
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

    fn compile(
        &self,
        module: &Module,
        imports: Imports,
        component: &[u8],
    ) -> wasmtime::Result<Arc<Compiled>> {
        let component = self.cache.compile(module.digest, component)?;
        let label = format!("{}@{}", module.manifest.name, module.manifest.version);
        let limits = self
            .limits
            .of_world(module.manifest.world)
            .lowered(&module.manifest.limits)
            .lowered(&module.grant.limits);
        let log = self.log.clone();
        Ok(Arc::new(Compiled::link(&component, module, imports, label.into(), limits, log)?))
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
        self.registry.resolve(spec)
    }

    async fn run(
        &self,
        module: &Module,
        call: Call,
        outside: Arc<dyn Outside>,
    ) -> Result<Ran, Fault> {
        Ok(self.measure(module, &call, outside).await?.ran)
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
    pub async fn measure(
        &self,
        module: &Module,
        call: &Call,
        outside: Arc<dyn Outside>,
    ) -> Result<Measured, Fault> {
        let (compiled, _turn) = self.turn(module).await?;
        compiled.run(module, call, outside).await
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
