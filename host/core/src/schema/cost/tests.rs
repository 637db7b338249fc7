use serde_json::{Value, json};

use super::*;
use crate::schema::Schema;

/// Definitions `a0` to `aN`, each made from its number; the root refers to the first.
fn chain(length: usize, link: impl Fn(usize) -> Value) -> Value {
    let defs: Map<String, Value> = (0..length).map(|n| (format!("a{n}"), link(n))).collect();
    json!({"$ref": "#/$defs/a0", "$defs": defs})
}

fn to(n: usize) -> Value {
    json!({"$ref": format!("#/$defs/a{n}")})
}

fn refused(schema: &Value) -> Finding {
    Schema::compile(schema).map(drop).unwrap_err()
}

#[test]
fn what_doubles_at_each_reference_is_refused() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let doubling = chain(60, |n| match n {
            59 => json!({"type": "object"}),
            n => json!({keyword: [to(n + 1), to(n + 1)]}),
        });
        let finding = refused(&doubling);
        assert!(finding.detail.contains("2000"), "{finding:?}");
    }
    let within = chain(8, |n| match n {
        7 => json!({"type": "object"}),
        n => json!({"allOf": [to(n + 1), to(n + 1)]}),
    });
    assert!(Schema::compile(&within).unwrap().check(&json!({})).is_empty());
}

#[test]
fn what_doubles_at_each_depth_of_the_value_is_refused() {
    for schema in [
        json!({"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}),
        json!({"items": {"$ref": "#"}, "contains": {"$ref": "#"}}),
        json!({"oneOf": [
            {"properties": {"of": {"$ref": "#"}, "op": {"const": "not"}}},
            {"properties": {"of": {"$ref": "#"}, "op": {"const": "all"}}},
        ]}),
        json!({"patternProperties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}),
    ] {
        let finding = refused(&schema);
        assert!(finding.detail.contains("leads back"), "{schema}: {finding:?}");
    }
}

#[test]
fn lists_and_trees_of_any_depth_are_taken() {
    for (schema, value) in [
        (json!({"items": {"$ref": "#"}}), json!([[[[[[[[]]]]]]]])),
        (
            json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}),
            json!({"left": {"left": {}, "right": {}}}),
        ),
        (
            json!({"oneOf": [
                {"type": ["string", "number", "boolean", "null"]},
                {"type": "array", "items": {"$ref": "#"}},
                {"type": "object", "additionalProperties": {"$ref": "#"}},
            ]}),
            json!({"any": ["JSON", {"is": [null, 1]}]}),
        ),
        (
            json!({"properties": {"child": {"$ref": "#"}}, "unevaluatedProperties": false}),
            json!({"child": {"child": {}}}),
        ),
        (
            json!({"oneOf": [
                {"properties": {"all": {"items": {"$ref": "#"}}}, "required": ["all"]},
                {"properties": {"not": {"$ref": "#"}}, "required": ["not"]},
                {"required": ["is"]},
            ]}),
            json!({"all": [{"not": {"is": 1}}, {"is": 2}]}),
        ),
    ] {
        let schema = Schema::compile(&schema).unwrap_or_else(|e| panic!("{schema}: {e:?}"));
        assert!(schema.check(&value).is_empty(), "{value}");
    }
}

#[test]
fn what_never_goes_into_the_value_is_refused() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"not": {"$ref": "#"}}]}),
        chain(2, |n| json!({"anyOf": [to(1 - n)]})),
    ] {
        let finding = refused(&schema);
        assert!(finding.detail.contains("without going into"), "{schema}: {finding:?}");
    }
}

#[test]
fn chains_of_references_end_before_the_stack_does() {
    let end = |length: usize| {
        move |n: usize| if n + 1 == length { json!({"type": "string"}) } else { to(n + 1) }
    };
    let finding = refused(&chain(8_000, end(8_000)));
    assert!(finding.detail.contains("256"), "{finding:?}");
    let nested = |all: usize, inner: Value| (0..all).fold(inner, |s, _| json!({"allOf": [s]}));
    let _ = refused(&nested(7, json!({"items": nested(2, json!({"$ref": "#"}))})));
    // The deepest that is taken, and a value that looks into all of it and does not fit.
    let deepest =
        nested(2, json!({"items": {"anyOf": [nested(1, json!({"$ref": "#"}))]}, "type": "array"}));
    let deepest = Schema::compile(&deepest).unwrap();
    let value = (0..DEPTH_MAX).fold(json!(1), |value, _| json!([value]));
    assert_eq!(deepest.check(&value).len(), 1);
    let long = Schema::compile(&chain(200, end(200))).unwrap();
    assert_eq!(long.check(&json!(1)).len(), 1);
}

#[test]
fn what_asks_again_what_is_evaluated_counts_again() {
    let nested = |length: usize| {
        chain(length, |n| match n + 1 == length {
            true => json!({"type": "object"}),
            false => json!({"allOf": [to(n + 1)], "unevaluatedProperties": false}),
        })
    };
    let _ = refused(&nested(40));
    let _ = Schema::compile(&nested(4)).unwrap();
}

#[test]
fn finding_out_ends_as_well() {
    // A large schema, which many others refer to in many ways.
    let large = (0..10_000).map(|n| (format!("k{n}"), json!(0)));
    let many = json!({"allOf": vec![json!({"$ref": "#/$defs/large"}); 900]});
    let each = (0..4_000).map(|n| (format!("p{n}"), json!({"$ref": "#/$defs/many"})));
    let schema = json!({
        "properties": Map::from_iter(each),
        "$defs": {"large": Map::from_iter(large), "many": many},
    });
    assert!(refused(&schema).detail.contains("steps"));
}

#[test]
fn patterns_are_few_and_short() {
    let many = (0..1_000).map(|n| (format!("p{n}"), json!({"pattern": format!("^a{n}$")})));
    let many = json!({"properties": Map::from_iter(many)});
    assert!(refused(&many).detail.contains("patterns"));
    let finding = refused(&json!({"properties": {"a": {"pattern": "a".repeat(5_000)}}}));
    assert_eq!(finding.pointer, "/properties/a");
    for dear in ["(a{100}){100}", "((a|b){80}c){80}", "a{10000}", r"\p{L}{1500}"] {
        let _ = refused(&json!({"pattern": dear}));
    }
    // What takes more than the time that is proportional to the text.
    for unbounded in [r"(a)\1", "(?<!a)b", "a(?=b)c"] {
        let _ = refused(&json!({"pattern": unbounded}));
    }
}

#[test]
fn values_to_compare_with_count() {
    let few: Vec<usize> = (0..1_000).collect();
    let _ = Schema::compile(&json!({"enum": few})).unwrap();
    let many: Vec<usize> = (0..50_000).collect();
    let _ = refused(&json!({"enum": many}));
    let names: Vec<String> = many.iter().map(ToString::to_string).collect();
    assert_eq!(refused(&json!({"items": {"required": names}})).pointer, "/items");
}

#[test]
fn references_lead_to_places_in_the_schema() {
    for (schema, pointer) in [
        (json!({"$ref": "#a", "$defs": {"a": {"$anchor": "a"}}}), "/$ref"),
        (json!({"items": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}), "/items/$ref"),
        (json!({"$ref": "#/$defs/a", "$defs": {"a": {"$id": "https://a.example"}}}), "/$ref"),
        (json!({"not": {"$ref": "#/$defs/none"}}), "/not/$ref"),
    ] {
        assert_eq!(refused(&schema).pointer, pointer, "{schema}");
    }
    // A property of that name is none.
    let id = json!({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"$id": true}}}});
    let _ = Schema::compile(&id).unwrap();
}

#[test]
fn a_value_that_fails_everywhere_is_not_explained() {
    let all = vec![json!({"type": "string"}); 1_500];
    let schema = Schema::compile(&json!({"items": {"allOf": all}})).unwrap();
    let findings = schema.check(&Value::from(vec![0; 1 << 17]));
    assert!(matches!(&findings[..], [one] if one.detail.contains("too large")), "{findings:?}");
    assert_eq!(schema.check(&json!([0])).len(), crate::schema::FINDINGS_MAX);
}
