//! Whether every value of a shape is of a reader's JSON Schema (2020-12).
//!
//! The schema is walked keyword by keyword, and each must be proven of the shape.
//! What is not proven is a [`Problem`]: `sure` when no value of the shape can
//! fulfil the keyword, else a value may or the keyword is beyond this proof.

mod combine;
mod containers;
mod scalars;

use std::cell::Cell;

use serde_json::{Map, Value};

use super::keywords::{Patterns, fact, is_silent};
use super::shape::{Facts, Parts, Shape};
use crate::schema::Document;

/// How deep schemas are followed. Shapes end before.
const DEPTH_MAX: u32 = 64;

/// How many schemas are followed for one reader.
const STEPS_MAX: u32 = 50_000;

/// The most problems that are found in one schema: a reader needs the first few.
const PROBLEMS_MAX: usize = 32;

/// Something that a reader asks for and that is not proven.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    /// JSON Pointer into the value.
    pub(super) pointer: String,
    /// The keyword that asks for it.
    pub(super) keyword: String,
    /// Whether no value of the shape fulfils it.
    pub(super) sure: bool,
    /// What the value is instead, behind `it`.
    pub(super) detail: String,
}

/// What is not proven of a shape, nothing if all is.
pub(super) fn problems(shape: &Shape, reads: &Value) -> Vec<Problem> {
    let (document, left) = (Document::new(reads), Cell::new(STEPS_MAX));
    let reader = Reader { document, left, patterns: Patterns::new() };
    reader.check(shape, reads, &Place { pointer: String::new(), depth: 0 })
}

/// A reader's schema.
struct Reader<'a> {
    document: Document<'a>,
    left: Cell<u32>,
    patterns: Patterns,
}

/// Where in the value, and how deep in the schema.
struct Place {
    pointer: String,
    depth: u32,
}

impl Place {
    fn deeper(&self) -> Self {
        Self { pointer: self.pointer.clone(), depth: self.depth + 1 }
    }

    fn problem(&self, keyword: &str, sure: bool, detail: impl Into<String>) -> Problem {
        let (pointer, keyword) = (self.pointer.clone(), keyword.to_owned());
        Problem { pointer, keyword, sure, detail: detail.into() }
    }
}

/// What is said of one keyword: it holds of every value, of none, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Always,
    Never,
    Unknown,
}

impl Verdict {
    fn of(always: bool, never: bool) -> Self {
        match (always, never) {
            (true, _) => Self::Always,
            (false, true) => Self::Never,
            (false, false) => Self::Unknown,
        }
    }
}

impl Reader<'_> {
    fn check(&self, shape: &Shape, schema: &Value, place: &Place) -> Vec<Problem> {
        if shape.is_never() {
            return Vec::new();
        }
        let schema = match schema {
            Value::Bool(true) => return Vec::new(),
            Value::Bool(false) => return vec![place.problem("false", true, "must not be there")],
            Value::Object(schema) => schema,
            _ => return vec![place.problem("schema", false, "has a schema that is none")],
        };
        if place.depth >= DEPTH_MAX || self.left.get() == 0 {
            return vec![place.problem("schema", false, "has a schema that is too deep to follow")];
        }
        self.left.set(self.left.get() - 1);
        let parts = shape.parts();
        let mut problems = Vec::new();
        for (keyword, argument) in schema {
            if is_silent(keyword) || is_fact_of(parts, schema, keyword) {
                continue;
            }
            let found = match scalars::check(parts, keyword, argument) {
                Some(verdict) => scalars::problem(verdict, parts, keyword, argument, place),
                None => self.check_inside(shape, schema, keyword, argument, place),
            };
            problems.extend(found);
            if problems.len() >= PROBLEMS_MAX {
                problems.truncate(PROBLEMS_MAX);
                break;
            }
        }
        problems
    }

    /// The keywords that hold schemas.
    fn check_inside(
        &self,
        shape: &Shape,
        schema: &Map<String, Value>,
        keyword: &str,
        argument: &Value,
        place: &Place,
    ) -> Vec<Problem> {
        let parts = shape.parts();
        match (keyword, argument) {
            ("$ref", Value::String(reference)) => match self.document.resolve(reference) {
                Some(schema) => self.check(shape, schema, &place.deeper()),
                None => vec![place.problem("$ref", false, "has a `$ref` that is not followed")],
            },
            ("allOf", Value::Array(all)) => {
                all.iter().flat_map(|one| self.check(shape, one, &place.deeper())).collect()
            }
            ("anyOf" | "oneOf", Value::Array(branches)) => {
                self.branches(shape, keyword, branches, place)
            }
            ("not", schema) => self.not(shape, schema, place),
            ("if", condition) => self.condition(shape, condition, schema, place),
            (
                "properties"
                | "required"
                | "additionalProperties"
                | "patternProperties"
                | "propertyNames"
                | "minProperties"
                | "maxProperties"
                | "dependentRequired",
                _,
            ) => match &parts.object {
                Some(object) => self.object(object, parts, schema, keyword, place),
                None => Vec::new(),
            },
            ("items" | "prefixItems", _) => match &parts.array {
                Some(array) => self.array(array, parts, schema, keyword, place),
                None => Vec::new(),
            },
            // The base of the whole document says nothing of the value.
            ("$id", _) if place.depth == 0 => Vec::new(),
            _ => {
                let detail = format!("has the keyword `{keyword}`, which is beyond this proof");
                vec![place.problem(keyword, false, detail)]
            }
        }
    }
}

/// Whether every value that the keyword is about was written under the same.
fn is_fact_of(parts: &Parts, schema: &Map<String, Value>, keyword: &str) -> bool {
    let Some(fact) = fact(schema, keyword) else { return false };
    let holds = |facts: Option<&Facts>| facts.is_none_or(|facts| facts.contains(&fact));
    let numbers = || holds(parts.number.as_ref().map(|part| &part.facts));
    let texts = || holds(parts.text.as_ref().map(|part| &part.facts));
    let arrays = || holds(parts.array.as_ref().map(|part| &part.facts));
    let objects = || holds(parts.object.as_ref().map(|part| &part.facts));
    match keyword {
        "multipleOf" => numbers(),
        "pattern" | "format" => texts(),
        "uniqueItems" | "contains" => arrays(),
        "propertyNames" | "dependentRequired" | "dependentSchemas" => objects(),
        _ => {
            let others = parts.null || parts.yes || parts.no;
            !others && numbers() && texts() && arrays() && objects()
        }
    }
}

/// Whether the value is of one kind only, so that what no value of that kind
/// fulfils, no value does.
fn is_of_one_kind(parts: &Parts) -> bool {
    parts.types().len() == 1
}

#[cfg(test)]
mod tests;
