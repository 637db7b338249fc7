//! Components and manifests written by hand.
#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use surety_audit::{Audit, Given, audit};
use surety_core::endorse::Endorsements;
use surety_core::module::{MANIFEST_SECTION, World};
use surety_core::policy::Policy;

#[path = "../../../sandbox/tests/support/component.rs"]
mod component;

pub use component::with_section;

/// A core module of the world `action` with these items.
pub fn core(items: &str) -> String {
    format!(
        r#"(module
            (import "surety:action/log@1.0.0" "write" (func $log (param i32 i32 i32)))
            (memory (export "memory") 2)
            (func $nothing)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
            (func (export "run") (param i32) (result i32) unreachable)
            {items})"#
    )
}

/// A component of a core module of the world `action`.
pub fn encode(core: &str) -> Vec<u8> {
    component::encode(core, None)
}

/// A manifest in which everything has room to grow and to shrink.
pub fn manifest() -> Value {
    json!({
        "name": "payout", "version": "1.0.0", "world": "surety:action/action@1.0.0",
        "description": "Pays.",
        "reads": {"type": "object", "required": ["quote"], "properties": {"quote": {"type": "string"}}},
        "settings": {"type": "object", "additionalProperties": false,
            "properties": {"fee_max": {"type": "integer", "maximum": 10}}},
        "returns": {
            "paid": {"type": "object", "additionalProperties": false,
                "properties": {"receipt": {"type": "string", "maxLength": 64}}},
            "rejected": false
        },
        "capabilities": {
            "http": [{"hosts": ["api.example.com", "*.pay.example.org"], "methods": ["GET"]}],
            "secrets": ["key"]
        },
        "limits": {"memory_bytes_max": 1_048_576, "fuel_max": 1_000, "http_requests_max": 1}
    })
}

/// The manifest with a value in another place.
pub fn with(pointer: &str, value: Value) -> Value {
    let mut manifest = manifest();
    *manifest.pointer_mut(pointer).expect(pointer) = value;
    manifest
}

/// Grants all that [`manifest`] asks for.
pub const POLICY: &str = r#"
[[grant]]
id = "payments"
modules = ["pay*"]
secrets = ["key"]
limits = { fuel_max = 5000 }
http = [{ hosts = ["api.example.com", "*.example.org", "new.example.com"], methods = ["GET", "POST"] }]
"#;

/// The audit of a component under [`POLICY`].
pub fn audited(component: &[u8]) -> Audit {
    let policy = Policy::parse(POLICY).unwrap();
    let limits = |_: World| -> BTreeMap<String, u64> {
        let limits =
            [("fuel_max", 1_000_000), ("memory_bytes_max", 64 << 20), ("http_requests_max", 16)];
        limits.map(|(name, limit)| (name.to_owned(), limit)).into()
    };
    audit(
        component,
        Given {
            policy: &policy,
            limits: &limits,
            refusal: None,
            endorsements: &Endorsements::NONE,
        },
    )
}

/// The audit of an action with this manifest.
pub fn of_manifest(manifest: &Value) -> Audit {
    let component =
        with_section(encode(&core("")), MANIFEST_SECTION, manifest.to_string().as_bytes());
    let audit = audited(&component);
    assert!(audit.module.is_some(), "the manifest is not of its form: {manifest}");
    audit
}
