//! Strict JSON: what one reader accepts, every reader in every language reads
//! the same way.
//!
//! serde_json alone keeps the last of two equal keys and rounds numbers
//! without a word. A lexical pass first bounds the depth and looks at encoding
//! and numbers; then the text is parsed once, with every key counted.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::refusal::{Code, Refusal};

/// The deepest nesting of arrays and objects in any JSON from outside. Real
/// messages need less than ten; the bound keeps every recursion below it small.
pub const DEPTH_MAX: usize = 32;

/// Parses a text strictly.
///
/// # Errors
/// A refusal with one of the `json_` codes and the place.
pub fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Refusal::new(Code::JsonBom, "the text starts with a byte order mark"));
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        Refusal::new(Code::JsonUtf8, format!("the text is not UTF-8 at byte {at}"))
    })?;
    scan(text)?;

    let duplicate = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Strict { place: Place::Root, duplicate: &duplicate };
    let value = seed.deserialize(&mut deserializer).map_err(|e| match duplicate.take() {
        Some(pointer) => Refusal::new(Code::JsonDuplicateKey, "an object has the same key twice")
            .at(&pointer, "is given twice"),
        None => Refusal::new(Code::JsonSyntax, e.to_string()),
    })?;
    let trailing = |e: serde_json::Error| Refusal::new(Code::JsonTrailing, e.to_string());
    deserializer.end().map_err(trailing)?;
    Ok(value)
}

/// The lexical pass. It need not notice bad syntax: the parser does.
fn scan(text: &str) -> Result<(), Refusal> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = scan_string(bytes, at)?,
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    let detail = format!("nested deeper than {DEPTH_MAX} at byte {at}");
                    return Err(Refusal::new(Code::JsonDepth, detail));
                }
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let number = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
                let length = bytes[at..].iter().take_while(|b| number(b)).count();
                if !exact(&text[at..at + length]) {
                    let detail = format!(
                        "the number at byte {at} does not fit a double exactly; write it as a string"
                    );
                    return Err(Refusal::new(Code::JsonNumber, detail));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// Walks over the string that starts at `start` and returns the place behind it.
fn scan_string(bytes: &[u8], start: usize) -> Result<usize, Refusal> {
    let mut at = start + 1;
    let mut high_surrogate = false;
    while let Some(&byte) = bytes.get(at) {
        let unit = match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'u')) => escaped_unit(bytes, at + 2),
            _ => None,
        };
        let low = unit.is_some_and(|u| (0xdc00..0xe000).contains(&u));
        if high_surrogate != low {
            let detail = format!("half a surrogate pair at byte {at}");
            return Err(Refusal::new(Code::JsonSurrogate, detail));
        }
        high_surrogate = unit.is_some_and(|u| (0xd800..0xdc00).contains(&u));
        at += match (byte, unit) {
            (b'"', _) => return Ok(at + 1),
            (_, Some(_)) => 6,
            (b'\\', None) => 2,
            _ => 1,
        };
    }
    Ok(at)
}

fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = std::str::from_utf8(bytes.get(at..at + 4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

/// Whether the token's decimal value is that of the shortest text of its
/// double, which is what every other reader will print back.
fn exact(token: &str) -> bool {
    let Ok(double) = token.parse::<f64>() else {
        return true; // not a number: the parser says so
    };
    double.is_finite() && decimal(token) == decimal(&format!("{double:e}"))
}

/// Sign, digits without zeros at either end, and the power of ten behind them.
fn decimal(token: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    // An exponent beyond i64 belongs to a zero or to a number that is not finite.
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let head = digits.trim_end_matches('0');
    let zeros = digits.len() - head.len();
    let significant = head.trim_start_matches('0').to_owned();
    if significant.is_empty() {
        return (false, significant, 0);
    }
    // Where it would overflow, the number is as good as zero and not exact.
    let exponent = exponent.saturating_sub(fraction.len() as i64).saturating_add(zeros as i64);
    (negative, significant, exponent)
}

/// A name as a reference token of a JSON Pointer (RFC 6901).
#[must_use]
pub fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Builds a value and notes the pointer of the first repeated key.
#[derive(Clone, Copy)]
struct Strict<'a> {
    place: Place<'a>,
    duplicate: &'a RefCell<Option<String>>,
}

/// Where a value stands. Only a repeated key has its pointer written: a text may have
/// a long key around many values.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Item(&'a Place<'a>, usize),
    Member(&'a Place<'a>, &'a str),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
            Self::Member(parent, key) => {
                format!("{}/{}", parent.pointer(), token(key))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            let place = Place::Item(&self.place, array.len());
            match items.next_element_seed(Strict { place, ..self })? {
                Some(item) => array.push(item),
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let place = Place::Member(&self.place, &key);
            if object.contains_key(&key) {
                self.duplicate.replace(Some(place.pointer()));
                return Err(A::Error::custom("duplicate key"));
            }
            let value = members.next_value_seed(Strict { place, ..self })?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<Code> {
        parse(text.as_bytes()).err().map(|refusal| refusal.code)
    }

    #[test]
    fn numbers_are_what_every_reader_reads() {
        for good in [
            "0",
            "-0",
            "0.1",
            "1.50",
            "1e22",
            "9007199254740992",
            "18014398509481984",
            "-12.5e-3",
            "0e999999999999999999999",
        ] {
            assert_eq!(code(good), None, "{good}");
        }
        for bad in [
            "9007199254740993",
            "1e400",
            "1e-400",
            "0.1234567890123456789",
            "18446744073709551616",
            "1.5e-9223372036854775808",
            "1.5e-9223372036854775809",
            "10e9223372036854775807",
        ] {
            assert_eq!(code(bad), Some(Code::JsonNumber), "{bad}");
        }
    }

    #[test]
    fn a_repeated_key_is_refused_with_its_pointer() {
        let refusal = parse(br#"{"a":{"b/c":1,"b\/c":2}}"#).unwrap_err();
        assert_eq!(refusal.code, Code::JsonDuplicateKey);
        assert_eq!(refusal.errors[0].pointer, "/a/b~1c");
        let refusal = parse(br#"{"~":[0,{"c":{"d":1,"d":2}}]}"#).unwrap_err();
        assert_eq!(refusal.errors[0].pointer, "/~0/1/c/d");
    }

    /// With a pointer for each value this would copy some terabytes.
    #[test]
    fn a_long_key_around_many_values_costs_no_more() {
        let text = format!(r#"{{"{}":[{}0]}}"#, "~".repeat(2 << 20), "0,".repeat(1 << 20));
        let value = parse(text.as_bytes()).unwrap();
        let array = value.as_object().unwrap().values().next().unwrap();
        assert_eq!(array.as_array().unwrap().len(), (1 << 20) + 1);
    }

    #[test]
    fn surrogates_come_in_pairs() {
        assert_eq!(parse(br#""\ud83d\ude00""#).unwrap(), Value::from("😀"));
        for bad in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\ud83d\ude00""#, r#""\ud83dx""#] {
            assert_eq!(code(bad), Some(Code::JsonSurrogate), "{bad}");
        }
        assert_eq!(parse(br#""\\ud83d""#).unwrap(), Value::from(r"\ud83d"));
    }

    #[test]
    fn depth_is_bounded_before_parsing() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(code(&nested(DEPTH_MAX)), None);
        assert_eq!(code(&nested(DEPTH_MAX + 1)), Some(Code::JsonDepth));
        assert_eq!(code(&"[".repeat(1_000_000)), Some(Code::JsonDepth));
        assert_eq!(code(r#""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[""#), None);
    }

    #[test]
    fn objects_are_printed_in_the_order_of_their_keys() {
        // Msg_Ext is hashed as printed, so the order must not depend on a
        // feature that some other crate switches on.
        let value = parse(br#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"a":2,"b":1}"#);
    }
}
