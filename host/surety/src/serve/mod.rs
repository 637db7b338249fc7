//! Serving: opens everything, runs it, and closes it again.
//!
//! ```text
//!  start ─→ Started ─→ finished
//!    │         ├─ http      accepts until told to stop, then finishes requests
//!    │         └─ workers   lease until told to stop, then finish turns
//!    └─ folder, store, key, tokens, sandbox, workflows
//! ```

mod http;
mod stop;
mod upkeep;
mod workers;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use surety_core::controller::Controller;
use surety_core::intake::Intake;
use surety_core::operator::Operator;
use surety_core::ports::{Clock, Fault};
use surety_core::types::Address;
use surety_core::workflows::Workflows;
use surety_sandbox::{Compiling, Confined, Sandbox};
use surety_store::{EmbeddedConfig, Stores};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::api::{self, App};
use crate::canaries::Canaries;
use crate::clock::SystemClock;
use crate::config::{Backend, Config};
use crate::data::DataFolder;
use crate::deploy::{Deployer, Rules};
use crate::guest_logs::GuestLogs;
use crate::policy;
use crate::routes::Routes;
use crate::tokens::Tokens;
use crate::watch::Watched;
use http::Server;
pub use stop::{Stop, Stopper};
use workers::Workers;

/// What one may want to know about a host that runs.
#[derive(Debug, Clone)]
pub struct About {
    /// Where it listens; the port is the one that was taken.
    pub listen: SocketAddr,
    /// Where its data lies.
    pub data: PathBuf,
    /// Its address, by which its receipts are checked.
    pub host: Address,
    /// The file with the operator token.
    pub token_file: PathBuf,
    /// Whether modules run that nobody signed.
    pub development: bool,
}

/// A host that runs.
#[derive(Debug)]
pub struct Started {
    /// What one may want to know about it.
    pub about: About,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Started {
    /// Waits until it has stopped.
    ///
    /// # Errors
    /// When it stopped because something failed, and not because it was told to.
    pub async fn finished(self) -> anyhow::Result<()> {
        self.task.await.context("the host panicked")?
    }
}

/// Opens a host on a listener and runs it until `shutdown` completes. Components are
/// compiled by the command `compiler`, see [`by_this_binary`](crate::compile::by_this_binary).
///
/// # Errors
/// Why it cannot start: the data folder, the store, what is deployed, or an
/// address on which nobody could be let in.
pub async fn start(
    config: Config,
    compiler: Vec<OsString>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<Started> {
    let listen = listener.local_addr()?;
    ensure!(
        listen.ip().is_loopback() || !config.tokens.is_empty(),
        "`listen` is {listen}, which others can reach, and there are no `[[tokens]]`; make one with `surety token new` or listen on 127.0.0.1",
    );
    ensure!(
        listen.ip().is_loopback() || !config.policy.development,
        "`listen` is {listen}, which others can reach, and in development modules run that nobody signed; listen on 127.0.0.1, or name publishers in the policy and start without `--development`",
    );
    if config.policy.development {
        tracing::warn!("development: modules run that nobody signed");
    }
    let folder = DataFolder::open(&config.data_folder()?)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = open_stores(&config, &folder, &clock).await?;
    let development = config.policy.development;
    match Host::assemble(config, compiler, &folder, &stores, clock).await {
        Ok(host) => {
            let (data, token_file) = (folder.path().to_owned(), folder.operator_token());
            let about = About { listen, data, host: host.address, token_file, development };
            let task = tokio::spawn(host.run(listener, shutdown, stores));
            Ok(Started { about, task })
        }
        Err(e) => {
            stores.close().await;
            Err(e)
        }
    }
}

/// Opens the configured backend in a data folder.
///
/// # Errors
/// When it cannot be opened.
pub async fn open_stores(
    config: &Config,
    folder: &DataFolder,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Stores> {
    let backend = match config.store.backend {
        Backend::Memory => surety_store::Config::Memory,
        Backend::Embedded => {
            surety_store::Config::Embedded(EmbeddedConfig::new(folder.path().to_owned()))
        }
        Backend::Aws => surety_store::Config::Aws(config.store.aws.clone()),
    };
    let clock = Arc::clone(clock);
    let opened = tokio::task::spawn_blocking(move || surety_store::open(&backend, clock));
    let stores = opened.await??;
    match stores.check().await {
        Ok(()) => Ok(stores),
        Err(fault) => {
            stores.close().await;
            Err(fault.into())
        }
    }
}

/// Everything that runs, put together.
struct Host {
    config: Arc<Config>,
    address: Address,
    app: Arc<App>,
    controller: Arc<Controller>,
    stopper: Stopper,
}

impl Host {
    async fn assemble(
        config: Config,
        compiler: Vec<OsString>,
        folder: &DataFolder,
        stores: &Stores,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let key = Arc::new(folder.host_key()?);
        let tokens = Tokens::new(folder.tokens()?.into_iter().chain(config.tokens.clone()));
        let workflows = Arc::new(Workflows::default());
        let (policy, egress) = policy::load(&config)?;
        let compiling = Compiling {
            command: compiler,
            limits: config.compile,
            folder: folder.compiled(),
            secret: folder.compile_secret()?,
        };
        let limits = config.sandbox;
        let sandbox = tokio::task::spawn_blocking(move || Sandbox::new(limits, compiling));
        let sandbox = sandbox.await?.context("the sandbox cannot start")?;
        let Confined { seccomp, landlock } = sandbox.confined();
        tracing::info!(seccomp, landlock, "components are compiled in a process of their own");
        let guest_logs = GuestLogs::new(Arc::clone(&clock));
        let sandbox = sandbox.log_to(Arc::clone(&guest_logs) as _);
        let sandbox = Arc::new(sandbox.under(policy.clone()));
        let canaries = Canaries::new(config.canary_limits());
        let routes = Routes::new(sandbox, Arc::clone(&canaries));
        let deployer = Deployer::new(
            Arc::clone(&stores.catalog),
            Arc::clone(&stores.guarantee),
            Arc::clone(&routes),
            Arc::clone(&workflows),
            Arc::clone(&clock),
            Rules { policy, development: config.policy.development },
            // Nobody else changes what is in a file of one process.
            stores.upkeep_times().is_some(),
        );
        deployer.load().await?;

        let (guarantee, reference) = (Arc::clone(&stores.guarantee), Arc::clone(&stores.reference));
        let watched = Watched::new(guarantee, reference, canaries, config.http.waiters_max);
        let controller = Controller {
            workflows: Arc::clone(&workflows),
            guarantee: Arc::clone(&watched) as _,
            feeder: Arc::clone(&stores.feeder),
            reference: Arc::clone(&watched) as _,
            archive: Arc::clone(&stores.archive),
            actions: Arc::clone(&routes) as _,
            egress: Arc::new(egress),
            clock: Arc::clone(&clock),
            key: Arc::clone(&key),
        };
        let operator = Operator {
            workflows: Arc::clone(&workflows),
            guarantee: Arc::clone(&watched) as _,
            reference: Arc::clone(&watched) as _,
            actions: Arc::clone(&routes) as _,
            clock: Arc::clone(&clock),
        };
        let intake = Intake {
            workflows: Arc::clone(&workflows),
            guarantee: Arc::clone(&watched) as _,
            reference: Arc::clone(&watched) as _,
            archive: Arc::clone(&stores.archive),
            actions: Arc::clone(&routes) as _,
            clients: Arc::clone(&stores.clients),
            clock,
            key: Arc::clone(&key),
            limits: config.intake_limits(),
        };
        let (config, stopper) = (Arc::new(config), Stopper::new());
        let app = App {
            intake,
            operator,
            guarantee: Arc::clone(&stores.guarantee),
            watched,
            archive: Arc::clone(&stores.archive),
            clients: Arc::clone(&stores.clients),
            deployer,
            catalog: Arc::clone(&stores.catalog),
            workflows,
            routes,
            guest_logs,
            log_followers: Semaphore::new(api::logs::FOLLOWERS_MAX),
            tokens,
            admissions: Semaphore::new(config.http.admissions_max),
            config: Arc::clone(&config),
            stop: stopper.stop(),
        };
        let (app, controller) = (Arc::new(app), Arc::new(controller));
        Ok(Self { config, address: key.address(), app, controller, stopper })
    }

    /// Runs until told to stop, or until a worker cannot go on.
    async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
        stores: Stores,
    ) -> anyhow::Result<()> {
        let stop = self.stopper.stop();
        let mut workers = Workers::start(&self.config, self.controller, stop.clone())?;
        let deployer = Arc::clone(&self.app.deployer);
        let keeping = tokio::spawn(Arc::clone(&deployer).keep_canaries(stop.clone()));
        let clock = Arc::clone(&self.app.intake.clock);
        let upkeep = tokio::spawn(upkeep::keep_up(stores.clone(), clock, stop.clone()));
        let following = tokio::spawn(Arc::clone(&deployer).follow(stop.clone()));
        let server = Server::new(listener, api::router(self.app), &self.config.http);
        let serving = tokio::spawn(server.serve(stop));
        let outcome = tokio::select! {
            () = shutdown => Ok(()),
            fault = workers.failed() => Err(fault),
        };
        if let Err(fault) = &outcome {
            tracing::error!(%fault, "stopping, because messages cannot be moved");
        }
        self.stopper.now();
        let in_hand = async {
            let (served, worked) = tokio::join!(serving, workers.finished());
            served.context("the server panicked")?;
            worked.context("stopping")
        };
        let drained = tokio::time::timeout(self.config.shutdown_grace(), in_hand).await;
        let drained = drained.unwrap_or_else(|_| {
            tracing::warn!(
                "what is in hand is left; it goes on at the next start, or on another host"
            );
            Ok(())
        });
        workers.abandon().await;
        // What was counted while the last messages were in hand.
        drop(keeping.await);
        // A sweep that is under way may take long; another host, or the next start,
        // does what is left.
        upkeep.abort();
        following.abort();
        deployer.keep_due().await;
        // Behind the workers, so that what they left in hand is given back.
        stores.close().await;
        drop(workers);
        outcome.map_err(|fault: Fault| anyhow::Error::from(fault)).and(drained)
    }
}
