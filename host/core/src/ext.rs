//! Msg_Ext: the JSON object that actions hand on to each other.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::types::Digest;

/// Msg_Ext with its one text, which is what is hashed, stored and handed out.
#[derive(Clone)]
pub struct MsgExt {
    value: Arc<Value>,
    text: Arc<str>,
    digest: Digest,
}

impl MsgExt {
    /// The ext of a message that was just admitted: `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_value(Value::Object(Map::new()))
    }

    fn from_value(value: Value) -> Self {
        let text: Arc<str> = value.to_string().into();
        let digest = Digest::of(text.as_bytes());
        Self { value: Arc::new(value), text, digest }
    }

    /// Reads the stored text.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self::from_value)
    }

    /// The ext as text: compact, keys sorted.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The ext as JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// keccak256 of the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The ext after a merge patch (RFC 7396).
    #[must_use]
    pub fn merged(&self, patch: &Value) -> Self {
        let mut value = Value::clone(&self.value);
        merge(&mut value, patch);
        Self::from_value(value)
    }
}

impl fmt::Debug for MsgExt {
    /// Only its size: what it holds may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MsgExt({} bytes)", self.text.len())
    }
}

/// RFC 7396, section 2. The depth of both sides is bounded by the parser.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (key, change) in patch {
            if change.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key).or_insert(Value::Null), change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_merge_as_in_rfc_7396() {
        // Appendix A.
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r"{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            (r"{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let patch: Value = serde_json::from_str(patch).unwrap();
            let merged = MsgExt::parse(target).unwrap().merged(&patch);
            assert_eq!(&**merged.text(), result, "{target} {patch}");
        }
    }
}
