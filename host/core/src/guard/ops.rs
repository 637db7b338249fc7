//! Operators on values, and on types alone; what they cost.

use std::cmp::Ordering;
use std::rc::Rc;

use super::dec::U256;
use super::expr::Op;
use super::fault::Cause;
use super::value::{Entries, Kind, Kinds, List, Text, Val};

/// How many bytes of text are looked at or copied for a cost of one: about what
/// one step of an evaluation takes.
const BYTES_A_COST: usize = 64;

/// What an evaluation may still cost.
pub(super) struct Budget(pub(super) u32);

impl Budget {
    pub(super) fn spend(&mut self, cost: usize) -> Result<(), Cause> {
        let left = u32::try_from(cost).ok().and_then(|cost| self.0.checked_sub(cost));
        self.0 = left.unwrap_or(0);
        left.map(drop).ok_or(Cause::Cost)
    }

    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Cause> {
        self.spend(1 + bytes / BYTES_A_COST)
    }
}

/// The type of `left op right`; none if the operator is not for these types.
pub(super) fn kind_of(op: Op, left: Kind, right: Kind) -> Option<Kind> {
    use Kind::{Bool, Dec, Double, Int, List, Map, Null, String};
    let with_dec = matches!((left, right), (Dec, Dec | Int) | (Int, Dec));
    match op {
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem => match (left, right) {
            _ if with_dec => Some(Dec),
            (Int, Int) => Some(Int),
            (Double, Double) if op != Op::Rem => Some(Double),
            (String, String) | (List, List) if op == Op::Add => Some(left),
            _ => None,
        },
        Op::Lt | Op::Le | Op::Gt | Op::Ge => match (left, right) {
            (Int | Double, Int | Double) | (String, String) | (Bool, Bool) => Some(Bool),
            _ => with_dec.then_some(Bool),
        },
        // A decimal that is compared with its text would be silently unequal.
        Op::Eq | Op::Ne => match (left, right) {
            (Dec, Null) | (Null, Dec) => Some(Bool),
            (Dec, _) | (_, Dec) => with_dec.then_some(Bool),
            _ => Some(Bool),
        },
        Op::In => match (left, right) {
            (_, List) | (String, Map) => Some(Bool),
            _ => None,
        },
    }
}

pub(super) fn binary<'a>(
    op: Op,
    left: &Val<'a>,
    right: &Val<'a>,
    budget: &mut Budget,
) -> Result<Val<'a>, Cause> {
    let (l, r) = (left.kind(), right.kind());
    kind_of(op, l, r).ok_or(Cause::Between(op.as_str(), l, r))?;
    Ok(match op {
        Op::Eq => Val::Bool(equal(left, right, budget)?),
        Op::Ne => Val::Bool(!equal(left, right, budget)?),
        Op::Lt => Val::Bool(compare(left, right, budget)?.is_lt()),
        Op::Le => Val::Bool(compare(left, right, budget)?.is_le()),
        Op::Gt => Val::Bool(compare(left, right, budget)?.is_gt()),
        Op::Ge => Val::Bool(compare(left, right, budget)?.is_ge()),
        Op::In => Val::Bool(contains(right, left, budget)?),
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem => match (left, right) {
            (Val::Int(a), Val::Int(b)) => Val::Int(arith_int(op, *a, *b)?),
            (Val::Double(a), Val::Double(b)) => Val::Double(arith_double(op, *a, *b)),
            (Val::Text(a), Val::Text(b)) => concat(a.as_str(), b.as_str(), budget)?,
            (Val::List(a), Val::List(b)) => {
                budget.spend(a.len() + b.len())?;
                Val::List(List::Made(Rc::new(a.iter().chain(b.iter()).collect())))
            }
            _ => Val::Dec(arith_dec(op, as_dec(left)?, as_dec(right)?)?),
        },
    })
}

pub(super) fn arith_int(op: Op, a: i64, b: i64) -> Result<i64, Cause> {
    match op {
        Op::Add => a.checked_add(b),
        Op::Sub => a.checked_sub(b),
        Op::Mul => a.checked_mul(b),
        _ if b == 0 => return Err(Cause::DivisionByZero),
        Op::Div => a.checked_div(b),
        _ => a.checked_rem(b),
    }
    .ok_or(Cause::Overflow)
}

fn arith_double(op: Op, a: f64, b: f64) -> f64 {
    match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        _ => a / b,
    }
}

fn arith_dec(op: Op, a: U256, b: U256) -> Result<U256, Cause> {
    match op {
        Op::Add => a.checked_add(b).ok_or(Cause::Overflow),
        Op::Sub => a.checked_sub(b).ok_or(Cause::BelowZero),
        Op::Mul => a.checked_mul(b).ok_or(Cause::Overflow),
        Op::Div => a.checked_div(b).ok_or(Cause::DivisionByZero),
        _ => a.checked_rem(b).ok_or(Cause::DivisionByZero),
    }
}

/// A decimal, or the int beside one.
fn as_dec(val: &Val<'_>) -> Result<U256, Cause> {
    match val {
        Val::Dec(dec) => Ok(*dec),
        Val::Int(int) => u64::try_from(*int).map(U256::from).map_err(|_| Cause::BelowZero),
        _ => Err(Cause::Wants { what: "dec", wants: Kind::Dec.into(), got: val.kind() }),
    }
}

fn concat<'a>(a: &str, b: &str, budget: &mut Budget) -> Result<Val<'a>, Cause> {
    budget.spend_bytes(a.len() + b.len())?;
    Ok(Val::Text(Text::Made([a, b].concat().into())))
}

/// The order of two values that `kind_of` lets be compared.
fn compare(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Result<Ordering, Cause> {
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => Ok(a.cmp(b)),
        (Val::Bool(a), Val::Bool(b)) => Ok(a.cmp(b)),
        (Val::Text(a), Val::Text(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            budget.spend_bytes(a.len().min(b.len()))?;
            Ok(a.cmp(b))
        }
        (Val::Double(a), Val::Double(b)) => a.partial_cmp(b).ok_or(Cause::NotANumber),
        (Val::Int(a), Val::Double(b)) => int_double(*a, *b).ok_or(Cause::NotANumber),
        (Val::Double(a), Val::Int(b)) => {
            int_double(*b, *a).map(Ordering::reverse).ok_or(Cause::NotANumber)
        }
        // Every negative int is below every decimal.
        (Val::Dec(_), Val::Int(..0)) => Ok(Ordering::Greater),
        (Val::Int(..0), Val::Dec(_)) => Ok(Ordering::Less),
        _ => Ok(as_dec(left)?.cmp(&as_dec(right)?)),
    }
}

/// The order of an int and a double, exact where a conversion would round.
fn int_double(int: i64, double: f64) -> Option<Ordering> {
    /// 2^63: the first double above every int.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    match double {
        _ if double.is_nan() => None,
        _ if double >= ABOVE => Some(Ordering::Less),
        _ if double < -ABOVE => Some(Ordering::Greater),
        _ => {
            let whole = int.cmp(&(double.trunc() as i64));
            Some(whole.then(0.0_f64.partial_cmp(&double.fract())?))
        }
    }
}

fn equal(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Result<bool, Cause> {
    budget.spend(1)?;
    let (l, r) = (left.kind(), right.kind());
    kind_of(Op::Eq, l, r).ok_or(Cause::Between(Op::Eq.as_str(), l, r))?;
    match (left, right) {
        (Val::Null, Val::Null) => Ok(true),
        (Val::Double(a), Val::Double(b)) => Ok(a == b),
        (Val::Text(a), Val::Text(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            budget.spend(a.len().min(b.len()) / BYTES_A_COST)?;
            Ok(a == b)
        }
        (Val::List(a), Val::List(b)) => equal_lists(a, b, budget),
        (Val::Map(a), Val::Map(b)) => equal_maps(a, b, budget),
        _ if kind_of(Op::Lt, l, r).is_some() => Ok(compare(left, right, budget)?.is_eq()),
        _ => Ok(false),
    }
}

fn equal_lists(a: &List<'_>, b: &List<'_>, budget: &mut Budget) -> Result<bool, Cause> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b.iter()) {
        if !equal(&a, &b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(a: &Entries<'_>, b: &Entries<'_>, budget: &mut Budget) -> Result<bool, Cause> {
    if a.len() != b.len() {
        return Ok(false);
    }
    budget.spend(a.len())?;
    for key in a.keys() {
        let (Some(a), Some(b)) = (member(a, key, budget)?, member(b, key, budget)?) else {
            return Ok(false);
        };
        if !equal(&a, &b, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `right` of `right in left`.
fn contains(left: &Val<'_>, right: &Val<'_>, budget: &mut Budget) -> Result<bool, Cause> {
    match (left, right) {
        (Val::Map(map), Val::Text(key)) => Ok(member(map, key.as_str(), budget)?.is_some()),
        (Val::List(list), _) => {
            for item in list.iter() {
                if equal(&item, right, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(Cause::Between(Op::In.as_str(), right.kind(), left.kind())),
    }
}

/// A map's member. Its price grows with the key, which a lookup compares.
pub(super) fn member<'a>(
    map: &Entries<'a>,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<Val<'a>>, Cause> {
    budget.spend_bytes(name.len())?;
    Ok(map.get(name))
}

/// `of[at]`.
pub(super) fn index<'a>(of: &Val<'a>, at: &Val<'a>, budget: &mut Budget) -> Result<Val<'a>, Cause> {
    match (of, at) {
        (Val::List(list), Val::Int(at)) => usize::try_from(*at).ok().and_then(|at| list.get(at)),
        (Val::Map(map), Val::Text(key)) => member(map, key.as_str(), budget)?,
        _ => return Err(Cause::Between("[]", of.kind(), at.kind())),
    }
    .ok_or(Cause::Missing)
}

pub(super) fn negate<'a>(val: &Val<'a>) -> Result<Val<'a>, Cause> {
    match val {
        Val::Int(int) => int.checked_neg().map(Val::Int).ok_or(Cause::Overflow),
        Val::Double(double) => Ok(Val::Double(-double)),
        _ => Err(Cause::Wants { what: "-", wants: Kinds::NUMBER, got: val.kind() }),
    }
}
