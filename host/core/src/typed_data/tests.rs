//! What schemas become, and what becomes of those that cannot be mapped.

use super::*;

fn of(schema: &Value) -> Result<TypedData, Vec<Finding>> {
    crate::schema::Schema::compile(schema).expect("a schema that compiles");
    TypedData::of_schema(schema, "Test", "1", 1)
}

/// A message whose payload has these properties, all required.
fn message(properties: Value) -> Value {
    let required: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    json!({
        "type": "object", "required": ["payload"], "additionalProperties": false,
        "properties": {"payload": {
            "type": "object", "required": required, "additionalProperties": false,
            "properties": properties,
        }},
    })
}

#[test]
fn a_schema_becomes_struct_types() {
    let mut schema = message(json!({
        "kind": {"enum": ["a", "b"]},
        "const": {"const": true},
        "level": {"enum": [-1, 0, 1]},
        "note": {"type": "string", "pattern": "^x", "format": "date-time"},
        "to_account": {"type": "string", "pattern": "^0x[0-9a-f]{40}$"},
        "hash": {"type": "string", "pattern": "^0x[0-9a-f]{64}$"},
        "any_case": {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"},
        "nonce": {"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64},
        "delta": {"type": "integer", "minimum": -9_007_199_254_740_991_i64, "maximum": 0},
        "legs": {"type": "array", "maxItems": 3, "items": {"type": "array", "items": {"$ref": "#/$defs/leg"}}},
        "last_leg": {"$ref": "#/$defs/leg", "description": "no type of its own"},
    }));
    schema["$defs"]["leg"] = json!({
        "type": "object", "required": ["on"], "additionalProperties": false,
        "properties": {"on": {"type": "boolean"}},
        "if": {"properties": {"on": {"const": true}}}, "then": true,
    });
    let typed_data = of(&schema).unwrap();
    let read: Value = serde_json::from_str(typed_data.as_str()).unwrap();
    let members = |name: &str| {
        let members = read["types"][name].as_array().unwrap().iter();
        let text =
            |m: &Value| format!("{} {}", m["type"].as_str().unwrap(), m["name"].as_str().unwrap());
        members.map(text).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(read["types"].as_object().unwrap().len(), 4);
    assert_eq!(members("Message"), "MessagePayload payload");
    assert_eq!(
        members("MessagePayload"),
        "string any_case, bool const, int256 delta, bytes32 hash, string kind, \
         MessagePayloadLastLeg last_leg, MessagePayloadLegs[][] legs, int256 level, uint256 nonce, \
         string note, address to_account"
    );
    assert_eq!(members("MessagePayloadLegs"), "bool on");
    let salt = Digest::of(schema.to_string().as_bytes()).to_string();
    let domain = json!({"name": "Test", "version": "1", "chainId": 1, "salt": salt});
    assert_eq!((&read["domain"], &read["primaryType"]), (&domain, &json!("Message")));
}

#[test]
fn signals_can_be_signed_as_typed_data() {
    let schema = include_str!("../../../../schemas/signal.schema.json");
    let typed_data = of(&serde_json::from_str(schema).unwrap()).unwrap();
    let read: Value = serde_json::from_str(typed_data.as_str()).unwrap();
    let payload = json!([
        {"name": "msg_id", "type": "string"}, {"name": "msg_state", "type": "string"},
        {"name": "signal", "type": "string"}, {"name": "subject", "type": "bytes32"},
    ]);
    assert_eq!(read["types"]["MessagePayload"], payload);
}

#[test]
fn what_cannot_be_mapped_is_refused_with_its_place() {
    let payload = "/properties/payload/properties";
    let cases = [
        (json!({"x": {"type": "number"}}), "/x"),
        (json!({"x": {"type": "null"}}), "/x"),
        (json!({"x": {"type": ["string", "null"]}}), "/x"),
        (json!({"x": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}}), "/x"),
        (json!({"x": {"oneOf": [{"type": "string"}]}}), "/x"),
        (json!({"x": {"not": {"type": "string"}}}), "/x"),
        (json!({"x": {}}), "/x"),
        (json!({"x": true}), "/x"),
        (json!({"x": {"enum": ["a", 1]}}), "/x"),
        (json!({"x": {"const": null}}), "/x"),
        (json!({"x": {"const": 0.5}}), "/x"),
        (json!({"x": {"const": {"a": 1}}}), "/x"),
        (json!({"x": {"const": 9_007_199_254_740_992_u64}}), "/x"),
        (json!({"x": {"type": "integer"}}), "/x"),
        (json!({"x": {"type": "integer", "minimum": 0}}), "/x"),
        (json!({"x": {"type": "integer", "exclusiveMinimum": 0, "maximum": 5}}), "/x"),
        (
            json!({"x": {"type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_992_u64}}),
            "/x",
        ),
        (json!({"x": {"type": "array"}}), "/x"),
        (json!({"x": {"type": "array", "items": true}}), "/x/items"),
        (
            json!({"x": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "string"}}}),
            "/x/prefixItems",
        ),
        (json!({"x": {"type": "object", "additionalProperties": false}}), "/x"),
        (
            json!({"x": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}}),
            "/x",
        ),
        (
            json!({"x": {"type": "object", "additionalProperties": false, "properties": {"a": {"type": "string"}}}}),
            "/x/properties/a",
        ),
        (
            json!({"x": {"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": {"type": "string"}}, "patternProperties": {"^b": {}}}}),
            "/x/patternProperties",
        ),
        (json!({"x": {"$ref": "#/$defs/nowhere"}}), "/x/$ref"),
        (json!({"x": {"$ref": "#x"}}), "/x/$ref"),
        (json!({"x": {"$ref": "#"}}), "/x/$ref"),
        (json!({"x": {"$id": "urn:other", "type": "string"}}), "/x"),
        (json!({"a b": {"type": "string"}}), "/a b"),
        (json!({"a/b~": {"type": "string"}}), "/a~1b~0"),
        (json!({"1a": {"type": "string"}}), "/1a"),
        (json!({"ä": {"type": "string"}}), "/ä"),
        (json!({"": {"type": "string"}}), "/"),
        (json!({"__proto__": {"type": "string"}}), "/__proto__"),
    ];
    for (properties, place) in cases {
        let schema = message(properties);
        // Not compiled first: some of these do not compile, and refuse all the same.
        let findings = TypedData::of_schema(&schema, "Test", "1", 1).unwrap_err();
        let pointers: Vec<_> = findings.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(pointers, [format!("{payload}{place}")], "{schema}");
    }
    for root in [
        json!({"type": "string"}),
        json!({"type": "array", "items": message(json!({"a": {"const": 1}}))}),
    ] {
        assert_eq!(of(&root).unwrap_err()[0].pointer, "", "{root}");
    }
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let schema = message(json!({"a": {"type": "number"}, "b": {}, "c": {"type": "integer"}}));
    assert_eq!(of(&schema).unwrap_err().len(), 3);
}

#[test]
fn names_that_would_become_one_are_refused() {
    let object = |name: &str| {
        json!({"type": "object", "required": [name], "additionalProperties": false, "properties": {name: {
            "type": "object", "required": ["x"], "additionalProperties": false, "properties": {"x": {"const": 1}},
        }}})
    };
    let schema = message(json!({"a": object("b_c"), "a_b": object("c")}));
    let findings = of(&schema).unwrap_err();
    assert_eq!(findings[0].pointer, "/properties/payload/properties/a_b/properties/c");
    assert!(findings[0].detail.contains("MessagePayloadABC"), "{findings:?}");
}

#[test]
fn hostile_schemas_are_refused_and_in_time() {
    let refused = |schema: &Value, pointer: &str| {
        let findings = TypedData::of_schema(schema, "Test", "1", 1).unwrap_err();
        assert_eq!(findings[0].pointer, pointer, "{findings:?}");
        assert!(findings.len() <= crate::schema::FINDINGS_MAX);
    };
    // A list, by way of two definitions.
    let mut list = message(json!({"list": {"$ref": "#/$defs/a"}}));
    list["$defs"]["a"] = json!({"type": "array", "items": {"$ref": "#/$defs/b"}});
    list["$defs"]["b"] = message(json!({"next": {"$ref": "#/$defs/a"}}));
    refused(&list, "/$defs/b/properties/payload/properties/next/$ref");
    // Twice as many ways with each of them.
    let mut bomb = message(json!({"x": {"$ref": "#/$defs/d0"}}));
    // A long chain.
    let mut chain = message(json!({"x": {"$ref": "#/$defs/d0"}}));
    for n in 0..10_000 {
        let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
        if n < 28 {
            let both = message(json!({"left": next, "right": next}));
            bomb["$defs"][format!("d{n}")] = both["properties"]["payload"].clone();
        }
        chain["$defs"][format!("d{n}")] = next;
    }
    bomb["$defs"]["d28"] = json!({"type": "string"});
    let findings = TypedData::of_schema(&bomb, "Test", "1", 1).unwrap_err();
    assert!(findings[0].detail.contains("at most 1000 members"), "{findings:?}");
    refused(&chain, "/$defs/d30");
    // More than the definition may have, and more than is looked into.
    let wide = |count: u32| {
        let property = |n| (format!("property_{n}"), json!({"type": "string"}));
        message(Value::Object((0..count).map(property).collect()))
    };
    refused(&wide(600), "");
    let findings = TypedData::of_schema(&wide(20_000), "Test", "1", 1).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:?}");
    of(&wide(300)).unwrap();
}

#[test]
fn a_value_has_one_text() {
    let schema = message(
        json!({"n": {"type": "integer", "minimum": 0, "maximum": 100}, "s": {"type": "string"}}),
    );
    let (typed_data, compiled) =
        (of(&schema).unwrap(), crate::schema::Schema::compile(&schema).unwrap());
    let hash = |text: &str| {
        let value = json::parse(text.as_bytes()).unwrap();
        assert_eq!(compiled.check(&value), [], "{text}");
        typed_data.hash(text, &value)
    };
    let good = r#"{"payload":{"n":1,"s":"é\u0001\"\\/"}}"#;
    hash(good).unwrap();
    let cases = [
        (r#"{"payload":{"n":1,"s":"é\u0001\"\\/"}} "#, None),
        (r#"{"payload":{"n": 1,"s":"é\u0001\"\\/"}}"#, None),
        (r#"{"payload":{"s":"é\u0001\"\\/","n":1}}"#, None),
        (r#"{"payload":{"n":1,"s":"\u00e9\u0001\"\\/"}}"#, None),
        (r#"{"payload":{"n":1,"s":"é\u0001\"\\\/"}}"#, None),
        (r#"{"payload":{"n":1.0,"s":""}}"#, Some("/payload/n")),
        (r#"{"payload":{"n":1e1,"s":""}}"#, Some("/payload/n")),
        (r#"{"payload":{"n":-0,"s":""}}"#, Some("/payload/n")),
    ];
    for (text, pointer) in cases {
        let refusal = hash(text).unwrap_err();
        assert_eq!(refusal.code, Code::TextNotCanonical, "{text}");
        assert_eq!(refusal.errors.first().map(|f| f.pointer.as_str()), pointer, "{text}");
    }
}

#[test]
fn a_definition_is_read_back_and_nothing_is_added_to_it() {
    let typed_data = of(&message(json!({"a": {"type": "string"}}))).unwrap();
    assert_eq!(TypedData::parse(typed_data.as_str()).unwrap(), typed_data);
    let good: Value = serde_json::from_str(typed_data.as_str()).unwrap();
    let cases = [
        ("/domain/verifyingContract", json!("0x00")),
        ("/domain/salt", json!("0x00")),
        ("/domain/chainId", json!("1")),
        ("/primaryType", json!("Other")),
        ("/types/Unused", json!([{"name": "a", "type": "string"}])),
        ("/types/Message", json!([{"name": "a", "type": "string"}])),
        ("/other", json!(1)),
    ];
    for (pointer, value) in cases {
        let mut wrong = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[name] = value;
        assert!(TypedData::parse(&wrong.to_string()).is_err(), "{wrong}");
    }
    assert!(TypedData::parse(&" ".repeat(DEFINITION_BYTES_MAX + 1)).unwrap_err().contains("limit"));
}
