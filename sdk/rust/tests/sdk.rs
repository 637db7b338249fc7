//! What an action's author may rely on.

use std::collections::BTreeMap;

use serde::Deserialize;
use surety_sdk::{Advance, Call, Failure, Unused, testing};

#[derive(Debug, Deserialize)]
struct Payload {
    amount: String,
}

#[derive(Debug, Deserialize)]
struct Settings {
    limits: BTreeMap<String, u64>,
}

type Example = Call<Payload, Unused, Settings>;

const PAYLOAD: &str = r#"{"amount": "1"}"#;

fn failure(payload: &str, ext: &str, settings: &str) -> String {
    match testing::call::<Payload, Unused, Settings>(payload, ext, settings) {
        Err(Failure::Permanent(reason)) => reason,
        other => panic!("not a permanent failure: {other:?}"),
    }
}

#[test]
fn a_call_is_typed() {
    let call: Example = testing::call(PAYLOAD, r#"{"any": 1}"#, r#"{"limits": {"a": 7}}"#).unwrap();
    assert_eq!(call.message.payload.amount, "1");
    assert_eq!(call.settings.limits["a"], 7);
    assert!(call.message.text.contains(PAYLOAD));
}

#[test]
fn a_part_that_does_not_fit_is_named_with_the_place() {
    let table = [
        (r#"{"amount": 1}"#, "{}", r#"{"limits": {}}"#, "message at `payload.amount`"),
        (PAYLOAD, "{", r#"{"limits": {}}"#, "failed to read ext: EOF"),
        (PAYLOAD, "{}", r#"{"limits": {"a": -1}}"#, "settings at `limits.a`"),
        (PAYLOAD, "{}", "{}", "missing field `limits`"),
        (PAYLOAD, "{} {}", r#"{"limits": {}}"#, "ext: trailing characters"),
    ];
    for (payload, ext, settings, expected) in table {
        let reason = failure(payload, ext, settings);
        assert!(reason.contains(expected), "{reason:?} does not say {expected:?}");
    }
}

#[test]
fn an_outcome_is_built_in_one_line() {
    let patch = BTreeMap::from([("fee", "3")]);
    let advance = Advance::to("quoted").patch(&patch).unwrap().note("n");
    assert_eq!(advance.state, "quoted");
    assert_eq!(advance.ext_patch, r#"{"fee":"3"}"#);
    assert_eq!(advance.note.as_deref(), Some("n"));
    assert_eq!(Advance::to("quoted").ext_patch, "{}");
    assert!(Advance::to("quoted").patch(&[1]).is_err());
}

#[test]
fn any_error_becomes_a_permanent_failure() {
    fn parse(text: &str) -> Result<u8, Failure> {
        Ok(text.parse::<u8>()?)
    }
    assert!(
        matches!(parse("300"), Err(Failure::Permanent(reason)) if reason.contains("too large"))
    );
    let retry = "300".parse::<u8>().map_err(Failure::transient);
    assert!(matches!(retry, Err(Failure::Transient(_))));
}
