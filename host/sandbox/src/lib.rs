//! The sandbox of surety: runs action modules, which are WebAssembly components
//! that nobody has to trust.
//!
//! ```text
//!   component ── apart (inspect, compile) ── cache ── link ──┐
//!   (bytes)      in a process of its own     signed files    ├─ registry ── resolve
//!                                                            │
//!                                        gate, lane ── call ─┴─ guest ── meter
//!                                        whose turn    a fresh instance a call
//! ```
//!
//! A call has its own instance, which sees nothing but the call: no file, no socket,
//! no earlier call, the recorded time as its clock, and chance that follows from the
//! message. Requests, where the policy grants them, go through
//! [`Outside`], which records them. With the same call
//! and the same outside it gives the same answer for the same fuel, and the same
//! failure too, but for
//! [`FailureKind::Timeout`](surety_core::record::FailureKind::Timeout).

mod apart;
mod bindings;
mod cache;
mod call;
mod engine;
mod entry;
mod gate;
mod guest;
mod inspect;
mod lane;
mod limits;
mod meter;
mod registry;
mod shape;
mod wasi;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use semver::Version;
use surety_core::effect::Outside;
use surety_core::machine::{Call, Ran};
use surety_core::message::Message;
use surety_core::module::{Manifest, Module};
use surety_core::policy::Policy;
use surety_core::ports::{Actions, Deployment, Fault};
use surety_core::record::Failure;
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::types::{Digest, ModuleName, MsgId, Seq, Time};
use surety_core::workflow::ModuleSpec;
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::apart::{Compiler, Task};
use crate::cache::{Cache, Loaded};
use crate::call::Compiled;
use crate::engine::Ticker;
use crate::entry::Entry;
use crate::inspect::check_form;
use crate::lane::Lane;
use crate::registry::{Found, Registry};

pub use crate::apart::{CompileLimits, Confined, NotReady, compile_apart};
pub use crate::cache::CacheError;
pub use crate::call::{Measured, Validated};
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
    /// The compiler does not start.
    #[error("components cannot be compiled")]
    Compiler(#[source] Fault),
    /// A limit of the compiler is out of its range.
    #[error("`compile`: {0}")]
    CompileLimit(LimitError),
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

/// How components are compiled, and where what became of them is kept.
#[derive(Clone)]
pub struct Compiling {
    /// A program and its arguments, which with one more does what [`compile_apart`]
    /// does, and nothing else.
    pub command: Vec<OsString>,
    /// What it may use.
    pub limits: CompileLimits,
    /// Where compiled components are kept: a folder of the host's alone.
    pub folder: PathBuf,
    /// What only this host knows: nothing is loaded from the folder that was written
    /// without it.
    pub secret: [u8; 32],
}

/// Deployed modules, and the engines that run them.
pub struct Sandbox {
    limits: Limits,
    policy: Policy,
    compiler: Compiler,
    confined: Confined,
    cache: Cache,
    registry: Registry,
    lane: Arc<Lane>,
    log: Option<Arc<dyn GuestLog>>,
    /// A turn for each instance that the pool has room for.
    turns: Semaphore,
    _ticker: Ticker,
}

impl Sandbox {
    /// A sandbox without modules.
    ///
    /// # Errors
    /// See [`SandboxError`].
    pub fn new(limits: Limits, compiling: Compiling) -> Result<Self, SandboxError> {
        let Compiling { command, limits: compile, folder, secret } = compiling;
        limits.check()?;
        compile.check().map_err(SandboxError::CompileLimit)?;
        let engines = engine::build(&limits).map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
        let cache = Cache::open(&folder, &engines, secret)?;
        let compiler = Compiler::new(command, compile, &folder.join("empty"))
            .map_err(|source| CacheError::Io { folder, source })?;
        Ok(Self {
            limits,
            policy: Policy::default(),
            confined: compiler.confined(&limits).map_err(SandboxError::Compiler)?,
            compiler,
            cache,
            registry: Registry::default(),
            lane: Arc::new(Lane::new(limits.concurrency)),
            log: None,
            turns: Semaphore::new(limits.concurrency as usize),
            _ticker: Ticker::start(engines).map_err(SandboxError::Ticker)?,
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

    /// What the kernel holds the compiler by.
    #[must_use]
    pub fn confined(&self) -> Confined {
        self.confined
    }

    /// Reads a component apart, without compiling or running anything of it. Waits
    /// for it; not for an asynchronous thread, as all that compiles.
    ///
    /// # Errors
    /// The refusals of [`inspect()`], and those of the limits of compiling.
    pub fn inspect(&self, component: &[u8]) -> Result<Inspected, NotReady> {
        check_form(component, &self.limits)?;
        let (shown, _) = self.compiler.read(Task::Inspect, &self.limits, component)?;
        Ok(shown.of(Digest::of(component))?)
    }

    /// Makes a component ready to run. It takes effect when it is installed.
    ///
    /// Compiles apart, within its limits, unless it was compiled before.
    ///
    /// # Errors
    /// The refusals of [`inspect()`] and of [`Module::new`]; `module_invalid` when
    /// the component is not the deployment's or cannot be compiled;
    /// `module_compile_limit` when that takes too much.
    pub fn prepare(&self, deployment: Deployment, component: &[u8]) -> Result<Prepared, NotReady> {
        check_form(component, &self.limits)?;
        let digest = Digest::of(component);
        if digest != deployment.digest {
            let expected = deployment.digest;
            let detail = format!("the component's digest is {digest}, not {expected}");
            return Err(Refusal::new(Code::ModuleInvalid, detail).into());
        }
        if let Some(prepared) = self.restore(&deployment)? {
            return Ok(prepared);
        }
        let (loaded, read) = self.compile_apart(digest, component)?;
        let module = self.module(&deployment, read.manifest)?;
        let compiled = self.link(&loaded, &module, read.imports)?;
        Ok(Prepared { module, compiled })
    }

    /// A deployment that can run without compiling: its component is deployed, or was
    /// compiled before. Reads no component.
    ///
    /// # Errors
    /// Those of [`Module::new`]; `module_invalid` when the component is not the
    /// deployment's or does not run any more.
    pub fn restore(&self, deployment: &Deployment) -> Result<Option<Prepared>, Refusal> {
        let digest = deployment.digest;
        if let Some((known, Some(compiled))) = self.registry.known(digest) {
            let module = self.module(deployment, Manifest::clone(&known.manifest))?;
            return Ok(Some(Prepared { module, compiled }));
        }
        let Some((shown, loaded)) = self.cache.get(digest) else { return Ok(None) };
        let read = shown.of(digest)?;
        let module = self.module(deployment, read.manifest)?;
        let compiled = self.link(&loaded, &module, read.imports)?;
        Ok(Some(Prepared { module, compiled }))
    }

    /// Installs a deployment that cannot run yet: its component is read, not compiled.
    /// Calls are put off until [`Sandbox::complete`].
    ///
    /// # Errors
    /// As [`Sandbox::restore`].
    pub fn announce(
        &self,
        deployment: &Deployment,
        read: Inspected,
    ) -> Result<Arc<Module>, Refusal> {
        let module = self.module(deployment, read.manifest)?;
        self.registry.insert(Arc::clone(&module), None);
        Ok(module)
    }

    /// Compiles the component of modules that were announced, and lets them run.
    ///
    /// # Errors
    /// As [`Sandbox::prepare`].
    pub fn complete(&self, component: &[u8]) -> Result<(), NotReady> {
        let digest = Digest::of(component);
        if let Some((module, None)) = self.registry.known(digest) {
            let (loaded, read) = self.compile_apart(digest, component)?;
            self.registry.ready(digest, self.link(&loaded, &module, read.imports)?);
        }
        Ok(())
    }

    fn compile_apart(
        &self,
        digest: Digest,
        component: &[u8],
    ) -> Result<(Loaded, Inspected), NotReady> {
        tracing::info!(%digest, "compiling a module");
        let (shown, code) = self.compiler.read(Task::Compile, &self.limits, component)?;
        let loaded = self.cache.put(digest, &shown, &code).map_err(|e| cannot_run(&e))?;
        Ok((loaded, shown.of(digest)?))
    }

    fn link(
        &self,
        loaded: &Loaded,
        module: &Module,
        imports: Imports,
    ) -> Result<Arc<Compiled>, Refusal> {
        let label = format!("{}@{}", module.manifest.name, module.manifest.version);
        let limits = self
            .limits
            .of_world(module.manifest.world)
            .lowered(&module.manifest.limits)
            .lowered(&module.grant.limits);
        let log = self.log.clone();
        let linked = Compiled::link(loaded, module, imports, label.into(), limits, log);
        Ok(Arc::new(linked.map_err(|e| cannot_run(&e))?))
    }

    /// Puts a module in place of what is installed under its name and version.
    /// It takes effect with the next `resolve`.
    pub fn install(&self, prepared: Prepared) -> Arc<Module> {
        let Prepared { module, compiled } = prepared;
        self.registry.insert(Arc::clone(&module), Some(compiled));
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

    async fn run(
        &self,
        module: &Module,
        call: Call,
        outside: Arc<dyn Outside>,
    ) -> Result<Ran, Fault> {
        Ok(self.measure(module, &call, outside, &always).await?.ran)
    }

    async fn validate(
        &self,
        module: &Module,
        message: &Message,
        now: Time,
    ) -> Result<Result<Vec<Finding>, Failure>, Fault> {
        Ok(self.measure_validation(module, message, now, &always).await?.found)
    }
}

/// Whether a call may begin. Asked when it is its turn, which it may have waited for.
pub type May<'a> = &'a (dyn Fn() -> Result<(), Fault> + Sync);

/// It may.
///
/// # Errors
/// None.
pub fn always() -> Result<(), Fault> {
    Ok(())
}

impl Sandbox {
    /// Runs one call of an action, as [`Actions::run`], and says what it took.
    ///
    /// # Errors
    /// The host's own failures, and why it may not begin.
    pub async fn measure(
        &self,
        module: &Module,
        call: &Call,
        outside: Arc<dyn Outside>,
        may: May<'_>,
    ) -> Result<Measured, Fault> {
        let (compiled, entry, _turn) = self.enter(module).await?;
        let run = async {
            may()?;
            compiled.run(module, call, outside, &entry).await
        };
        entry.run(run).await
    }

    /// Runs a validator on a message, as [`Actions::validate`], and says what it took.
    ///
    /// # Errors
    /// The host's own failures, and why it may not begin.
    pub async fn measure_validation(
        &self,
        module: &Module,
        message: &Message,
        now: Time,
        may: May<'_>,
    ) -> Result<Validated, Fault> {
        let (compiled, entry, _turn) = self.enter(module).await?;
        let run = async {
            may()?;
            compiled.validate(module, message, now, &entry).await
        };
        entry.run(run).await
    }

    /// A deployment, put together with what its component says of itself, and with
    /// what the policy grants it.
    fn module(&self, deployment: &Deployment, manifest: Manifest) -> Result<Arc<Module>, Refusal> {
        let Deployment { name, version, digest, settings, .. } = deployment;
        if (&manifest.name, &manifest.version) != (name, version) {
            let (is, at) = (&manifest.name, &manifest.version);
            let detail = format!("the component is {is}@{at}; deployed was {name}@{version}");
            return Err(Refusal::new(Code::ModuleInvalid, detail));
        }
        Ok(Arc::new(Module::new(manifest, *digest, settings)?.granted(&self.policy)))
    }

    /// What runs a module, with the leave to do so.
    async fn enter(
        &self,
        module: &Module,
    ) -> Result<(Arc<Compiled>, Entry, SemaphorePermit<'_>), Fault> {
        let gone = || Fault::Unavailable(format!("{module:?} is not deployed any more"));
        let Found { compiled, gate } = self.registry.find(module).ok_or_else(gone)?;
        let Some(compiled) = compiled else {
            let why = format!("{module:?} is not compiled yet");
            return Err(Fault::Busy(gate.put_off(&self.limits, why)));
        };
        let entry = Entry::new(&gate, &self.lane, compiled.limits())?;
        let turn = self.turns.acquire().await.map_err(|e| Fault::Unavailable(e.to_string()))?;
        Ok((compiled, entry, turn))
    }
}

fn cannot_run(error: &wasmtime::Error) -> Refusal {
    Refusal::new(Code::ModuleInvalid, format!("the component cannot run here: {error:#}"))
}
