//! What is proven of a reader's schema, by what was written.

use serde_json::{Map, Value, json};

use super::super::shape::of_schema;
use super::problems;

const PATTERN: &str = "^0x[0-9a-f]+$";

/// What is found: nothing, or keyword and whether it is sure.
fn found(written: &Value, reads: &Value) -> String {
    let problems = problems(&of_schema(written), reads);
    let one = |p: &super::Problem| {
        format!("{}{} {}", if p.sure { "sure " } else { "" }, p.keyword, p.pointer)
    };
    problems.iter().map(one).collect::<Vec<_>>().join(", ").replace(" ,", ",").trim_end().to_owned()
}

fn table(cases: &[(Value, Value, &str)]) {
    for (written, reads, expected) in cases {
        assert_eq!(found(written, reads), *expected, "{written} read as {reads}");
    }
}

#[test]
fn types_and_values() {
    table(&[
        (json!(true), json!(true), ""),
        (json!(true), json!({"description": "any", "x-note": 1}), ""),
        (json!({"type": "string"}), json!(false), "sure false"),
        (json!(false), json!(false), ""),
        (json!({"type": "string"}), json!({"type": "string"}), ""),
        (json!({"type": "integer"}), json!({"type": "number"}), ""),
        (json!({"type": "number"}), json!({"type": "integer"}), "type"),
        (json!({"enum": [1, 2.0]}), json!({"type": "integer"}), ""),
        (json!({"type": "string"}), json!({"type": "integer"}), "sure type"),
        (json!({"type": ["string", "null"]}), json!({"type": "string"}), "type"),
        (json!({"type": ["string", "null"]}), json!({"type": ["null", "string"]}), ""),
        (json!(true), json!({"type": "string"}), "type"),
        (json!({"enum": ["a"]}), json!({"enum": ["a", "b"]}), ""),
        (json!({"enum": ["a", "c"]}), json!({"enum": ["a", "b"]}), "enum"),
        (json!({"enum": ["c", "d"]}), json!({"enum": ["a", "b"]}), "sure enum"),
        (json!({"const": "a"}), json!({"enum": ["a", 1]}), ""),
        (json!({"const": "a"}), json!({"const": "b"}), "sure const"),
        (json!({"type": "string"}), json!({"enum": ["a"]}), "enum"),
        (json!({"type": "string", "minLength": 2}), json!({"enum": ["a"]}), "sure enum"),
        (json!({"type": "boolean"}), json!({"enum": [true, false]}), ""),
        (json!({"type": "boolean"}), json!({"const": true}), "const"),
        (json!({"const": {"a": 1}}), json!({"const": {"a": 1}}), ""),
        (json!({"const": {"a": 1}}), json!({"const": {"a": 2}}), "const"),
    ]);
}

#[test]
fn numbers() {
    let number = |keyword: &str, bound: f64| json!({"type": "number", keyword: bound});
    table(&[
        (number("minimum", 1.0), number("minimum", 0.0), ""),
        (number("minimum", 0.0), number("minimum", 1.0), "minimum"),
        (number("maximum", 0.0), number("minimum", 1.0), "sure minimum"),
        (number("exclusiveMaximum", 1.0), number("minimum", 1.0), "sure minimum"),
        (number("exclusiveMinimum", 0.0), number("exclusiveMinimum", 0.0), ""),
        (number("minimum", 0.0), number("exclusiveMinimum", 0.0), "exclusiveMinimum"),
        (json!({"type": "integer", "exclusiveMinimum": 0}), json!({"minimum": 1}), ""),
        (json!({"type": "integer", "maximum": 2.5}), json!({"maximum": 2}), ""),
        (json!({"type": "string"}), json!({"minimum": 1}), ""),
        (json!({"enum": [2, 4]}), json!({"multipleOf": 2}), ""),
        (json!({"enum": [2, 3]}), json!({"multipleOf": 2}), "multipleOf"),
        (json!({"type": "integer", "multipleOf": 5}), json!({"multipleOf": 5}), ""),
        (json!({"type": "integer", "multipleOf": 10}), json!({"multipleOf": 5}), "multipleOf"),
        (json!({"type": "integer"}), json!({"multipleOf": 1}), ""),
    ]);
}

#[test]
fn strings() {
    let text = |keyword: &str, value: Value| json!({"type": "string", keyword: value});
    table(&[
        (text("maxLength", json!(3)), text("maxLength", json!(4)), ""),
        (text("maxLength", json!(5)), text("maxLength", json!(4)), "maxLength"),
        (text("maxLength", json!(3)), text("minLength", json!(4)), "sure minLength"),
        (text("pattern", json!(PATTERN)), text("pattern", json!(PATTERN)), ""),
        (text("pattern", json!("^0x[0-9a-f]{2}$")), text("pattern", json!(PATTERN)), "pattern"),
        (json!({"enum": ["0x1", "0xab"]}), text("pattern", json!(PATTERN)), ""),
        (json!({"enum": ["0x1", "1"]}), text("pattern", json!(PATTERN)), "pattern"),
        (json!({"enum": ["1"]}), text("pattern", json!(PATTERN)), "sure pattern"),
        (text("format", json!("date")), text("format", json!("date")), ""),
        (text("format", json!("date-time")), text("format", json!("date")), "format"),
        (json!({"const": "2026-01-01"}), text("format", json!("date")), ""),
        (json!({"const": "yesterday"}), text("format", json!("date")), "sure format"),
        (json!({"type": "integer"}), json!({"format": "date"}), ""),
    ]);
}

#[test]
fn arrays() {
    let items = |items: Value| json!({"type": "array", "items": items});
    let string = json!({"type": "string"});
    table(&[
        (items(string.clone()), items(string.clone()), ""),
        (items(json!({"type": "integer"})), items(string.clone()), "type /0"),
        (items(json!({"type": ["string", "null"]})), items(string.clone()), "type /0"),
        (
            json!({"type": "array", "items": {"type": "integer"}, "minItems": 1}),
            items(string.clone()),
            "sure type /0",
        ),
        (json!({"type": "array", "maxItems": 0}), items(string.clone()), ""),
        (json!({"type": "array", "minItems": 2}), json!({"minItems": 1}), ""),
        (
            json!({"type": "array", "prefixItems": [string], "items": false}),
            json!({"maxItems": 1}),
            "",
        ),
        (json!({"type": "array"}), json!({"minItems": 1}), "minItems"),
        (json!({"type": "array", "maxItems": 1}), json!({"uniqueItems": true}), ""),
        (json!({"type": "array", "uniqueItems": true}), json!({"uniqueItems": true}), ""),
        (json!({"type": "array"}), json!({"uniqueItems": true}), "uniqueItems"),
        (
            json!({"type": "array", "prefixItems": [string], "items": false}),
            json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}),
            "",
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}}),
            items(json!({"type": "string"})),
            "type /0",
        ),
        (
            json!({"type": "array", "contains": {"const": 1}, "minContains": 2}),
            json!({"contains": {"const": 1}, "minContains": 2}),
            "",
        ),
        (
            json!({"type": "array", "contains": {"const": 1}}),
            json!({"contains": {"const": 1}, "minContains": 2}),
            "contains",
        ),
    ]);
}

#[test]
fn objects() {
    let closed = json!({"type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}});
    let open = json!({"type": "object", "required": ["a"]});
    table(&[
        (closed.clone(), json!({"required": ["a"]}), ""),
        (closed.clone(), json!({"required": ["b"]}), "required /b"),
        (closed.clone(), json!({"required": ["c"]}), "sure required /c"),
        (open.clone(), json!({"required": ["c"]}), "required /c"),
        (closed.clone(), json!({"properties": {"a": {"type": "string"}}}), ""),
        (closed.clone(), json!({"properties": {"a": {"type": "integer"}}}), "sure type /a"),
        (closed.clone(), json!({"properties": {"b": {"type": "string"}}}), "type /b"),
        (closed.clone(), json!({"properties": {"c": {"type": "string"}}}), ""),
        (open.clone(), json!({"properties": {"a": {"type": "string"}}}), "type /a"),
        (
            closed.clone(),
            json!({"properties": {"a": true, "b": true}, "additionalProperties": false}),
            "",
        ),
        (
            closed.clone(),
            json!({"properties": {"a": true}, "additionalProperties": false}),
            "false /b",
        ),
        (
            open.clone(),
            json!({"additionalProperties": {"type": "string"}}),
            "type /a, additionalProperties",
        ),
        (closed.clone(), json!({"patternProperties": {"^a": {"type": "string"}}}), ""),
        (closed.clone(), json!({"patternProperties": {"^a": {"type": "null"}}}), "sure type /a"),
        (
            json!({"type": "object", "patternProperties": {"^x": {"type": "string"}}, "additionalProperties": false}),
            json!({"patternProperties": {"^x": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            "",
        ),
        (closed.clone(), json!({"propertyNames": {"maxLength": 1}}), ""),
        (open.clone(), json!({"propertyNames": {"maxLength": 1}}), "propertyNames"),
        (closed.clone(), json!({"minProperties": 1, "maxProperties": 2}), ""),
        (closed.clone(), json!({"minProperties": 2}), "minProperties"),
        (closed.clone(), json!({"minProperties": 3}), "sure minProperties"),
        (closed.clone(), json!({"dependentRequired": {"b": ["a"], "c": ["d"]}}), ""),
        (closed, json!({"dependentRequired": {"a": ["b"]}}), "dependentRequired"),
        (
            json!({"type": "object", "properties": {"a/b": {"type": "integer"}}}),
            json!({"properties": {"a/b": {"type": "string"}}}),
            "type /a~1b",
        ),
    ]);
}

#[test]
fn combinations() {
    let either = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
    table(&[
        (json!({"type": ["string", "null"]}), either.clone(), ""),
        (either.clone(), json!({"type": ["string", "null"]}), ""),
        (json!({"type": "integer"}), either.clone(), "sure anyOf"),
        (json!({"type": ["string", "integer"]}), either.clone(), "anyOf"),
        (json!({"enum": ["a", 1]}), json!({"anyOf": [{"const": "a"}, {"const": 1}]}), ""),
        (
            json!({"type": ["string", "integer"]}),
            json!({"oneOf": [{"type": "string"}, {"type": "integer"}]}),
            "",
        ),
        (
            json!({"type": "integer"}),
            json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}),
            "sure oneOf",
        ),
        (
            json!({"type": "string"}),
            json!({"oneOf": [{"type": "string"}, {"maxLength": 3}]}),
            "oneOf",
        ),
        (json!({"type": "string"}), json!({"not": {"type": "integer"}}), ""),
        (json!({"type": "string"}), json!({"not": {"type": "string"}}), "sure not"),
        (json!({"type": "string"}), json!({"not": {"const": "a"}}), "not"),
        (json!({"type": "string", "not": {"const": "a"}}), json!({"not": {"const": "a"}}), ""),
        (
            json!({"allOf": [{"type": "integer"}, {"minimum": 1}]}),
            json!({"type": "integer", "minimum": 1}),
            "",
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"allOf": [{"type": "integer"}, {"minimum": 2}]}),
            "minimum",
        ),
        (json!({"type": "string"}), json!({"if": {"type": "integer"}, "then": false}), ""),
        (
            json!({"type": "integer"}),
            json!({"if": {"type": "integer"}, "then": {"minimum": 1}}),
            "if",
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"if": {"multipleOf": 2}, "then": {"minimum": 1}, "else": {"minimum": 0}}),
            "",
        ),
    ]);
    // A branch's words are not those of the other branch.
    let others = |other: Value| json!({"anyOf": [{"type": "string", "not": {"type": "null"}, "pattern": PATTERN}, other]});
    table(&[
        (others(json!({"type": "null"})), json!({"not": {"type": "null"}}), "not"),
        (others(json!({"type": "integer"})), json!({"pattern": PATTERN}), ""),
        (others(json!({"type": "string"})), json!({"pattern": PATTERN}), "pattern"),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "number"}]}),
            json!({"type": "integer"}),
            "type",
        ),
        (
            json!({"anyOf": [{"minimum": 1}, {"exclusiveMinimum": 1}], "type": "number"}),
            json!({"exclusiveMinimum": 1}),
            "exclusiveMinimum",
        ),
        (
            json!({"anyOf": [{"exclusiveMinimum": 1}, {"minimum": 1}], "type": "number"}),
            json!({"exclusiveMinimum": 1}),
            "exclusiveMinimum",
        ),
        (
            json!({"anyOf": [{"exclusiveMaximum": 1}, {"maximum": 1}], "type": "number"}),
            json!({"exclusiveMaximum": 1}),
            "exclusiveMaximum",
        ),
        (json!({"anyOf": [{"const": 1}, {"type": "integer"}]}), json!({"const": 1}), "const"),
        (
            json!({"anyOf": [{"maxItems": 1}, {"maxItems": 2}], "type": "array"}),
            json!({"maxItems": 1}),
            "maxItems",
        ),
        (
            json!({"anyOf": [{"minLength": 2}, {"minLength": 1}], "type": "string"}),
            json!({"minLength": 2}),
            "minLength",
        ),
    ]);
    // What was written under the same words needs no understanding.
    let tagged = json!({"type": "object", "oneOf": [
        {"required": ["a"], "properties": {"a": {"type": "string"}}},
        {"required": ["b"], "properties": {"b": {"type": "string"}}},
    ]});
    table(&[(tagged.clone(), tagged.clone(), ""), (json!({"type": "object"}), tagged, "oneOf")]);
}

#[test]
fn references() {
    let defs = json!({"hex": {"type": "string", "pattern": PATTERN}});
    let with = |mut schema: Value| {
        schema["$defs"] = defs.clone();
        schema
    };
    let list = json!({"$ref": "#/$defs/list", "$defs": {"list": {
        "type": "object", "properties": {"next": {"$ref": "#/$defs/list"}}, "additionalProperties": false}}});
    table(&[
        (with(json!({"$ref": "#/$defs/hex"})), with(json!({"$ref": "#/$defs/hex"})), ""),
        (json!({"type": "string"}), with(json!({"$ref": "#/$defs/hex"})), "pattern"),
        (json!({"type": "string"}), json!({"$ref": "#/$defs/lost"}), "$ref"),
        (
            json!({"type": "string"}),
            json!({"$ref": "#hex", "$defs": {"h": {"$anchor": "hex"}}}),
            "$ref",
        ),
        // The same words mean other things in other documents.
        (
            json!({"type": "integer", "not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"const": 1}}}),
            json!({"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"const": 2}}}),
            "not",
        ),
        // One that refers to itself ends, and says so.
        (json!({"type": "string"}), json!({"$ref": "#"}), "schema"),
        (json!({"type": "object", "additionalProperties": false}), list.clone(), ""),
        (
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$id": "urn:x", "type": "string"}}}),
            json!({"type": "string"}),
            "type",
        ),
    ]);
    assert_ne!(found(&list, &list), "", "deeper than it is followed");
}

#[test]
fn what_is_not_understood_is_not_proven() {
    for keyword in ["unevaluatedProperties", "dependentSchemas", "dependencies", "maximun"] {
        let reads = json!({ keyword: {} });
        assert_eq!(found(&json!({"type": "object"}), &reads), keyword);
    }
}

#[test]
fn references_that_double_end() {
    let mut defs = json!({"d0": {"type": "string"}});
    for i in 1..40 {
        let reference = json!({"$ref": format!("#/$defs/d{}", i - 1)});
        defs[format!("d{i}")] =
            json!({"type": "object", "properties": {"a": reference.clone(), "b": reference}});
    }
    let schema = json!({"$ref": "#/$defs/d39", "$defs": defs});
    assert_ne!(found(&schema, &schema), "");
}

#[test]
fn many_names_beside_many_patterns_end_soon() {
    let names = (0..20_000).map(|n| (format!("name{n}"), json!({"type": "string"})));
    let patterns = (0..250).map(|n| (format!("^x{n}$"), json!({"type": "number"})));
    let schema = json!({
        "properties": Map::from_iter(names), "patternProperties": Map::from_iter(patterns),
    });
    // What is not matched any more is not proven; matching them all would take minutes.
    assert!(!problems(&of_schema(&schema), &schema).is_empty());
}
