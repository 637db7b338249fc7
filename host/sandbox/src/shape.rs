//! Component types as WIT text, to compare with and to show.

use std::fmt::Write;

use wasmparser::component_types::{
    ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentValType,
};
use wasmparser::types::TypesRef;

/// How deep and how long a type is written out. The world's own types are 4
/// deep and 400 bytes long; what is cut is some other type for sure.
const DEPTH_MAX: usize = 8;
const BYTES_MAX: usize = 2 << 10;

/// What `run` of the world `action` is.
pub(crate) const RUN: &str = "func(call: record { message: record { msg-id: string, \
    msg-type: string, client-id: string, creation-date: string, signer: string, text: string }, \
    state: string, seq: u64, step: u64, attempt: u32, now-ms: u64, ext: string, settings: string }) \
    -> result<record { state: string, ext-patch: string, note: option<string> }, \
    variant { transient(string), permanent(string) }>";

/// What `validate` of the world `validator` is.
pub(crate) const VALIDATE: &str = "func(submission: record { message: record { msg-id: string, \
    msg-type: string, client-id: string, creation-date: string, signer: string, text: string }, \
    now-ms: u64, settings: string }) -> list<record { pointer: string, detail: string }>";

/// What `write` of the interface `log` is.
pub(crate) const LOG_WRITE: &str = "func(level: enum { debug, info, warn, error }, text: string)";

/// The type of an import or export.
pub(crate) fn entity(types: TypesRef<'_>, ty: &ComponentEntityType) -> String {
    match ty {
        ComponentEntityType::Func(id) => func(types, *id),
        ComponentEntityType::Instance(_) => "an interface".to_owned(),
        ComponentEntityType::Module(_) => "a core module".to_owned(),
        ComponentEntityType::Component(_) => "a component".to_owned(),
        ComponentEntityType::Value(_) => "a value".to_owned(),
        ComponentEntityType::Type { .. } => "a type".to_owned(),
    }
}

fn func(types: TypesRef<'_>, id: ComponentFuncTypeId) -> String {
    let ty = &types[id];
    let mut shape = Shape { types, text: String::new() };
    shape.push(if ty.async_ { "async func(" } else { "func(" });
    let params = ty.params.iter().map(|(name, ty)| (name.as_str(), Some(*ty)));
    shape.fields(params, 0, |shape, name, ty, depth| {
        shape.push(name);
        shape.push(": ");
        shape.value(ty, depth);
    });
    shape.push(")");
    if let Some(result) = ty.result {
        shape.push(" -> ");
        shape.value(Some(result), 0);
    }
    shape.text
}

struct Shape<'a> {
    types: TypesRef<'a>,
    text: String,
}

impl Shape<'_> {
    fn push(&mut self, text: &str) {
        if self.text.len() < BYTES_MAX {
            self.text.push_str(text);
        }
    }

    /// Comma-separated items, each written by `write`.
    fn fields<'n>(
        &mut self,
        items: impl Iterator<Item = (&'n str, Option<ComponentValType>)>,
        depth: usize,
        write: impl Fn(&mut Self, &str, Option<ComponentValType>, usize),
    ) {
        for (i, (name, ty)) in items.enumerate() {
            if self.text.len() >= BYTES_MAX {
                return;
            }
            self.push(if i == 0 { "" } else { ", " });
            write(self, name, ty, depth + 1);
        }
    }

    /// A type; `_` for none.
    fn value(&mut self, ty: Option<ComponentValType>, depth: usize) {
        match ty {
            None => self.push("_"),
            Some(ComponentValType::Primitive(primitive)) => self.push(&primitive.to_string()),
            Some(_) if depth >= DEPTH_MAX => self.push("…"),
            Some(ComponentValType::Type(id)) => {
                let types = self.types;
                self.defined(&types[id], depth);
            }
        }
    }

    fn defined(&mut self, ty: &ComponentDefinedType, depth: usize) {
        use ComponentDefinedType as Type;
        match ty {
            Type::Primitive(primitive) => {
                let _ = write!(self.text, "{primitive}"); // a String takes all
            }
            Type::Record(record) => {
                let fields = record.fields.iter().map(|(name, ty)| (name.as_str(), Some(*ty)));
                self.push("record { ");
                self.fields(fields, depth, |shape, name, ty, depth| {
                    shape.push(name);
                    shape.push(": ");
                    shape.value(ty, depth);
                });
                self.push(" }");
            }
            Type::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty));
                self.push("variant { ");
                self.fields(cases, depth, |shape, name, ty, depth| {
                    shape.push(name);
                    if ty.is_some() {
                        shape.push("(");
                        shape.value(ty, depth);
                        shape.push(")");
                    }
                });
                self.push(" }");
            }
            Type::Enum(names) => {
                self.push("enum { ");
                let names = names.iter().map(|name| (name.as_str(), None));
                self.fields(names, depth, |shape, name, _, _| shape.push(name));
                self.push(" }");
            }
            Type::Option { ty, .. } => self.generic("option", &[Some(*ty)], depth),
            Type::List { element, .. } => self.generic("list", &[Some(*element)], depth),
            Type::Result { ok, err, .. } => self.generic("result", &[*ok, *err], depth),
            // No interface here has such a type, so its name is all there is to say.
            Type::Map { .. } => self.push("map<…>"),
            Type::FixedLengthList { .. } => self.push("list<…, …>"),
            Type::Tuple(_) => self.push("tuple<…>"),
            Type::Flags(_) => self.push("flags { … }"),
            Type::Own(_) => self.push("own<…>"),
            Type::Borrow(_) => self.push("borrow<…>"),
            Type::Future { .. } => self.push("future<…>"),
            Type::Stream { .. } => self.push("stream<…>"),
        }
    }

    fn generic(&mut self, name: &str, items: &[Option<ComponentValType>], depth: usize) {
        self.push(name);
        self.push("<");
        let items = items.iter().map(|ty| ("", *ty));
        self.fields(items, depth, |shape, _, ty, depth| shape.value(ty, depth));
        self.push(">");
    }
}
