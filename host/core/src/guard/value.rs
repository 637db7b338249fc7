//! What an expression may evaluate to. JSON is read where it lies; only what a
//! guard itself makes is owned.

use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Number, Value};

use super::dec::U256;

/// A value. Cloning one never copies what it holds.
#[derive(Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text<'a>),
    Dec(U256),
    List(List<'a>),
    Map(Entries<'a>),
}

#[derive(Clone)]
pub(super) enum Text<'a> {
    Read(&'a str),
    Made(Rc<str>),
}

#[derive(Clone)]
pub(super) enum List<'a> {
    Json(&'a [Value]),
    Made(Rc<Vec<Val<'a>>>),
}

#[derive(Clone)]
pub(super) enum Entries<'a> {
    Json(&'a Map<String, Value>),
    Made(Rc<Vec<(&'a str, Val<'a>)>>),
}

impl<'a> From<&'a Value> for Val<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => match whole(n) {
                Some(int) => Self::Int(int),
                None => Self::Double(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(s) => Self::Text(Text::Read(s)),
            Value::Array(items) => Self::List(List::Json(items)),
            Value::Object(members) => Self::Map(Entries::Json(members)),
        }
    }
}

/// A whole number that 64 bits hold, however it is written. JSON has one kind of
/// number: `5.0` is 5 and `1e17` is an `integer`.
fn whole(number: &Number) -> Option<i64> {
    /// Up to here every whole double is one number and no other.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    /// Above every whole number of 64 bits.
    const ABOVE: f64 = 1e19;
    if let Some(int) = number.as_i64() {
        return Some(int);
    }
    match number.as_f64()? {
        x if x.fract() != 0.0 || x.abs() >= ABOVE => None,
        x if x.abs() <= EXACT_MAX => Some(x as i64),
        // What was written is the shortest text of its double: strict JSON takes
        // no other. So it is the same number as with all its digits.
        x => x.to_string().parse().ok(),
    }
}

impl Val<'_> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Double(_) => Kind::Double,
            Self::Text(_) => Kind::String,
            Self::Dec(_) => Kind::Dec,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
        }
    }
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Read(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<Val<'a>> {
        match self {
            Self::Json(items) => items.get(at).map(Val::from),
            Self::Made(items) => items.get(at).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> + '_ {
        (0..self.len()).map_while(|at| self.get(at))
    }
}

impl<'a> Entries<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(members) => members.len(),
            Self::Made(members) => members.len(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Self::Json(members) => members.get(name).map(Val::from),
            Self::Made(members) => {
                members.iter().find(|(key, _)| *key == name).map(|(_, val)| val.clone())
            }
        }
    }

    /// Its keys, in an order that is the same every time.
    pub(super) fn keys(&self) -> Vec<&'a str> {
        match self {
            Self::Json(members) => members.keys().map(String::as_str).collect(),
            Self::Made(members) => members.iter().map(|(key, _)| *key).collect(),
        }
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Double,
    String,
    Dec,
    List,
    Map,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Double,
        Self::String,
        Self::Dec,
        Self::List,
        Self::Map,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::String => "string",
            Self::Dec => "dec",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of types, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    /// Whatever JSON can hold: nothing is known.
    pub(super) const JSON: Self = Self(!(1 << Kind::Dec as u8));
    pub(super) const NUMBER: Self = Self::of(&[Kind::Int, Kind::Double]);

    pub(super) const fn of(kinds: &[Kind]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < kinds.len() {
            set |= 1 << kinds[at] as u8;
            at += 1;
        }
        Self(set)
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl From<Kind> for Kinds {
    fn from(kind: Kind) -> Self {
        Self::of(&[kind])
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::JSON {
            return f.write_str("anything");
        }
        let names: Vec<_> = self.iter().map(Kind::as_str).collect();
        match names.split_last() {
            None => f.write_str("nothing"),
            Some((last, [])) => f.write_str(last),
            Some((last, rest)) => write!(f, "{} or {last}", rest.join(", ")),
        }
    }
}
