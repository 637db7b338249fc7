//! Two shapes in one: either of them (`join`), both at once (`meet`).

use std::collections::BTreeSet;

use super::{Array, Facts, Number, Object, Parts, Shape, Slot, Text, VALUES_MAX};

impl Shape {
    /// What is of one shape or the other.
    pub(in crate::check) fn join(&self, other: &Self) -> Self {
        let (Self::Of(a), Self::Of(b)) = (self, other) else { return Self::Any };
        if self == other || other.is_never() {
            return self.clone();
        }
        if self.is_never() {
            return other.clone();
        }
        Parts {
            null: a.null || b.null,
            yes: a.yes || b.yes,
            no: a.no || b.no,
            number: either(&a.number, &b.number, Number::join),
            text: either(&a.text, &b.text, Text::join),
            array: either(&a.array, &b.array, Array::join),
            object: either(&a.object, &b.object, Object::join),
        }
        .into()
    }

    /// What is of both shapes, as far as it can be said.
    pub(in crate::check) fn meet(&self, other: &Self) -> Self {
        let (a, b) = match (self, other) {
            (Self::Any, shape) | (shape, Self::Any) => return shape.clone(),
            (Self::Of(a), Self::Of(b)) => (a, b),
        };
        Parts {
            null: a.null && b.null,
            yes: a.yes && b.yes,
            no: a.no && b.no,
            number: both(&a.number, &b.number, Number::meet),
            text: both(&a.text, &b.text, Text::meet),
            array: both(&a.array, &b.array, Array::meet),
            object: both(&a.object, &b.object, Object::meet),
        }
        .into()
    }
}

fn either<T: Clone>(a: &Option<T>, b: &Option<T>, join: fn(&T, &T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (one, None) | (None, one) => one.clone(),
    }
}

fn both<T>(a: &Option<T>, b: &Option<T>, meet: fn(&T, &T) -> Option<T>) -> Option<T> {
    meet(a.as_ref()?, b.as_ref()?)
}

fn shared(a: &Facts, b: &Facts) -> Facts {
    a.intersection(b).cloned().collect()
}

fn all(a: &Facts, b: &Facts) -> Facts {
    a.union(b).cloned().collect()
}

impl Number {
    fn join(&self, other: &Self) -> Self {
        let least = if other.min < self.min { other } else { self };
        let most = if other.max > self.max { other } else { self };
        let values = self.values.iter().zip(&other.values).next().map(|(a, b)| {
            let mut values = [a.as_slice(), b].concat();
            values.sort_by(f64::total_cmp);
            values.dedup();
            values
        });
        Self {
            integer: self.integer && other.integer,
            min: least.min,
            max: most.max,
            above: least.above && (self.min != other.min || other.above && self.above),
            below: most.below && (self.max != other.max || other.below && self.below),
            values: values.filter(|values| values.len() <= VALUES_MAX),
            facts: shared(&self.facts, &other.facts),
        }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        let least = if other.min > self.min { other } else { self };
        let most = if other.max < self.max { other } else { self };
        Self {
            integer: self.integer || other.integer,
            min: least.min,
            max: most.max,
            above: least.above || self.min == other.min && other.above,
            below: most.below || self.max == other.max && other.below,
            values: match (&self.values, &other.values) {
                (Some(a), Some(b)) => Some(a.iter().copied().filter(|n| b.contains(n)).collect()),
                (one, None) | (None, one) => one.clone(),
            },
            facts: all(&self.facts, &other.facts),
        }
        .tidy()
    }

    /// Whether this number may be one of them.
    pub(in crate::check) fn admits(&self, n: f64) -> bool {
        (n > self.min || n == self.min && !self.above)
            && (n < self.max || n == self.max && !self.below)
            && (!self.integer || n.fract() == 0.0)
            && self.values.as_ref().is_none_or(|values| values.contains(&n))
    }

    /// With bounds that are as near as they can be; nothing, if no number is left.
    pub(super) fn tidy(mut self) -> Option<Self> {
        if let Some(values) = &self.values {
            let values: Vec<_> = values.iter().copied().filter(|n| self.admits(*n)).collect();
            return (!values.is_empty())
                .then(|| Self { facts: self.facts, ..Self::of_values(values) });
        }
        if self.integer {
            if self.min.is_finite() {
                let up = self.above && self.min.fract() == 0.0;
                (self.min, self.above) = (self.min.ceil() + if up { 1.0 } else { 0.0 }, false);
            }
            if self.max.is_finite() {
                let down = self.below && self.max.fract() == 0.0;
                (self.max, self.below) = (self.max.floor() - if down { 1.0 } else { 0.0 }, false);
            }
        }
        let empty = self.min > self.max || self.min == self.max && (self.above || self.below);
        (!empty).then_some(self)
    }
}

impl Text {
    fn join(&self, other: &Self) -> Self {
        let values = self.values.iter().zip(&other.values).next();
        let values = values.map(|(a, b)| a.union(b).cloned().collect::<BTreeSet<_>>());
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            values: values.filter(|values| values.len() <= VALUES_MAX),
            facts: shared(&self.facts, &other.facts),
        }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        Self {
            min: self.min.max(other.min),
            max: self.max.min(other.max),
            values: match (&self.values, &other.values) {
                (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
                (one, None) | (None, one) => one.clone(),
            },
            facts: all(&self.facts, &other.facts),
        }
        .tidy()
    }

    /// Whether this string may be one of them.
    pub(in crate::check) fn admits(&self, text: &str) -> bool {
        (self.min..=self.max).contains(&(text.chars().count() as u64))
            && self.values.as_ref().is_none_or(|values| values.contains(text))
    }

    /// Nothing, if no string is left.
    pub(super) fn tidy(self) -> Option<Self> {
        if let Some(values) = &self.values {
            let values: BTreeSet<_> = values.iter().filter(|s| self.admits(s)).cloned().collect();
            return (!values.is_empty())
                .then(|| Self { facts: self.facts, ..Self::of_values(values) });
        }
        (self.min <= self.max).then_some(self)
    }
}

impl Array {
    fn join(&self, other: &Self) -> Self {
        let both = 0..self.prefix.len().max(other.prefix.len());
        Self {
            prefix: both.map(|i| self.item(i).join(&other.item(i))).collect(),
            items: self.items.join(&other.items),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            facts: shared(&self.facts, &other.facts),
        }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        let both = 0..self.prefix.len().max(other.prefix.len());
        let array = Self {
            prefix: both.map(|i| self.item(i).meet(&other.item(i))).collect(),
            items: self.items.meet(&other.items),
            min: self.min.max(other.min),
            max: self.max.min(other.max),
            facts: all(&self.facts, &other.facts),
        };
        (array.min <= array.max).then_some(array)
    }
}

impl Object {
    /// What is of one shape or the other.
    pub(in crate::check) fn join(&self, other: &Self) -> Self {
        let slot = |name: &String| {
            let (a, b) = (self.slot(name), other.slot(name));
            (name.clone(), a.join(&b))
        };
        Self {
            known: self.known.keys().chain(other.known.keys()).map(slot).collect(),
            rest: self.rest.join(&other.rest),
            facts: shared(&self.facts, &other.facts),
        }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        let slot = |name: &String| {
            let (a, b) = (self.slot(name), other.slot(name));
            let slot = Slot { must: a.must || b.must, shape: a.shape.meet(&b.shape) };
            (name.clone(), slot)
        };
        let object = Self {
            known: self.known.keys().chain(other.known.keys()).map(slot).collect(),
            rest: self.rest.meet(&other.rest),
            facts: all(&self.facts, &other.facts),
        };
        object.tidy()
    }

    /// Nothing, if a member that must be there cannot be.
    pub(super) fn tidy(self) -> Option<Self> {
        let impossible = self.known.values().any(|slot| slot.must && slot.shape.is_never());
        (!impossible).then_some(self)
    }
}

impl Slot {
    fn join(&self, other: &Self) -> Self {
        Self { must: self.must && other.must, shape: self.shape.join(&other.shape) }
    }
}
