//! EIP-712's `hashStruct`, for the types that messages have. It takes a value
//! only if that is exactly of its type: each member, and no member beside.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Member;
use crate::crypto::keccak256;
use crate::json::DEPTH_MAX;

/// A value of 32 bytes, as all encoded members are.
type Word = [u8; 32];

/// Struct types, resolved. A struct is named by its place among them.
#[derive(Clone)]
pub(super) struct Structs(Vec<Struct>);

#[derive(Clone)]
struct Struct {
    name: String,
    members: Vec<(String, Kind)>,
    /// keccak256 of the type's text, with the types that it uses.
    type_hash: Word,
}

/// The type of a member.
#[derive(Clone)]
enum Kind {
    Text,
    Bool,
    Int,
    Uint,
    /// `0x` and so many bytes in lower-case hex: an `address`, a `bytes32`.
    Hex(usize),
    Struct(usize),
    Array(Box<Kind>),
}

/// A value that is not of its type.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// JSON Pointer to it.
    pub(super) pointer: String,
    /// What is wrong with it.
    pub(super) detail: String,
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
    fn encode_type(&self, index: usize) -> String {
        // Their places are in the order of their names.
        let others = self.used(index).into_iter().filter(|&other| other != index);
        std::iter::once(index).chain(others).map(|index| self.declaration(index)).collect()
    }

    fn declaration(&self, index: usize) -> String {
        let Struct { name, members, .. } = &self.0[index];
        let member = |(name, kind): &(String, Kind)| format!("{} {name}", self.kind_name(kind));
        format!("{name}({})", members.iter().map(member).collect::<Vec<_>>().join(","))
    }

    fn kind_name(&self, kind: &Kind) -> String {
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

    /// EIP-712's `hashStruct`. Recurses as deep as the value is nested.
    pub(super) fn hash(&self, index: usize, value: &Value) -> Result<Word, Mismatch> {
        let Struct { members, type_hash, .. } = &self.0[index];
        let object = value.as_object().ok_or_else(|| mismatch("is not an object"))?;
        let mut encoded = Vec::with_capacity(32 * (members.len() + 1));
        encoded.extend_from_slice(type_hash);
        for (name, kind) in members {
            let member = object.get(name).ok_or_else(|| mismatch("is missing"));
            let word = member.and_then(|member| self.word(kind, member));
            encoded.extend_from_slice(&word.map_err(|e| e.under(name))?);
        }
        // All members are there, so a longer object has another one.
        if object.len() > members.len() {
            let unknown = object.keys().find(|name| !members.iter().any(|m| m.0 == **name));
            let unknown = unknown.map_or("", String::as_str);
            return Err(mismatch("is not in the typed data").under(unknown));
        }
        Ok(keccak256(&encoded))
    }

    /// EIP-712's `encodeData` of one value.
    fn word(&self, kind: &Kind, value: &Value) -> Result<Word, Mismatch> {
        match kind {
            Kind::Text => value.as_str().map(|text| keccak256(text.as_bytes())),
            Kind::Bool => value.as_bool().map(|is| padded(0, &[u8::from(is)])),
            Kind::Uint => value.as_u64().map(|n| padded(0, &n.to_be_bytes())),
            Kind::Int => match (value.as_u64(), value.as_i64()) {
                (Some(n), _) => Some(padded(0, &n.to_be_bytes())),
                (None, Some(n)) => Some(padded(0xff, &n.to_be_bytes())),
                (None, None) => None,
            },
            Kind::Hex(bytes) => value.as_str().and_then(|text| hex_bytes(text, *bytes)),
            Kind::Struct(index) => return self.hash(*index, value),
            Kind::Array(items) => return self.array(items, value),
        }
        .ok_or_else(|| {
            mismatch(&format!("is not a `{}` as it must be written", self.kind_name(kind)))
        })
    }

    fn array(&self, items: &Kind, value: &Value) -> Result<Word, Mismatch> {
        let values = value.as_array().ok_or_else(|| mismatch("is not an array"))?;
        let mut encoded = Vec::with_capacity(32 * values.len());
        for (index, value) in values.iter().enumerate() {
            let word = self.word(items, value).map_err(|e| e.under(&index.to_string()))?;
            encoded.extend_from_slice(&word);
        }
        Ok(keccak256(&encoded))
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

impl Mismatch {
    fn under(mut self, name: &str) -> Self {
        // Some of these names are strangers'.
        let name = name.replace('~', "~0").replace('/', "~1");
        self.pointer.insert_str(0, &format!("/{name}"));
        self
    }
}

fn mismatch(detail: &str) -> Mismatch {
    Mismatch { pointer: String::new(), detail: detail.to_owned() }
}

/// The hash that is signed (EIP-191, version 0x01).
pub(super) fn signing_hash(domain: &Word, message: &Word) -> Word {
    keccak256(&[b"\x19\x01", &domain[..], &message[..]].concat())
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

/// A word whose last bytes are these.
fn padded(fill: u8, bytes: &[u8]) -> Word {
    let mut word = [fill; 32];
    word[32 - bytes.len()..].copy_from_slice(bytes);
    word
}

/// Reads `0x` and so many bytes in lower-case hex: one text for each value.
fn hex_bytes(text: &str, bytes: usize) -> Option<Word> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 2 * bytes)?;
    let lower = !digits.bytes().any(|b| b.is_ascii_uppercase());
    let bytes = lower.then(|| hex::decode(digits).ok()).flatten()?;
    Some(padded(0, &bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// EIP-712's published example, Example.sol.
    fn mail() -> Structs {
        let types = json!({
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
            "Mail": [
                {"name": "from", "type": "Person"},
                {"name": "to", "type": "Person"},
                {"name": "contents", "type": "string"},
            ],
        });
        Structs::compile(&serde_json::from_value(types).unwrap()).unwrap()
    }

    #[test]
    fn the_published_example_has_its_published_hashes() {
        let structs = mail();
        let [domain, mail] = ["EIP712Domain", "Mail"].map(|name| structs.find(name).unwrap());
        let encoded =
            "Mail(Person from,Person to,string contents)Person(string name,address wallet)";
        assert_eq!(structs.encode_type(mail), encoded);
        let type_hash = "a0cedeb2dc280ba39b857546d74f5549c3a1d7bdc2dd96bf881f76108e23dac2";
        assert_eq!(hex::encode(structs.0[mail].type_hash), type_hash);
        let about = json!({
            "name": "Ether Mail", "version": "1", "chainId": 1,
            "verifyingContract": "0xcccccccccccccccccccccccccccccccccccccccc",
        });
        let domain = structs.hash(domain, &about).unwrap();
        let separator = "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f";
        assert_eq!(hex::encode(domain), separator);
        let message = json!({
            "from": {"name": "Cow", "wallet": "0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826"},
            "to": {"name": "Bob", "wallet": "0xbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
            "contents": "Hello, Bob!",
        });
        let message = structs.hash(mail, &message).unwrap();
        let hash = "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e";
        assert_eq!(hex::encode(message), hash);
        let signed = "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2";
        assert_eq!(hex::encode(signing_hash(&domain, &message)), signed);
    }

    #[test]
    fn a_value_that_is_not_exactly_of_its_type_has_no_hash() {
        let types = json!({"T": [
            {"name": "a", "type": "address"}, {"name": "b", "type": "bool[][]"},
            {"name": "i", "type": "int256"}, {"name": "s", "type": "string"},
            {"name": "u", "type": "uint256"},
        ]});
        let structs = Structs::compile(&serde_json::from_value(types).unwrap()).unwrap();
        let zero = format!("0x{}", "0".repeat(40));
        let good = json!({"a": zero, "b": [[true], []], "i": -1, "s": "", "u": 0});
        structs.hash(0, &good).unwrap();
        let cases = [
            ("/a", json!(format!("0x{}", "A".repeat(40)))),
            ("/a", json!("0".repeat(42))),
            ("/a", json!(format!("0x{}", "0".repeat(42)))),
            ("/b", json!(true)),
            ("/b/1", json!([[], true])),
            ("/b/0/1", json!([[true, 1]])),
            ("/i", json!(1.0)),
            ("/i", json!("1")),
            ("/s", json!(null)),
            ("/s", json!(1)),
            ("/u", json!(-1)),
            ("/u", json!(-0.0)),
            ("/x~1y", json!("")),
        ];
        for (pointer, wrong) in cases {
            let mut value = good.clone();
            let name = pointer[1..].replace("~1", "/");
            let name = if name == "x/y" { "x/y" } else { &name[..1] };
            value[name] = wrong;
            assert_eq!(structs.hash(0, &value).unwrap_err().pointer, pointer, "{value}");
        }
        let mut short = good.clone();
        short.as_object_mut().unwrap().remove("s");
        assert_eq!(structs.hash(0, &short).unwrap_err().pointer, "/s");
        assert_eq!(structs.hash(0, &json!([])).unwrap_err().pointer, "");
    }

    #[test]
    fn whole_numbers_are_written_in_two_complement() {
        let structs = mail();
        let word = |kind: Kind, value: Value| hex::encode(structs.word(&kind, &value).unwrap());
        assert_eq!(word(Kind::Int, json!(-2)), format!("{}fe", "f".repeat(62)));
        assert_eq!(
            word(Kind::Int, json!(i64::MIN)),
            format!("{}8{}", "f".repeat(48), "0".repeat(15))
        );
        let most = format!("{}{}", "0".repeat(48), "f".repeat(16));
        assert_eq!(word(Kind::Int, json!(u64::MAX)), most);
        assert_eq!(word(Kind::Uint, json!(u64::MAX)), most);
    }

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
        assert!(mail().check_used(1).is_err(), "the domain is not used by `Mail`");
    }
}
