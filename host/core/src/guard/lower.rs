//! From cel's tree to ours: every name is resolved, every function and number of
//! arguments known, every constant read, or the guard is refused.

use cel::common::ast::{CallExpr, EntryExpr, Expr as Parsed, IdedExpr, LiteralValue, operators};

use super::dec;
use super::expr::{Const, Each, Expr, Func, How, Op, Var};
use super::{GUARD_BYTES_MAX, GUARD_DEPTH_MAX, GUARD_NESTING_MAX, GUARD_TOKENS_MAX, Sees};
use crate::types::Time;

/// Operators by cel's names for them.
pub(super) const OPS: [(&str, Op); 12] = [
    (operators::ADD, Op::Add),
    (operators::SUBSTRACT, Op::Sub),
    (operators::MULTIPLY, Op::Mul),
    (operators::DIVIDE, Op::Div),
    (operators::MODULO, Op::Rem),
    (operators::EQUALS, Op::Eq),
    (operators::NOT_EQUALS, Op::Ne),
    (operators::LESS, Op::Lt),
    (operators::LESS_EQUALS, Op::Le),
    (operators::GREATER, Op::Gt),
    (operators::GREATER_EQUALS, Op::Ge),
    (operators::IN, Op::In),
];

pub(super) fn lower(text: &str, sees: Sees) -> Result<Expr, String> {
    if text.len() > GUARD_BYTES_MAX {
        return Err(format!("is longer than `guard_bytes_max`, {GUARD_BYTES_MAX}"));
    }
    if tokens(text) > GUARD_TOKENS_MAX {
        return Err(format!(
            "has more words and signs than `guard_tokens_max`, {GUARD_TOKENS_MAX}"
        ));
    }
    // No macros: `all`, `map` and the others stay the calls that they are written as.
    let parser = cel::Env::default().with_optional_support(false).parser();
    let parsed = parser.max_recursion_depth(GUARD_NESTING_MAX).parse(text).map_err(syntax)?;
    let visible = match sees {
        Sees::Message => &[Var::Message][..],
        Sees::State => &[Var::Message, Var::Ext, Var::Now],
        Sees::Signal => &[Var::Message, Var::Ext, Var::Now, Var::Signal],
    };
    Lower { visible, locals: Vec::new(), depth: 0 }.expr(&parsed)
}

/// How many words and signs a text has, strings not understood: at least half of
/// what the parser finds (`1in` is two), whatever it takes for a string.
fn tokens(text: &str) -> usize {
    let word = |c: char| c == '_' || c.is_alphanumeric();
    let (mut count, mut in_word) = (0, false);
    for c in text.chars() {
        count += usize::from(match word(c) {
            true => !in_word,
            false => !c.is_whitespace(),
        });
        in_word = word(c);
    }
    count
}

/// A piece of a guard, or what the parser says of one, not too long to read.
fn short(text: &str) -> &str {
    const CHARS_MAX: usize = 120;
    text.char_indices().nth(CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

/// The parser's first finding, in one line. It speaks of the guard's text alone.
fn syntax(errors: cel::ParseErrors) -> String {
    let Some(error) = errors.errors.first() else { return "cannot be parsed".to_owned() };
    if errors.errors.iter().any(|e| e.msg.contains("Recursion limit")) {
        return format!("is nested deeper than `guard_nesting_max`, {GUARD_NESTING_MAX}");
    }
    let what = error.msg.lines().next().unwrap_or_default();
    let what = what.strip_prefix("Syntax error: ").unwrap_or(what);
    let (line, column) = error.pos;
    format!("is not CEL, at line {line} column {column}: {}", short(what).escape_debug())
}

struct Lower {
    visible: &'static [Var],
    locals: Vec<String>,
    depth: usize,
}

impl Lower {
    fn expr(&mut self, parsed: &IdedExpr) -> Result<Expr, String> {
        if self.depth == GUARD_DEPTH_MAX {
            return Err(format!("is a tree deeper than `guard_depth_max`, {GUARD_DEPTH_MAX}"));
        }
        self.depth += 1;
        let expr = match &parsed.expr {
            Parsed::Literal(literal) => literal_const(literal).map(Expr::Const),
            Parsed::Ident(name) => self.name(name),
            Parsed::Select(select) => {
                Ok(Expr::Select(Box::new(self.expr(&select.operand)?), select.field.clone()))
            }
            Parsed::List(list) => self.exprs(&list.elements).map(Expr::List),
            Parsed::Map(map) => {
                let entries = map.entries.iter().map(|entry| self.entry(&entry.expr));
                entries.collect::<Result<Vec<_>, _>>().and_then(distinct)
            }
            Parsed::Call(call) => self.call(call),
            Parsed::Struct(of) => {
                Err(format!("makes a `{}`; guards have no messages", short(&of.type_name)))
            }
            Parsed::Comprehension(_) | Parsed::Unspecified => Err("cannot be parsed".to_owned()),
        };
        self.depth -= 1;
        expr
    }

    fn exprs(&mut self, parsed: &[IdedExpr]) -> Result<Vec<Expr>, String> {
        parsed.iter().map(|part| self.expr(part)).collect()
    }

    /// Each of a number of parts that is known.
    fn array<const N: usize>(&mut self, parsed: &[IdedExpr]) -> Result<Box<[Expr; N]>, String> {
        let exprs = self.exprs(parsed)?;
        exprs.try_into().map_err(|_| "cannot be parsed".to_owned())
    }

    fn name(&self, name: &str) -> Result<Expr, String> {
        if let Some(slot) = self.locals.iter().position(|local| local == name) {
            return Ok(Expr::Local(name.to_owned(), slot));
        }
        let var = self.visible.iter().find(|var| var.as_str() == name);
        var.map(|var| Expr::Var(*var)).ok_or_else(|| {
            let visible: Vec<_> = self.visible.iter().map(|var| var.as_str()).collect();
            let name = short(name);
            format!("names `{name}`, which is not visible here; visible: {}", visible.join(", "))
        })
    }

    fn entry(&mut self, entry: &EntryExpr) -> Result<(String, Expr), String> {
        const KEY: &str = "has a map whose keys are not all constant strings";
        let EntryExpr::MapEntry(entry) = entry else { return Err(KEY.to_owned()) };
        match self.expr(&entry.key)? {
            Expr::Const(Const::Text(key)) => Ok((key, self.expr(&entry.value)?)),
            _ => Err(KEY.to_owned()),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Expr, String> {
        let CallExpr { func_name: name, target, args } = call;
        if let Some(target) = target {
            return match How::ALL.into_iter().find(|how| how.as_str() == name) {
                Some(how) => self.each(how, target, args),
                None => self.function(name, Some(target), args),
            };
        }
        if let Some((_, op)) = OPS.iter().find(|(of, _)| of == name) {
            return Ok(Expr::Binary(*op, self.array(args)?));
        }
        match name.as_str() {
            operators::LOGICAL_AND => Ok(Expr::And(self.array(args)?)),
            operators::LOGICAL_OR => Ok(Expr::Or(self.array(args)?)),
            operators::CONDITIONAL => Ok(Expr::If(self.array(args)?)),
            operators::LOGICAL_NOT => {
                let [of] = *self.array(args)?;
                Ok(Expr::Not(Box::new(of)))
            }
            operators::NEGATE => {
                let [of] = *self.array(args)?;
                Ok(Expr::Neg(Box::new(of)))
            }
            operators::INDEX => Ok(match *self.array(args)? {
                [of, Expr::Const(Const::Text(member))] => Expr::Select(Box::new(of), member),
                sides => Expr::Index(Box::new(sides)),
            }),
            operators::HAS => match self.exprs(args)?.pop() {
                Some(Expr::Select(of, member)) if args.len() == 1 => Ok(Expr::Has(of, member)),
                _ => Err("has `has` of what is not a member; write `has(ext.limit)`".to_owned()),
            },
            _ => self.function(name, None, args),
        }
    }

    fn function(
        &mut self,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Result<Expr, String> {
        let fits = |func: &Func| match target {
            Some(_) => func.is_member(),
            None => func.is_global(),
        };
        let Some(func) = Func::ALL.into_iter().find(|func| func.as_str() == name) else {
            let names: Vec<_> = Func::ALL.iter().map(|func| func.as_str()).collect();
            let names = names.join(", ");
            let name = short(name);
            return Err(format!("calls `{name}`, which is not a function; there are {names}"));
        };
        if !fits(&func) {
            let form = if target.is_some() { "f(x)" } else { "x.f(y)" };
            return Err(format!("calls `{name}` in the wrong form; write it as `{form}`"));
        }
        let wanted = func.wants().len() - usize::from(target.is_some());
        if args.len() != wanted {
            let given = args.len();
            return Err(format!("gives `{name}` {given} arguments; it takes {wanted}"));
        }
        let mut exprs =
            target.map(|target| self.expr(target)).transpose()?.into_iter().collect::<Vec<_>>();
        exprs.extend(self.exprs(args)?);
        fold(func, exprs)
    }

    fn each(&mut self, how: How, over: &IdedExpr, args: &[IdedExpr]) -> Result<Expr, String> {
        let (var, bodies) = match args {
            [var, bodies @ ..] if bodies.len() == 1 || how == How::Map && bodies.len() == 2 => {
                (var, bodies)
            }
            _ => {
                let (how, given) = (how.as_str(), args.len());
                return Err(format!("gives `{how}` {given} arguments; write `x.{how}(v, …)`"));
            }
        };
        let Parsed::Ident(var) = &var.expr else {
            return Err(format!("gives `{}` what is not a name for its elements", how.as_str()));
        };
        if self.locals.contains(var) || self.visible.iter().any(|v| v.as_str() == var) {
            return Err(format!("gives the name `{}` twice", short(var)));
        }
        let over = self.expr(over)?;
        self.locals.push(var.clone());
        let mut bodies = self.exprs(bodies)?;
        self.locals.pop();
        let make = if how == How::Map { bodies.pop() } else { None };
        Ok(Expr::Each(Box::new(Each { how, over, var: var.clone(), when: bodies.pop(), make })))
    }
}

fn literal_const(literal: &LiteralValue) -> Result<Const, String> {
    Ok(match literal {
        LiteralValue::Null => Const::Null,
        LiteralValue::Boolean(b) => Const::Bool(*b.inner()),
        LiteralValue::Int(i) => Const::Int(*i.inner()),
        LiteralValue::Double(d) => Const::Double(*d.inner()),
        LiteralValue::String(s) => Const::Text(s.inner().to_owned()),
        LiteralValue::UInt(u) => {
            return Err(format!("has the unsigned `{}u`; write it without `u`", u.inner()));
        }
        LiteralValue::Bytes(_) => {
            return Err("has a byte string; there are none in JSON".to_owned());
        }
    })
}

fn distinct(entries: Vec<(String, Expr)>) -> Result<Expr, String> {
    let mut keys: Vec<_> = entries.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("has a map with the key {:?} twice", short(pair[0]))),
        None => Ok(Expr::Map(entries)),
    }
}

/// A call, read at once if it is of a constant text.
fn fold(func: Func, mut args: Vec<Expr>) -> Result<Expr, String> {
    let refused =
        |text: &str, why: &str| format!("has `{}({:?})`, which {why}", func.as_str(), short(text));
    match (func, args.as_slice()) {
        (Func::Dec, [Expr::Const(Const::Text(text))]) => {
            let dec = dec::parse(text).map_err(|why| refused(text, why))?;
            args = vec![Expr::Const(Const::Dec(dec))];
        }
        (Func::Time, [Expr::Const(Const::Text(text))]) => {
            let millis = text.parse::<Time>().ok().and_then(|t| i64::try_from(t.as_millis()).ok());
            let millis = millis.ok_or_else(|| refused(text, NOT_A_TIME))?;
            args = vec![Expr::Const(Const::Time(millis))];
        }
        _ => return Ok(Expr::Call(func, args)),
    }
    Ok(args.remove(0))
}

/// Why a text is not one for `time`.
pub(super) const NOT_A_TIME: &str = "is not an RFC 3339 date-time from 1970 on";
