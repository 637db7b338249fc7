//! The struct types of a JSON Schema. A schema's `type` decides, else its
//! `const` or `enum`, else its `$ref`; all other keywords only narrow what is
//! valid, so they change no type. What has no type here is refused with its
//! place, and every message of a schema that is mapped is of its types.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::structs::is_identifier;
use super::{Member, PRIMARY};
use crate::json::DEPTH_MAX;
use crate::refusal::Finding;
use crate::schema::FINDINGS_MAX;
use crate::types::NAME_BYTES_MAX;

/// The most schemas that are looked into. `$ref`s can lead to the same one along
/// exponentially many ways; a definition of the largest size has less than this.
const SCHEMAS_MAX: usize = 1_000;

/// The greatest whole number that every JSON reader and wallet holds exactly.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// Strings of exactly these patterns are bytes, because each value has one text.
const HEX_PATTERNS: [(&str, &str); 2] =
    [("^0x[0-9a-f]{40}$", "address"), ("^0x[0-9a-f]{64}$", "bytes32")];

/// The struct types, by name.
pub(super) fn types(schema: &Value) -> Result<BTreeMap<String, Vec<Member>>, Vec<Finding>> {
    let (types, findings) = (BTreeMap::new(), Vec::new());
    let mut walk = Walk { root: schema, types, findings, followed: vec![String::new()], seen: 0 };
    let place = Place { schema, pointer: String::new(), depth: 0 };
    let kind = walk.kind(&place, PRIMARY);
    if kind.is_some_and(|kind| kind != PRIMARY) {
        let _ = walk.refuse(&place.pointer, "a message must be an object");
    }
    if walk.findings.is_empty() { Ok(walk.types) } else { Err(walk.findings) }
}

struct Walk<'s> {
    root: &'s Value,
    types: BTreeMap<String, Vec<Member>>,
    findings: Vec<Finding>,
    /// The `$ref`s that led here, as pointers; the first is the root itself.
    followed: Vec<String>,
    seen: usize,
}

/// A schema within the root schema.
struct Place<'s> {
    schema: &'s Value,
    pointer: String,
    /// How many schemas it lies in, by nesting or by `$ref`.
    depth: usize,
}

impl<'s> Place<'s> {
    fn child(&self, schema: &'s Value, way: &str) -> Self {
        let pointer = format!("{}/{way}", self.pointer);
        Self { schema, pointer, depth: self.depth + 1 }
    }
}

impl<'s> Walk<'s> {
    /// Notes what is wrong at a place.
    fn refuse(&mut self, pointer: &str, detail: impl Into<String>) -> Option<String> {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { pointer: pointer.to_owned(), detail: detail.into() });
        }
        None
    }

    /// The type of a schema's values; none if it was refused. `name` is for the
    /// struct that it becomes, if it does.
    fn kind(&mut self, place: &Place<'s>, name: &str) -> Option<String> {
        self.seen += 1;
        let at = &place.pointer;
        if self.seen > SCHEMAS_MAX || place.depth > DEPTH_MAX {
            let detail = format!(
                "typed data have at most {SCHEMAS_MAX} members, nested at most {DEPTH_MAX} deep"
            );
            return self.refuse(at, detail);
        }
        let Some(schema) = place.schema.as_object() else {
            return self.refuse(at, "must say which type its values have");
        };
        if place.depth > 0 && schema.contains_key("$id") {
            return self.refuse(at, "has an `$id`: references must stay within one schema");
        }
        match schema.get("type").map(Value::as_str) {
            Some(Some("string")) => Some(string(schema).to_owned()),
            Some(Some("boolean")) => Some("bool".to_owned()),
            Some(Some("integer")) => self.integer(at, schema),
            Some(Some("object")) => self.object(place, schema, name),
            Some(Some("array")) => self.array(place, schema, name),
            Some(Some("number")) => self.refuse(
                at,
                "numbers with fractions have no type in typed data; make it a bounded `integer` or a `string`",
            ),
            Some(Some("null")) => self.refuse(at, "null has no type in typed data"),
            Some(_) => self.refuse(at, "must have one `type`, not several"),
            None => self.untyped(place, schema, name),
        }
    }

    fn untyped(
        &mut self,
        place: &Place<'s>,
        schema: &'s Map<String, Value>,
        name: &str,
    ) -> Option<String> {
        let constants = match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
            (Some(constant), _) => Some(std::slice::from_ref(constant)),
            (None, values) => values.map(Vec::as_slice),
        };
        if let Some(values) = constants {
            let detail =
                "all constants must be strings, or all booleans, or all integers within ±(2^53-1)";
            return match kind_of_constants(values) {
                Some(kind) => Some(kind.to_owned()),
                None => self.refuse(&place.pointer, detail),
            };
        }
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
            let detail = "must have a `type`, a `const`, an `enum` or a `$ref`; typed data cannot show a choice of types";
            return self.refuse(&place.pointer, detail);
        };
        let target = reference.strip_prefix('#').filter(|p| p.is_empty() || p.starts_with('/'));
        let target = target.and_then(|pointer| Some((pointer, self.root.pointer(pointer)?)));
        let at = format!("{}/$ref", place.pointer);
        let Some((pointer, schema)) = target else {
            return self.refuse(&at, "must be a place in this schema, as `#/$defs/name`");
        };
        if self.followed.iter().any(|followed| followed == pointer) {
            return self.refuse(&at, "leads back to itself: typed data have no recursive types");
        }
        self.followed.push(pointer.to_owned());
        let place = Place { schema, pointer: pointer.to_owned(), depth: place.depth + 1 };
        let kind = self.kind(&place, name);
        self.followed.pop();
        kind
    }

    fn integer(&mut self, at: &str, schema: &Map<String, Value>) -> Option<String> {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        match (bound("minimum"), bound("maximum")) {
            (Some(min), Some(max)) if min >= -INTEGER_MAX && max <= INTEGER_MAX => {
                Some(integer(min >= 0.0).to_owned())
            }
            _ => self.refuse(
                at,
                "an integer must have a `minimum` and a `maximum` within ±9007199254740991; a larger one is a `string`",
            ),
        }
    }

    fn array(
        &mut self,
        place: &Place<'s>,
        schema: &'s Map<String, Value>,
        name: &str,
    ) -> Option<String> {
        if schema.contains_key("prefixItems") {
            let at = format!("{}/prefixItems", place.pointer);
            return self.refuse(&at, "typed data have no tuples; use an object");
        }
        let Some(items) = schema.get("items") else {
            return self.refuse(&place.pointer, "an array must have `items`");
        };
        let kind = self.kind(&place.child(items, "items"), name)?;
        Some(format!("{kind}[]"))
    }

    /// Declares the struct.
    fn object(
        &mut self,
        place: &Place<'s>,
        schema: &'s Map<String, Value>,
        name: &str,
    ) -> Option<String> {
        let (at, findings) = (&place.pointer, self.findings.len());
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            self.refuse(at, "an object must have `additionalProperties: false`");
        }
        if schema.contains_key("patternProperties") {
            self.refuse(&format!("{at}/patternProperties"), "typed data name every member");
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            return self.refuse(at, "an object must have `properties`");
        };
        let required: Vec<&str> = match schema.get("required").and_then(Value::as_array) {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => Vec::new(),
        };
        let mut members = Vec::with_capacity(properties.len());
        // In the order of their names, as serde_json keeps them.
        for (property, schema) in properties {
            if self.seen > SCHEMAS_MAX {
                break; // it was said
            }
            let way = format!("properties/{}", crate::json::token(property));
            let child = place.child(schema, &way);
            if !is_name(property) {
                let detail = "a name must be a letter, then at most 63 letters, digits and `_`";
                self.refuse(&child.pointer, detail);
                continue;
            }
            if !required.contains(&property.as_str()) {
                self.refuse(
                    &child.pointer,
                    "is not `required`: typed data have no optional members",
                );
            }
            let name = format!("{name}{}", titled(property));
            if let Some(kind) = self.kind(&child, &name) {
                members.push(Member { name: property.clone(), kind });
            }
        }
        if self.types.contains_key(name) {
            let detail = format!("becomes a second struct `{name}`; rename a property");
            return self.refuse(at, detail);
        }
        self.types.insert(name.to_owned(), members);
        (self.findings.len() == findings).then(|| name.to_owned())
    }
}

fn string(schema: &Map<String, Value>) -> &'static str {
    let pattern = schema.get("pattern").and_then(Value::as_str);
    let hex = HEX_PATTERNS.iter().find(|(hex, _)| pattern == Some(hex));
    hex.map_or("string", |(_, kind)| kind)
}

fn integer(unsigned: bool) -> &'static str {
    if unsigned { "uint256" } else { "int256" }
}

fn kind_of_constants(values: &[Value]) -> Option<&'static str> {
    let whole = |value: &Value| {
        let number = value.as_i64()? as f64;
        (-INTEGER_MAX..=INTEGER_MAX).contains(&number).then_some(number)
    };
    if values.iter().all(Value::is_string) {
        Some("string")
    } else if values.iter().all(Value::is_boolean) {
        Some("bool")
    } else {
        let numbers: Option<Vec<f64>> = values.iter().map(whole).collect();
        numbers.map(|numbers| integer(numbers.iter().all(|&n| n >= 0.0)))
    }
}

/// A name that is one in EIP-712 and that no language gives a meaning of its own,
/// as JavaScript does with `__proto__`.
fn is_name(property: &str) -> bool {
    is_identifier(property) && !property.starts_with('_') && property.len() <= NAME_BYTES_MAX
}

/// `max_fee` as `MaxFee`, for the struct's name.
fn titled(property: &str) -> String {
    let word = |word: &str| match word.chars().next() {
        Some(first) => {
            format!("{}{}", first.to_ascii_uppercase(), &word[first.len_utf8()..])
        }
        None => String::new(),
    };
    property.split('_').map(word).collect()
}
