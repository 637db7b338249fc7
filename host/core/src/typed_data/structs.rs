//! Struct types as a definition declares them, and their names as EIP-712 writes
//! them.

use std::collections::{BTreeMap, BTreeSet};

use super::Member;
use crate::crypto::keccak256;
use crate::json::DEPTH_MAX;

/// 32 bytes, as every member is encoded.
pub(super) type Word = [u8; 32];

/// Struct types, resolved. A struct is named by its place among them.
#[derive(Clone)]
pub(super) struct Structs(pub(super) Vec<Struct>);

#[derive(Clone)]
pub(super) struct Struct {
    name: String,
    pub(super) members: Vec<(String, Kind)>,
    /// keccak256 of the type's text, with the types that it uses.
    pub(super) type_hash: Word,
}

/// The type of a member.
#[derive(Clone)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Uint,
    /// `0x` and so many bytes in lower-case hex: an `address`, a `bytes32`.
    Hex(usize),
    Struct(usize),
    Array(Box<Kind>),
}

impl Structs {
    /// Resolves the types that a definition names.
    pub(super) fn compile(types: &BTreeMap<String, Vec<Member>>) -> Result<Self, String> {
        let names: Vec<&str> = types.keys().map(String::as_str).collect();
        let mut structs = Vec::with_capacity(types.len());
        for (name, members) in types {
            if !is_identifier(name) || atomic(name).is_some() {
                return Err(format!("{name:?} cannot be the name of a struct"));
            }
            let distinct: BTreeSet<&str> = members.iter().map(|m| m.name.as_str()).collect();
            if members.is_empty() || distinct.len() < members.len() {
                return Err(format!("`{name}` has no members, or two of the same name"));
            }
            let resolved = members.iter().map(|member| {
                if !is_identifier(&member.name) {
                    return Err(format!("`{name}` has a member {:?}", member.name));
                }
                Ok((member.name.clone(), resolve(&member.kind, &names)?))
            });
            let members = resolved.collect::<Result<_, _>>()?;
            structs.push(Struct { name: name.clone(), members, type_hash: [0; 32] });
        }
        let mut structs = Self(structs);
        for index in 0..structs.0.len() {
            structs.0[index].type_hash = keccak256(structs.encode_type(index).as_bytes());
        }
        Ok(structs)
    }

    /// The place of a struct.
    pub(super) fn find(&self, name: &str) -> Result<usize, String> {
        let place = self.0.iter().position(|s| s.name == name);
        place.ok_or_else(|| format!("there is no struct `{name}`"))
    }

    /// Every struct is used by one of them: another would be in the definition
    /// without being signed.
    pub(super) fn check_used(&self, by: usize) -> Result<(), String> {
        let used = self.used(by);
        match self.0.iter().enumerate().find(|(index, _)| !used.contains(index)) {
            Some((_, unused)) => Err(format!("the struct `{}` is not used", unused.name)),
            None => Ok(()),
        }
    }

    /// EIP-712's `encodeType`: the struct, and behind it those it uses, by name.
    pub(super) fn encode_type(&self, index: usize) -> String {
        // Their places are in the order of their names.
        let others = self.used(index).into_iter().filter(|&other| other != index);
        std::iter::once(index).chain(others).map(|index| self.declaration(index)).collect()
    }

    fn declaration(&self, index: usize) -> String {
        let Struct { name, members, .. } = &self.0[index];
        let member = |(name, kind): &(String, Kind)| format!("{} {name}", self.kind_name(kind));
        format!("{name}({})", members.iter().map(member).collect::<Vec<_>>().join(","))
    }

    /// The type's name.
    pub(super) fn kind_name(&self, kind: &Kind) -> String {
        match kind {
            Kind::Text => "string".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int => "int256".to_owned(),
            Kind::Uint => "uint256".to_owned(),
            Kind::Hex(20) => "address".to_owned(),
            Kind::Hex(bytes) => format!("bytes{bytes}"),
            Kind::Struct(index) => self.0[*index].name.clone(),
            Kind::Array(items) => format!("{}[]", self.kind_name(items)),
        }
    }

    /// The struct and all that it uses, directly or through others.
    fn used(&self, by: usize) -> BTreeSet<usize> {
        let (mut used, mut next) = (BTreeSet::new(), vec![by]);
        while let Some(index) = next.pop() {
            if used.insert(index) {
                next.extend(self.0[index].members.iter().filter_map(|(_, kind)| kind.inner()));
            }
        }
        used
    }
}

impl Kind {
    /// The struct in it.
    fn inner(&self) -> Option<usize> {
        match self {
            Self::Struct(index) => Some(*index),
            Self::Array(items) => items.inner(),
            _ => None,
        }
    }
}

/// What EIP-712 takes as a name: a letter or `_`, then letters, digits, `_`.
pub(super) fn is_identifier(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().all(word) && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// The types that are no structs.
fn atomic(name: &str) -> Option<Kind> {
    match name {
        "string" => Some(Kind::Text),
        "bool" => Some(Kind::Bool),
        "int256" => Some(Kind::Int),
        "uint256" => Some(Kind::Uint),
        "address" => Some(Kind::Hex(20)),
        "bytes32" => Some(Kind::Hex(32)),
        _ => None,
    }
}

/// Reads a type's name; `structs` are in order.
fn resolve(name: &str, structs: &[&str]) -> Result<Kind, String> {
    let items = name.trim_end_matches("[]");
    let depth = (name.len() - items.len()) / 2;
    if depth > DEPTH_MAX {
        return Err(format!("an array is nested deeper than {DEPTH_MAX}"));
    }
    let found = atomic(items).or_else(|| structs.binary_search(&items).ok().map(Kind::Struct));
    let kind = found.ok_or_else(|| format!("there is no type {items:?} here"))?;
    Ok((0..depth).fold(kind, |kind, _| Kind::Array(Box::new(kind))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_that_would_hide_something_are_refused() {
        let member = |name: &str, kind: &str| json!([{"name": name, "type": kind}]);
        let cases = [
            json!({"T": []}),
            json!({"T": [{"name": "a", "type": "bool"}, {"name": "a", "type": "string"}]}),
            json!({"T": member("a,string b", "string")}),
            json!({"T": member("", "string")}),
            json!({"T": member("1a", "string")}),
            json!({"T": member("a", "U")}),
            json!({"T": member("a", "uint8")}),
            json!({"T": member("a", "string[2]")}),
            json!({"T": member("a", "[]")}),
            json!({"T": member("a", &format!("bool{}", "[]".repeat(DEPTH_MAX + 1)))}),
            json!({"string": member("a", "bool")}),
            json!({"T(bool a)U": member("a", "bool")}),
        ];
        for types in cases {
            let read = serde_json::from_value(types.clone()).unwrap();
            assert!(Structs::compile(&read).is_err(), "{types}");
        }
        let cycle = json!({"T": member("a", "U[]"), "U": member("b", "T[]")});
        let structs = Structs::compile(&serde_json::from_value(cycle).unwrap()).unwrap();
        assert_eq!(structs.encode_type(1), "U(T[] b)T(U[] a)");
        structs.check_used(0).unwrap();
        let apart = json!({"T": member("a", "bool"), "U": member("b", "bool")});
        let structs = Structs::compile(&serde_json::from_value(apart).unwrap()).unwrap();
        assert!(structs.check_used(0).is_err(), "`U` is not used by `T`");
    }
}
