//! The action `payout`, for a treasury of a test's own.

use serde_json::{Value, json};

use crate::host::{guests, repository};

#[allow(dead_code, unreachable_pub, reason = "shared with the sandbox's own tests")]
#[path = "../../host/sandbox/tests/support/component.rs"]
mod component;

/// The built action with another manifest in place of its own: of this version, for
/// services on these hosts at this port.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn payout(port: u16, version: &str, hosts: &[&str]) -> Vec<u8> {
    let built = std::fs::read(guests().join("payout.wasm")).expect("a component");
    let manifest = std::fs::read(repository("actions/payout/manifest.json")).expect("a manifest");
    let mut manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    manifest["version"] = json!(version);
    manifest["capabilities"]["http"] =
        json!([{"hosts": hosts, "methods": ["GET", "POST"], "ports": [port]}]);
    component::with_manifest(without_manifest(built), &manifest.to_string())
}

/// A component up to its manifest, which is its last section.
fn without_manifest(mut component: Vec<u8>) -> Vec<u8> {
    let name = b"surety:manifest";
    let at = component.windows(name.len()).rposition(|w| w == name).expect("a manifest");
    // Before the name its length, before that the section's, before that its kind, 0.
    let section = component.len() - at + 1;
    let size_bytes = if section < 1 << 7 { 1 } else { 2 };
    assert!(section < 1 << 14, "the manifest is longer than a size of two bytes says");
    component.truncate(at - 1 - size_bytes - 1);
    component
}
