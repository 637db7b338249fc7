//! JSON Schema keywords, as both sides of a comparison see them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

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

/// How often names are matched with patterns in one walk over a schema: the names of its
/// properties times the patterns beside them, wherever references lead to them.
const MATCHES_MAX: u32 = 100_000;

/// The patterns that a walk meets, each compiled once.
pub(super) struct Patterns {
    compiled: RefCell<HashMap<String, Option<Schema>>>,
    left: Cell<u32>,
}

impl Patterns {
    pub(super) fn new() -> Self {
        Self { compiled: RefCell::default(), left: Cell::new(MATCHES_MAX) }
    }

    /// Whether a name matches a pattern; nothing when too much was matched already. One
    /// that does not compile matches nothing; the schema that it stands in does not
    /// compile either.
    pub(super) fn matches(&self, pattern: &str, name: &str) -> Option<bool> {
        self.left.set(self.left.get().checked_sub(1)?);
        let mut compiled = self.compiled.borrow_mut();
        if !compiled.contains_key(pattern) {
            compiled.insert(pattern.to_owned(), keyword("pattern", &json!(pattern)));
        }
        let schema = compiled.get(pattern)?;
        Some(schema.as_ref().is_some_and(|schema| schema.check(&json!(name)).is_empty()))
    }
}

/// A schema of one keyword, if it compiles.
pub(super) fn keyword(keyword: &str, argument: &Value) -> Option<Schema> {
    Schema::compile(&json!({ keyword: argument })).ok()
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
