//! Why a guard gave no answer. A fault holds the part of the guard and types;
//! it has no room for a value of the message, Msg_Ext or a signal.

use std::fmt;

use super::expr::Expr;
use super::show::Part;
use super::value::{Kind, Kinds};

/// What went wrong, and in which part.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    pub(super) at: &'a Expr,
    pub(super) cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is no such member or element.
    Missing,
    /// An operator is not for these two types.
    Between(&'static str, Kind, Kind),
    /// A function or operator is not for this type.
    Wants {
        what: &'static str,
        wants: Kinds,
        got: Kind,
    },
    /// A text is not what a function reads; the reason is a fixed phrase.
    Text {
        what: &'static str,
        why: &'static str,
    },
    /// A result is larger than its type holds.
    Overflow,
    /// A decimal would be below zero.
    BelowZero,
    DivisionByZero,
    /// A double that is not a number has no place among others.
    NotANumber,
    Cost,
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = Part(self.at);
        match self.cause {
            Cause::Missing => write!(f, "{part} is missing"),
            Cause::Between(op, left, right) => {
                write!(f, "`{op}` is not for {left} and {right}, in {part}")
            }
            Cause::Wants { what, wants, got } => {
                write!(f, "`{what}` got {got}, wants {wants}, in {part}")
            }
            Cause::Text { what, why } => {
                write!(f, "`{what}` got a string that {why}, in {part}")
            }
            Cause::Overflow => write!(f, "{part} is too large for its type"),
            Cause::BelowZero => write!(f, "{part} is below zero, which a dec cannot be"),
            Cause::DivisionByZero => write!(f, "{part} divides by zero"),
            Cause::NotANumber => write!(f, "{part} compares what is not a number"),
            Cause::Cost => {
                write!(f, "it costs more than `guard_cost_max`, {}", super::GUARD_COST_MAX)
            }
        }
    }
}
