//! Guards against schemas.

use super::*;
use crate::schema::Schema;

fn message_schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["payload"],
        "properties": {
            "msg_id": {"type": "string"}, "msg_type": {"const": "payment"},
            "client_id": {"type": "string"}, "creation_date": {"type": "string"},
            "payload": {
                "type": "object", "additionalProperties": false,
                "required": ["amount", "asset", "count", "rate", "tags", "to", "lines", "ref", "both"],
                "properties": {
                    "amount": {"type": "string"}, "asset": {"enum": ["ETH", "BTC"]},
                    "count": {"type": "integer"}, "rate": {"type": "number"},
                    "memo": {"type": "string"}, "ref": {"type": ["string", "null"]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "to": {"$ref": "#/$defs/party"}, "never": false,
                    "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
                    "limits": {"type": "object", "additionalProperties": {"type": "string"}},
                    "any": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    "both": {"allOf": [{"$ref": "#/$defs/party"}, {"required": ["nick"]}]},
                },
            },
        },
        "$defs": {
            "party": {
                "type": "object", "required": ["name"],
                "properties": {"name": {"type": "string"}, "nick": {"type": "string"},
                               "parent": {"$ref": "#/$defs/party"}},
            },
            "line": {"type": "object", "required": ["v"], "additionalProperties": false,
                     "properties": {"v": {"type": "string"}}},
        },
    })
}

fn ext_schema() -> Value {
    json!({
        "type": "object", "required": ["approvers"],
        "properties": {
            "approvers": {"type": "array", "items": {"type": "string"}},
            "limit": {"type": "string"}, "map": {"type": "object"},
        },
    })
}

fn check(text: &str) -> Vec<GuardFinding> {
    let (message, ext) = (message_schema(), ext_schema());
    compile(text, Sees::Signal).check(&GuardTypes { message: &message, ext: &ext })
}

/// Guards of which everything is proved.
const PROVED: [&str; 24] = [
    "true",
    "dec(message.payload.amount) >= dec('10000')",
    "dec(message.payload.amount) > 5 && dec(message.payload.amount) * 2 < dec('100')",
    "signal.signer in ext.approvers && signal.name == 'approve'",
    "message.msg_id == 'a' && message.creation_date != ''",
    "message.payload.asset == 'ETH' && message.payload.count > 1",
    "message.payload.rate > 1 && message.payload.count < 1.5",
    "has(message.payload.memo) && message.payload.memo.contains('x')",
    "!has(message.payload.memo) || message.payload.memo == 'x'",
    "has(message.payload.memo) ? message.payload.memo == 'x' : true",
    "'memo' in message.payload && size(message.payload.memo) > 0",
    "has(ext.limit) && dec(ext.limit) > 1",
    "!(has(ext.limit) && now > 1) || true",
    "has(message.payload.to.parent) && has(message.payload.to.parent.parent)
     && message.payload.to.parent.parent.name == 'c'",
    "message.payload.both.nick == 'a'",
    "message.payload.lines.all(l, dec(l.v) > 0) && size(message.payload.lines) < 10",
    "message.payload.tags.map(t, t + '!').exists(t, t == 'a!')",
    "message.payload.tags.filter(t, t != '') == ['a']",
    "has(message.payload.limits) && message.payload.limits.all(k, dec(message.payload.limits[k]) > 1)",
    "has(message.payload.limits) && message.payload.asset in message.payload.limits
     && dec(message.payload.limits[message.payload.asset]) > 1",
    "message.payload.ref != null && message.payload.ref.startsWith('a')",
    "message.payload.ref == null || size(message.payload.ref) > 1",
    "time(message.creation_date) > now - days(1)",
    "{'a': dec('1')}.a > 0 && [1, 2].all(n, n > 0)",
];

#[test]
fn what_the_schemas_say_is_proved() {
    for text in PROVED {
        assert_eq!(check(text), [], "{text}");
    }
}

#[test]
fn findings_name_the_part() {
    use Severity::{Error, Unproven};
    for (text, severity, detail) in [
        ("message.payload.amuont == 'a'", Error, "`message.payload.amuont` is not in its schema"),
        ("has(message.payload.amuont)", Error, "`message.payload.amuont` is not in its schema"),
        ("message.payload.never == 1", Error, "`message.payload.never` is not in its schema"),
        ("signal.role == 'a'", Error, "`signal.role` is not in its schema"),
        ("message.payload.memo == 'a'", Unproven, "`message.payload.memo` may be missing"),
        ("has(message.payload.memo) || message.payload.memo == 'a'", Unproven, "may be missing"),
        ("ext.limit == 'a'", Unproven, "`ext.limit` may be missing"),
        ("ext.unknown == 'a'", Unproven, "`ext.unknown` may be missing"),
        (
            "message.payload.to.parent.name == 'a'",
            Unproven,
            "`message.payload.to.parent` may be missing",
        ),
        ("ext.approvers[0] == 'a'", Unproven, "`ext.approvers[0]` may be missing"),
        (
            "dec(message.payload.count) > 1",
            Error,
            "`dec` wants string; `message.payload.count` is int",
        ),
        (
            "dec(message.payload.ref) > 1",
            Unproven,
            "`dec` wants string; `message.payload.ref` may be null or string",
        ),
        (
            "message.payload.amount > 10000",
            Error,
            "`>` is not for string and int, in `message.payload.amount > 10000`",
        ),
        ("message.payload.ref > 'a'", Unproven, "`>` may meet null and string"),
        ("message.payload.rate + 1 > 2", Unproven, "`+` may meet double and int"),
        ("message.payload.count == 'a'", Error, "compares int with string, which are never equal"),
        (
            "message.payload.amount == null",
            Error,
            "compares string with null, which are never equal",
        ),
        ("message.payload.asset == 'EUR'", Error, "`message.payload.asset` is never `'EUR'`"),
        ("'refund' != message.msg_type", Error, "`message.msg_type` is never `'refund'`"),
        ("1 in ext.approvers", Error, "compares int with string, which are never equal"),
        ("dec('1') in ext.approvers", Error, "compares dec with string, which are never equal"),
        ("dec(message.payload.amount) == '5'", Error, "`==` is not for dec and string"),
        ("message.payload.count", Error, "`guard` wants bool; `message.payload.count` is int"),
        ("now", Error, "`guard` wants bool; `now` is int"),
        ("has(ext.limit) ? true : 1", Unproven, "`guard` wants bool; "),
        ("!message.payload.count", Error, "`!` wants bool; `message.payload.count` is int"),
        ("message.payload.count && true", Error, "`&&` wants bool"),
        ("message.payload.count.all(x, true)", Error, "`all` wants list or map"),
        ("message.payload.lines.all(l, l.w == 'a')", Error, "`l.w` is not in its schema"),
        ("message.payload.tags.all(t, t > 1)", Error, "`>` is not for string and int, in `t > 1`"),
        ("message.payload.tags.map(t, t) == 'a'", Error, "compares list with string"),
        ("message.payload.count.x == 1", Error, "`.` wants map; `message.payload.count` is int"),
        ("-message.payload.amount == 1", Error, "`-` wants int or double"),
        ("{'a': 1}.b == 1", Error, "is not in its schema"),
    ] {
        let findings = check(text);
        let found = findings.iter().any(|f| f.severity == severity && f.detail.contains(detail));
        assert!(found, "{text}: {findings:?}");
    }
}

#[test]
fn an_unknown_type_is_no_error() {
    for text in [
        "has(message.payload.any) && message.payload.any > 1",
        "has(ext.map) && has(ext.map.x) && dec(ext.map.x) > 1 && ext.map.x.y",
    ] {
        let findings = check(text);
        assert!(findings.iter().all(|f| f.severity == Severity::Unproven), "{text}: {findings:?}");
    }
    let nothing = json!(true);
    let types = GuardTypes { message: &nothing, ext: &nothing };
    let findings = compile("ext.a > 1", Sees::State).check(&types);
    let expected = [GuardFinding {
        severity: Severity::Unproven,
        detail: "`ext.a` may be missing".to_owned(),
    }];
    assert_eq!(findings, expected);
}

#[test]
fn circles_and_foreign_references_end() {
    let circle = json!({"$ref": "#/$defs/a", "$defs": {
        "a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#"}]},
        "b": {"$ref": "#/$defs/a", "properties": {"x": {"$ref": "urn:elsewhere"}}},
    }});
    let types = GuardTypes { message: &json!(true), ext: &circle };
    let findings = compile("has(ext.x) && ext.x == 1 && ext.y == 2", Sees::State).check(&types);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].detail.contains("`ext.y` may be missing"), "{findings:?}");
}

/// What is proved gives an answer for every value that the schemas pass.
#[test]
fn what_is_proved_gives_an_answer() {
    let bare = json!({
        "msg_id": "1", "msg_type": "payment", "client_id": "acme",
        "creation_date": "2026-01-01T00:00:00Z",
        "payload": {"amount": "1", "asset": "BTC", "count": 2.0, "rate": 1, "tags": [], "ref": null,
                    "to": {"name": "a"}, "lines": [], "both": {"name": "a", "nick": "b"}},
    });
    let mut full = bare.clone();
    full["payload"] = json!({
        "amount": "77", "asset": "ETH", "count": 1, "rate": 1.5, "tags": ["a", ""], "ref": "abc",
        "to": {"name": "a", "parent": {"name": "b", "parent": {"name": "c"}}}, "memo": "x",
        "lines": [{"v": "1"}], "both": {"name": "a", "nick": "b", "more": 1},
        "limits": {"ETH": "5", "BTC": "1"}, "any": 1,
    });
    let exts =
        [json!({"approvers": []}), json!({"approvers": ["0xab"], "limit": "5", "map": {}, "z": 1})];
    let signal =
        json!({"name": "approve", "signer": "0xab", "client_id": "acme", "data": {"x": 1}});
    let message_schema = Schema::compile(&message_schema()).unwrap();
    let ext_schema = Schema::compile(&ext_schema()).unwrap();
    for (message, ext) in [&bare, &full].into_iter().flat_map(|m| exts.iter().map(move |e| (m, e)))
    {
        assert_eq!(message_schema.check(message), []);
        assert_eq!(ext_schema.check(ext), []);
        let scope = Scope { message, ext, signal: Some(&signal), now: Time::from_millis(NOW) };
        for text in PROVED {
            let answer = compile(text, Sees::Signal).holds(&scope);
            assert!(answer.is_ok(), "{answer:?}");
        }
    }
}
