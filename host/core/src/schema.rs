//! JSON Schema 2020-12, compiled once and kept. Formats are asserted, and
//! nothing outside the schema itself is ever read.

use serde_json::Value;

use crate::refusal::Finding;

/// The most findings that one refusal lists. A hostile document can fail a
/// schema in as many places as it has values.
pub const FINDINGS_MAX: usize = 100;

/// A compiled schema.
pub struct Schema(jsonschema::Validator);

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What is wrong with it, and where. A `$ref` that leads outside is wrong.
    pub fn compile(schema: &Value) -> Result<Self, Finding> {
        jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(schema)
            .map(Self)
            .map_err(|e| Finding { pointer: e.instance_path().to_string(), detail: e.to_string() })
    }

    /// Checks a value: every finding up to [`FINDINGS_MAX`], none when it fits.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<Finding> {
        if self.0.is_valid(value) {
            return Vec::new();
        }
        let finding = |e: jsonschema::ValidationError<'_>| Finding {
            pointer: e.instance_path().to_string(),
            // Masked: values may be private, and the caller knows what it sent.
            detail: e.masked().to_string(),
        };
        self.0.iter_errors(value).take(FINDINGS_MAX).map(finding).collect()
    }
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
