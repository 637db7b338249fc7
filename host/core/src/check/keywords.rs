//! JSON Schema keywords, as both sides of a comparison see them.

use serde_json::{Map, Value, json};

use crate::schema::Schema;

/// Keywords that only mean something together.
const GROUPS: [&[&str]; 2] = [&["if", "then", "else"], &["contains", "minContains", "maxContains"]];

/// Keywords that are kept as facts. Each says the same of a value wherever it
/// stands; `additionalProperties` does not, it depends on its neighbours.
const FACTS: [&str; 14] = [
    "anyOf",
    "const",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "enum",
    "format",
    "if",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "propertyNames",
    "uniqueItems",
];

/// A keyword with its value as one text, if it can be compared by it: what it
/// says must not depend on the schema that it stands in.
pub(super) fn fact(schema: &Map<String, Value>, keyword: &str) -> Option<String> {
    if !FACTS.contains(&keyword) {
        return None;
    }
    let group = GROUPS.iter().find(|group| group[0] == keyword);
    let members = group.copied().unwrap_or(std::slice::from_ref(&keyword));
    let members = members.iter().filter_map(|k| Some(((*k).to_owned(), schema.get(*k)?.clone())));
    let text = Value::Object(members.collect()).to_string();
    let apart = ["\"$ref\"", "\"$dynamicRef\"", "\"$id\""].iter().all(|word| !text.contains(word));
    apart.then_some(text)
}

/// A schema's document, in which its references lead somewhere.
#[derive(Clone, Copy)]
pub(super) struct Document<'a>(Option<&'a Value>);

impl<'a> Document<'a> {
    /// With a schema inside that has a base of its own no reference is followed:
    /// what it means depends on where it stands.
    pub(super) fn new(root: &'a Value) -> Self {
        fn has_base(value: &Value) -> bool {
            match value {
                Value::Object(members) => members.contains_key("$id") || inside(value),
                _ => inside(value),
            }
        }
        fn inside(value: &Value) -> bool {
            match value {
                Value::Object(members) => members.values().any(has_base),
                Value::Array(items) => items.iter().any(has_base),
                _ => false,
            }
        }
        Self((!inside(root)).then_some(root))
    }

    /// The schema that a reference leads to: a JSON Pointer behind `#`.
    pub(super) fn resolve(self, reference: &str) -> Option<&'a Value> {
        let pointer = reference.strip_prefix('#')?;
        // Neither percent-encoded pointers nor names of anchors are followed.
        if pointer.contains('%') {
            return None;
        }
        self.0?.pointer(pointer)
    }
}

/// Whether a name matches a pattern. One that does not compile matches nothing;
/// the schema that it stands in does not compile either.
pub(super) fn pattern_matches(pattern: &str, name: &str) -> bool {
    fulfils("pattern", &json!(pattern), &json!(name)).unwrap_or(false)
}

/// Whether a value fulfils a keyword; nothing, if the keyword does not compile.
pub(super) fn fulfils(keyword: &str, argument: &Value, value: &Value) -> Option<bool> {
    let schema = Schema::compile(&json!({ keyword: argument })).ok()?;
    Some(schema.check(value).is_empty())
}

/// Keywords that refuse no value.
pub(super) fn is_silent(keyword: &str) -> bool {
    const SILENT: [&str; 20] = [
        "$schema",
        "$comment",
        "$defs",
        "$anchor",
        "definitions",
        "title",
        "description",
        "default",
        "deprecated",
        "examples",
        "readOnly",
        "writeOnly",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        // They say something only beside `if` and `contains`.
        "then",
        "else",
        "minContains",
        "maxContains",
        "$vocabulary",
    ];
    SILENT.contains(&keyword) || keyword.starts_with("x-")
}

/// A name as a reference token of a JSON Pointer (RFC 6901).
pub(super) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
