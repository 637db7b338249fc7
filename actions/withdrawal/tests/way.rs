//! The whole way of a withdrawal without a host: every action with its demo
//! settings, held to its manifest, the message type's schema and the workflow.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use surety_sdk::{Advance, Failure, testing};

fn read(path: &str) -> Value {
    // From this crate's folder to the repository's.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Panics with all that is wrong with `value`.
fn assert_valid(schema: &Value, value: &Value, what: &str) {
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap_or_else(|error| panic!("the schema of {what}: {error}"));
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?} in {value}");
}

fn payload() -> Value {
    json!({
        "asset": "ETH",
        "amount": "1000000000000000000",
        "to": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "nonce": 7,
        "max_fee_per_gas": "30000000000",
        "max_priority_fee_per_gas": "1000000000",
    })
}

/// Walks the workflow with one payload; gives the states and Msg_Ext. Where a guard
/// chooses, it is approved at once: guards are the host's.
fn walk(payload: &Value) -> (Vec<String>, Value) {
    let workflow = read("workflows/withdrawal.json");
    let states = &workflow["states"];
    let mut way = vec![workflow["initial"].as_str().unwrap().to_owned()];
    let mut ext = json!({});
    loop {
        let state = &states[way.last().unwrap()];
        if let Some(branches) = state["choose"].as_array() {
            assert_eq!(branches.last().unwrap()["target"], "approved");
            way.push("approved".to_owned());
            continue;
        }
        let Some(invoke) = state["invoke"].as_str() else {
            assert_eq!(state["final"], true);
            return (way, ext);
        };
        let name = invoke.strip_suffix("@^1").unwrap();
        let advance = match step(name, payload, &ext) {
            Ok(advance) => advance,
            Err(Failure::Permanent(_)) => {
                way.push(state["on_failure"]["permanent"].as_str().unwrap().to_owned());
                continue;
            }
            Err(failure) => panic!("{name}: {failure:?}"),
        };
        let targets = state["targets"].as_array().unwrap();
        assert!(targets.contains(&json!(advance.state)), "{name} returned {}", advance.state);
        // The members are disjoint and each is whole, so a merge is an extend, and
        // null removes.
        let patch: Value = serde_json::from_str(&advance.ext_patch).unwrap();
        let ext = ext.as_object_mut().unwrap();
        ext.extend(patch.as_object().unwrap().clone());
        ext.retain(|_, member| !member.is_null());
        way.push(advance.state);
    }
}

/// Runs one action and holds it to its manifest.
fn step(name: &str, payload: &Value, ext: &Value) -> Result<Advance, Failure> {
    let manifest = read(&format!("actions/{name}/manifest.json"));
    let settings = read(&format!("actions/{name}/settings.demo.json"));
    assert_valid(&manifest["settings"], &settings, &format!("the settings of {name}"));
    assert_valid(&manifest["reads"], ext, &format!("what {name} reads"));
    let texts = [payload.to_string(), ext.to_string(), settings.to_string()];
    let advance = run(name, &texts)?;
    let patch = serde_json::from_str(&advance.ext_patch).unwrap();
    let writes = &manifest["returns"][&advance.state];
    assert!(writes.is_object(), "{name} returned {}", advance.state);
    assert_valid(writes, &patch, &format!("what {name} writes"));
    Ok(advance)
}

fn run(name: &str, [payload, ext, settings]: &[String; 3]) -> Result<Advance, Failure> {
    match name {
        "screen" => screen::run(testing::call(payload, ext, settings)?),
        "quote" => quote::run(testing::call(payload, ext, settings)?),
        "reserve" => reserve::run(testing::call(payload, ext, settings)?),
        "settle" => settle::run(testing::call(payload, ext, settings)?),
        "release" => release::run(testing::call(payload, ext, settings)?),
        "notify" => notify::run(testing::call(payload, ext, settings)?),
        _ => panic!("the workflow invokes {name:?}"),
    }
}

#[test]
fn a_good_withdrawal_ends_notified() {
    let (way, ext) = walk(&payload());
    let all = ["received", "screened", "quoted", "approved", "reserved", "settled", "notified"];
    assert_eq!(way, all);
    assert_eq!(ext["quote"]["fee"], "2500000000000000");
    assert_eq!(ext["reservation"]["gas"], "630000000000000");
    assert_eq!(ext["settlement"]["value"], ext["quote"]["net"]);
}

#[test]
fn a_token_withdrawal_ends_notified() {
    let mut payload = payload();
    payload["asset"] = json!("USDC");
    payload["amount"] = json!("2500000");
    let (way, ext) = walk(&payload);
    assert_eq!(way.last().unwrap(), "notified");
    assert_eq!(ext["settlement"]["value"], "0");
    assert_eq!(ext["notification"]["subject"], "Your withdrawal of 2.5 USDC is ready");
}

#[test]
fn a_denied_and_a_worthless_withdrawal_end_rejected() {
    let mut denied = payload();
    denied["to"] = read("actions/screen/settings.demo.json")["deny"][0].clone();
    assert_eq!(walk(&denied).0, ["received", "rejected"]);

    let mut worthless = payload();
    worthless["amount"] = json!("1");
    assert_eq!(walk(&worthless).0, ["received", "screened", "rejected"]);
}

#[test]
fn what_cannot_be_settled_is_released() {
    let mut payload = payload();
    payload["max_fee_per_gas"] = json!("1");
    payload["max_priority_fee_per_gas"] = json!("1");
    let (way, ext) = walk(&payload);
    assert_eq!(way[4..], ["reserved", "unsettled", "released"]);
    assert_eq!(ext.get("reservation"), None);
    assert_eq!(ext["release"]["gas"], "21000");
}

#[test]
fn the_schema_is_about_the_whole_message() {
    let schema = read("schemas/withdrawal.schema.json");
    let message = json!({
        "msg_id": "m-1",
        "msg_type": "withdrawal",
        "client_id": "acme",
        "creation_date": "2026-01-15T09:30:00.000Z",
        "payload": payload(),
    });
    assert_valid(&schema, &message, "a message");

    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let wrong = [
        ("/msg_type", json!("payment")),
        ("/creation_date", json!("yesterday")),
        ("/payload/amount", json!(1)),
        ("/payload/amount", json!("0")),
        ("/payload/amount", json!("1.5")),
        ("/payload/to", json!("0x5aAeb6")),
        ("/payload/nonce", json!(-1)),
        ("/payload/nonce", json!(9_007_199_254_740_992_u64)),
        ("/payload/max_fee_per_gas", json!("01")),
        ("/payload/asset", json!("eth")),
    ];
    for (pointer, value) in wrong {
        let mut message = message.clone();
        *message.pointer_mut(pointer).unwrap() = value;
        let errors: Vec<_> = validator.iter_errors(&message).collect();
        assert_eq!(errors.len(), 1, "{pointer}: {errors:?}");
        assert_eq!(errors[0].instance_path().as_str(), pointer);
    }
    for parent in ["", "/payload"] {
        let mut message = message.clone();
        message.pointer_mut(parent).unwrap()["more"] = json!(1);
        assert!(!validator.is_valid(&message), "a further member in {parent:?}");
    }
}

#[test]
fn manifests_and_workflow_fit_their_schemas() {
    let manifest = read("schemas/manifest.schema.json");
    for name in ["policy", "screen", "quote", "reserve", "settle", "release", "notify"] {
        assert_valid(&manifest, &read(&format!("actions/{name}/manifest.json")), name);
    }
    let workflow = read("schemas/workflow.schema.json");
    assert_valid(&workflow, &read("workflows/withdrawal.json"), "the workflow");
}
