//! A guard's tree as text, for people: what faults and findings show.

use std::fmt;

use super::expr::{Const, Expr};

/// The longest part of a guard that a fault or finding shows, in characters.
const PART_CHARS_MAX: usize = 100;

/// A part of a guard, quoted and not too long.
pub(super) struct Part<'a>(pub(super) &'a Expr);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match text.char_indices().nth(PART_CHARS_MAX) {
            Some((end, _)) => write!(f, "`{}…`", &text[..end]),
            None => write!(f, "`{text}`"),
        }
    }
}

/// As CEL, in brackets where the tree needs them and sometimes where not.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(constant) => constant.fmt(f),
            Self::Var(var) => f.write_str(var.as_str()),
            Self::Local(name, _) => f.write_str(name),
            Self::Select(of, member) => write_member(f, of, member),
            Self::Has(of, member) => {
                f.write_str("has(")?;
                write_member(f, of, member)?;
                f.write_str(")")
            }
            Self::Index(sides) => write!(f, "{}[{}]", Inner(&sides[0]), sides[1]),
            Self::List(items) => write!(f, "[{}]", Joined(items)),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (i, (key, val)) in entries.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {val}", Quoted(key))?;
                }
                f.write_str("}")
            }
            Self::Not(of) => write!(f, "!{}", Inner(of)),
            Self::Neg(of) => write!(f, "-{}", Inner(of)),
            Self::Binary(op, sides) => {
                write!(f, "{} {} {}", Inner(&sides[0]), op.as_str(), Inner(&sides[1]))
            }
            Self::And(sides) => write!(f, "{} && {}", Inner(&sides[0]), Inner(&sides[1])),
            Self::Or(sides) => write!(f, "{} || {}", Inner(&sides[0]), Inner(&sides[1])),
            Self::If(parts) => {
                write!(f, "{} ? {} : {}", Inner(&parts[0]), Inner(&parts[1]), Inner(&parts[2]))
            }
            Self::Call(func, args) if func.is_global() => {
                write!(f, "{}({})", func.as_str(), Joined(args))
            }
            Self::Call(func, args) => {
                let (on, args) = args.split_first().ok_or(fmt::Error)?;
                write!(f, "{}.{}({})", Inner(on), func.as_str(), Joined(args))
            }
            Self::Each(each) => {
                write!(f, "{}.{}({}", Inner(&each.over), each.how.as_str(), each.var)?;
                for body in [&each.when, &each.make].into_iter().flatten() {
                    write!(f, ", {body}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Const {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(i) => i.fmt(f),
            Self::Double(d) => write!(f, "{d:?}"),
            Self::Text(text) => Quoted(text).fmt(f),
            Self::Dec(dec) => write!(f, "dec('{dec}')"),
            Self::Time(millis) => {
                let millis = u64::try_from(*millis).unwrap_or(0);
                write!(f, "time('{}')", crate::types::Time::from_millis(millis))
            }
        }
    }
}

fn write_member(f: &mut fmt::Formatter<'_>, of: &Expr, member: &str) -> fmt::Result {
    let word =
        |(i, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || i > 0 && c.is_ascii_digit();
    match !member.is_empty() && member.chars().enumerate().all(word) {
        true => write!(f, "{}.{member}", Inner(of)),
        false => write!(f, "{}[{}]", Inner(of), Quoted(member)),
    }
}

/// A part of a larger expression.
struct Inner<'a>(&'a Expr);

impl fmt::Display for Inner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Binary(..) | Expr::And(_) | Expr::Or(_) | Expr::If(_) | Expr::Neg(_) => {
                write!(f, "({})", self.0)
            }
            of => of.fmt(f),
        }
    }
}

struct Joined<'a>(&'a [Expr]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, expr) in self.0.iter().enumerate() {
            write!(f, "{}{expr}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.escape_debug())
    }
}
