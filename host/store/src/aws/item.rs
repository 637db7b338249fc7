//! Items of DynamoDB, read and written.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use surety_core::ports::Fault;
use surety_core::types::{Digest, MsgId, Time};

/// An item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A text.
pub(super) fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

/// A number.
pub(super) fn n(number: impl Into<u64>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

/// A time, in milliseconds.
pub(super) fn t(time: Time) -> AttributeValue {
    n(time.as_millis())
}

/// Bytes.
pub(super) fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// An item, or the values of an expression, of names and values.
pub(super) fn item<const N: usize>(members: [(&str, AttributeValue); N]) -> Item {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The names that stand in expressions as `#name`. Always used, because many words
/// are reserved.
pub(super) fn names(expressions: &[&str]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for text in expressions {
        for part in text.split('#').skip(1) {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &part[..end.unwrap_or(part.len())];
            names.insert(format!("#{name}"), name.to_owned());
        }
    }
    names
}

/// The members of an item, each of which must be there and of its kind.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    item: &'a Item,
    /// What is read, for errors.
    what: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(item: &'a Item, what: &'a str) -> Self {
        Self { item, what }
    }

    fn wrong(&self, name: &str) -> Fault {
        Fault::Corrupt(format!("{} has no readable `{name}`", self.what))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.item.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, Fault> {
        let value = self.item.get(name).and_then(|value| value.as_s().ok());
        value.map(String::as_str).ok_or_else(|| self.wrong(name))
    }

    pub(super) fn bytes(&self, name: &str) -> Result<&'a [u8], Fault> {
        let value = self.item.get(name).and_then(|value| value.as_b().ok());
        value.map(|blob| blob.as_ref()).ok_or_else(|| self.wrong(name))
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, Fault> {
        let value = self.item.get(name).and_then(|value| value.as_n().ok());
        value.and_then(|text| text.parse().ok()).ok_or_else(|| self.wrong(name))
    }

    pub(super) fn time(&self, name: &str) -> Result<Time, Fault> {
        self.number(name).map(Time::from_millis)
    }

    pub(super) fn digest(&self, name: &str) -> Result<Digest, Fault> {
        let bytes = self.bytes(name)?;
        bytes.try_into().map(Digest).map_err(|_| self.wrong(name))
    }

    /// A text of one of the engine's types.
    pub(super) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T, Fault> {
        self.text(name)?.parse().map_err(|_| self.wrong(name))
    }

    pub(super) fn msg_id(&self) -> Result<MsgId, Fault> {
        self.parsed("msg_id")
    }

    /// JSON text of one of the engine's types.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Fault> {
        serde_json::from_str(self.text(name)?).map_err(|_| self.wrong(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_expressions() {
        let found = names(&["SET #rev = :rev, #cid=:cid REMOVE #due_shard", "#rev = :old"]);
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort();
        let expected = [("#cid", "cid"), ("#due_shard", "due_shard"), ("#rev", "rev")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
