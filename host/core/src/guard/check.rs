//! Checks a guard against the schemas of what it looks at.

use std::rc::Rc;

use super::expr::{Const, Each, Expr, Func, How, Op};
use super::facts::{Fact, Facts};
use super::ops::kind_of;
use super::shape::Member;
use super::show::Part;
use super::types::{GuardFinding, GuardTypes, Severity, Shape, Type};
use super::value::{Kind, Kinds};

pub(super) fn check(expr: &Expr, types: &GuardTypes<'_>) -> Vec<GuardFinding> {
    let mut check =
        Check { types: *types, locals: Vec::new(), facts: Facts::default(), findings: Vec::new() };
    check.wants("guard", Kind::Bool, expr);
    check.findings
}

struct Check<'t> {
    types: GuardTypes<'t>,
    locals: Vec<Type<'t>>,
    facts: Facts<'t>,
    findings: Vec<GuardFinding>,
}

impl<'t> Check<'t> {
    fn find(&mut self, severity: Severity, detail: String) {
        let finding = GuardFinding { severity, detail };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn infer(&mut self, expr: &'t Expr) -> Type<'t> {
        let mut found = match expr {
            Expr::Const(constant) => constant.into(),
            Expr::Var(var) => Type::of_var(*var, &self.types),
            Expr::Local(_, slot) => self.locals.get(*slot).cloned().unwrap_or(Type::UNKNOWN),
            Expr::Select(of, name) => self.select(expr, of, name),
            Expr::Has(of, name) => {
                if let Type { shape: Shape::Json(view), .. } = self.wants("has", Kind::Map, of)
                    && matches!(view.member(name), Member::Absent)
                {
                    let member = Expr::Select(of.clone(), name.clone());
                    self.find(Severity::Error, format!("{} is not in its schema", Part(&member)));
                }
                Type::of(Kind::Bool)
            }
            Expr::Index(sides) => self.index(expr, sides),
            Expr::List(items) => {
                let mut items = items.iter().map(|item| self.infer(item));
                Type::list(
                    items.next().map_or(Type::NEVER, |first| items.fold(first, Type::either)),
                )
            }
            Expr::Map(entries) => {
                let entry = |(key, val): &'t (String, Expr)| (key.as_str(), self.infer(val));
                let shape = Shape::Map(Rc::new(entries.iter().map(entry).collect()));
                Type { kinds: Kind::Map.into(), shape }
            }
            Expr::Not(of) => {
                self.wants("!", Kind::Bool, of);
                Type::of(Kind::Bool)
            }
            Expr::Neg(of) => {
                let kinds = self.wants("-", Kinds::NUMBER, of).kinds.and(Kinds::NUMBER);
                Type { kinds, shape: Shape::Unknown }
            }
            Expr::Binary(op, sides) => self.binary(expr, *op, sides),
            Expr::And(sides) => self.both("&&", sides, true),
            Expr::Or(sides) => self.both("||", sides, false),
            Expr::If(parts) => {
                self.wants("?:", Kind::Bool, &parts[0]);
                let then = self.given(&parts[0], true, |check| check.infer(&parts[1]));
                let other = self.given(&parts[0], false, |check| check.infer(&parts[2]));
                Type::either(then, other)
            }
            Expr::Call(func, args) => self.call(*func, args),
            Expr::Each(each) => self.each(each),
        };
        let nullable = found.kinds.has(Kind::Null);
        if nullable && self.facts.contains(&Fact::NotNull(expr.to_string())) {
            found.kinds = found.kinds.without(Kind::Null);
        }
        found
    }

    /// Infers an expression that must be of certain types.
    fn wants(&mut self, what: &str, wants: impl Into<Kinds>, expr: &'t Expr) -> Type<'t> {
        let (wants, got) = (wants.into(), self.infer(expr));
        let (part, kinds) = (Part(expr), got.kinds);
        if kinds.and(wants) == kinds {
            return got;
        }
        if kinds.and(wants) == Kinds::NONE {
            let detail = format!("`{what}` wants {wants}; {part} is {kinds}");
            self.find(Severity::Error, detail);
        } else {
            let detail = format!("`{what}` wants {wants}; {part} may be {kinds}");
            self.find(Severity::Unproven, detail);
        }
        got
    }

    /// Infers something under a condition.
    fn given<T>(&mut self, condition: &Expr, holds: bool, then: impl FnOnce(&mut Self) -> T) -> T {
        let known = self.facts.len();
        self.facts.learn(condition, holds);
        let result = then(self);
        self.facts.truncate(known);
        result
    }

    fn select(&mut self, expr: &'t Expr, of: &'t Expr, name: &str) -> Type<'t> {
        let of = self.wants(".", Kind::Map, of);
        let member = match of.shape {
            _ if !of.kinds.has(Kind::Map) => return Type::NEVER,
            Shape::Json(view) => view.member(name),
            Shape::Map(members) => {
                if let Some((_, found)) = members.iter().find(|(key, _)| *key == name) {
                    return found.clone();
                }
                Member::Absent
            }
            Shape::Unknown | Shape::List(_) => {
                self.may_be_missing(expr);
                return Type::UNKNOWN;
            }
        };
        match member {
            Member::Required(view) => Type::json(view),
            Member::Optional(view) => {
                self.may_be_missing(expr);
                Type::json(view)
            }
            Member::Absent => {
                self.find(Severity::Error, format!("{} is not in its schema", Part(expr)));
                Type::NEVER
            }
        }
    }

    fn may_be_missing(&mut self, expr: &Expr) {
        if !self.facts.contains(&Fact::Present(expr.to_string())) {
            self.find(Severity::Unproven, format!("{} may be missing", Part(expr)));
        }
    }

    fn index(&mut self, expr: &'t Expr, sides: &'t [Expr; 2]) -> Type<'t> {
        let (of, key) = (self.infer(&sides[0]), self.infer(&sides[1]));
        let fits = |of, key| match (of, key) {
            (Kind::List, Kind::Int) => Some(Kind::List),
            (Kind::Map, Kind::String) => Some(Kind::Map),
            _ => None,
        };
        let found = self.pairs(expr, "[]", &of, &key, fits);
        if found == Kinds::NONE {
            return Type::NEVER;
        }
        self.may_be_missing(expr);
        match (found.has(Kind::List), found.has(Kind::Map), &of.shape) {
            (true, false, _) => of.elements(),
            (false, true, Shape::Json(view)) => Type::json(view.members()),
            (false, true, Shape::Map(members)) => {
                let members = members.iter().map(|(_, member)| member.clone());
                members.reduce(Type::either).unwrap_or(Type::UNKNOWN)
            }
            _ => Type::UNKNOWN,
        }
    }

    /// The types that an operator gives over all pairs that it may meet.
    fn pairs(
        &mut self,
        expr: &Expr,
        what: &str,
        left: &Type<'t>,
        right: &Type<'t>,
        fits: impl Fn(Kind, Kind) -> Option<Kind>,
    ) -> Kinds {
        let (mut gives, mut bad) = (Kinds::NONE, None);
        for l in left.kinds.iter() {
            for r in right.kinds.iter() {
                match fits(l, r) {
                    Some(kind) => gives = gives.or(kind.into()),
                    None => bad = bad.or(Some((l, r))),
                }
            }
        }
        if let Some((l, r)) = bad {
            let part = Part(expr);
            if gives == Kinds::NONE {
                let (l, r) = (left.kinds, right.kinds);
                self.find(Severity::Error, format!("`{what}` is not for {l} and {r}, in {part}"));
            } else {
                // One type of many would be taken for all that is known.
                let shown = |of: &Type<'_>, kind: Kind| match of.kinds {
                    Kinds::JSON => Kinds::JSON,
                    _ => kind.into(),
                };
                let (l, r) = (shown(left, l), shown(right, r));
                let detail = format!("`{what}` may meet {l} and {r}, in {part}");
                self.find(Severity::Unproven, detail);
            }
        }
        gives
    }

    fn binary(&mut self, expr: &'t Expr, op: Op, sides: &'t [Expr; 2]) -> Type<'t> {
        let (left, right) = (self.infer(&sides[0]), self.infer(&sides[1]));
        let kinds = self.pairs(expr, op.as_str(), &left, &right, |l, r| kind_of(op, l, r));
        match op {
            _ if kinds == Kinds::NONE => {}
            Op::Eq | Op::Ne if self.comparable(expr, &left, &right) => {
                self.listed(&sides[0], &left, &sides[1]);
                self.listed(&sides[1], &right, &sides[0]);
            }
            Op::In if right.kinds == Kind::Map.into() => self.facts.is_map(&sides[1]),
            Op::In if right.kinds == Kind::List.into() => {
                let elements = right.elements();
                if self.comparable(expr, &left, &elements) {
                    self.pairs(expr, "==", &left, &elements, |l, r| kind_of(Op::Eq, l, r));
                }
            }
            Op::Add if kinds == Kind::List.into() => {
                return Type::list(Type::either(left.elements(), right.elements()));
            }
            _ => {}
        }
        Type { kinds, shape: Shape::Unknown }
    }

    /// Whether values may be equal; a comparison of others is found.
    fn comparable(&mut self, expr: &Expr, left: &Type<'t>, right: &Type<'t>) -> bool {
        let alike = |l, r| l == r || l != Kind::Null && r != Kind::Null && numeric(l) && numeric(r);
        let (l, r) = (left.kinds, right.kinds);
        let may =
            l == Kinds::NONE || r == Kinds::NONE || l.iter().any(|l| r.iter().any(|r| alike(l, r)));
        if !may {
            let detail = format!("{} compares {l} with {r}, which are never equal", Part(expr));
            self.find(Severity::Error, detail);
        }
        may
    }

    /// Finds a comparison with a constant that is none of a schema's values.
    fn listed(&mut self, of: &Expr, found: &Type<'t>, constant: &Expr) {
        let (Shape::Json(view), Expr::Const(Const::Text(text))) = (&found.shape, constant) else {
            return;
        };
        if let Some(values) = view.values()
            && !values.iter().any(|value| value.as_str() == Some(text))
        {
            let detail =
                format!("{} is never {}: its schema lists its values", Part(of), Part(constant));
            self.find(Severity::Error, detail);
        }
    }

    fn both(&mut self, what: &str, sides: &'t [Expr; 2], holds: bool) -> Type<'t> {
        self.wants(what, Kind::Bool, &sides[0]);
        self.given(&sides[0], holds, |check| check.wants(what, Kind::Bool, &sides[1]));
        Type::of(Kind::Bool)
    }

    fn call(&mut self, func: Func, args: &'t [Expr]) -> Type<'t> {
        for (arg, wants) in args.iter().zip(func.wants()) {
            self.wants(func.as_str(), *wants, arg);
        }
        Type::of(func.gives())
    }

    fn each(&mut self, each: &'t Each) -> Type<'t> {
        let over = self.wants(each.how.as_str(), Kinds::of(&[Kind::List, Kind::Map]), &each.over);
        let item = over.named();
        let known = self.facts.len();
        // The keys of a map are in it. What is in a list says nothing of its places.
        if over.kinds == Kind::Map.into() {
            let key = Expr::Local(each.var.clone(), self.locals.len());
            let of_key = Expr::Index(Box::new([each.over.clone(), key]));
            self.facts.push(Fact::Present(of_key.to_string()));
        }
        self.locals.push(item.clone());
        let mut made = item;
        if let Some(when) = &each.when {
            self.wants(each.how.as_str(), Kind::Bool, when);
            self.facts.learn(when, true);
        }
        if let Some(make) = &each.make {
            made = self.infer(make);
        }
        self.locals.pop();
        self.facts.truncate(known);
        match each.how {
            How::All | How::Exists | How::ExistsOne => Type::of(Kind::Bool),
            How::Filter | How::Map => Type::list(made),
        }
    }
}

fn numeric(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::Double | Kind::Dec)
}
