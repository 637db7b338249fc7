//! What the conditions around a part of a guard say about it.

use super::expr::{Const, Expr, Op};

/// Something about a part of the guard, by its text.
#[derive(PartialEq)]
pub(super) enum Fact {
    Present(String),
    NotNull(String),
}

/// What follows from a condition that holds, or does not.
pub(super) fn learn(condition: &Expr, holds: bool, known: &mut Vec<Fact>) {
    match condition {
        Expr::Not(of) => learn(of, !holds, known),
        Expr::And(sides) if holds => sides.iter().for_each(|side| learn(side, true, known)),
        Expr::Or(sides) if !holds => sides.iter().for_each(|side| learn(side, false, known)),
        Expr::Has(of, name) if holds => present(Expr::Select(of.clone(), name.clone()), known),
        Expr::Binary(Op::In, sides) if holds => present(
            match &sides[0] {
                Expr::Const(Const::Text(name)) => {
                    Expr::Select(sides[1].clone().into(), name.clone())
                }
                key => Expr::Index(Box::new([sides[1].clone(), key.clone()])),
            },
            known,
        ),
        Expr::Binary(op @ (Op::Eq | Op::Ne), sides) if holds == (*op == Op::Ne) => {
            for (side, other) in [(0, 1), (1, 0)] {
                if sides[other] == Expr::Const(Const::Null) {
                    known.push(Fact::NotNull(sides[side].to_string()));
                }
            }
        }
        _ => {}
    }
}

/// A member is present, and so is everything that it is a member of.
fn present(mut expr: Expr, known: &mut Vec<Fact>) {
    loop {
        known.push(Fact::Present(expr.to_string()));
        expr = match expr {
            Expr::Select(of, _) => *of,
            _ => return,
        };
    }
}
