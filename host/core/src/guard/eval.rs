//! Evaluates a guard's tree, counting what it costs.

use std::rc::Rc;

use super::expr::{Const, Each, Expr, How, Var};
use super::fault::{Cause, Fault};
use super::funcs;
use super::ops::{self, Budget};
use super::value::{Entries, Kind, Kinds, List, Text, Val};
use super::{GUARD_COST_MAX, Scope};

type Evaluated<'a> = Result<Val<'a>, Fault<'a>>;

pub(super) fn holds<'a>(expr: &'a Expr, scope: &Scope<'a>) -> Result<bool, Fault<'a>> {
    let mut eval = Eval { scope: *scope, locals: Vec::new(), budget: Budget(GUARD_COST_MAX) };
    eval.bool("guard", expr)
}

struct Eval<'a> {
    scope: Scope<'a>,
    locals: Vec<Val<'a>>,
    budget: Budget,
}

impl<'a> Eval<'a> {
    fn eval(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        let at = |cause| Fault { at: expr, cause };
        self.budget.spend(1).map_err(at)?;
        match expr {
            Expr::Const(constant) => Ok(constant.into()),
            Expr::Var(var) => self.var(*var).ok_or(at(Cause::Missing)),
            Expr::Local(_, slot) => self.locals.get(*slot).cloned().ok_or(at(Cause::Missing)),
            Expr::Select(of, member) => self.member(expr, of, member)?.ok_or(at(Cause::Missing)),
            Expr::Has(of, member) => Ok(Val::Bool(self.member(expr, of, member)?.is_some())),
            Expr::Index(sides) => {
                let (of, key) = (self.eval(&sides[0])?, self.eval(&sides[1])?);
                ops::index(&of, &key, &mut self.budget).map_err(at)
            }
            Expr::List(items) => {
                let items = items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>()?;
                Ok(Val::List(List::Made(Rc::new(items))))
            }
            Expr::Map(entries) => {
                let entry = |(key, val): &'a (String, Expr)| Ok((key.as_str(), self.eval(val)?));
                let entries = entries.iter().map(entry).collect::<Result<_, _>>()?;
                Ok(Val::Map(Entries::Made(Rc::new(entries))))
            }
            Expr::Not(of) => Ok(Val::Bool(!self.bool("!", of)?)),
            Expr::Neg(of) => ops::negate(&self.eval(of)?).map_err(at),
            Expr::Binary(op, sides) => {
                let (left, right) = (self.eval(&sides[0])?, self.eval(&sides[1])?);
                ops::binary(*op, &left, &right, &mut self.budget).map_err(at)
            }
            Expr::And(sides) => self.either("&&", sides, false),
            Expr::Or(sides) => self.either("||", sides, true),
            Expr::If(parts) => {
                let holds = self.bool("?:", &parts[0])?;
                self.eval(&parts[if holds { 1 } else { 2 }])
            }
            Expr::Call(func, args) => match args.as_slice() {
                [arg] => funcs::call(*func, &[self.eval(arg)?], &mut self.budget).map_err(at),
                args => {
                    let args = args.iter().map(|arg| self.eval(arg));
                    let args = args.collect::<Result<Vec<_>, _>>()?;
                    funcs::call(*func, &args, &mut self.budget).map_err(at)
                }
            },
            Expr::Each(each) => self.each(expr, each),
        }
    }

    fn var(&self, var: Var) -> Option<Val<'a>> {
        match var {
            Var::Message => Some(self.scope.message.into()),
            Var::Ext => Some(self.scope.ext.into()),
            Var::Signal => self.scope.signal.map(Val::from),
            Var::Now => i64::try_from(self.scope.now.as_millis()).ok().map(Val::Int),
        }
    }

    fn member(
        &mut self,
        at: &'a Expr,
        of: &'a Expr,
        name: &str,
    ) -> Result<Option<Val<'a>>, Fault<'a>> {
        let found = match self.eval(of)? {
            Val::Map(map) => ops::member(&map, name, &mut self.budget),
            other => Err(Cause::Wants { what: ".", wants: Kind::Map.into(), got: other.kind() }),
        };
        found.map_err(|cause| Fault { at, cause })
    }

    fn bool(&mut self, what: &'static str, expr: &'a Expr) -> Result<bool, Fault<'a>> {
        match self.eval(expr)? {
            Val::Bool(holds) => Ok(holds),
            other => {
                let cause = Cause::Wants { what, wants: Kind::Bool.into(), got: other.kind() };
                Err(Fault { at: expr, cause })
            }
        }
    }

    /// `&&` and `||`: the side that decides does so even if the other has no
    /// answer. An exhausted budget leaves no answer for any side behind it.
    fn either(&mut self, what: &'static str, sides: &'a [Expr; 2], decides: bool) -> Evaluated<'a> {
        let left = self.bool(what, &sides[0]);
        if left.as_ref().is_ok_and(|left| *left == decides) {
            return Ok(Val::Bool(decides));
        }
        match (left, self.bool(what, &sides[1])) {
            (_, Ok(right)) if right == decides => Ok(Val::Bool(decides)),
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
            (Ok(_), Ok(right)) => Ok(Val::Bool(right)),
        }
    }

    fn each(&mut self, at: &'a Expr, each: &'a Each) -> Evaluated<'a> {
        let cost = |cause| Fault { at, cause };
        let over = match self.eval(&each.over)? {
            Val::List(list) => list,
            Val::Map(map) => {
                self.budget.spend(map.len()).map_err(cost)?;
                let keys = map.keys().into_iter().map(|key| Val::Text(Text::Read(key)));
                List::Made(Rc::new(keys.collect()))
            }
            other => {
                let wants = Kinds::of(&[Kind::List, Kind::Map]);
                let cause = Cause::Wants { what: each.how.as_str(), wants, got: other.kind() };
                return Err(Fault { at: &each.over, cause });
            }
        };
        let around = self.locals.len();
        let result = match each.how {
            How::All => self.first(each, &over, false),
            How::Exists => self.first(each, &over, true),
            How::ExistsOne | How::Filter | How::Map => self.collect(each, &over),
        };
        self.locals.truncate(around);
        result
    }

    /// `all` and `exists`: `&&` and `||` over the elements.
    fn first(&mut self, each: &'a Each, over: &List<'a>, decides: bool) -> Evaluated<'a> {
        let (around, mut fault) = (self.locals.len(), None);
        for item in over.iter() {
            self.locals.truncate(around);
            match self.when(each, item) {
                Ok(holds) if holds == decides => return Ok(Val::Bool(decides)),
                Err(f) if f.cause == Cause::Cost => return Err(f),
                Err(f) => fault = fault.or(Some(f)),
                Ok(_) => {}
            }
        }
        fault.map_or(Ok(Val::Bool(!decides)), Err)
    }

    /// `exists_one`, `filter` and `map`.
    fn collect(&mut self, each: &'a Each, over: &List<'a>) -> Evaluated<'a> {
        let (around, mut made) = (self.locals.len(), Vec::new());
        for item in over.iter() {
            self.locals.truncate(around);
            if !self.when(each, item.clone())? {
                continue;
            }
            made.push(match &each.make {
                Some(make) => self.eval(make)?,
                None => item,
            });
        }
        Ok(match each.how {
            How::ExistsOne => Val::Bool(made.len() == 1),
            _ => Val::List(List::Made(Rc::new(made))),
        })
    }

    /// Names an element and asks the condition, if there is one.
    fn when(&mut self, each: &'a Each, item: Val<'a>) -> Result<bool, Fault<'a>> {
        self.budget.spend(1).map_err(|cause| Fault { at: &each.over, cause })?;
        self.locals.push(item);
        each.when.as_ref().map_or(Ok(true), |when| self.bool(each.how.as_str(), when))
    }
}

impl<'a> From<&'a Const> for Val<'a> {
    fn from(constant: &'a Const) -> Self {
        match constant {
            Const::Null => Self::Null,
            Const::Bool(b) => Self::Bool(*b),
            Const::Int(i) | Const::Time(i) => Self::Int(*i),
            Const::Double(d) => Self::Double(*d),
            Const::Text(text) => Self::Text(Text::Read(text)),
            Const::Dec(dec) => Self::Dec(*dec),
        }
    }
}
