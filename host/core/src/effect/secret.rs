//! Placeholders: how a request names a secret whose value it never sees.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Header, Request, Response};
use crate::types::SecretName;

/// What a placeholder starts with; the secret's name and two closing braces follow.
pub const PLACEHOLDER_START: &str = "{{secret:";

const END: &str = "}}";

/// The most placeholders of a request: some headers and what a body repeats. Each may
/// become as long as a secret, so without a bound a request grows by hundreds of times on
/// its way. They are counted, not the bytes that they become: an action that is denied
/// at some length would know how long a secret is.
pub const PLACEHOLDERS_MAX: usize = 16;

/// The placeholders of a text: where each stands, and the secret that it names.
pub struct Placeholders<'a> {
    text: &'a [u8],
    at: usize,
}

/// All placeholders of a text, from its beginning.
#[must_use]
pub fn placeholders(text: &[u8]) -> Placeholders<'_> {
    Placeholders { text, at: 0 }
}

fn find(text: &[u8], what: &str, from: usize) -> Option<usize> {
    let what = what.as_bytes();
    text.get(from..)?.windows(what.len()).position(|w| w == what).map(|at| from + at)
}

impl Iterator for Placeholders<'_> {
    /// None in place of a name that is none.
    type Item = (std::ops::Range<usize>, Option<SecretName>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = find(self.text, PLACEHOLDER_START, self.at)?;
        let from = start + PLACEHOLDER_START.len();
        // No name is longer than one may be, and no search either.
        let window = self.text.len().min(from + crate::types::NAME_BYTES_MAX + END.len());
        let name_end = find(&self.text[..window], END, from);
        let end = name_end.map_or(from, |end| end + END.len());
        self.at = end;
        let name = name_end.and_then(|end| std::str::from_utf8(&self.text[from..end]).ok());
        Some((start..end, name.and_then(|name| name.parse().ok())))
    }
}

impl Request {
    /// Whether there is a placeholder in it.
    #[must_use]
    pub fn has_placeholder(&self) -> bool {
        let mut values = self.headers.iter().map(|(_, value)| value).chain([&self.body]);
        values.any(|value| find(value, PLACEHOLDER_START, 0).is_some())
    }

    /// The secrets that it names.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<SecretName> {
        let values = self.headers.iter().map(|(_, value)| value).chain([&self.body]);
        values.flat_map(|value| placeholders(value)).filter_map(|(_, name)| name).collect()
    }
}

/// What stands in a response where a secret's value stood. It is no placeholder: a
/// service that gives back what it was told asks for nothing.
#[must_use]
pub fn marker(name: &SecretName) -> String {
    format!("[secret:{name}]")
}

/// Whether a placeholder stands in what strangers wrote: a message's text, or what
/// was made of it.
pub(super) fn is_in(value: &Value) -> bool {
    match value {
        Value::String(text) => is_in_text(text.as_bytes()),
        Value::Array(items) => items.iter().any(is_in),
        Value::Object(members) => {
            members.iter().any(|(key, value)| is_in_text(key.as_bytes()) || is_in(value))
        }
        _ => false,
    }
}

/// The same of a response.
pub(super) fn is_in_response(response: &Response) -> bool {
    let header = |(name, value): &Header| is_in_text(name.as_bytes()) || is_in_text(value);
    response.headers.iter().any(header) || is_in_text(&response.body)
}

/// Whether a placeholder stands in a text, as it is or escaped as in JSON. No parser
/// is asked: the action's may read what the engine's refuses.
fn is_in_text(text: &[u8]) -> bool {
    find(text, PLACEHOLDER_START, 0).is_some()
        || (text.contains(&b'\\') && find(&unescaped(text), PLACEHOLDER_START, 0).is_some())
}

/// The text with the characters that `\u00hh` stands for, also where JSON in JSON has
/// several backslashes.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        match escaped(rest) {
            Some((character, behind)) if plain.last() == Some(&b'\\') => {
                while plain.last() == Some(&b'\\') {
                    plain.pop();
                }
                plain.push(character);
                rest = behind;
            }
            _ => {
                plain.push(first);
                rest = behind;
            }
        }
    }
    plain
}

/// The character of an escape behind its backslash, and what follows.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'u', b'0', b'0', high, low, behind @ ..] = text else { return None };
    let digit = |b: u8| char::from(b).to_digit(16);
    let character = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    Some((character, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_where_they_stand() {
        let all = |text: &str| -> Vec<_> {
            let name = |name: Option<SecretName>| name.map(|name| name.to_string());
            placeholders(text.as_bytes()).map(|(at, n)| (text[at].to_owned(), name(n))).collect()
        };
        let is = |text: &str, name: &str| (text.to_owned(), Some(name.to_owned()));
        assert_eq!(all("Bearer {{secret:a}}"), [is("{{secret:a}}", "a")]);
        assert_eq!(
            all("{{secret:a}}{{secret:b-1}}"),
            [is("{{secret:a}}", "a"), is("{{secret:b-1}}", "b-1")]
        );
        assert_eq!(all("{{secret}} {{ secret:a }} {secret:a}"), []);
        assert_eq!(all("{{secret:}}"), [("{{secret:}}".to_owned(), None)]);
        assert_eq!(all("{{secret:a b}}"), [("{{secret:a b}}".to_owned(), None)]);
        assert_eq!(all("{{secret:a"), [("{{secret:".to_owned(), None)]);
        let long = format!("{{{{secret:{}}}}}", "a".repeat(65));
        assert_eq!(all(&long)[0].1, None);
    }

    #[test]
    fn strangers_placeholders_are_found_anywhere() {
        for text in [
            r#"{"a": ["x", {"b": "x {{secret:a}}"}]}"#,
            r#"{"{{secret:a": 1}"#,
            r#""\u007b\u007bsecret:a""#,
            r#""{\"b\": \"\\u007b{secret:a}}\"}""#,
        ] {
            assert!(is_in(&serde_json::from_str(text).unwrap()), "{text}");
        }
        assert!(!is_in(&serde_json::json!({"a": "{secret:a}", "b": [1, null]})));
    }

    #[test]
    fn strangers_placeholders_are_found_in_responses() {
        let deep = format!("{}\"{{\\u007bsecret:a\"{}", "[".repeat(1_000), "]".repeat(1_000));
        let slashes = format!("{}u007b{{secret:a", "\\".repeat(100_000));
        let of = |name: &str, value: &[u8], body: &[u8]| {
            let headers = vec![(name.to_owned(), value.to_vec())];
            is_in_response(&Response { status: 200, headers, body: body.to_vec() })
        };
        for text in [
            "{{secret:a}}",
            "a {{secret:",
            r#"{"next": ["\u007b\u007B\u0073ecret\u003aa}}"]}"#,
            r#"{"\u007b{secret:a": 1}"#,
            r#"{"json": "{\"a\": \"\\u007b\\u007bsecret:a}}\"}"}"#,
            r#"{"json": "\u005cu007b{secret:a}}"}"#,
            r#"{} {"not one": "\u007b{secret:a}}"}"#,
            r#"{"torn": "\u007b{secret:a"#,
            &deep,
            &slashes,
        ] {
            assert!(of("a", b"b", text.as_bytes()), "{text}");
            assert!(of("a", text.as_bytes(), b""), "{text}");
            assert!(of(text, b"b", b""), "{text}");
        }
        let honest = marker(&"a".parse().unwrap());
        for text in ["", "{secret:a}", "{{secret", "u007b{secret:a}", r"\u007b", r"\u00", &honest] {
            assert!(!of("a", text.as_bytes(), text.as_bytes()), "{text}");
        }
        assert!(!of("a", b"{{sec", b"ret:a}}") && !of("a", b"b", b"\xff{{\\u00fesecret:"));
    }
}
