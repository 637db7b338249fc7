//! For each way in which a manifest can ask for more, the diff names it; and the
//! other way round it names what is less.

mod support;

use serde_json::{Value, json};
use support::{manifest, of_manifest, with};
use surety_audit::{Change, Granted, diff, show_diff};

/// Each change of the manifest asks for more: what is named, and where.
fn widenings() -> Vec<(Value, &'static str, &'static str)> {
    let mut without_limit = manifest();
    without_limit["limits"].as_object_mut().unwrap().remove("fuel_max");
    let mut open = manifest();
    open["returns"]["paid"].as_object_mut().unwrap().remove("additionalProperties");
    vec![
        (
            with(
                "/capabilities/http/0/hosts",
                json!(["api.example.com", "*.pay.example.org", "new.example.com"]),
            ),
            "host",
            "new.example.com",
        ),
        (
            with("/capabilities/http/0/hosts", json!(["api.example.com", "*.example.org"])),
            "host",
            "*.example.org",
        ),
        (with("/capabilities/http/0/methods", json!(["GET", "POST"])), "host", "api.example.com"),
        (
            with(
                "/capabilities/http/0",
                json!({"hosts": ["api.example.com", "*.pay.example.org"], "methods": ["GET"], "ports": [443, 8443]}),
            ),
            "host",
            "api.example.com",
        ),
        (
            with(
                "/capabilities/http",
                json!([{"hosts": ["api.example.com", "*.pay.example.org"], "methods": ["GET"]}, {"hosts": ["10.0.0.1"], "methods": ["DELETE"]}]),
            ),
            "host",
            "10.0.0.1",
        ),
        (with("/capabilities/secrets", json!(["key", "other"])), "secret", "other"),
        (
            with(
                "/returns",
                json!({"paid": manifest()["returns"]["paid"], "rejected": false, "refunded": false}),
            ),
            "state",
            "refunded",
        ),
        (with("/returns/rejected", json!(true)), "writes", "rejected"),
        (
            with(
                "/returns/paid/properties",
                json!({"receipt": {"type": "string", "maxLength": 64}, "approvers": true}),
            ),
            "writes",
            "paid/properties/approvers",
        ),
        (
            with("/returns/paid/properties/receipt/maxLength", json!(65)),
            "writes",
            "paid/properties/receipt/maxLength",
        ),
        (
            with("/returns/paid/properties/receipt/type", json!(["string", "object"])),
            "writes",
            "paid/properties/receipt/type",
        ),
        (open, "writes", "paid/additionalProperties"),
        (
            with("/reads/properties", json!({"quote": {"type": "string"}, "screening": true})),
            "reads",
            "/properties/screening",
        ),
        (with("/reads/required", json!(["quote", "screening"])), "reads", "/required"),
        (
            with(
                "/settings/properties",
                json!({"fee_max": {"type": "integer", "maximum": 10}, "endpoint": {"type": "string"}}),
            ),
            "settings",
            "/properties/endpoint",
        ),
        (
            with("/settings/properties/fee_max/maximum", json!(11)),
            "settings",
            "/properties/fee_max/maximum",
        ),
        (with("/settings/additionalProperties", json!(true)), "settings", "/additionalProperties"),
        (with("/limits/memory_bytes_max", json!(2_097_152)), "limit", "memory_bytes_max"),
        (with("/limits/http_requests_max", json!(2)), "limit", "http_requests_max"),
        (without_limit, "limit", "fuel_max"),
        (with("/name", json!("payoff")), "name", "payoff"),
    ]
}

fn names(changes: &[Change], what: &str, at: &str) -> bool {
    changes.iter().any(|change| change.what == what && change.at == at)
}

#[test]
fn every_widening_of_a_manifest_is_named() {
    let old = of_manifest(&manifest());
    for (manifest, what, at) in widenings() {
        let new = of_manifest(&manifest);
        let there = diff(&old, &new);
        assert!(names(&there.more, what, at), "{what} {at}: {}", show_diff(&there));
        // And back again it is less, but for a name, of which nobody knows.
        let back = diff(&new, &old);
        let back = if what == "name" { &back.more } else { &back.less };
        assert!(what == "name" || names(back, what, at), "{what} {at}, back: {back:?}");
    }
}

/// Every leaf of a manifest that is changed in any way shows: a mutation of it can
/// be taken for harmless by nobody, but where it is a text for people.
#[test]
fn every_changed_leaf_shows() {
    let old = of_manifest(&manifest());
    let mut pointers = Vec::new();
    leaves(&manifest(), "", &mut pointers);
    let mut shown = 0;
    for pointer in pointers {
        let Some(value) = mutated(manifest().pointer(&pointer).unwrap()) else { continue };
        let section = pointer.split('/').nth(1).unwrap();
        if ["description", "version", "world"].contains(&section) {
            continue;
        }
        let found = diff(&old, &of_manifest(&with(&pointer, value)));
        let changes = found.more.len() + found.less.len();
        assert!(changes > 0, "{pointer}: {}", show_diff(&found));
        shown += 1;
    }
    assert!(shown > 12, "{shown}");
}

fn leaves(value: &Value, at: &str, to: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| leaves(value, &format!("{at}/{name}"), to));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| leaves(value, &format!("{at}/{i}"), to));
        }
        _ => to.push(at.to_owned()),
    }
}

/// Another value that has the right form in its place.
fn mutated(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(is) => json!(!is),
        Value::Number(number) => json!(number.as_u64()? * 2),
        Value::String(text) => match text.as_str() {
            "GET" => json!("PUT"),
            "object" | "string" | "integer" => json!("array"),
            text if text.contains('.') => json!(format!("{text}.example.net")),
            text => json!(format!("{text}2")),
        },
        _ => return None,
    })
}

#[test]
fn what_is_granted_is_compared_too() {
    let old = of_manifest(&with("/name", json!("payout")));
    let new = of_manifest(&with("/capabilities/http/0/methods", json!(["GET", "POST", "DELETE"])));
    let found = diff(&old, &new);
    let granted: Vec<_> = found.more.iter().filter(|change| change.what == "granted").collect();
    // The policy gives POST, and DELETE to nobody.
    assert!(granted.iter().all(|change| change.detail.contains("POST")), "{granted:?}");
    assert_eq!(granted.len(), 2, "{granted:?}");
    let none = of_manifest(&with("/name", json!("refund")));
    assert!(names(&diff(&old, &none).less, "granted secret", "key to api.example.com"));
}

#[test]
fn a_secret_without_tls_is_more_than_a_secret_and_no_tls() {
    let (mut apart, mut at_once) = (of_manifest(&manifest()), of_manifest(&manifest()));
    let mut rule = apart.capabilities.granted_http[0].clone();
    rule.secrets = vec!["key".to_owned()];
    rule.private_addresses = vec!["10.0.0.0/8".to_owned()];
    let bare = Granted { secrets: Vec::new(), private_addresses: Vec::new(), ..rule.clone() };
    let plain = |rule: &Granted| Granted { plain_http: true, ..rule.clone() };
    apart.capabilities.granted_http = vec![rule.clone(), plain(&bare)];
    at_once.capabilities.granted_http = vec![plain(&rule)];
    let found = diff(&apart, &at_once);
    let secret = "key to api.example.com without TLS";
    assert!(names(&found.more, "granted secret", secret), "{}", show_diff(&found));
    let address = "10.0.0.0/8 for api.example.com, *.pay.example.org without TLS";
    assert!(names(&found.more, "private address", address), "{}", show_diff(&found));
    assert!(diff(&at_once, &apart).more.is_empty());
}

#[test]
fn the_same_is_no_difference() {
    let audit = of_manifest(&manifest());
    let found = diff(&audit, &audit);
    assert!(found.more.is_empty() && found.less.is_empty(), "{found:?}");
}

#[test]
fn what_cannot_be_read_may_do_more() {
    let old = of_manifest(&manifest());
    let new = support::audited(b"\0asm\x0d\0\x01\0");
    assert!(names(&diff(&old, &new).more, "manifest", ""));
}
