//! Functions on values.

use super::dec;
use super::expr::{Func, Op};
use super::fault::Cause;
use super::lower::NOT_A_TIME;
use super::ops::{Budget, arith_int};
use super::value::Val;
use crate::types::Time;

/// Calls a function on as many values as it takes.
pub(super) fn call<'a>(
    func: Func,
    args: &[Val<'a>],
    budget: &mut Budget,
) -> Result<Val<'a>, Cause> {
    for (val, wants) in args.iter().zip(func.wants()) {
        if !wants.has(val.kind()) {
            return Err(Cause::Wants { what: func.as_str(), wants: *wants, got: val.kind() });
        }
    }
    match (func, args) {
        (Func::Size, [of]) => size(of, budget),
        (Func::Dec, [Val::Text(text)]) => {
            let what = func.as_str();
            dec::parse(text.as_str()).map(Val::Dec).map_err(|why| Cause::Text { what, why })
        }
        (Func::Time, [Val::Text(text)]) => time(text.as_str()).map(Val::Int),
        (Func::Days, [Val::Int(n)]) => arith_int(Op::Mul, *n, 86_400_000).map(Val::Int),
        (Func::Hours, [Val::Int(n)]) => arith_int(Op::Mul, *n, 3_600_000).map(Val::Int),
        (Func::Minutes, [Val::Int(n)]) => arith_int(Op::Mul, *n, 60_000).map(Val::Int),
        (_, [Val::Text(of), Val::Text(part)]) => {
            let (of, part) = (of.as_str(), part.as_str());
            match func {
                Func::StartsWith => budget.spend_bytes(part.len()).map(|()| of.starts_with(part)),
                Func::EndsWith => budget.spend_bytes(part.len()).map(|()| of.ends_with(part)),
                _ => search(of, part, budget),
            }
            .map(Val::Bool)
        }
        // Every call is lowered with the arguments that its function takes.
        _ => Err(Cause::Missing),
    }
}

fn size<'a>(of: &Val<'a>, budget: &mut Budget) -> Result<Val<'a>, Cause> {
    let size = match of {
        Val::Text(text) => {
            budget.spend_bytes(text.as_str().len())?;
            text.as_str().chars().count()
        }
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        _ => 0,
    };
    Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

/// A search takes several steps a byte where comparison takes a fraction of one.
fn search(of: &str, part: &str, budget: &mut Budget) -> Result<bool, Cause> {
    budget.spend(1 + (of.len() + part.len()) / 8)?;
    Ok(of.contains(part))
}

fn time(text: &str) -> Result<i64, Cause> {
    /// The longest spelling of a time that is read: with nanoseconds, an offset
    /// and room. Longer texts are not looked at.
    const BYTES_MAX: usize = 64;
    let time = if text.len() > BYTES_MAX { None } else { text.parse::<Time>().ok() };
    let millis = time.and_then(|time| i64::try_from(time.as_millis()).ok());
    millis.ok_or(Cause::Text { what: Func::Time.as_str(), why: NOT_A_TIME })
}
