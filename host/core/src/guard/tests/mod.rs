//! What guards mean, what they refuse, what they cost.

mod hostile;
mod language;
mod oracle;
mod schemas;

use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600_000;

fn compile(text: &str, sees: Sees) -> Guard {
    Guard::compile(text, sees).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Evaluates a guard that sees everything.
fn holds(text: &str, ext: &Value) -> Result<bool, String> {
    let message = json!({"payload": {"amount": "10000", "asset": "ETH", "count": 3, "tags": []}});
    let signal = json!({"name": "approve", "signer": "0xab", "client_id": "acme", "data": {}});
    let now = Time::from_millis(NOW);
    let scope = Scope { message: &message, ext, signal: Some(&signal), now };
    compile(text, Sees::Signal).holds(&scope).map_err(|failure| failure.why)
}
