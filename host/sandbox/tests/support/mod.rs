//! Modules written by hand, and calls to give them.
#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::io::Write;
use std::sync::{Arc, Mutex};

use surety_core::crypto::Signature;
use surety_core::machine::{Advance, Call, Ran};
use surety_core::message::{Message, Scheme};
use surety_core::module::{MANIFEST_SECTION, Module};
use surety_core::ports::{Actions, Deployment};
use surety_core::record::{Failure, FailureKind};
use surety_core::refusal::Refusal;
use surety_core::types::{Address, Digest, Time};
use surety_sandbox::{Inspected, Limits, Sandbox};
use tempfile::TempDir;
use tracing::subscriber::DefaultGuard;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The body of an action that answers `done` with the patch `{}`.
pub const DONE: &str = "(i32.const 1024)";

/// A sandbox in a folder of its own.
pub struct Bench {
    pub sandbox: Sandbox,
    pub folder: TempDir,
}

/// Small enough for many tests at once.
pub fn limits() -> Limits {
    Limits { concurrency: 4, ..Limits::default() }
}

impl Bench {
    pub fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(limits, &folder.path().join("modules")).unwrap();
        Self { sandbox, folder }
    }

    /// Deploys a component under the name in its manifest.
    pub fn deploy(&self, component: &[u8]) -> Arc<Module> {
        self.deploy_with(component, "{}").unwrap()
    }

    /// The same, with settings.
    pub fn deploy_with(&self, component: &[u8], settings: &str) -> Result<Arc<Module>, Refusal> {
        let Inspected { manifest, digest } = self.sandbox.inspect(component)?;
        let deployment = Deployment {
            name: manifest.name,
            version: manifest.version,
            digest,
            settings: settings.into(),
            deployed_at: Time::from_millis(0),
        };
        self.sandbox.prepare(deployment, component).map(|prepared| self.sandbox.install(prepared))
    }

    /// Runs an action with this body.
    pub async fn run(&self, body: &str) -> Ran {
        self.run_core(&core("", body)).await
    }

    /// Runs an action with this core module.
    pub async fn run_core(&self, core: &str) -> Ran {
        let module = self.deploy(&action(core));
        self.sandbox.run(&module, call()).await.unwrap()
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

/// A core module of the world `action`: its answer for [`DONE`] lies at 1024,
/// what it is given behind the first page.
pub fn core(items: &str, body: &str) -> String {
    format!(
        r#"(module
            (import "surety:action/log@1.0.0" "write" (func $log (param i32 i32 i32)))
            (memory (export "memory") 2)
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (data (i32.const 1024) "\00\00\00\00" "\00\08\00\00" "\04\00\00\00" "\04\08\00\00" "\02\00\00\00" "\00")
            (data (i32.const 2048) "done{{}}")
            {items}
            (func $run (export "run") (param i32) (result i32) {body}))"#
    )
}

/// An action with the manifest of [`manifest`].
pub fn action(core: &str) -> Vec<u8> {
    with_manifest(encode(core, None), &manifest("hostile", "1.0.0"))
}

/// A component from a core module: of the world `action`, or of the world
/// `test` in a WIT text.
pub fn encode(core: &str, wit: Option<&str>) -> Vec<u8> {
    let mut module = wat::parse_str(core).unwrap();
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir("../../wit/action-1.0.0").unwrap();
    let (package, world) = match wit {
        Some(wit) => (resolve.push_str("test.wit", wit).unwrap(), "test"),
        None => (package, "action"),
    };
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

pub fn manifest(name: &str, version: &str) -> String {
    format!(
        r#"{{"name": "{name}", "version": "{version}", "world": "surety:action/action@1.0.0",
            "reads": true, "writes": true, "settings": true, "returns": ["done"]}}"#
    )
}

/// Appends a manifest section.
pub fn with_manifest(mut component: Vec<u8>, manifest: &str) -> Vec<u8> {
    let mut section = Vec::new();
    leb128(&mut section, MANIFEST_SECTION.len());
    section.extend_from_slice(MANIFEST_SECTION.as_bytes());
    section.extend_from_slice(manifest.as_bytes());
    component.push(0); // a custom section
    leb128(&mut component, section.len());
    component.extend_from_slice(&section);
    component
}

fn leb128(to: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        to.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    to.push(value as u8);
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
        signer: Address([0x11; 20]),
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

/// What is logged on this thread while this lives.
#[derive(Clone, Default)]
pub struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    pub fn start() -> (Self, DefaultGuard) {
        let logged = Self::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        (logged, tracing::subscriber::set_default(subscriber))
    }

    /// The lines since the last call of this.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
