//! Modules written by hand, and calls to give them.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "shared by tests, each of which uses its part"
)]

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Once};

use surety_core::crypto::Signature;
use surety_core::effect::Closed;
use surety_core::machine::{Advance, Call, Ran};
use surety_core::message::Message;
use surety_core::module::Module;
use surety_core::ports::{Actions, Deployment};
use surety_core::record::{Failure, FailureKind};
use surety_core::refusal::Refusal;
use surety_core::scheme::Scheme;
use surety_core::types::{Address, Digest, Time};
use surety_sandbox::{CompileLimits, Compiling, Inspected, Limits, NotReady, Sandbox};
use tempfile::TempDir;

mod component;

pub use component::{DONE, action, composed, core, encode, manifest, with_manifest};

/// A sandbox in a folder of its own.
pub struct Bench {
    pub sandbox: Sandbox,
    pub folder: TempDir,
}

/// Small enough for many tests at once.
pub fn limits() -> Limits {
    Limits { concurrency: 4, ..Limits::default() }
}

/// Compiles with the compiler of this crate.
pub fn compiling(folder: &Path) -> Compiling {
    Compiling {
        command: vec![env!("CARGO_BIN_EXE_surety-compile").into()],
        limits: CompileLimits::default(),
        folder: folder.to_owned(),
        secret: [7; 32],
    }
}

impl Bench {
    pub fn new(limits: Limits) -> Self {
        Self::compiling_within(limits, CompileLimits::default())
    }

    /// The same with other limits of compiling.
    pub fn compiling_within(limits: Limits, compile: CompileLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let compiling = compiling(&folder.path().join("modules"));
        let sandbox = Sandbox::new(limits, Compiling { limits: compile, ..compiling }).unwrap();
        Self { sandbox, folder }
    }

    /// Deploys a component under the name in its manifest.
    pub fn deploy(&self, component: &[u8]) -> Arc<Module> {
        self.deploy_with(component, "{}").unwrap()
    }

    /// The same, with settings.
    pub fn deploy_with(&self, component: &[u8], settings: &str) -> Result<Arc<Module>, Refusal> {
        let Inspected { manifest, digest, .. } =
            self.sandbox.inspect(component).map_err(refused)?;
        let deployment = Deployment {
            name: manifest.name,
            version: manifest.version,
            digest,
            settings: settings.into(),
            deployed_at: Time::from_millis(0),
        };
        let prepared = self.sandbox.prepare(deployment, component).map_err(refused)?;
        Ok(self.sandbox.install(prepared))
    }

    /// Runs an action with this body.
    pub async fn run(&self, body: &str) -> Ran {
        self.run_core(&core("", body)).await
    }

    /// Runs an action with this core module.
    pub async fn run_core(&self, core: &str) -> Ran {
        let module = self.deploy(&action(core));
        self.sandbox.run(&module, call(), Arc::new(Closed)).await.unwrap()
    }
}

/// The refusal; what else there is would be the host's failure.
pub fn refused(not_ready: NotReady) -> Refusal {
    match not_ready {
        NotReady::Refused(refusal) => refusal,
        NotReady::Fault(fault) => panic!("{fault}"),
    }
}

/// How the action with this body fails under these limits.
pub async fn failure(limits: Limits, body: &str) -> Failure {
    Bench::new(limits).run(body).await.outcome.unwrap_err()
}

pub fn assert_failure(failure: &Failure, kind: FailureKind, detail: &str) {
    assert_eq!((failure.kind, failure.detail.as_str()), (kind, detail));
}

pub fn done() -> Advance {
    Advance { state: "done".to_owned(), ext_patch: "{}".to_owned(), note: None }
}

/// The first attempt of a step of some message.
pub fn call() -> Call {
    call_with(r#"{"payload":{}}"#)
}

/// The same for a message of this text, from the client `acme`.
pub fn call_with(text: &str) -> Call {
    // r and s are 1: of the right form, and nobody checks it here.
    let mut signature = [0; 65];
    (signature[31], signature[63], signature[64]) = (1, 1, 27);
    let message = Message {
        msg_id: "0190a0b0-c0d0-7000-8000-000000000001".parse().unwrap(),
        msg_type: "withdrawal".parse().unwrap(),
        client_id: "acme".parse().unwrap(),
        creation_date: "2026-01-02T03:04:05Z".into(),
        scheme: Scheme::Eip191,
        text: text.into(),
        value: Arc::new(serde_json::from_str(text).unwrap()),
        signer: Address([0x11; 20]),
        signer_text: Address([0x11; 20]).to_string().into(),
        signature: Signature::from_bytes(signature).unwrap(),
        content_hash: Digest::of(text.as_bytes()),
    };
    Call {
        message: Arc::new(message),
        state: "received".parse().unwrap(),
        seq: 0,
        step: 0,
        attempt: 1,
        now: Time::from_millis(1_767_323_045_000),
        ext: "{}".into(),
    }
}

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is logged on this thread. One subscriber for the process: with one a test,
/// whether a line is wanted is decided by whichever test comes to it first.
pub struct Logged;

impl Logged {
    pub fn start() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::DEBUG)
                .with_ansi(false)
                .without_time()
                .with_writer(|| Self)
                .init();
        });
        Self.take();
        Self
    }

    /// The lines since the last call of this.
    pub fn take(&self) -> String {
        String::from_utf8(LINES.take()).unwrap()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
