//! What a JSON Schema says about the values that it passes, as far as a guard
//! asks. A keyword that is not understood only narrows, so leaving it out is
//! safe: less is proved, nothing wrongly.

use std::rc::Rc;

use serde_json::Value;

use super::value::{Kind, Kinds, Val};

/// The most schemas that `$ref` and `allOf` join for one value. More are left
/// out, as an unknown keyword is; it also ends every circle.
const PARTS_MAX: usize = 64;

/// The schemas that a value fulfils, all of them.
#[derive(Clone)]
pub(super) struct View<'t> {
    /// What `#` refers to.
    root: &'t Value,
    parts: Rc<[&'t Value]>,
}

/// What is known of a member.
pub(super) enum Member<'t> {
    /// No value has it.
    Absent,
    /// Some value may lack it.
    Optional(View<'t>),
    /// Every value has it.
    Required(View<'t>),
}

impl<'t> View<'t> {
    /// What these schemas say together.
    pub(super) fn new(root: &'t Value, schemas: impl IntoIterator<Item = &'t Value>) -> Self {
        let mut parts = Vec::new();
        for schema in schemas {
            join(root, schema, &mut parts);
        }
        Self { root, parts: parts.into() }
    }

    /// The types of the values.
    pub(super) fn kinds(&self) -> Kinds {
        let of = |part: &&Value| part_kinds(part).and(self.branches_kinds(part));
        self.parts.iter().map(of).fold(Kinds::JSON, Kinds::and)
    }

    /// The types of a schema's branches. A branch is followed to what it refers to
    /// and no further, so that circles end.
    fn branches_kinds(&self, part: &Value) -> Kinds {
        let of = |branch| {
            let referred = referred(self.root, branch).map_or(Kinds::JSON, part_kinds);
            part_kinds(branch).and(referred)
        };
        let keywords = ["anyOf", "oneOf"].into_iter();
        let branches = keywords.filter_map(|keyword| part.get(keyword).and_then(Value::as_array));
        branches
            .map(|branches| branches.iter().map(of).fold(Kinds::NONE, Kinds::or))
            .fold(Kinds::JSON, Kinds::and)
    }

    /// All values, if the schema lists them.
    pub(super) fn values(&self) -> Option<Vec<&'t Value>> {
        let listed = |part: &&'t Value| match (part.get("const"), part.get("enum")) {
            (Some(only), _) => Some(vec![only]),
            (None, values) => values?.as_array().map(|values| values.iter().collect()),
        };
        self.parts.iter().find_map(listed)
    }

    /// What is known of a member of the values that are objects.
    pub(super) fn member(&self, name: &str) -> Member<'t> {
        let mut schemas = Vec::new();
        for part in self.parts.iter() {
            if let Some(schema) = part.get("properties").and_then(|of| of.get(name)) {
                schemas.push(schema);
            } else if part.get("patternProperties").is_none() {
                schemas.extend(part.get("additionalProperties"));
            }
        }
        let view = Self::new(self.root, schemas);
        let requires = |part: &&Value| {
            let required = part.get("required").and_then(Value::as_array);
            required.is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)))
        };
        match view.kinds() {
            Kinds::NONE => Member::Absent,
            _ if self.parts.iter().any(requires) => Member::Required(view),
            _ => Member::Optional(view),
        }
    }

    /// What is known of every member, whatever its name.
    pub(super) fn members(&self) -> Self {
        let uniform = |part: &&&'t Value| {
            part.get("properties").is_none() && part.get("patternProperties").is_none()
        };
        let parts = self.parts.iter().filter(uniform);
        Self::new(self.root, parts.filter_map(|part| part.get("additionalProperties")))
    }

    /// What is known of every element of the values that are lists.
    pub(super) fn elements(&self) -> Self {
        let parts = self.parts.iter().filter(|part| part.get("prefixItems").is_none());
        Self::new(self.root, parts.filter_map(|part| part.get("items")))
    }
}

/// Adds a schema, and those that it joins by `$ref` and `allOf`.
fn join<'t>(root: &'t Value, schema: &'t Value, parts: &mut Vec<&'t Value>) {
    let known = parts.iter().any(|part| std::ptr::eq(*part, schema));
    if has_other_root(root, schema) || known || parts.len() == PARTS_MAX {
        return;
    }
    parts.push(schema);
    if let Some(schema) = referred(root, schema) {
        join(root, schema, parts);
    }
    for schema in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        join(root, schema, parts);
    }
}

/// Whether `#` means another schema: one with an id of its own does that.
fn has_other_root(root: &Value, schema: &Value) -> bool {
    !std::ptr::eq(schema, root) && schema.get("$id").is_some()
}

/// The schema that a `$ref` within the same document leads to.
fn referred<'t>(root: &'t Value, schema: &Value) -> Option<&'t Value> {
    let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
    if has_other_root(root, schema) { None } else { root.pointer(pointer) }
}

fn part_kinds(part: &Value) -> Kinds {
    if part == &Value::Bool(false) {
        return Kinds::NONE;
    }
    let union = |kinds: Kinds, value: &Value| kinds.or(Val::from(value).kind().into());
    let mut kinds = match part.get("type") {
        Some(Value::String(name)) => named(name),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            names.fold(Kinds::NONE, |kinds, name| kinds.or(named(name)))
        }
        _ => Kinds::JSON,
    };
    if let Some(Value::Array(values)) = part.get("enum") {
        kinds = kinds.and(values.iter().fold(Kinds::NONE, union));
    }
    if let Some(only) = part.get("const") {
        kinds = kinds.and(union(Kinds::NONE, only));
    }
    kinds
}

/// The types of JSON Schema. An `integer` beyond 64 bits would be a double; no
/// schema that bounds its numbers has one.
fn named(name: &str) -> Kinds {
    match name {
        "null" => Kind::Null.into(),
        "boolean" => Kind::Bool.into(),
        "integer" => Kind::Int.into(),
        "number" => Kinds::NUMBER,
        "string" => Kind::String.into(),
        "array" => Kind::List.into(),
        "object" => Kind::Map.into(),
        _ => Kinds::JSON,
    }
}
