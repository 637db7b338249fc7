//! A schema's document, in which its references lead somewhere.

use serde_json::Value;

/// Keywords that give the schema they stand in a base or a dialect of its own.
const BASES: [&str; 2] = ["$id", "$schema"];

/// A schema with all that is in it.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a>(Option<&'a Value>);

impl<'a> Document<'a> {
    /// With a schema inside that has a base of its own no reference is followed:
    /// what it means depends on where it stands.
    pub(crate) fn new(root: &'a Value) -> Self {
        fn has_base(value: &Value) -> bool {
            match value {
                Value::Object(members) => {
                    BASES.iter().any(|name| members.get(*name).is_some_and(Value::is_string))
                        || inside(value)
                }
                _ => inside(value),
            }
        }
        fn inside(value: &Value) -> bool {
            match value {
                Value::Object(members) => members.values().any(has_base),
                Value::Array(items) => items.iter().any(has_base),
                _ => false,
            }
        }
        Self((!inside(root)).then_some(root))
    }

    /// The schema that a reference leads to: a JSON Pointer behind `#`.
    pub(crate) fn resolve(self, reference: &str) -> Option<&'a Value> {
        let pointer = reference.strip_prefix('#')?;
        // Neither percent-encoded pointers nor names of anchors are followed.
        if pointer.contains('%') {
            return None;
        }
        self.0?.pointer(pointer)
    }
}
