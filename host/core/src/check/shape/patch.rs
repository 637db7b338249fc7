//! What a merge patch (RFC 7396) makes of an object, in shapes.

use super::{Facts, Object, Parts, Shape, Slot};

/// The object after the patch.
pub(in crate::check) fn merged(object: &Object, patch: &Object) -> Object {
    let slot = |name: &String| (name.clone(), after(&object.slot(name), &patch.slot(name)));
    let rest = |shape: &Shape| Slot { must: false, shape: shape.clone() };
    Object {
        known: object.known.keys().chain(patch.known.keys()).map(slot).collect(),
        rest: after(&rest(&object.rest), &rest(&patch.rest)).shape,
        // What was said of the whole object need not hold of a mixture.
        facts: Facts::new(),
    }
}

/// One member after the patch: as it was where the patch may leave it out, gone
/// by a null, merged where both are objects, else the patch's own value.
fn after(old: &Slot, patch: &Slot) -> Slot {
    if patch.is_empty() {
        return old.clone();
    }
    if patch.shape == Shape::Any {
        return Slot { must: false, shape: Shape::Any };
    }
    let change = patch.shape.parts();
    let in_place = old.is_empty() || change.object.is_none();
    if patch.must && !change.null && in_place && change.object.as_ref().is_none_or(has_no_null) {
        // Shared, as most are, so that they are soon found to be equal.
        return patch.clone();
    }
    let kept = if patch.must { Slot { must: true, shape: Shape::never() } } else { old.clone() };
    let plain = Parts { null: false, object: None, ..Parts::clone(change) };
    let mut shape = kept.shape.join(&plain.into());
    if let Some(change) = &change.object {
        let before = old.shape.parts();
        if let Some(before) = &before.object {
            shape = shape.join(&merged(before, change).into());
        }
        let other = Parts { object: None, ..Parts::clone(before) };
        if !old.must || other != Parts::default() {
            shape = shape.join(&fresh(change).into());
        }
    }
    Slot { must: kept.must && !change.null, shape }
}

/// The patch where there was no object: itself, without its nulls.
fn fresh(patch: &Object) -> Object {
    if has_no_null(patch) { patch.clone() } else { merged(&Object::empty(), patch) }
}

/// Whether no member, at any depth of objects, can be null. In an array a null
/// is a value.
fn has_no_null(object: &Object) -> bool {
    let none = |shape: &Shape| {
        let parts = shape.parts();
        let inside = parts.object.as_ref();
        !parts.null && inside.is_none_or(has_no_null)
    };
    // Any value can be null, so the depth is that of the schema.
    none(&object.rest) && object.known.values().all(|slot| none(&slot.shape))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::of_schema;
    use super::*;

    fn object(schema: &Value) -> Object {
        of_schema(schema).parts().object.clone().unwrap()
    }

    /// A closed object: the names with a `?` may be missing.
    fn closed(members: Value) -> Value {
        let members = members.as_object().unwrap();
        let required: Vec<_> = members.keys().filter(|name| !name.ends_with('?')).collect();
        let properties: Value = members
            .iter()
            .map(|(name, schema)| (name.trim_end_matches('?'), schema.clone()))
            .collect();
        json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
    }

    #[test]
    fn shapes_merge_as_values_do() {
        let (s, n) = (json!({"type": "string"}), json!({"type": "number"}));
        let maybe = json!({"type": ["string", "null"]});
        let inner = |members: Value| closed(members);
        let cases = [
            // ext, patch, ext after.
            (json!({}), json!({"a": s}), json!({"a": s})),
            (json!({}), json!({"a?": s}), json!({"a?": s})),
            (json!({"a": s}), json!({"b": n}), json!({"a": s, "b": n})),
            (json!({"a": s}), json!({"a": n}), json!({"a": n})),
            (json!({"a": s}), json!({"a?": n}), json!({"a": {"type": ["string", "number"]}})),
            (json!({"a": s}), json!({"a": {"type": "null"}}), json!({})),
            (json!({"a": s}), json!({"a": maybe}), json!({"a?": s})),
            (json!({}), json!({"a": maybe}), json!({"a?": s})),
            // Objects merge, at every depth.
            (
                json!({"a": inner(json!({"b": s}))}),
                json!({"a": inner(json!({"c": n}))}),
                json!({"a": inner(json!({"b": s, "c": n}))}),
            ),
            (
                json!({"a?": inner(json!({"b": s}))}),
                json!({"a": inner(json!({"c": n}))}),
                json!({"a": inner(json!({"b?": s, "c": n}))}),
            ),
            (
                json!({"a": s}),
                json!({"a": inner(json!({"b": {"type": "null"}}))}),
                json!({"a": inner(json!({}))}),
            ),
            (
                json!({"a": inner(json!({"b": s}))}),
                json!({"a": inner(json!({"b": {"type": "null"}}))}),
                json!({"a": inner(json!({}))}),
            ),
            // Null is a value in an array.
            (
                json!({}),
                json!({"a": {"type": "array", "items": maybe}}),
                json!({"a": {"type": "array", "items": maybe}}),
            ),
        ];
        for (ext, patch, expected) in cases {
            let after = merged(&object(&closed(ext.clone())), &object(&closed(patch.clone())));
            // A member that is surely gone is as good as none.
            let mut after = after;
            tidy(&mut after);
            assert_eq!(after, object(&closed(expected)), "{ext} {patch}");
        }
    }

    fn tidy(object: &mut Object) {
        object.known.retain(|_, slot| !slot.is_empty());
        for slot in object.known.values_mut() {
            let mut parts = Parts::clone(slot.shape.parts());
            if let Some(object) = &mut parts.object {
                tidy(object);
            }
            slot.shape = parts.into();
        }
    }

    #[test]
    fn an_open_patch_can_change_everything() {
        let after = merged(&object(&closed(json!({"a": {"type": "string"}}))), &Object::open());
        assert_eq!(after.slot("a"), Slot { must: false, shape: Shape::Any });
        assert_eq!(after.slot("b"), Slot { must: false, shape: Shape::Any });
    }
}
