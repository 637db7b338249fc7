//! JSON Schema 2020-12, compiled once and kept. Formats are asserted, and
//! nothing outside the schema itself is ever read.
//!
//! Modules and workflows bring schemas, and the host checks by them. So one that could
//! make a check dear is refused when it is compiled, and patterns are regular
//! expressions that take time in proportion to the text: none that look around, none
//! that refer back.

mod cost;
mod document;
mod patterns;

use jsonschema::PatternOptions;
use serde_json::Value;

use crate::refusal::Finding;

pub(crate) use document::Document;

/// The most findings that one refusal lists. A hostile document can fail a
/// schema in as many places as it has values.
pub const FINDINGS_MAX: usize = 100;

/// What one pattern may be compiled to, in bytes: a name of 256 characters of any
/// language fits, and all patterns of a schema together stay below 100 MiB.
const PATTERN_CODE_BYTES_MAX: usize = 512 << 10;

/// The most that the findings of one check may take before the first of them are taken,
/// in bytes; the library makes all of them first. Above it, it is only said that a value
/// does not fit.
const FINDINGS_BYTES_MAX: u64 = 64 << 20;

/// What a finding takes beside its place, about.
const FINDING_BYTES: u64 = 256;

/// A compiled schema.
pub struct Schema {
    validator: jsonschema::Validator,
    /// The most findings about one value, but for what is inside it.
    weight: u64,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What is wrong with it, and where. A `$ref` that leads outside is wrong, and so
    /// is a schema that could make a check dear.
    pub fn compile(schema: &Value) -> Result<Self, Finding> {
        let weight = cost::weight(schema)?;
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_CODE_BYTES_MAX))
            .build(schema)
            .map(|validator| Self { validator, weight })
            .map_err(|e| Finding { pointer: e.instance_path().to_string(), detail: e.to_string() })
    }

    /// Checks a value: every finding up to [`FINDINGS_MAX`], none when it fits.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<Finding> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        if self.weight.saturating_mul(places_bytes(value, 0)) > FINDINGS_BYTES_MAX {
            let detail = "is not of the schema, and too large to be told where";
            return vec![Finding { pointer: String::new(), detail: detail.to_owned() }];
        }
        let finding = |e: jsonschema::ValidationError<'_>| Finding {
            pointer: e.instance_path().to_string(),
            // Masked: values may be private, and the caller knows what it sent.
            detail: e.masked().to_string(),
        };
        self.validator.iter_errors(value).take(FINDINGS_MAX).map(finding).collect()
    }
}

/// What one finding about each value in this one would take; `above` is the length of
/// its own place.
fn places_bytes(value: &Value, above: u64) -> u64 {
    let inside: u64 = match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| places_bytes(value, above + 1 + name.len() as u64))
            .sum(),
        Value::Array(items) => items.iter().map(|value| places_bytes(value, above + 7)).sum(),
        _ => 0,
    };
    FINDING_BYTES + above + inside
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_findings_are_named_with_their_place() {
        let schema = Schema::compile(&json!({
            "type": "object",
            "required": ["a", "b"],
            "properties": {"a": {"type": "string"}, "c": {"format": "date-time"}},
        }))
        .unwrap();
        let findings = schema.check(&json!({"a": 1, "c": "yesterday"}));
        let pointers: Vec<_> = findings.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(pointers.contains(&"/a") && pointers.contains(&"/c") && pointers.contains(&""));
        assert!(findings.iter().all(|f| !f.detail.contains("yesterday")), "{findings:?}");
    }

    #[test]
    fn nothing_outside_is_read() {
        for reference in ["https://example.com/s.json", "file:///etc/passwd", "other.json"] {
            assert!(Schema::compile(&json!({"$ref": reference})).is_err(), "{reference}");
        }
    }
}
