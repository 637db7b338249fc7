//! What checking a value can cost at most, found out from the schema alone: the host
//! checks by schemas that modules and workflows bring, and nothing stops it half way.
//!
//! A schema that is followed into all it refers to is a tree, which references can make
//! endless. Each value is checked by those schemas of it that lie on one way from the
//! root into the value, and a value's members lie on different ways: a list or a tree of
//! any depth costs little, and what comes together in one place costs its sum.
//!
//! ```text
//!   schema ─→ all that is said in its place: $ref, allOf, anyOf, if ...   sum
//!          ├→ each member's and item's own: properties, prefixItems       the dearest
//!          └→ any member's and item's: items, additionalProperties ...    sum
//! ```
//!
//! So checking takes at most [`WEIGHT_MAX`] steps for each value and each character in
//! it. Values are nested at most [`DEPTH_MAX`] deep, which is where the tree ends.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::document::Document;
use super::patterns;
use crate::json::{self, DEPTH_MAX};
use crate::refusal::Finding;

/// The most that is done with a value in one place: a schema, a constant to compare
/// with, a name to look for, or a symbol of a pattern each count once. The host's own
/// schemas have up to 346, those of the demo up to 120. With as many as may be, a value
/// of 256 KiB takes a processor for some seconds.
const WEIGHT_MAX: u64 = 2_000;

/// How deep schemas may lie in each other, by nesting and by reference, while a value is
/// checked: eight at each depth of the deepest value. Each takes some of the stack.
const HEIGHT_MAX: usize = 8 * DEPTH_MAX;

/// How many steps are taken to find that out, for all depths together: what stands in a
/// schema is looked at wherever a reference leads to it. A workflow of the largest size
/// takes a tenth; as many take less than a second.
const STEPS_MAX: usize = 4_000_000;

/// What is done with one value at most, if it is not too much.
pub(super) fn weight(root: &Value) -> Result<u64, Finding> {
    let (places, costs) = (HashMap::new(), HashMap::new());
    let mut walk = Walk { document: Document::new(root), steps: 0, places, costs };
    let cost = patterns::check(root).and_then(|()| walk.cost(root, DEPTH_MAX, 0));
    cost.map(|cost| cost.weight).map_err(|Wrong { at, keyword, detail }| {
        let mut pointer = String::new();
        let _ = find(root, at, &mut pointer); // it is there
        Finding { pointer: pointer + keyword, detail }
    })
}

/// What is wrong, and in which schema.
pub(super) struct Wrong<'a> {
    at: &'a Value,
    /// Behind the schema's own pointer.
    keyword: &'static str,
    detail: String,
}

pub(super) fn wrong<T>(at: &Value, detail: String) -> Result<T, Wrong<'_>> {
    Err(Wrong { at, keyword: "", detail })
}

fn too_high() -> String {
    format!(
        "lies in more than {HEIGHT_MAX} schemas, by nesting and by reference, or has more in it"
    )
}

fn too_heavy() -> String {
    format!(
        "says, with what it refers to, more than {WEIGHT_MAX} things of one place in a value; \
         a schema that leads back to itself should do so in one place only"
    )
}

/// The pointer of a part of a value.
fn find(value: &Value, part: &Value, pointer: &mut String) -> bool {
    if std::ptr::eq(value, part) {
        return true;
    }
    let length = pointer.len();
    let mut inside = |name: &str, value| {
        pointer.push('/');
        pointer.push_str(&json::token(name));
        let found = find(value, part, pointer);
        if !found {
            pointer.truncate(length);
        }
        found
    };
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| inside(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().any(|(i, value)| inside(&i.to_string(), value))
        }
        _ => false,
    }
}

/// All that is said of a value by a schema and by those in its place.
#[derive(Default)]
struct Here<'a> {
    weight: u64,
    height: usize,
    members: BTreeMap<&'a str, Vec<&'a Value>>,
    any_member: Vec<&'a Value>,
    items: BTreeMap<usize, Vec<&'a Value>>,
    any_item: Vec<&'a Value>,
}

/// What checking costs along the dearest way into a value.
#[derive(Clone, Copy, Default)]
struct Cost {
    weight: u64,
    height: usize,
}

impl Cost {
    fn and(self, other: Self) -> Self {
        let weight = self.weight.saturating_add(other.weight);
        Self { weight, height: self.height.max(other.height) }
    }

    fn or(self, other: Self) -> Self {
        let weight = self.weight.max(other.weight);
        Self { weight, height: self.height.max(other.height) }
    }
}

struct Walk<'a> {
    document: Document<'a>,
    steps: usize,
    places: HashMap<*const Value, Rc<Here<'a>>>,
    costs: HashMap<(*const Value, usize), Cost>,
}

impl<'a> Walk<'a> {
    /// What a schema costs of a value that is nested `depth` deep at most; `above` it lie
    /// so many schemas.
    fn cost(&mut self, schema: &'a Value, depth: usize, above: usize) -> Result<Cost, Wrong<'a>> {
        self.step(schema, 1)?;
        if !schema.is_object() {
            return Ok(Cost::default()); // true or false
        }
        let key = (std::ptr::from_ref(schema), depth);
        let cost = match self.costs.get(&key) {
            Some(known) => *known,
            None => {
                let here = self.here(schema)?;
                let inside = match depth.checked_sub(1) {
                    Some(depth) => self.inside(&here, depth, above + here.height)?,
                    None => Cost::default(),
                };
                let weight = here.weight.saturating_add(inside.weight);
                Cost { weight, height: here.height + inside.height }
            }
        };
        if above + cost.height > HEIGHT_MAX {
            return wrong(schema, too_high());
        }
        if cost.weight > WEIGHT_MAX {
            return wrong(schema, too_heavy());
        }
        self.costs.insert(key, cost);
        Ok(cost)
    }

    /// Of members and items: a value has either.
    fn inside(&mut self, here: &Here<'a>, depth: usize, above: usize) -> Result<Cost, Wrong<'a>> {
        let (mut member, mut item) = (Cost::default(), Cost::default());
        for schemas in here.members.values() {
            member = member.or(self.all(schemas, depth, above)?);
        }
        for schemas in here.items.values() {
            item = item.or(self.all(schemas, depth, above)?);
        }
        let member = member.and(self.all(&here.any_member, depth, above)?);
        let item = item.and(self.all(&here.any_item, depth, above)?);
        Ok(member.or(item))
    }

    fn all(
        &mut self,
        schemas: &[&'a Value],
        depth: usize,
        above: usize,
    ) -> Result<Cost, Wrong<'a>> {
        schemas
            .iter()
            .try_fold(Cost::default(), |sum, schema| Ok(sum.and(self.cost(schema, depth, above)?)))
    }

    fn here(&mut self, schema: &'a Value) -> Result<Rc<Here<'a>>, Wrong<'a>> {
        let key = std::ptr::from_ref(schema);
        if let Some(known) = self.places.get(&key) {
            return Ok(Rc::clone(known));
        }
        let mut here = Here::default();
        self.spread(schema, &mut here, &mut Vec::new())?;
        let here = Rc::new(here);
        self.places.insert(key, Rc::clone(&here));
        Ok(here)
    }

    /// Takes a schema and those in its place into account; `open` are those on the way.
    fn spread(
        &mut self,
        schema: &'a Value,
        here: &mut Here<'a>,
        open: &mut Vec<*const Value>,
    ) -> Result<(), Wrong<'a>> {
        let Value::Object(keywords) = schema else { return Ok(()) };
        self.step(schema, size(keywords))?;
        let own = std::ptr::from_ref(schema);
        if open.contains(&own) {
            return wrong(schema, "leads back to itself without going into the value".to_owned());
        }
        here.weight = here.weight.saturating_add(own_weight(keywords));
        here.height = here.height.max(open.len() + 1);
        if here.height > HEIGHT_MAX {
            return wrong(schema, too_high());
        }
        if here.weight > WEIGHT_MAX {
            return wrong(schema, too_heavy());
        }
        here.note(keywords);
        open.push(own);
        for inner in self.in_place(schema, keywords)? {
            self.spread(inner, here, open)?;
        }
        if ["unevaluatedProperties", "unevaluatedItems"].iter().any(|k| keywords.contains_key(*k)) {
            self.spread_again(schema, keywords, here, open)?;
        }
        open.pop();
        Ok(())
    }

    /// What `unevaluated…` asks again: which of the schemas in its place hold, at every
    /// depth, and of which members and items theirs do.
    fn spread_again(
        &mut self,
        schema: &'a Value,
        keywords: &'a Map<String, Value>,
        here: &mut Here<'a>,
        open: &mut Vec<*const Value>,
    ) -> Result<(), Wrong<'a>> {
        here.note_evaluating(keywords);
        for inner in self.in_place(schema, keywords)? {
            self.spread(inner, here, open)?;
            if let Value::Object(keywords) = inner {
                open.push(std::ptr::from_ref(inner));
                self.spread_again(inner, keywords, here, open)?;
                open.pop();
            }
        }
        Ok(())
    }

    /// The schemas that are about the same value.
    fn in_place(
        &self,
        schema: &'a Value,
        keywords: &'a Map<String, Value>,
    ) -> Result<Vec<&'a Value>, Wrong<'a>> {
        let mut inner = Vec::new();
        for (keyword, argument) in keywords {
            match (keyword.as_str(), argument) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    let target = self.document.resolve(reference).ok_or_else(|| Wrong {
                        at: schema,
                        keyword: match keyword.as_str() {
                            "$ref" => "/$ref",
                            "$dynamicRef" => "/$dynamicRef",
                            _ => "/$recursiveRef",
                        },
                        detail: "must be a place in this schema, as `#/$defs/name`, and no schema within it may have an `$id` or a `$schema`".to_owned(),
                    })?;
                    inner.push(target);
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => inner.extend(all),
                ("not" | "if" | "then" | "else", schema) => inner.push(schema),
                ("dependentSchemas" | "dependencies", Value::Object(each)) => {
                    inner.extend(each.values());
                }
                _ => {}
            }
        }
        Ok(inner)
    }

    fn step(&mut self, at: &'a Value, count: usize) -> Result<(), Wrong<'a>> {
        self.steps += count;
        if self.steps > STEPS_MAX {
            return wrong(
                at,
                format!("cannot be followed into all it refers to in {STEPS_MAX} steps"),
            );
        }
        Ok(())
    }
}

impl<'a> Here<'a> {
    /// The schemas about members and items.
    fn note(&mut self, keywords: &'a Map<String, Value>) {
        for (keyword, argument) in keywords {
            match (keyword.as_str(), argument) {
                ("properties", Value::Object(properties)) => {
                    for (name, schema) in properties {
                        self.members.entry(name).or_default().push(schema);
                    }
                }
                ("patternProperties", Value::Object(patterns)) => {
                    self.any_member.extend(patterns.values());
                }
                ("additionalProperties" | "unevaluatedProperties" | "propertyNames", schema) => {
                    self.any_member.push(schema);
                }
                ("prefixItems" | "items", Value::Array(items)) => {
                    for (i, schema) in items.iter().enumerate() {
                        self.items.entry(i).or_default().push(schema);
                    }
                }
                ("items" | "contains" | "unevaluatedItems" | "additionalItems", schema) => {
                    self.any_item.push(schema);
                }
                _ => {}
            }
        }
    }

    /// Those of them that decide what is evaluated.
    fn note_evaluating(&mut self, keywords: &'a Map<String, Value>) {
        self.any_member.extend(keywords.get("additionalProperties"));
        self.any_member.extend(keywords.get("unevaluatedProperties"));
        self.any_item.extend(keywords.get("contains"));
        self.any_item.extend(keywords.get("unevaluatedItems"));
    }
}

/// How much there is to look at in a schema, but for those inside it.
fn size(keywords: &Map<String, Value>) -> usize {
    let of = |argument: &Value| match argument {
        Value::Object(members) => 1 + members.len(),
        Value::Array(items) => 1 + items.len(),
        _ => 1,
    };
    let patterns: usize = patterns::of(keywords).map(str::len).sum();
    1 + patterns + keywords.values().map(of).sum::<usize>()
}

/// What a schema says by itself.
fn own_weight(keywords: &Map<String, Value>) -> u64 {
    let count = |keyword: &str| match keywords.get(keyword) {
        Some(Value::Array(values)) => values.len(),
        Some(Value::Object(members)) => {
            members.values().map(|v| v.as_array().map_or(0, Vec::len)).sum()
        }
        // Each item is compared with all below it.
        Some(Value::Bool(true)) if keyword == "uniqueItems" => DEPTH_MAX,
        _ => 0,
    };
    let values: usize =
        ["enum", "required", "dependentRequired", "uniqueItems"].into_iter().map(count).sum();
    patterns::of(keywords).map(patterns::symbols).fold(1 + values as u64, u64::saturating_add)
}

#[cfg(test)]
mod tests;
