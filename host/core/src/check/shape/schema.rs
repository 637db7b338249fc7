//! The shape of what a JSON Schema (2020-12) admits. Keywords that shapes have
//! no place for are left out or kept as facts: the shape then admits more.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::{Array, Facts, Number, Object, Parts, Shape, Slot, Text};
use crate::check::keywords::{Patterns, fact};
use crate::schema::Document;

/// How deep schemas are followed into each other; what is deeper may be anything.
/// A schema that refers to itself has no other end.
const DEPTH_MAX: u32 = 24;

/// How many schemas are followed in one: references can double at each level.
const SCHEMAS_MAX: u32 = 5_000;

/// The shape of what a schema admits.
pub(in crate::check) fn of_schema(root: &Value) -> Shape {
    let (document, left) = (Document::new(root), Cell::new(SCHEMAS_MAX));
    Schemas { document, left, patterns: Patterns::new() }.shape(root, 0)
}

struct Schemas<'a> {
    document: Document<'a>,
    left: Cell<u32>,
    patterns: Patterns,
}

impl Schemas<'_> {
    fn shape(&self, schema: &Value, depth: u32) -> Shape {
        let schema = match schema {
            Value::Bool(false) => return Shape::never(),
            Value::Object(schema) if depth < DEPTH_MAX && self.left.get() > 0 => schema,
            _ => return Shape::Any,
        };
        self.left.set(self.left.get() - 1);
        let depth = depth + 1;
        let mut parts = Parts::clone(Shape::Any.parts());
        if let Some(types) = schema.get("type") {
            keep(&mut parts, types);
        }
        parts.number = parts.number.and_then(|number| numbers(number, schema));
        parts.text = parts.text.and_then(|text| texts(text, schema));
        parts.array = parts.array.and_then(|array| self.arrays(array, schema, depth));
        parts.object = parts.object.and_then(|object| self.objects(object, schema, depth));
        let mut shape = Shape::from(parts);
        for (keyword, value) in schema {
            shape = match (keyword.as_str(), value) {
                ("enum", Value::Array(values)) => shape.meet(&values_of(values)),
                ("const", value) => shape.meet(&Shape::of_value(value)),
                ("$ref", Value::String(reference)) => match self.document.resolve(reference) {
                    Some(schema) => shape.meet(&self.shape(schema, depth)),
                    None => shape,
                },
                ("allOf", Value::Array(all)) => {
                    all.iter().fold(shape, |shape, one| shape.meet(&self.shape(one, depth)))
                }
                ("anyOf" | "oneOf", Value::Array(branches)) => {
                    let branches = branches.iter().map(|branch| self.shape(branch, depth));
                    shape.meet(&branches.fold(Shape::never(), |any, one| any.join(&one)))
                }
                _ => shape,
            };
        }
        with_facts(&shape, schema)
    }

    fn arrays(&self, mut array: Array, schema: &Map<String, Value>, depth: u32) -> Option<Array> {
        if let Some(Value::Array(prefix)) = schema.get("prefixItems") {
            array.prefix = prefix.iter().map(|item| self.shape(item, depth)).collect();
        }
        if let Some(items) = schema.get("items") {
            array.items = self.shape(items, depth);
        }
        array.min = count(schema, "minItems").unwrap_or(0);
        array.max = count(schema, "maxItems").unwrap_or(u64::MAX);
        if array.items.is_never() {
            array.max = array.max.min(array.prefix.len() as u64);
        }
        (array.min <= array.max).then_some(array)
    }

    fn objects(
        &self,
        mut object: Object,
        schema: &Map<String, Value>,
        depth: u32,
    ) -> Option<Object> {
        let by_pattern: Vec<(&str, Shape)> = match schema.get("patternProperties") {
            Some(Value::Object(patterns)) => {
                patterns.iter().map(|(p, schema)| (p.as_str(), self.shape(schema, depth))).collect()
            }
            _ => Vec::new(),
        };
        let further = schema.get("additionalProperties");
        let further = further.map_or(Shape::Any, |schema| self.shape(schema, depth));
        object.rest = by_pattern.iter().fold(further, |rest, (_, shape)| rest.join(shape));
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, schema) in properties {
                // What was not matched any more is left out, and may be anything.
                let matches = |p: &str| self.patterns.matches(p, name).unwrap_or(false);
                let matching = by_pattern.iter().filter(|(p, _)| matches(p));
                let shape = self.shape(schema, depth);
                let shape = matching.fold(shape, |shape, (_, more)| shape.meet(more));
                object.known.insert(name.clone(), Slot { must: false, shape });
            }
        }
        if let Some(Value::Array(required)) = schema.get("required") {
            for name in required.iter().filter_map(Value::as_str) {
                let mut slot = object.slot(name);
                slot.must = true;
                object.known.insert(name.to_owned(), slot);
            }
        }
        object.tidy()
    }
}

/// Only the kinds of value that `type` names.
fn keep(parts: &mut Parts, types: &Value) {
    let named = |name: &str| match types {
        Value::String(one) => one == name,
        Value::Array(many) => many.iter().any(|one| one == name),
        _ => true,
    };
    parts.null &= named("null");
    parts.yes &= named("boolean");
    parts.no &= named("boolean");
    match (&mut parts.number, named("number"), named("integer")) {
        (Some(number), false, true) => number.integer = true,
        (number, false, false) => *number = None,
        _ => {}
    }
    parts.text = parts.text.take().filter(|_| named("string"));
    parts.array = parts.array.take().filter(|_| named("array"));
    parts.object = parts.object.take().filter(|_| named("object"));
}

fn numbers(mut number: Number, schema: &Map<String, Value>) -> Option<Number> {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    if let Some(min) = bound("minimum") {
        number.min = min;
    }
    if let Some(max) = bound("maximum") {
        number.max = max;
    }
    if let Some(above) = bound("exclusiveMinimum").filter(|above| *above >= number.min) {
        (number.min, number.above) = (above, true);
    }
    if let Some(below) = bound("exclusiveMaximum").filter(|below| *below <= number.max) {
        (number.max, number.below) = (below, true);
    }
    number.tidy()
}

fn texts(mut text: Text, schema: &Map<String, Value>) -> Option<Text> {
    text.min = count(schema, "minLength").unwrap_or(0);
    text.max = count(schema, "maxLength").unwrap_or(u64::MAX);
    text.tidy()
}

fn count(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    let value = schema.get(keyword)?;
    // `2.0` is an integer in JSON Schema.
    value.as_u64().or_else(|| value.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64))
}

fn values_of(values: &[Value]) -> Shape {
    if values.len() > super::VALUES_MAX {
        return Shape::Any;
    }
    values.iter().map(Shape::of_value).fold(Shape::never(), |any, one| any.join(&one))
}

/// With the keywords that a reader may ask for word by word.
fn with_facts(shape: &Shape, schema: &Map<String, Value>) -> Shape {
    let facts: Facts = schema.keys().filter_map(|keyword| fact(schema, keyword)).collect();
    if facts.is_empty() {
        return shape.clone();
    }
    let mut parts = Parts::clone(shape.parts());
    let of_parts = [
        parts.number.as_mut().map(|part| &mut part.facts),
        parts.text.as_mut().map(|part| &mut part.facts),
        parts.array.as_mut().map(|part| &mut part.facts),
        parts.object.as_mut().map(|part| &mut part.facts),
    ];
    for part in of_parts.into_iter().flatten() {
        part.extend(facts.iter().cloned());
    }
    parts.into()
}
