//! EIP-712's `hashStruct`, for the types that messages have. It takes a value
//! only if that is exactly of its type: each member, and no member beside.

use serde_json::Value;

use super::structs::{Kind, Struct, Structs, Word};
use crate::crypto::keccak256;

/// A value that is not of its type.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// JSON Pointer to it.
    pub(super) pointer: String,
    /// What is wrong with it.
    pub(super) detail: String,
}

impl Structs {
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

impl Mismatch {
    fn under(mut self, name: &str) -> Self {
        // Some of these names are strangers'.
        let name = crate::json::token(name);
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
}
