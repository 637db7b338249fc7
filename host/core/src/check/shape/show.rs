//! Shapes as others see them: as a JSON Schema, and in words.

use serde_json::{Map, Value, json};

use super::{Array, Object, Parts, Shape};

/// The most values that are named in words.
const NAMED_MAX: usize = 4;

impl Shape {
    /// A JSON Schema that admits what the shape admits, and perhaps more.
    pub(in crate::check) fn to_schema(&self) -> Value {
        let Self::Of(parts) = self else { return Value::Bool(true) };
        if self.is_never() {
            return Value::Bool(false);
        }
        let mut schema = Map::from_iter([("type".to_owned(), json!(parts.types()))]);
        if let Some(values) = parts.values() {
            schema.insert("enum".to_owned(), Value::Array(values));
        }
        if let Some(array) = &parts.array {
            array.put_schema(&mut schema);
        }
        if let Some(object) = &parts.object {
            object.put_schema(&mut schema);
        }
        Value::Object(schema)
    }

    /// In words, behind `it is` or `it may be`.
    pub(in crate::check) fn in_words(&self) -> String {
        let Self::Of(parts) = self else { return "anything".to_owned() };
        match parts.values() {
            Some(values) if values.len() <= NAMED_MAX && !(parts.yes && parts.no) => {
                values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ")
            }
            _ => parts.types().join(" or "),
        }
    }
}

impl Parts {
    /// The kinds of value, by their names in JSON Schema.
    pub(in crate::check) fn types(&self) -> Vec<&'static str> {
        let number = self.number.as_ref().map(|n| if n.integer { "integer" } else { "number" });
        let kinds = [
            self.null.then_some("null"),
            (self.yes || self.no).then_some("boolean"),
            number,
            self.text.as_ref().map(|_| "string"),
            self.array.as_ref().map(|_| "array"),
            self.object.as_ref().map(|_| "object"),
        ];
        kinds.into_iter().flatten().collect()
    }

    /// All values, if they are few enough to have been listed.
    pub(in crate::check) fn values(&self) -> Option<Vec<Value>> {
        if self.array.is_some() || self.object.is_some() {
            return None;
        }
        let mut values = Vec::new();
        values.extend(self.null.then_some(Value::Null));
        values.extend(self.yes.then_some(Value::Bool(true)));
        values.extend(self.no.then_some(Value::Bool(false)));
        if let Some(number) = &self.number {
            values.extend(number.values.as_ref()?.iter().map(|n| exact(*n)));
        }
        if let Some(text) = &self.text {
            values.extend(text.values.as_ref()?.iter().map(|s| Value::from(s.as_str())));
        }
        Some(values)
    }
}

/// A whole number without the fraction that a double would show.
fn exact(n: f64) -> Value {
    // 2^53, up to which every whole number is a double.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if n.fract() == 0.0 && n.abs() <= WHOLE { Value::from(n as i64) } else { Value::from(n) }
}

impl Array {
    fn put_schema(&self, schema: &mut Map<String, Value>) {
        if !self.prefix.is_empty() {
            let prefix = self.prefix.iter().map(Shape::to_schema).collect();
            schema.insert("prefixItems".to_owned(), Value::Array(prefix));
        }
        schema.insert("items".to_owned(), self.items.to_schema());
    }
}

impl Object {
    /// A JSON Schema that admits what the shape admits, and perhaps more.
    pub(in crate::check) fn to_schema(&self) -> Value {
        let mut schema = Map::from_iter([("type".to_owned(), Value::from("object"))]);
        self.put_schema(&mut schema);
        Value::Object(schema)
    }

    fn put_schema(&self, schema: &mut Map<String, Value>) {
        let closed = self.rest.is_never();
        let shown = self.known.iter().filter(|(_, slot)| !(closed && slot.is_empty()));
        let properties = shown.map(|(name, slot)| (name.clone(), slot.shape.to_schema()));
        let required = self.known.iter().filter(|(_, slot)| slot.must).map(|(name, _)| name);
        schema.insert("required".to_owned(), json!(required.collect::<Vec<_>>()));
        schema.insert("properties".to_owned(), Value::Object(properties.collect()));
        schema.insert("additionalProperties".to_owned(), self.rest.to_schema());
    }
}
