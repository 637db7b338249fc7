//! Keywords of arrays and objects.

use serde_json::{Map, Value};

use super::{Place, Problem, Reader, is_of_one_kind};
use crate::check::shape::{Array, Object, Parts, Shape, Text};
use crate::json::token;

impl Reader<'_> {
    pub(super) fn array(
        &self,
        array: &Array,
        parts: &Parts,
        schema: &Map<String, Value>,
        keyword: &str,
        place: &Place,
    ) -> Vec<Problem> {
        let one_kind = is_of_one_kind(parts);
        let item = |index: usize, shape: &Shape, schema: &Value| {
            let surely = one_kind && array.min > index as u64;
            self.member(shape, schema, place, &index.to_string(), surely)
        };
        let readers = schema.get("prefixItems").and_then(Value::as_array);
        let readers = readers.map(Vec::as_slice).unwrap_or_default();
        match (keyword, schema.get(keyword)) {
            ("items", Some(items)) => {
                let listed = readers.len()..array.prefix.len().max(readers.len());
                let behind = listed.end;
                let mut problems: Vec<_> =
                    listed.flat_map(|i| item(i, &array.item(i), items)).collect();
                problems.extend(item(behind, &array.item(behind), items));
                problems
            }
            _ => {
                let each = readers.iter().enumerate();
                each.flat_map(|(i, schema)| item(i, &array.item(i), schema)).collect()
            }
        }
    }

    pub(super) fn object(
        &self,
        object: &Object,
        parts: &Parts,
        schema: &Map<String, Value>,
        keyword: &str,
        place: &Place,
    ) -> Vec<Problem> {
        let one_kind = is_of_one_kind(parts);
        let argument = schema.get(keyword).unwrap_or(&Value::Null);
        match (keyword, argument) {
            ("required", Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .filter_map(|name| missing(object, name, one_kind, place))
                .collect(),
            ("properties", Value::Object(properties)) => {
                let each = properties.iter().flat_map(|(name, schema)| {
                    let slot = object.slot(name);
                    self.member(&slot.shape, schema, place, name, one_kind && slot.must)
                });
                each.collect()
            }
            ("additionalProperties" | "patternProperties", argument) => {
                self.further(object, one_kind, schema, keyword, argument, place)
            }
            ("propertyNames", names) => self.names(object, names, place),
            ("minProperties" | "maxProperties", bound) => {
                counted(object, one_kind, keyword, bound, place).into_iter().collect()
            }
            ("dependentRequired", Value::Object(pairs)) => {
                let unproven = |(name, needed): (&String, &Value)| {
                    let there = |n: &Value| n.as_str().is_some_and(|n| object.slot(n).must);
                    let all = needed.as_array().is_some_and(|needed| needed.iter().all(there));
                    let proven = all || object.slot(name).is_empty();
                    let detail = format!("may have `{name}` without what `{keyword}` says");
                    (!proven).then(|| place.problem(keyword, false, detail))
                };
                pairs.iter().filter_map(unproven).collect()
            }
            _ => vec![place.problem(keyword, false, "has a schema that is none")],
        }
    }

    /// A member or an item by its own schema. What is wrong with it is only sure
    /// of the whole value when it is surely there.
    fn member(
        &self,
        shape: &Shape,
        schema: &Value,
        place: &Place,
        name: &str,
        surely: bool,
    ) -> Vec<Problem> {
        let pointer = format!("{}/{}", place.pointer, token(name));
        let problems = self.check(shape, schema, &Place { pointer, depth: place.depth + 1 });
        problems.into_iter().map(|p| Problem { sure: p.sure && surely, ..p }).collect()
    }

    /// Members that are not in the reader's `properties`.
    fn further(
        &self,
        object: &Object,
        one_kind: bool,
        schema: &Map<String, Value>,
        keyword: &str,
        argument: &Value,
        place: &Place,
    ) -> Vec<Problem> {
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let is_property = |name: &str| {
            schema
                .get("properties")
                .and_then(Value::as_object)
                .is_some_and(|p| p.contains_key(name))
        };
        let matching = |name: &str| -> Option<Vec<&Value>> {
            let mut matching = Vec::new();
            for (pattern, schema) in patterns.into_iter().flatten() {
                if self.patterns.matches(pattern, name)? {
                    matching.push(schema);
                }
            }
            Some(matching)
        };
        let additional = keyword == "additionalProperties";
        let mut problems = Vec::new();
        for (name, slot) in object.known.iter().filter(|(_, slot)| !slot.is_empty()) {
            let surely = one_kind && slot.must;
            if additional && is_property(name) {
                continue;
            }
            let Some(matching) = matching(name) else {
                let detail = "has more names and patterns than are matched";
                problems.push(place.problem(keyword, false, detail));
                break;
            };
            let schemas = match additional {
                true if matching.is_empty() => vec![argument],
                true => Vec::new(),
                false => matching,
            };
            for schema in schemas {
                problems.extend(self.member(&slot.shape, schema, place, name, surely));
            }
        }
        // Members of any other name may match each pattern or none.
        let schemas: Vec<&Value> = match argument {
            Value::Object(patterns) if !additional => patterns.values().collect(),
            argument => vec![argument],
        };
        for schema in schemas {
            let inside = self.check(&object.rest, schema, &place.deeper());
            if let Some(first) = inside.into_iter().next() {
                let detail = format!("may have members of any name, of which one {}", first.detail);
                problems.push(place.problem(keyword, false, detail));
            }
        }
        problems
    }

    fn names(&self, object: &Object, schema: &Value, place: &Place) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, slot) in object.known.iter().filter(|(_, slot)| !slot.is_empty()) {
            let shape = Shape::of_value(&Value::from(name.as_str()));
            if !self.check(&shape, schema, &place.deeper()).is_empty() {
                let be = if slot.must { "has" } else { "may have" };
                let detail = format!("{be} a member `{name}`, against `propertyNames`");
                problems.push(place.problem("propertyNames", false, detail));
            }
        }
        if !object.rest.is_never() {
            let any = of_any_text();
            if !self.check(&any, schema, &place.deeper()).is_empty() {
                let detail = "may have members of any name, against `propertyNames`";
                problems.push(place.problem("propertyNames", false, detail));
            }
        }
        problems
    }
}

/// Any string: what the name of a member may be.
fn of_any_text() -> Shape {
    Parts { text: Some(Text::ANY), ..Parts::default() }.into()
}

/// A member that is required and not proven to be there.
fn missing(object: &Object, name: &str, one_kind: bool, place: &Place) -> Option<Problem> {
    let slot = object.slot(name);
    if slot.must {
        return None;
    }
    let pointer = format!("{}/{}", place.pointer, token(name));
    let (sure, detail) = match slot.is_empty() {
        true => (one_kind, "is not there"),
        false => (false, "may be missing"),
    };
    Some(Place { pointer, depth: 0 }.problem("required", sure, detail))
}

fn counted(
    object: &Object,
    one_kind: bool,
    keyword: &str,
    bound: &Value,
    place: &Place,
) -> Option<Problem> {
    let bound = bound.as_f64()?;
    let least = object.known.values().filter(|slot| slot.must).count() as f64;
    let most = match object.rest.is_never() {
        true => object.known.values().filter(|slot| !slot.is_empty()).count() as f64,
        false => f64::INFINITY,
    };
    let (always, never) = match keyword {
        "minProperties" => (least >= bound, most < bound),
        _ => (most <= bound, least > bound),
    };
    let detail = format!("has {least} to {most} members, against `{keyword}` {bound}");
    (!always).then(|| place.problem(keyword, never && one_kind, detail))
}
