//! What the conditions around a part of a guard say about it.

use super::expr::{Const, Expr, Op};

/// Something about a part of the guard, by its text.
#[derive(PartialEq)]
pub(super) enum Fact {
    Present(String),
    NotNull(String),
}

/// What is known where the check stands.
#[derive(Default)]
pub(super) struct Facts<'t> {
    known: Vec<Fact>,
    /// The right sides of `in` that are maps for sure.
    maps: Vec<&'t Expr>,
}

impl<'t> Facts<'t> {
    pub(super) fn contains(&self, fact: &Fact) -> bool {
        self.known.contains(fact)
    }

    pub(super) fn push(&mut self, fact: Fact) {
        self.known.push(fact);
    }

    /// How many there are, for forgetting those behind it.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.known.truncate(len);
    }

    /// Takes the right side of an `in` for a map.
    pub(super) fn is_map(&mut self, of: &'t Expr) {
        self.maps.push(of);
    }

    /// Adds what follows from a condition that holds, or does not.
    pub(super) fn learn(&mut self, condition: &Expr, holds: bool) {
        match condition {
            Expr::Not(of) => self.learn(of, !holds),
            Expr::And(sides) if holds => sides.iter().for_each(|side| self.learn(side, true)),
            Expr::Or(sides) if !holds => sides.iter().for_each(|side| self.learn(side, false)),
            Expr::Has(of, name) if holds => self.present(Expr::Select(of.clone(), name.clone())),
            // What is in a list says nothing of the list's places.
            Expr::Binary(Op::In, sides)
                if holds && self.maps.iter().any(|map| std::ptr::eq(*map, &sides[1])) =>
            {
                self.present(match &sides[0] {
                    Expr::Const(Const::Text(name)) => {
                        Expr::Select(sides[1].clone().into(), name.clone())
                    }
                    key => Expr::Index(Box::new([sides[1].clone(), key.clone()])),
                });
            }
            Expr::Binary(op @ (Op::Eq | Op::Ne), sides) if holds == (*op == Op::Ne) => {
                for (side, other) in [(0, 1), (1, 0)] {
                    if sides[other] == Expr::Const(Const::Null) {
                        self.known.push(Fact::NotNull(sides[side].to_string()));
                    }
                }
            }
            _ => {}
        }
    }

    /// A member is present, and so is everything that it is a member of.
    fn present(&mut self, mut expr: Expr) {
        loop {
            self.known.push(Fact::Present(expr.to_string()));
            expr = match expr {
                Expr::Select(of, _) => *of,
                _ => return,
            };
        }
    }
}
