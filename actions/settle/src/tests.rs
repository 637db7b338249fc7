//! The action against what eth-account and ethers build from the same fields.

use serde_json::{Value, json};
use surety_sdk::testing;

use super::*;

/// How it is made: `tests/vectors/README.md`.
const VECTORS: &str = include_str!("../../../tests/vectors/transactions.json");

/// The settlement of a withdrawal with the fields of one vector.
fn settlement(vector: &Value) -> Value {
    let payload = json!({
        "asset": "ETH",
        "nonce": vector["nonce"],
        "max_fee_per_gas": vector["max_fee_per_gas"],
        "max_priority_fee_per_gas": vector["max_priority_fee_per_gas"],
    });
    let ext = json!({
        "screening": { "to": vector["recipient"], "limit": "1" },
        "quote": { "net": vector["amount"] },
    });
    let asset = json!({
        "chain_id": vector["chain_id"],
        "gas_limit": vector["gas_limit"],
        "contract": vector["token"],
    });
    let settings = json!({ "assets": { "ETH": asset } });
    let call = testing::call(&payload.to_string(), &ext.to_string(), &settings.to_string());
    let advance = run(call.unwrap()).unwrap();
    assert_eq!(advance.state, "settled");
    let patch: Value = serde_json::from_str(&advance.ext_patch).unwrap();
    patch["settlement"].clone()
}

#[test]
fn transactions_are_those_of_eth_account_and_ethers() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 12);
    for vector in vectors {
        let settlement = settlement(vector);
        for member in ["raw", "signing_hash", "data", "chain_id", "nonce"] {
            assert_eq!(settlement[member], vector[member], "{member} of {}", vector["name"]);
        }
        let (to, value) = match &vector["token"] {
            Value::Null => (&vector["recipient"], &vector["amount"]),
            token => (token, &json!("0")),
        };
        assert_eq!((&settlement["to"], &settlement["value"]), (to, value));
    }
}

#[test]
fn what_is_missing_or_too_little_is_named() {
    let payload = r#"{"asset": "ETH", "nonce": 0,
        "max_fee_per_gas": "2", "max_priority_fee_per_gas": "1"}"#;
    let ext = r#"{"screening": {"to": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"},
        "quote": {"net": "1"}}"#;
    let table = [
        (ext, r#"{"assets": {}}"#, "no asset ETH"),
        (r#"{"quote": {"net": "1"}}"#, r#"{"assets": {}}"#, "screening"),
        (ext, r#"{"assets": {"ETH": {"chain_id": 1}}}"#, "assets.ETH"),
        (
            ext,
            r#"{"assets": {"ETH": {"chain_id": 1, "gas_limit": 1, "max_fee_per_gas_min": "3"}}}"#,
            "no max_fee_per_gas of 2",
        ),
    ];
    for (ext, settings, expected) in table {
        match testing::call(payload, ext, settings).and_then(run) {
            Err(Failure::Permanent(reason)) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
