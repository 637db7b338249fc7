//! What is known of a guard's parts before any message meets it.

use std::rc::Rc;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::expr::{Const, Var};
use super::shape::View;
use super::value::{Kind, Kinds};

/// The schemas of what a guard looks at.
#[derive(Debug, Clone, Copy)]
pub struct GuardTypes<'a> {
    /// The message type's JSON Schema.
    pub message: &'a Value,
    /// The JSON Schema of Msg_Ext where the guard stands; `true` if nothing is
    /// known.
    pub ext: &'a Value,
}

/// What is wrong with a guard, or not proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardFinding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and in which part of the guard.
    pub detail: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Wrong for every value that the schemas allow.
    Error,
    /// May give no answer for some value that the schemas allow.
    Unproven,
}

/// What every message has, whatever its type.
static MESSAGE: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../../schemas/message.schema.json");
    let mut schema: Value = serde_json::from_str(text).expect("a schema of this build is JSON");
    // It is looked at together with the type's own schema, as a part of it.
    schema.as_object_mut().map(|members| members.remove("$id"));
    schema
});

/// A signal, as guards see it.
static SIGNAL: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "type": "object",
        "required": ["name", "signer", "client_id"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string"},
            "signer": {"type": "string"},
            "client_id": {"type": "string"},
        },
    })
});

/// What is known of an expression's values.
#[derive(Clone)]
pub(super) struct Type<'t> {
    pub(super) kinds: Kinds,
    pub(super) shape: Shape<'t>,
}

#[derive(Clone)]
pub(super) enum Shape<'t> {
    Unknown,
    Json(View<'t>),
    List(Rc<Type<'t>>),
    Map(Rc<Vec<(&'t str, Type<'t>)>>),
}

impl<'t> Type<'t> {
    pub(super) const UNKNOWN: Self = Self { kinds: Kinds::JSON, shape: Shape::Unknown };
    /// Of what never has a value: the elements of `[]`, and what is wrong and was
    /// found. Nothing more is said of it.
    pub(super) const NEVER: Self = Self { kinds: Kinds::NONE, shape: Shape::Unknown };

    pub(super) fn of(kind: Kind) -> Self {
        Self { kinds: kind.into(), shape: Shape::Unknown }
    }

    pub(super) fn json(view: View<'t>) -> Self {
        Self { kinds: view.kinds(), shape: Shape::Json(view) }
    }

    pub(super) fn list(of: Self) -> Self {
        Self { kinds: Kind::List.into(), shape: Shape::List(Rc::new(of)) }
    }

    /// Its elements, if it is a list.
    pub(super) fn elements(&self) -> Self {
        match &self.shape {
            _ if !self.kinds.has(Kind::List) => Self::NEVER,
            Shape::Json(view) => Self::json(view.elements()),
            Shape::List(of) => Self::clone(of),
            Shape::Unknown | Shape::Map(_) => Self::UNKNOWN,
        }
    }

    /// What a comprehension over it names: elements, or keys.
    pub(super) fn named(&self) -> Self {
        match (self.kinds.has(Kind::List), self.kinds.has(Kind::Map)) {
            (true, false) => self.elements(),
            (false, true) => Self::of(Kind::String),
            (true, true) => Self::either(self.elements(), Self::of(Kind::String)),
            (false, false) => Self::NEVER,
        }
    }

    /// One or the other.
    pub(super) fn either(one: Self, other: Self) -> Self {
        let shape = match (&one.shape, &other.shape) {
            _ if one.kinds == Kinds::NONE => return other,
            _ if other.kinds == Kinds::NONE => return one,
            // A list that the guard makes, often `[]` for one that may be missing.
            (Shape::List(_), _) | (_, Shape::List(_)) => {
                Shape::List(Rc::new(Self::either(one.elements(), other.elements())))
            }
            _ => Shape::Unknown,
        };
        Self { kinds: one.kinds.or(other.kinds), shape }
    }

    /// What a guard sees of the world.
    pub(super) fn of_var(var: Var, types: &GuardTypes<'t>) -> Self {
        let map = |view| Self { kinds: Kind::Map.into(), shape: Shape::Json(view) };
        match var {
            Var::Message => map(View::new(types.message, [types.message, &*MESSAGE])),
            Var::Ext => map(View::new(types.ext, [types.ext])),
            Var::Signal => map(View::new(&SIGNAL, [&*SIGNAL])),
            Var::Now => Self::of(Kind::Int),
        }
    }
}

impl From<&Const> for Type<'_> {
    fn from(constant: &Const) -> Self {
        Self::of(match constant {
            Const::Null => Kind::Null,
            Const::Bool(_) => Kind::Bool,
            Const::Int(_) | Const::Time(_) => Kind::Int,
            Const::Double(_) => Kind::Double,
            Const::Text(_) => Kind::String,
            Const::Dec(_) => Kind::Dec,
        })
    }
}
