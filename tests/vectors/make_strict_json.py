"""Makes strict_json.json: byte strings, and what the strict parser answers to each.

The verdicts are written by hand; what Python's standard library can know better checks them
(UTF-8 validity, JSON validity, and exact decimal arithmetic for the rule about numbers).
Needs nothing but Python; see README.md.
"""

import base64
import json
import math
import pathlib
from decimal import Decimal

HERE = pathlib.Path(__file__).resolve().parent

NOTE = (
    "What the strict JSON parser answers to exactly these bytes; a null code means accepted. A BOM is looked for "
    "first, then UTF-8 is checked over the whole input, then the first fault from left to right counts. White space "
    "around the value is allowed, any JSON value may stand at the top, and an array or object inside 32 others is "
    "one too many. A number is accepted when its decimal value equals that of the shortest text that reads back as "
    "the same double. Made by make_strict_json.py; do not edit."
)
DEPTH_MAX = 32

VECTORS = []


def add(code, name, data):
    raw = data if isinstance(data, bytes) else data.encode()
    VECTORS.append({"name": name, "base64": base64.b64encode(raw).decode(), "code": code})
    cross_check(code, name, raw)


def cross_check(code, name, raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        assert code == "json_utf8", f"{name}: not UTF-8, but {code}"
        return
    assert code != "json_utf8", f"{name}: is UTF-8"
    try:
        json.loads(text, parse_constant=refuse_constant)
        valid = True
    except (ValueError, RecursionError):
        valid = False
    # Everything that only we refuse is JSON to Python; everything else is not.
    ours_only = {None, "json_duplicate_key", "json_surrogate", "json_number"}
    assert code == "json_depth" or valid == (code in ours_only), f"{name}: Python says {valid}, we {code}"


def refuse_constant(token):
    raise ValueError(token)


def number(token):
    """The rule itself, in exact arithmetic: repr() is Python's shortest round-trip text."""
    double = float(token)
    try:
        exact = Decimal(token) == Decimal(repr(double))
    except ArithmeticError:
        exact = None  # an exponent beyond what Decimal can hold: decided by the table
    return math.isfinite(double), exact


def accepts(token, note=""):
    finite, exact = number(token)
    assert finite and exact in (True, None), f"{token} is not exact"
    add(None, f"number {token[:40]}{': ' * bool(note)}{note}", f'{{"n":{token}}}')


def refuses(token, note=""):
    finite, exact = number(token)
    assert not finite or exact in (False, None), f"{token} is exact"
    add("json_number", f"number {token[:40]}{': ' * bool(note)}{note}", f'{{"n":{token}}}')


def plain():
    add(None, "empty object", "{}")
    add(None, "empty array", "[]")
    add(None, "null at the top", "null")
    add(None, "text at the top", '"text"')
    add(None, "number at the top", "1")
    add(None, "every kind of value", '{"a":[1,-2.5e3,"s",true,false,null,{}],"b":{"c":""}}')
    add(None, "white space around everything", ' \t\r\n{ "a" :\n[ 1 , 2 ]\t}\r\n ')
    add(None, "every escape", r'["\"\\\/\b\f\n\r\t\u0000\u00e9\uFFFF"]')
    add(None, "raw DEL and U+2028 in a text", '["\x7f\u2028\u2029"]')
    add(None, "raw text in many scripts", '{"café 東京":"👩‍👩‍👧 שלום"}')


def duplicates():
    code = "json_duplicate_key"
    add(code, "duplicate key at the top", '{"a":1,"a":2}')
    add(code, "duplicate key with the same value", '{"a":1,"a":1}')
    add(code, "duplicate key, not adjacent", '{"a":1,"b":2,"c":3,"a":4}')
    add(code, "duplicate key in a nested object", '{"x":{"y":{"a":1,"a":2}}}')
    add(code, "duplicate key in an object in an array", '[1,[{"a":1},{"a":1,"a":2}]]')
    add(code, "duplicate key through an escape", r'{"a":1,"\u0061":2}')
    add(code, "duplicate key through an escape, escape first", r'{"\u0061":1,"a":2}')
    add(code, "duplicate key through two spellings of an escape", r'{"\u00E9":1,"\u00e9":2}')
    add(code, "duplicate key through an escaped slash", r'{"a/b":1,"a\/b":2}')
    add(code, "duplicate key through a surrogate pair", r'{"😀":1,"\ud83d\ude00":2}')
    add(code, "duplicate empty key", '{"":1,"":2}')
    add(code, "duplicate key whose values are objects", '{"a":{},"a":{}}')
    add(code, "duplicate key after a nested object with that key", '{"a":{"a":1},"a":2}')
    add(None, "one key in sibling objects", '[{"a":1},{"a":2}]')
    add(None, "one key at different depths", '{"a":{"a":{"a":1}}}')
    add(None, "keys that differ in case", '{"a":1,"A":2}')
    add(None, "keys that differ in Unicode normalisation only", '{"caf\u00e9":1,"cafe\u0301":2}')
    add(None, "keys that differ in white space", '{"a":1,"a ":2,"":3}')


def encodings():
    bom = b"\xef\xbb\xbf"
    add("json_bom", "BOM before an object", bom + b"{}")
    add("json_bom", "BOM and nothing else", bom)
    add("json_bom", "BOM twice", bom + bom + b"{}")
    add(None, "U+FEFF inside a text", b'{"a":"' + bom + b'"}')
    add("json_syntax", "U+FEFF between tokens", b'{"a":' + bom + b"1}")
    add("json_trailing", "U+FEFF after the value", b"{}" + bom)
    for name, raw in (
        ("overlong slash, two bytes", b"\xc0\xaf"),
        ("overlong NUL (Java's modified UTF-8)", b"\xc0\x80"),
        ("overlong slash, three bytes", b"\xe0\x80\xaf"),
        ("overlong slash, four bytes", b"\xf0\x80\x80\xaf"),
        ("overlong U+FFFF, four bytes", b"\xf0\x8f\xbf\xbf"),
        ("lone continuation byte", b"\x80"),
        ("lone continuation byte after a letter", b"a\xbf"),
        ("truncated two-byte sequence", b"\xc3"),
        ("truncated three-byte sequence", b"\xe2\x82"),
        ("truncated four-byte sequence", b"\xf0\x9f\x98"),
        ("lead byte and then another lead byte", b"\xc3\xc3\xa9"),
        ("surrogate pair as CESU-8", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("lone high surrogate as bytes", b"\xed\xa0\x80"),
        ("lone low surrogate as bytes", b"\xed\xbf\xbf"),
        ("above U+10FFFF", b"\xf4\x90\x80\x80"),
        ("five-byte sequence", b"\xf8\x88\x80\x80\x80"),
        ("byte FE", b"\xfe"),
        ("byte FF", b"\xff"),
        ("Latin-1", "é".encode("latin-1")),
    ):
        add("json_utf8", f"{name}, in a text", b'{"a":"' + raw + b'"}')
    add("json_utf8", "lone continuation byte in a key", b'{"\x80":1}')
    add("json_utf8", "byte FF between tokens", b'{"a":\xff1}')
    add("json_utf8", "byte FF after the value", b"{}\xff")
    add("json_utf8", "UTF-16 with its own BOM", "{}".encode("utf-16"))
    add("json_syntax", "UTF-16 without a BOM", "{}".encode("utf-16-be"))


def surrogates():
    code = "json_surrogate"
    add(None, "surrogate pair as escapes", r'["\ud83d\ude00"]')
    add(None, "surrogate pair as escapes, capital letters", r'["\uD83D\uDE00"]')
    add(None, "escapes next to the surrogate range", r'["\ud7ff\ue000"]')
    add(None, "an escaped backslash before u", r'["\\ud800"]')
    add(code, "lone high surrogate", r'["\ud800"]')
    add(code, "lone low surrogate", r'["\udc00"]')
    add(code, "high surrogate before a letter", r'["\ud83da"]')
    add(code, "high surrogate before another escape", r'["\ud83d\n"]')
    add(code, "high surrogate before an ordinary \\u escape", r'["\ud83d\u0041"]')
    add(code, "high surrogate twice, then low", r'["\ud83d\ud83d\ude00"]')
    add(code, "pair in the wrong order", r'["\ude00\ud83d"]')
    add(code, "pair, then a lone low one", r'["\ud83d\ude00\ude00"]')
    add(code, "lone surrogate in a key", r'{"\udfff":1}')


def trailing():
    code = "json_trailing"
    add(None, "line feed after the value", "{}\n")
    add(code, "second object", "{}{}")
    add(code, "second object on its own line", "{}\n{}\n")
    add(code, "letter after the value", "{}x")
    add(code, "brace too many", '{"a":1}}')
    add(code, "bracket too many", "[]]")
    add(code, "comma after the value", "{},")
    add(code, "NUL after the value", "{}\x00")
    add(code, "comment after the value", "{}//")
    add(code, "white space, then a letter", "{} \n\t x")


def syntax():
    for name, text in (
        ("empty input", ""),
        ("white space only", " \n"),
        ("trailing comma in an object", '{"a":1,}'),
        ("trailing comma in an array", "[1,]"),
        ("comma only", "[,]"),
        ("two commas", "[1,,2]"),
        ("line comment before the value", "// no\n{}"),
        ("block comment inside", '{"a":/* no */1}'),
        ("hash comment", "# no\n{}"),
        ("NaN", '{"n":NaN}'),
        ("Infinity", '{"n":Infinity}'),
        ("-Infinity", '{"n":-Infinity}'),
        ("nan", '{"n":nan}'),
        ("leading zero", '{"n":01}'),
        ("leading zero after a minus", '{"n":-01}'),
        ("two zeros", '{"n":00}'),
        ("leading zero before a fraction", '{"n":00.5}'),
        ("leading plus", '{"n":+1}'),
        ("minus only", '{"n":-}'),
        ("two minuses", '{"n":--1}'),
        ("no digit before the point", '{"n":.5}'),
        ("no digit after the point", '{"n":1.}'),
        ("no digit between point and exponent", '{"n":1.e5}'),
        ("no digit in the exponent", '{"n":1e}'),
        ("sign only in the exponent", '{"n":1e+}'),
        ("fraction in the exponent", '{"n":1e1.5}'),
        ("hexadecimal number", '{"n":0x10}'),
        ("underscore in a number", '{"n":1_000}'),
        ("full-width digit", '{"n":\uff11}'),
        ("bigint suffix", '{"n":1n}'),
        ("True", '{"a":True}'),
        ("truncated literal", '{"a":nul}'),
        ("literal with a letter too many", '{"a":nulll}'),
        ("undefined", '{"a":undefined}'),
        ("single quotes", "{'a':1}"),
        ("key without quotes", "{a:1}"),
        ("number as key", "{1:2}"),
        ("key without value", '{"a"}'),
        ("key without value after the colon", '{"a":}'),
        ("missing colon", '{"a" 1}'),
        ("equals sign for colon", '{"a"=1}'),
        ("missing comma in an object", '{"a":1 "b":2}'),
        ("missing comma in an array", "[1 2]"),
        ("open object", '{"a":1'),
        ("open array", "[1"),
        ("open text", '{"a":"b'),
        ("text that ends in a backslash", '["\\'),
        ("brackets that do not match", '{"a":[1}]'),
        ("closing bracket only", "]"),
        ("raw line feed in a text", '["a\nb"]'),
        ("raw tab in a text", '["a\tb"]'),
        ("raw NUL in a text", '["a\x00b"]'),
        ("raw U+001F in a text", '["\x1f"]'),
        ("raw line feed in a key", '{"a\nb":1}'),
        ("unknown escape", r'["\x41"]'),
        ("escaped single quote", r'["\'"]'),
        ("capital U escape", r'["\U00000041"]'),
        ("escape of three digits", r'["\u004"]'),
        ("escape with a letter beyond f", r'["\u00g1"]'),
        ("escape with a sign", r'["\u+041"]'),
        ("escape with braces", r'["\u{41}"]'),
        ("form feed as white space", "\f{}"),
        ("vertical tab as white space", "[\v]"),
        ("no-break space as white space", "[\u00a0]"),
        ("NUL before the value", "\x00{}"),
    ):
        add("json_syntax", name, text)


def numbers():
    for token, note in (
        ("0", ""),
        ("-0", "equals zero"),
        ("-0.0", "equals zero"),
        ("1", ""),
        ("-1", ""),
        ("0.1", "not a binary fraction, but the shortest text of its double"),
        ("-0.5", ""),
        ("1.0", ""),
        ("1.50", "a zero at the end changes no value"),
        ("1." + "0" * 60, "many zeros"),
        ("0.30000000000000004", "seventeen digits that are needed"),
        ("1E5", ""),
        ("1e+5", ""),
        ("1e-5", ""),
        ("1e05", "zeros may lead in an exponent"),
        ("12.5e-1", ""),
        ("9007199254740991", "2^53 - 1"),
        ("9007199254740992", "2^53"),
        ("-9007199254740992", ""),
        ("9007199254740994", "2^53 + 2"),
        ("18014398509481984", "2^54"),
        ("1000000000000000000", "an ether in wei"),
        ("100000000000000000000", "beyond 64 bits"),
        ("1e22", "the largest exact power of ten"),
        ("1e23", "not a sum of powers of two, but the shortest text of its double"),
        ("1.7976931348623157e308", "the largest double"),
        ("2.2250738585072014e-308", "the smallest normal double"),
        ("5e-324", "the smallest double"),
        ("0e400", "zero, whatever the exponent"),
        ("0.0e-400", "zero, whatever the exponent"),
        ("0e99999999999999999999", "zero, whatever the exponent"),
        ("10000000000e-10", ""),
    ):
        accepts(token, note)
    for token, note in (
        ("9007199254740993", "2^53 + 1"),
        ("-9007199254740993", ""),
        ("9007199254740993.0", "the same as a fraction"),
        ("9007199254740993e0", "the same with an exponent"),
        ("18014398509481985", "2^54 + 1"),
        ("9223372036854775807", "2^63 - 1"),
        ("9223372036854775808", "2^63: its double, but not the shortest text of it"),
        ("18446744073709551615", "2^64 - 1"),
        ("123456789012345678901234567890", ""),
        ("0.1234567890123456789", ""),
        ("0.1000000000000000055511151231257827", "reads as 0.1"),
        ("0.10000000000000001", "reads as 0.1"),
        ("1.0000000000000000000000000000001", "reads as 1"),
        ("1e400", "beyond every double"),
        ("-1e400", ""),
        ("1.7976931348623159e308", "rounds to infinity"),
        ("1e99999999999999999999", "an exponent beyond 64 bits"),
        ("1e-400", "rounds to zero"),
        ("1e-99999999999999999999", "an exponent beyond 64 bits"),
        ("4.9406564584124654e-324", "the smallest double, not in its shortest text"),
        ("2e-324", "rounds to zero"),
        ("1" + "0" * 400, "beyond every double, without an exponent"),
        ("0." + "0" * 400 + "1", "rounds to zero, without an exponent"),
    ):
        refuses(token, note)
    add("json_number", "number 9007199254740993 at the top", "9007199254740993")
    add("json_number", "number 1e400 deep inside", '{"a":[{"b":[1,1e400]}]}')


def depths():
    def arrays(n):
        return "[" * n + "]" * n

    def objects(n):
        return '{"a":' * n + "1" + "}" * n

    assert DEPTH_MAX % 2 == 0
    mixed = '[{"a":' * (DEPTH_MAX // 2) + "1" + "}]" * (DEPTH_MAX // 2)
    add(None, "32 arrays", arrays(32))
    add(None, "32 objects", objects(32))
    add(None, "32 arrays and objects in turn", mixed)
    add(None, "40 arrays side by side", "[" + ",".join(["[]"] * 40) + "]")
    add(None, "32 arrays, twice side by side", f"[{arrays(31)},{arrays(31)}]")
    add(None, "40 brackets in a text", '["' + "[" * 40 + '"]')
    add("json_depth", "33 arrays", arrays(33))
    add("json_depth", "33 objects", objects(33))
    add("json_depth", "33 arrays and objects in turn", f"[{mixed}]")
    add("json_depth", "33 deep in the last element", f"[{arrays(31)},{arrays(32)}]")
    # The limit must be found on the way in, before the stack or the missing end is.
    add("json_depth", "10000 arrays, never closed", "[" * 10000)
    add("json_depth", "2000 objects, never closed", '{"a":' * 2000)


def main():
    for part in (plain, duplicates, encodings, surrogates, trailing, syntax, numbers, depths):
        part()
    names = [vector["name"] for vector in VECTORS]
    assert len(set(names)) == len(names), "two vectors have one name"
    (HERE / "strict_json.json").write_text(json.dumps({"note": NOTE, "vectors": VECTORS}, indent=1) + "\n")
    print(f"strict_json.json: {len(VECTORS)} vectors")


main()
