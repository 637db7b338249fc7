//! The tree of a guard: names resolved, functions known, constants read.

use super::dec::U256;
use super::value::{Kind, Kinds};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Const(Const),
    Var(Var),
    /// The variable of a comprehension: its name, and how many are around it.
    Local(String, usize),
    Select(Box<Expr>, String),
    Has(Box<Expr>, String),
    Index(Box<[Expr; 2]>),
    List(Vec<Expr>),
    Map(Vec<(String, Expr)>),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    Binary(Op, Box<[Expr; 2]>),
    And(Box<[Expr; 2]>),
    Or(Box<[Expr; 2]>),
    If(Box<[Expr; 3]>),
    /// The arguments, what it is called on first.
    Call(Func, Vec<Expr>),
    Each(Box<Each>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Const {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Dec(U256),
    /// `time('…')`, in milliseconds.
    Time(i64),
}

/// What a guard sees of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Var {
    Message,
    Ext,
    Now,
    Signal,
}

impl Var {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Ext => "ext",
            Self::Now => "now",
            Self::Signal => "signal",
        }
    }
}

/// A comprehension: over the elements of a list or the keys of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Each {
    pub(super) how: How,
    pub(super) over: Expr,
    pub(super) var: String,
    /// The condition: all that a `map` of two arguments lacks.
    pub(super) when: Option<Expr>,
    /// What a `map` makes of each.
    pub(super) make: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

impl How {
    pub(super) const ALL: [Self; 5] =
        [Self::All, Self::Exists, Self::ExistsOne, Self::Filter, Self::Map];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exists => "exists",
            Self::ExistsOne => "exists_one",
            Self::Filter => "filter",
            Self::Map => "map",
        }
    }
}

/// An operator with two sides, both always evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
}

impl Op {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::In => "in",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Func {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Dec,
    Time,
    Days,
    Hours,
    Minutes,
}

impl Func {
    pub(super) const ALL: [Self; 9] = [
        Self::Size,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Dec,
        Self::Time,
        Self::Days,
        Self::Hours,
        Self::Minutes,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Dec => "dec",
            Self::Time => "time",
            Self::Days => "days",
            Self::Hours => "hours",
            Self::Minutes => "minutes",
        }
    }

    /// The types of its arguments, what it is called on first.
    pub(super) const fn wants(self) -> &'static [Kinds] {
        const SIZED: Kinds = Kinds::of(&[Kind::String, Kind::List, Kind::Map]);
        const STRING: Kinds = Kinds::of(&[Kind::String]);
        const INT: Kinds = Kinds::of(&[Kind::Int]);
        match self {
            Self::Size => &[SIZED],
            Self::Contains | Self::StartsWith | Self::EndsWith => &[STRING, STRING],
            Self::Dec | Self::Time => &[STRING],
            Self::Days | Self::Hours | Self::Minutes => &[INT],
        }
    }

    pub(super) const fn gives(self) -> Kind {
        match self {
            Self::Contains | Self::StartsWith | Self::EndsWith => Kind::Bool,
            Self::Dec => Kind::Dec,
            _ => Kind::Int,
        }
    }

    /// Whether `f(x)` can be written.
    pub(super) const fn is_global(self) -> bool {
        !matches!(self, Self::Contains | Self::StartsWith | Self::EndsWith)
    }

    /// Whether `x.f()` can be written.
    pub(super) const fn is_member(self) -> bool {
        matches!(self, Self::Size | Self::Contains | Self::StartsWith | Self::EndsWith)
    }
}
