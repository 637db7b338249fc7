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
                "required": ["amount", "asset", "count", "rate", "tags", "to", "lines", "ref", "both",
                             "loose", "places"],
                "properties": {
                    "amount": {"type": "string"}, "asset": {"enum": ["ETH", "BTC"]},
                    "count": {"type": "integer"}, "rate": {"type": "number"},
                    "memo": {"type": "string"}, "ref": {"type": ["string", "null"]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "to": {"$ref": "#/$defs/party"}, "never": false,
                    "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
                    "limits": {"type": "object", "additionalProperties": {"type": "string"}},
                    "any": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    "maybe": {"oneOf": [{"$ref": "#/$defs/line"}, {"type": "null"}]},
                    "loose": {"description": "whatever"},
                    "places": {"type": "array", "items": {"type": "integer"}},
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
const PROVED: [&str; 30] = [
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
    "message.payload.loose == 'a' || message.payload.loose in [1, 'b']",
    "has(message.payload.any) && message.payload.any != 1",
    "has(message.payload.maybe) && message.payload.maybe != null
     && has(message.payload.maybe.v)",
    "message.payload.count % 7 < 7 && message.payload.places.all(i, i + 1 > i)",
    "(has(message.payload.limits) ? message.payload.tags : []).all(t, t.contains(''))",
    "[].all(x, x > 1) && !(message.payload.count in [])",
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
        (
            "dec(message.payload.loose) > 5",
            Unproven,
            "`dec` wants string; `message.payload.loose` may be anything",
        ),
        (
            "has(message.payload.any) && dec(message.payload.any) > 5",
            Unproven,
            "`dec` wants string; `message.payload.any` may be int or string",
        ),
        ("message.payload.loose > 5", Unproven, "`>` may meet anything and int"),
        ("message.payload.loose", Unproven, "`guard` wants bool; "),
        ("message.payload.loose.x == 1", Unproven, "`.` wants map; "),
        ("has(message.payload.loose.x)", Unproven, "`has` wants map; "),
        ("message.payload.loose.all(x, true)", Unproven, "`all` wants list or map; "),
        ("message.payload.loose != null && -message.payload.loose < 1", Unproven, "`-` wants"),
        ("dec('1') == message.payload.loose", Unproven, "`==` may meet dec and anything"),
        ("dec('1') in [message.payload.loose]", Unproven, "`==` may meet dec and anything"),
        (
            "message.payload.count in message.payload.places
             && message.payload.places[message.payload.count] > 1",
            Unproven,
            "`message.payload.places[message.payload.count]` may be missing",
        ),
        (
            "message.payload.places.all(i, message.payload.places[i] > 1)",
            Unproven,
            "`message.payload.places[i]` may be missing",
        ),
        (
            "message.payload.loose.all(i, message.payload.loose[i] == 1)",
            Unproven,
            "`message.payload.loose[i]` may be missing",
        ),
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
        assert!(!findings.is_empty(), "{text}");
    }
    let nothing = json!(true);
    let types = GuardTypes { message: &nothing, ext: &nothing };
    let findings = compile("ext.a > 1", Sees::State).check(&types);
    let unproven =
        |detail: &str| GuardFinding { severity: Severity::Unproven, detail: detail.to_owned() };
    let expected = [
        unproven("`ext.a` may be missing"),
        unproven("`>` may meet anything and int, in `ext.a > 1`"),
    ];
    assert_eq!(findings, expected);
}

/// What was found to be wrong is not found again in all that is around it.
#[test]
fn what_is_wrong_is_said_once() {
    for text in [
        "dec(message.payload.amuont) > 5 && message.payload.amuont.x[1].all(y, y.z + 1 > 2)",
        "-(message.payload.amount > 5) + 1 == 2",
        "message.payload.count.x.y == 'a'",
        "message.payload.count.all(x, dec(x) > 1)",
    ] {
        let findings = check(text);
        assert_eq!(findings.len(), 1, "{text}: {findings:?}");
        assert_eq!(findings[0].severity, Severity::Error, "{text}");
    }
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

/// Asks guards of which everything is proved on values that the schemas pass.
fn ask(guards: &[Guard], mut answered: impl FnMut(Result<bool, GuardFailure>)) {
    let bare = json!({
        "msg_id": "1", "msg_type": "payment", "client_id": "acme",
        "creation_date": "2026-01-01T00:00:00Z",
        "payload": {"amount": "1", "asset": "BTC", "count": 2.0, "rate": 1, "tags": [], "ref": null,
                    "to": {"name": "a"}, "lines": [], "both": {"name": "a", "nick": "b"}, "loose": null, "places": []},
    });
    let mut full = bare.clone();
    full["payload"] = json!({
        "amount": "77", "asset": "ETH", "count": 1, "rate": 1.5, "tags": ["a", ""], "ref": "abc",
        "to": {"name": "a", "parent": {"name": "b", "parent": {"name": "c"}}}, "memo": "x",
        "lines": [{"v": "1"}], "both": {"name": "a", "nick": "b", "more": 1},
        "limits": {"ETH": "5", "BTC": "1"}, "any": 1, "maybe": {"v": "1"}, "loose": [{}],
        "places": [1e17, 4.0, -7],
    });
    let mut large = full.clone();
    large["payload"]["count"] = json!(1e17);
    large["payload"]["maybe"] = json!(null);
    let exts =
        [json!({"approvers": []}), json!({"approvers": ["0xab"], "limit": "5", "map": {}, "z": 1})];
    let signal =
        json!({"name": "approve", "signer": "0xab", "client_id": "acme", "data": {"x": 1}});
    let message_schema = Schema::compile(&message_schema()).unwrap();
    let ext_schema = Schema::compile(&ext_schema()).unwrap();
    for (message, ext) in
        [&bare, &full, &large].into_iter().flat_map(|m| exts.iter().map(move |e| (m, e)))
    {
        assert_eq!(message_schema.check(message), []);
        assert_eq!(ext_schema.check(ext), []);
        let scope = Scope { message, ext, signal: Some(&signal), now: Time::from_millis(NOW) };
        guards.iter().for_each(|guard| answered(guard.holds(&scope)));
    }
}

#[test]
fn what_is_proved_gives_an_answer() {
    let guards = PROVED.map(|text| compile(text, Sees::Signal));
    ask(&guards, |answer| assert!(answer.is_ok(), "{answer:?}"));
}

/// Operators and functions on every two of these parts, asked for by `has`: what is
/// proved has an answer, but for what lies in a text or the size of a number.
#[test]
fn what_is_proved_of_any_two_parts_gives_an_answer() {
    let members = "amount asset count rate tags to lines ref loose places memo any maybe limits";
    let members = members.split(' ').map(|name| format!("message.payload.{name}"));
    let constants = ["1", "2.5", "'1'", "dec('5')", "null", "[]", "ext.approvers"];
    let parts: Vec<_> = members.chain(constants.map(str::to_owned)).collect();
    let asked = |part: &str| match part.starts_with("message") {
        true => format!("has({part}) && "),
        false => String::new(),
    };
    let mut texts = Vec::new();
    for a in &parts {
        for b in &parts {
            for known in [asked(a), format!("{}{a} != null && ", asked(a))] {
                let known = format!("{known}{}", asked(b));
                texts.extend(["==", "<", "in"].map(|op| format!("{known}({a} {op} {b})")));
                texts.push(format!("{known}({a} + {b} == {a})"));
                texts.push(format!("{known}({a} in {b} && {b}[{a}] == {a})"));
                texts.push(format!("{known}{a}.all(v, v == {b} && {a}[v] == {b})"));
                texts.push(format!("{known}({a} == {b} ? {a} : []).all(v, dec(v) > 1)"));
            }
        }
        for known in [asked(a), format!("{}{a} != null && ", asked(a))] {
            texts.extend(["dec", "size"].map(|f| format!("{known}{f}({a}) > 1")));
            texts.extend(["v", "name"].map(|name| format!("{known}has({a}.{name})")));
        }
    }
    let (message, ext) = (message_schema(), ext_schema());
    let types = GuardTypes { message: &message, ext: &ext };
    let mut guards: Vec<_> = texts.iter().map(|text| compile(text, Sees::Signal)).collect();
    guards.retain(|guard| guard.check(&types).is_empty());
    assert!(guards.len() > 300, "{}", guards.len());
    let excused = ["got a string that", "is too large for its type", "is below zero"];
    ask(&guards, |answer| {
        let why = answer.err().map(|failure| failure.to_string()).unwrap_or_default();
        assert!(why.is_empty() || excused.iter().any(|part| why.contains(part)), "{why}");
    });
}
