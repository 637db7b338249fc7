//! Tables: what a guard gives for what.

use super::*;

#[test]
fn guards_hold_or_not() {
    let ext = json!({
        "approvers": ["0xab", "0xcd"], "limit": "9999", "n": 5, "whole": 5.0, "x": 2.5,
        "until": "2026-06-01T02:00:00+02:00", "none": null, "m": {"b": 2, "a": 1, "a-b": true},
        "items": [{"v": "1"}, {"v": "20"}], "mixed": [1, "x"],
    });
    for (text, expected) in [
        ("true", true),
        ("dec(message.payload.amount) >= dec('10000')", true),
        ("dec(message.payload.amount) > dec('10000')", false),
        ("dec(message.payload.amount) > dec(ext.limit)", true),
        ("dec('9') < dec('10')", true),
        ("dec('5') == 5 && 5 == dec('5') && dec('5') != 6", true),
        ("dec('0') > -1 && -1 < dec('0') && dec('0') != -1", true),
        ("dec('0') == null", false),
        (
            "dec('7') / 2 == 3 && dec('7') % dec('4') == 3 && 2 * dec('7') - 1 + dec('1') == 14",
            true,
        ),
        ("dec(ext.limit) in [dec('1'), dec('9999')]", true),
        ("signal.signer in ext.approvers", true),
        ("signal.name == 'approve' && signal.client_id == 'acme'", true),
        ("now == time('2026-01-01T00:00:00Z')", true),
        ("time(ext.until) - now == days(151)", true),
        ("time(ext.until) > now + hours(1) + minutes(30)", true),
        ("ext.n == ext.whole && ext.whole + 1 == 6", true),
        ("ext.n < 5.5 && ext.x < 3 && 2 < ext.x && ext.x == 2.5", true),
        ("9007199254740993 > 9007199254740992.0", true),
        ("ext.none == null && ext.n != null", true),
        ("has(ext.limit) && !has(ext.nothing)", true),
        ("ext.m['a-b'] && ext.m.a == 1 && 'a' in ext.m && !('z' in ext.m)", true),
        ("{'ETH': 1, 'BTC': 2}[message.payload.asset] == 1", true),
        ("ext.m == {'a': 1, 'a-b': true, 'b': 2}", true),
        ("ext.approvers == ['0xab', '0xcd'] && ext.approvers[1] == '0xcd'", true),
        ("ext.items.all(i, dec(i.v) > 0) && ext.items.exists(i, dec(i.v) > 10)", true),
        ("ext.items.exists_one(i, i.v == '1')", true),
        ("ext.items.map(i, i.v) == ['1', '20']", true),
        ("ext.items.map(i, i.v == '1', dec(i.v)) == [dec('1')]", true),
        ("size(ext.items.filter(i, dec(i.v) > 10)) == 1", true),
        ("ext.m.map(k, k) == ['a', 'a-b', 'b']", true),
        ("ext.approvers.all(a, ext.approvers.exists(b, a == b))", true),
        ("size('häß') == 3 && 'abc'.size() == 3 && size(ext.m) == 3", true),
        ("'abc'.startsWith('ab') && 'abc'.endsWith('bc') && 'abc'.contains('b')", true),
        ("'a' + 'b' == 'ab' && [1] + [2] == [1, 2] && 'a' < 'b'", true),
        ("(ext.n > 3 ? 'big' : 'small') == 'big'", true),
        ("-ext.n == -5 && 7 / 2 == 3 && 7 % 4 == 3 && 1.5 / 0.5 == 3.0", true),
        ("ext.nothing == 1 || true", true),
        ("true || ext.nothing == 1", true),
        ("ext.nothing == 1 && false", false),
        ("ext.mixed.exists(m, m > 'a')", true),
        ("ext.mixed.all(m, m < 1)", false),
        ("1 == '1'", false),
    ] {
        assert_eq!(holds(text, &ext), Ok(expected), "{text}");
    }
}

/// The same number is the same value, as it is for JSON Schema, so that who writes
/// it has no say in whether a guard has an answer.
#[test]
fn a_whole_number_is_an_int_however_it_is_written() {
    for (one, other) in [
        ("5", "5.0"),
        ("0", "-0"),
        ("-500", "-5e2"),
        ("9007199254740992", "9.007199254740992e15"),
        ("9007199254740994", "9007199254740994.0"),
        ("100000000000000000", "1e17"),
        ("4611686018427388000", "4.611686018427388e18"),
        ("-9223372036854775000", "-9.223372036854775e18"),
    ] {
        let ext = crate::json::parse(format!(r#"{{"a":{one},"b":{other}}}"#).as_bytes()).unwrap();
        let text = format!("ext.a == ext.b && ext.b - {one} == 0 && ext.b % 7 == ext.a % 7");
        assert_eq!(holds(&text, &ext), Ok(true), "{one} {other}");
    }
    for beyond in ["9223372036854776000", "1e19", "-1e300", "2.5"] {
        let ext = crate::json::parse(format!(r#"{{"a":{beyond}}}"#).as_bytes()).unwrap();
        assert_eq!(holds("ext.a == ext.a + 0.0", &ext), Ok(true), "{beyond}");
        assert!(holds("ext.a == ext.a + 0", &ext).is_err(), "{beyond}");
    }
}

#[test]
fn a_failure_names_the_part_and_the_types() {
    let ext = json!({
        "s": "s3cr3t", "n": 987_654_321, "x": 2.5, "l": ["s3cr3t"], "m": {"s3cr3t": 1},
        "max": "115792089237316195423570985008687907853269984665640564039457584007913129639935",
        "big": i64::MAX,
    });
    for (text, why) in [
        ("ext.limit > 1", "`ext.limit` is missing"),
        ("ext.m[ext.s + '!'] > 1", "`ext.m[ext.s + '!']` is missing"),
        ("ext.l[ext.n] == 1", "`ext.l[ext.n]` is missing"),
        ("ext.l[-1] == 1", "`ext.l[-1]` is missing"),
        ("dec(ext.n) > 1", "`dec` got int, wants string, in `dec(ext.n)`"),
        (
            "dec(ext.s) > 1",
            "`dec` got a string that is not a string of decimal digits, in `dec(ext.s)`",
        ),
        ("time(ext.s) > 1", "`time` got a string that is not an RFC 3339 date-time from 1970 on"),
        ("ext.s < ext.n", "`<` is not for string and int, in `ext.s < ext.n`"),
        ("dec('1') == ext.s", "`==` is not for dec and string"),
        ("ext.l == [dec('1')]", "`==` is not for string and dec"),
        ("dec('1') < 1.5", "`<` is not for dec and double"),
        ("ext.n + 1.5 > 1.0", "`+` is not for int and double"),
        ("ext.s.foo == 1", "`.` got string, wants map, in `ext.s.foo`"),
        ("has(ext.s.foo)", "`.` got string, wants map"),
        ("ext.n", "`guard` got int, wants bool, in `ext.n`"),
        ("!ext.s", "`!` got string, wants bool, in `ext.s`"),
        ("ext.s && true", "`&&` got string, wants bool, in `ext.s`"),
        ("ext.n ? true : false", "`?:` got int, wants bool"),
        ("-ext.s == 1", "`-` got string, wants int or double, in `-ext.s`"),
        ("1 in ext.s", "`in` is not for int and string"),
        ("1 in ext.m", "`in` is not for int and map"),
        ("ext.n.all(x, true)", "`all` got int, wants list or map, in `ext.n`"),
        ("ext.l.map(x, x + 1) == []", "`+` is not for string and int, in `x + 1`"),
        ("size(ext.n) == 1", "`size` got int, wants string, list or map"),
        ("dec(ext.max) + 1 == 0", "`dec(ext.max) + 1` is too large for its type"),
        ("dec(ext.max) * dec('2') == 0", "is too large for its type"),
        ("dec('1') - dec('2') == 0", "is below zero, which a dec cannot be"),
        ("dec('1') + -1 == 0", "is below zero, which a dec cannot be"),
        ("dec('1') / 0 == 0", "`dec('1') / 0` divides by zero"),
        ("dec('1') % dec('0') == 0", "divides by zero"),
        ("ext.n / 0 == 0", "divides by zero"),
        ("ext.n % 0 == 0", "divides by zero"),
        ("ext.big + 1 == 0", "is too large for its type"),
        ("days(ext.big) == 0", "is too large for its type"),
        ("0.0 / 0.0 < 1.0", "compares what is not a number"),
        ("ext.l.exists(x, x.y == 1)", "`.` got string, wants map, in `x.y`"),
    ] {
        let failure = holds(text, &ext).unwrap_err();
        assert!(failure.contains(why), "{text}: {failure}");
        for value in ["s3cr3t", "987654321", "2.5", "9223372036854775807", "11579208"] {
            assert!(!failure.contains(value), "{text}: {failure}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_text_is_found_when_it_is_compiled() {
    for (text, why) in [
        ("", "is not CEL, at line 1"),
        ("1 +", "is not CEL, at line 1"),
        ("foo == 1", "names `foo`, which is not visible here; visible: message, ext, now"),
        ("signal.signer == 'a'", "names `signal`, which is not visible here"),
        (".ext == 1", "names `.ext`"),
        ("matches(ext.s, 'a')", "calls `matches`, which is not a function; there are size, "),
        ("ext.s.matches('a*')", "calls `matches`"),
        ("timestamp('2026-01-01T00:00:00Z') == now", "calls `timestamp`"),
        ("optional.of(1) == 1", "calls `of`"),
        ("ext.?limit == 1", "is not CEL"),
        ("dec() == 1", "gives `dec` 0 arguments; it takes 1"),
        ("dec('1', '2') == 1", "gives `dec` 2 arguments; it takes 1"),
        ("'1'.dec() == 1", "calls `dec` in the wrong form; write it as `f(x)`"),
        ("contains('a', 'b')", "calls `contains` in the wrong form; write it as `x.f(y)`"),
        ("'a'.contains()", "gives `contains` 0 arguments; it takes 1"),
        ("ext.l.all(x)", "gives `all` 1 arguments; write `x.all(v, …)`"),
        ("ext.l.all(x, y, true)", "gives `all` 3 arguments"),
        ("ext.l.all(x.y, true)", "what is not a name"),
        ("ext.l.all(ext, true)", "gives the name `ext` twice"),
        ("ext.l.all(x, ext.l.all(x, true))", "gives the name `x` twice"),
        ("ext.l.all(x, true) && x", "names `x`"),
        ("has(ext)", "write `has(ext.limit)`"),
        ("has(ext.a, ext.b)", "write `has(ext.limit)`"),
        ("dec('1e3') == 1", "has `dec(\"1e3\")`, which is not a string of decimal digits"),
        ("dec('01') == 1", "which has a leading zero"),
        ("time('yesterday') == 1", "which is not an RFC 3339 date-time from 1970 on"),
        ("{1: 2} == ext", "whose keys are not all constant strings"),
        ("{'a': 1, 'a': 2} == ext", "the key \"a\" twice"),
        ("1u == 1", "has the unsigned `1u`"),
        ("b'a' == b'a'", "has a byte string"),
        ("google.Type{a: 1} == 1", "makes a `google.Type`"),
    ] {
        let refused = Guard::compile(text, Sees::State).unwrap_err();
        assert!(refused.contains(why), "{text}: {refused}");
        assert!(!refused.contains('\n'), "{refused}");
    }
}

#[test]
fn a_guard_sees_what_its_place_shows() {
    for (text, sees) in [
        ("message.payload.count == 3", Sees::Message),
        ("ext.n == 1 && now > 0", Sees::State),
        ("signal.name == 'a'", Sees::Signal),
    ] {
        for at in [Sees::Message, Sees::State, Sees::Signal] {
            let visible = at as u8 >= sees as u8;
            assert_eq!(Guard::compile(text, at).is_ok(), visible, "{text} {at:?}");
        }
    }
}

/// A part that is shown reads as the same tree.
#[test]
fn a_part_is_shown_as_it_is_written() {
    for text in [
        "ext.a['b-c'].d[1] == -(ext.n)",
        "(ext.a + 1) * 2 < 3 && (true || !(false && has(ext.x.y)))",
        "ext.l.map(x, x.n > 1, {'k': x, '\\'': [1, 2.0, 'it\\'s', null]}) == []",
        "dec('12') > dec(ext.n) ? time('2026-01-01T00:00:00.000Z') < now : 'a'.contains('b')",
    ] {
        let tree = lower::lower(text, Sees::State).unwrap();
        let shown = tree.to_string();
        assert_eq!(lower::lower(&shown, Sees::State), Ok(tree), "{shown}");
    }
}
