//! Shapes: what a JSON value may be, as far as the schemas that it was written
//! under say it.
//!
//! A shape may allow more values than there are and never fewer. So a keyword
//! that is not understood can be left out of a shape, while one that a reader
//! asks for must be proven. Each kind of JSON value has its own part:
//!
//! ```text
//!  Shape ─ Parts ┬ null, yes, no
//!                ├ Number  integer, bounds, values
//!                ├ Text    lengths, values
//!                ├ Array   prefix, items, lengths
//!                └ Object  known members, rest
//! ```

mod lattice;
mod patch;
mod schema;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

pub(super) use patch::merged;
pub(super) use schema::of_schema;

/// The most values that are listed one by one; more are known by their bounds.
/// Enumerations are written by hand.
pub(super) const VALUES_MAX: usize = 256;

/// What a value may be.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Any JSON value.
    Any,
    /// What these say.
    Of(Arc<Parts>),
}

/// What a value may be, by its kind. Nothing, if no kind is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) null: bool,
    pub(super) yes: bool,
    pub(super) no: bool,
    pub(super) number: Option<Number>,
    pub(super) text: Option<Text>,
    pub(super) array: Option<Array>,
    pub(super) object: Option<Object>,
}

/// Keywords with their values, as text, which every value of a part fulfils.
/// They prove the same keyword of a reader, whatever it means.
pub(super) type Facts = BTreeSet<String>;

/// Numbers. As doubles: the parser lets no other in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    pub(super) integer: bool,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Whether the bound itself is left out.
    pub(super) above: bool,
    pub(super) below: bool,
    /// All of them, ascending.
    pub(super) values: Option<Vec<f64>>,
    pub(super) facts: Facts,
}

/// Strings, their lengths in code points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) values: Option<BTreeSet<String>>,
    pub(super) facts: Facts,
}

/// Arrays.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) prefix: Vec<Shape>,
    /// Items behind the prefix.
    pub(super) items: Shape,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) facts: Facts,
}

/// Objects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    pub(super) known: BTreeMap<String, Slot>,
    /// What a member of another name is, if there is one.
    pub(super) rest: Shape,
    pub(super) facts: Facts,
}

/// A member's place in an object. Surely empty, when nothing may be in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    /// Whether the member is surely there.
    pub(super) must: bool,
    pub(super) shape: Shape,
}

static ANY: LazyLock<Arc<Parts>> = LazyLock::new(|| {
    Arc::new(Parts {
        null: true,
        yes: true,
        no: true,
        number: Some(Number::ANY),
        text: Some(Text::ANY),
        array: Some(Array {
            prefix: Vec::new(),
            items: Shape::Any,
            min: 0,
            max: u64::MAX,
            facts: Facts::new(),
        }),
        object: Some(Object::open()),
    })
});

static NEVER: LazyLock<Arc<Parts>> = LazyLock::new(Arc::default);

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) => true,
            // Most shapes are shared: the states behind each other differ in little.
            (Self::Of(a), Self::Of(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

impl From<Parts> for Shape {
    fn from(parts: Parts) -> Self {
        if parts == **ANY { Self::Any } else { Self::Of(Arc::new(parts)) }
    }
}

impl From<Object> for Shape {
    fn from(object: Object) -> Self {
        Parts { object: Some(object), ..Parts::default() }.into()
    }
}

impl Shape {
    /// No value at all.
    pub(super) fn never() -> Self {
        Self::Of(Arc::clone(&NEVER))
    }

    pub(super) fn is_never(&self) -> bool {
        matches!(self, Self::Of(parts) if **parts == **NEVER)
    }

    /// The parts; those of any value are made one level at a time.
    pub(super) fn parts(&self) -> &Arc<Parts> {
        match self {
            Self::Any => &ANY,
            Self::Of(parts) => parts,
        }
    }

    /// Exactly this value.
    pub(super) fn of_value(value: &Value) -> Self {
        let mut parts = Parts::default();
        match value {
            Value::Null => parts.null = true,
            Value::Bool(yes) => (parts.yes, parts.no) = (*yes, !*yes),
            Value::Number(n) => parts.number = n.as_f64().map(|n| Number::of_values(vec![n])),
            Value::String(s) => parts.text = Some(Text::of_values([s.clone()].into())),
            Value::Array(items) => {
                let len = items.len() as u64;
                let (prefix, items) = (items.iter().map(Self::of_value).collect(), Self::never());
                parts.array =
                    Some(Array { prefix, items, min: len, max: len, facts: Facts::new() });
            }
            Value::Object(members) => parts.object = Some(Object::of_members(members)),
        }
        parts.into()
    }

    /// Each kind of value by itself, and each listed value: shapes that together
    /// are this one.
    pub(super) fn pieces(&self) -> Vec<Self> {
        let parts = self.parts();
        let none = Parts::default;
        let mut pieces: Vec<Parts> = Vec::new();
        let flags = [
            (parts.null, Parts { null: true, ..none() }),
            (parts.yes, Parts { yes: true, ..none() }),
            (parts.no, Parts { no: true, ..none() }),
        ];
        pieces.extend(flags.into_iter().filter(|(may, _)| *may).map(|(_, piece)| piece));
        for number in parts.number.iter().flat_map(Number::pieces) {
            pieces.push(Parts { number: Some(number), ..none() });
        }
        for text in parts.text.iter().flat_map(Text::pieces) {
            pieces.push(Parts { text: Some(text), ..none() });
        }
        if let Some(array) = &parts.array {
            pieces.push(Parts { array: Some(array.clone()), ..none() });
        }
        if let Some(object) = &parts.object {
            pieces.push(Parts { object: Some(object.clone()), ..none() });
        }
        pieces.into_iter().map(Self::from).collect()
    }
}

impl Number {
    pub(super) const ANY: Self = Self {
        integer: false,
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        above: false,
        below: false,
        values: None,
        facts: Facts::new(),
    };

    fn of_values(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (min, max) = (values.first(), values.last());
        Self {
            integer: values.iter().all(|n| n.fract() == 0.0),
            min: min.copied().unwrap_or(0.0),
            max: max.copied().unwrap_or(0.0),
            values: Some(values),
            ..Self::ANY
        }
    }

    fn pieces(&self) -> Vec<Self> {
        let Some(values) = &self.values else { return vec![self.clone()] };
        let piece = |n: &f64| Self { facts: self.facts.clone(), ..Self::of_values(vec![*n]) };
        values.iter().map(piece).collect()
    }
}

impl Text {
    pub(super) const ANY: Self = Self { min: 0, max: u64::MAX, values: None, facts: Facts::new() };

    fn of_values(values: BTreeSet<String>) -> Self {
        let lengths = || values.iter().map(|s| s.chars().count() as u64);
        let (min, max) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
        Self { min, max, values: Some(values), facts: Facts::new() }
    }

    fn pieces(&self) -> Vec<Self> {
        let Some(values) = &self.values else { return vec![self.clone()] };
        let piece =
            |s: &String| Self { facts: self.facts.clone(), ..Self::of_values([s.clone()].into()) };
        values.iter().map(piece).collect()
    }
}

impl Array {
    /// The shape of the item at an index.
    pub(super) fn item(&self, index: usize) -> Shape {
        match self.prefix.get(index) {
            _ if index as u64 >= self.max => Shape::never(),
            Some(item) => item.clone(),
            None => self.items.clone(),
        }
    }
}

impl Object {
    /// The object without members.
    pub(super) fn empty() -> Self {
        Self { known: BTreeMap::new(), rest: Shape::never(), facts: Facts::new() }
    }

    /// Any object.
    pub(super) fn open() -> Self {
        Self { known: BTreeMap::new(), rest: Shape::Any, facts: Facts::new() }
    }

    fn of_members(members: &Map<String, Value>) -> Self {
        let slot = |value| Slot { must: true, shape: Shape::of_value(value) };
        let known = members.iter().map(|(name, value)| (name.clone(), slot(value))).collect();
        Self { known, ..Self::empty() }
    }

    /// The place of a member.
    pub(super) fn slot(&self, name: &str) -> Slot {
        let rest = || Slot { must: false, shape: self.rest.clone() };
        self.known.get(name).cloned().unwrap_or_else(rest)
    }
}

impl Slot {
    /// Whether the member is surely not there.
    pub(super) fn is_empty(&self) -> bool {
        self.shape.is_never()
    }
}
