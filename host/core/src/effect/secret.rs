//! Placeholders: how a request names a secret whose value it never sees.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Request;
use crate::types::SecretName;

/// What a placeholder starts with; the secret's name and two closing braces follow.
pub const PLACEHOLDER_START: &str = "{{secret:";

const END: &str = "}}";

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

/// Whether a placeholder stands in what strangers wrote: a message's text, or what
/// was made of it.
pub(super) fn is_in(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(PLACEHOLDER_START),
        Value::Array(items) => items.iter().any(is_in),
        Value::Object(members) => {
            members.iter().any(|(key, value)| key.contains(PLACEHOLDER_START) || is_in(value))
        }
        _ => false,
    }
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
        ] {
            assert!(is_in(&serde_json::from_str(text).unwrap()), "{text}");
        }
        assert!(!is_in(&serde_json::json!({"a": "{secret:a}", "b": [1, null]})));
    }
}
