//! What a JSON Schema allows more or less than an older one.
//!
//! Keywords whose effect is known are compared one by one; of every other one a
//! change counts as both, so that nothing is taken for harmless that is not
//! understood.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use surety_core::json::token;

/// The most changes that are listed of one schema.
const CHANGES_MAX: usize = 100;

/// Keywords that say nothing of a value.
const ANNOTATIONS: [&str; 9] = [
    "title",
    "description",
    "$comment",
    "examples",
    "default",
    "$schema",
    "$id",
    "deprecated",
    "readOnly",
];

/// Upper bounds, which allow more the higher they are, and lower ones.
const UPPER: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
const LOWER: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];

/// Keywords that can only take values away, whatever stands beside them.
const CONSTRAINTS: [&str; 12] = [
    "const",
    "pattern",
    "format",
    "multipleOf",
    "uniqueItems",
    "propertyNames",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "$ref",
];

/// How the values that a schema allows changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// There are more.
    Wider,
    /// There are fewer.
    Narrower,
    /// Nobody knows without thinking.
    Unknown,
}

/// A change of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaChange {
    pub(crate) way: Way,
    /// JSON Pointer into the schema.
    pub(crate) pointer: String,
    pub(crate) detail: String,
    /// Whether it is a member that the older schema did not name.
    pub(crate) named: bool,
}

/// Whether an object of this schema has no members but those that it names.
pub(crate) fn is_closed(schema: &Value) -> bool {
    let closed = |keyword| schema.get(keyword) == Some(&Value::Bool(false));
    *schema == Value::Bool(false)
        || closed("additionalProperties")
        || closed("unevaluatedProperties")
}

/// All changes, the first [`CHANGES_MAX`].
pub(crate) fn changes(old: &Value, new: &Value) -> Vec<SchemaChange> {
    let mut changes = Changes(Vec::new());
    changes.compare(old, new, "");
    changes.0
}

struct Changes(Vec<SchemaChange>);

/// What is not there, as a schema.
const ANY: Value = Value::Bool(true);

impl Changes {
    fn add(&mut self, way: Way, pointer: &str, detail: impl Into<String>) {
        if self.0.len() < CHANGES_MAX {
            let (pointer, detail) = (pointer.to_owned(), detail.into());
            self.0.push(SchemaChange { way, pointer, detail, named: false });
        }
    }

    /// As deep as the schemas are, which the strict parser bounds.
    fn compare(&mut self, old: &Value, new: &Value, at: &str) {
        if old == new || self.0.len() >= CHANGES_MAX {
            return;
        }
        match (members(old), members(new)) {
            (Some(old), Some(new)) => self.keywords(&old, &new, at),
            (None, Some(_)) => self.add(Way::Wider, at, "may be there, which it could not"),
            (Some(_), None) => self.add(Way::Narrower, at, "cannot be there any more"),
            (None, None) => {}
        }
    }

    fn keywords(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, at: &str) {
        let keywords: BTreeSet<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
        for keyword in keywords {
            let (o, n) = (old.get(keyword), new.get(keyword));
            if o == n || ANNOTATIONS.contains(&keyword) {
                continue;
            }
            let place = format!("{at}/{keyword}");
            match keyword {
                "properties" => self.properties(old, new, at),
                "additionalProperties" | "items" => {
                    self.compare(o.unwrap_or(&ANY), n.unwrap_or(&ANY), &place);
                }
                "required" => self.set(o, n, &place, Way::Narrower),
                "enum" | "type" => self.set(o, n, &place, Way::Wider),
                _ if UPPER.contains(&keyword) => self.bound(o, n, &place, true),
                _ if LOWER.contains(&keyword) => self.bound(o, n, &place, false),
                _ if CONSTRAINTS.contains(&keyword) => match (o, n) {
                    (None, Some(n)) => self.add(Way::Narrower, &place, format!("is now {n}")),
                    (Some(o), None) => {
                        self.add(Way::Wider, &place, format!("was {o}, and is gone"))
                    }
                    _ => self.add(Way::Unknown, &place, changed(o, n)),
                },
                _ => self.add(Way::Unknown, &place, changed(o, n)),
            }
        }
    }

    /// A member that is not named is of the schema of all others.
    fn properties(&mut self, old: &Map<String, Value>, new: &Map<String, Value>, at: &str) {
        if old.contains_key("patternProperties") || new.contains_key("patternProperties") {
            self.add(
                Way::Unknown,
                &format!("{at}/properties"),
                "changed, beside `patternProperties`",
            );
        }
        let named = |schema: &Map<String, Value>| {
            schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let others = |schema: &Map<String, Value>| {
            schema.get("additionalProperties").cloned().unwrap_or(ANY)
        };
        let (o, n) = (named(old), named(new));
        let names: BTreeSet<&String> = o.keys().chain(n.keys()).collect();
        for name in names {
            let place = format!("{at}/properties/{}", token(name));
            match (o.get(name), n.get(name)) {
                (Some(o), Some(n)) => self.compare(o, n, &place),
                (Some(o), None) => {
                    let before = self.0.len();
                    self.compare(o, &others(new), &place);
                    if self.0.len() == before {
                        self.add(Way::Wider, &place, "is not named any more");
                    }
                }
                (None, Some(n)) => {
                    let before = self.0.len();
                    self.compare(&others(old), n, &place);
                    if self.0.len() == before {
                        self.add(Way::Narrower, &place, "is named, which it was not");
                    }
                    for change in &mut self.0[before..] {
                        change.named = true;
                    }
                }
                (None, None) => {}
            }
        }
    }

    /// Lists of which each item allows more, or less.
    fn set(&mut self, o: Option<&Value>, n: Option<&Value>, at: &str, item: Way) {
        let all = |value: Option<&Value>| -> Vec<Value> {
            match value {
                Some(Value::Array(items)) => items.clone(),
                Some(one) => vec![one.clone()],
                None => Vec::new(),
            }
        };
        // A list that is not there requires nothing, and allows everything.
        match (o, n, item) {
            (None, Some(n), Way::Wider) => self.add(Way::Narrower, at, format!("is now {n}")),
            (Some(o), None, Way::Wider) => {
                self.add(Way::Wider, at, format!("was {o}, and is gone"))
            }
            _ => {
                let (old, new) = (all(o), all(n));
                let opposite = if item == Way::Wider { Way::Narrower } else { Way::Wider };
                for added in new.iter().filter(|value| !old.contains(value)) {
                    self.add(item, at, format!("has {added} as well"));
                }
                for gone in old.iter().filter(|value| !new.contains(value)) {
                    self.add(opposite, at, format!("has {gone} no more"));
                }
            }
        }
    }

    fn bound(&mut self, o: Option<&Value>, n: Option<&Value>, at: &str, upper: bool) {
        let number = |value: Option<&Value>| value.and_then(Value::as_f64);
        let way = match (number(o), number(n)) {
            (Some(o), Some(n)) if (n > o) == upper => Way::Wider,
            (Some(_), Some(_)) | (None, Some(_)) => Way::Narrower,
            (Some(_), None) => Way::Wider,
            (None, None) => Way::Unknown,
        };
        self.add(way, at, changed(o, n));
    }
}

/// The keywords of a schema; none of the one that allows nothing.
fn members(schema: &Value) -> Option<Map<String, Value>> {
    match schema {
        Value::Bool(true) => Some(Map::new()),
        Value::Object(members) => Some(members.clone()),
        _ => None,
    }
}

fn changed(old: Option<&Value>, new: Option<&Value>) -> String {
    let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
    format!("was {}, is {}", show(old), show(new))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_keyword_goes_its_way() {
        use Way::{Narrower, Unknown, Wider};
        let closed =
            |properties: Value| json!({"properties": properties, "additionalProperties": false});
        for (old, new, pointer, way) in [
            (json!(false), json!({}), "", Wider),
            (json!(true), json!(false), "", Narrower),
            (closed(json!({})), closed(json!({"a": true})), "/properties/a", Wider),
            (closed(json!({"a": {}})), closed(json!({})), "/properties/a", Narrower),
            (closed(json!({})), json!({"properties": {}}), "/additionalProperties", Wider),
            (
                json!({}),
                json!({"properties": {"a": {"type": "null"}}}),
                "/properties/a/type",
                Narrower,
            ),
            (json!({}), json!({"properties": {"a": true}}), "/properties/a", Narrower),
            (json!({"required": ["a"]}), json!({}), "/required", Wider),
            (json!({}), json!({"required": ["a"]}), "/required", Narrower),
            (json!({"enum": [1]}), json!({"enum": [1, 2]}), "/enum", Wider),
            (json!({"enum": [1, 2]}), json!({"enum": [1]}), "/enum", Narrower),
            (json!({"enum": [1]}), json!({}), "/enum", Wider),
            (json!({"type": "string"}), json!({"type": ["string", "null"]}), "/type", Wider),
            (json!({}), json!({"type": "string"}), "/type", Narrower),
            (json!({"maximum": 1}), json!({"maximum": 2}), "/maximum", Wider),
            (json!({"maxLength": 2}), json!({"maxLength": 1}), "/maxLength", Narrower),
            (json!({"minimum": 1}), json!({"minimum": 0}), "/minimum", Wider),
            (json!({"minimum": 1}), json!({}), "/minimum", Wider),
            (json!({"items": {"maximum": 1}}), json!({"items": {}}), "/items/maximum", Wider),
            (json!({"pattern": "a"}), json!({}), "/pattern", Wider),
            (json!({"pattern": "a"}), json!({"pattern": "b"}), "/pattern", Unknown),
            (json!({}), json!({"not": {}}), "/not", Narrower),
            (json!({}), json!({"patternProperties": {"a": {}}}), "/patternProperties", Unknown),
            (json!({"$defs": {}}), json!({"$defs": {"a": {}}}), "/$defs", Unknown),
        ] {
            let found = changes(&old, &new);
            let found: Vec<_> = found.iter().map(|c| (c.pointer.as_str(), c.way)).collect();
            assert_eq!(found, [(pointer, way)], "{old} → {new}");
        }
    }

    #[test]
    fn words_are_no_change_and_changes_are_bounded() {
        assert_eq!(changes(&json!({"title": "a"}), &json!({"description": "b"})), []);
        let many: Map<String, Value> = (0..1_000).map(|i| (format!("p{i}"), json!(true))).collect();
        let old = json!({"additionalProperties": false});
        let new = json!({"additionalProperties": false, "properties": many});
        assert_eq!(changes(&old, &new).len(), CHANGES_MAX);
    }
}
