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

#[test]
fn fixtures_hold_natively_or_say_what_differs() {
    fn run(call: Example) -> Result<Advance, Failure> {
        let amount: u64 = call.message.payload.amount.parse()?;
        if amount > call.settings.limits[&call.message.client_id] {
            return Ok(Advance::to("refused").note("too much"));
        }
        Advance::to("accepted").patch(&BTreeMap::from([("amount", amount)]))
    }

    let folder = std::env::temp_dir().join(format!("surety-sdk-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, member: &str, expect: &str| {
        let text = format!(
            r#"{{"payload": {{"amount": "{member}"}}, "settings": {{"limits": {{"other": 7}}}},
                "message": {{"client_id": "other"}}, "expect": {expect}}}"#
        );
        std::fs::write(folder.join(name), text).unwrap();
    };
    write("a.json", "7", r#"{"state": "accepted", "patch": {"amount": 7}}"#);
    write("b.json", "8", r#"{"state": "refused", "note": "too much"}"#);
    write("c.json", "x", r#"{"failure": "permanent"}"#);
    // Left to the sandbox.
    write("d.json", "7", r#"{"failure": "limit"}"#);
    testing::fixtures(&folder, run);

    write("a.json", "8", r#"{"state": "accepted", "patch": {"amount": 7}}"#);
    write("c.json", "x", r#"{"failure": "permanent", "reason": "another"}"#);
    let said = std::panic::catch_unwind(|| testing::fixtures(&folder, run)).unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    for part in ["a.json", r#""state":"refused""#, "c.json", "invalid digit"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("b.json") && !said.contains("d.json"), "{said}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_fixtures_http_is_its_world() {
    use surety_sdk::http::Request;

    fn run(call: Call<Payload>) -> Result<Advance, Failure> {
        let request = Request::post("https://api.example.com/orders").header("X-Key", "k");
        let response = request.json(&[&call.message.payload.amount])?.send()?.ok()?;
        let id: String = response.json()?;
        Ok(Advance::to("ordered").note(id))
    }

    let folder = std::env::temp_dir().join(format!("surety-sdk-http-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, http: &str, expect: &str| {
        let text =
            format!(r#"{{"payload": {{"amount": "1"}}, "http": [{http}], "expect": {expect}}}"#);
        std::fs::write(folder.join(name), text).unwrap();
    };
    let exchange = |body: &str, came: &str| {
        format!(
            r#"{{"request": {{"method": "POST", "url": "https://api.example.com/orders",
                "headers": {{"x-key": "k"}}, "body": {body}}}, {came}}}"#
        )
    };
    let response = r#""response": {"status": 200, "body": "\"o-1\""}"#;
    let ordered = r#"{"state": "ordered", "note": "o-1"}"#;
    write("a.json", &exchange(r#"["1"]"#, response), ordered);
    write(
        "b.json",
        &exchange(r#"["1"]"#, r#""error": "dns""#),
        r#"{"failure": "transient",
        "reason": "https://api.example.com/orders has no address"}"#,
    );
    write("c.json", &exchange(r#"["1"]"#, r#""error": "denied""#), r#"{"failure": "permanent"}"#);
    testing::fixtures(&folder, run);

    let good = exchange(r#"["1"]"#, response);
    write("a.json", &exchange(r#"["2"]"#, response), ordered);
    write("b.json", "", r#"{"failure": "permanent"}"#);
    write("c.json", &format!("{good}, {good}"), ordered);
    let said = std::panic::catch_unwind(|| testing::fixtures(&folder, run)).unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    for part in [r#""body":["2"]"#, r#"orders ["1"]"#, "b.json", "c.json: was not asked for"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_validators_fixtures_hold_natively_or_say_what_differs() {
    use surety_sdk::{Finding, Submission};

    fn validate(submission: Submission<Payload>) -> Vec<Finding> {
        let is_good = submission.message.payload.amount == "1";
        if is_good { vec![] } else { vec![Finding::at("/payload/amount", "is not 1")] }
    }

    let folder = std::env::temp_dir().join(format!("surety-sdk-validator-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, amount: &str, findings: &str| {
        let text = format!(
            r#"{{"payload": {{"amount": {amount}}}, "expect": {{"findings": {findings}}}}}"#
        );
        std::fs::write(folder.join(name), text).unwrap();
    };
    write("a.json", "\"1\"", "[]");
    let found = r#"[{"pointer": "/payload/amount", "detail": "is not 1"}]"#;
    write("b.json", "\"2\"", found);
    testing::validator_fixtures(&folder, validate);

    write("a.json", "\"1\"", found);
    write("b.json", "2", "[]");
    let said = std::panic::catch_unwind(|| testing::validator_fixtures(&folder, validate));
    let said = said.unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    for part in ["a.json", "is not 1", "b.json", "payload.amount"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
