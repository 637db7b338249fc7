//! The words of the platform as types: identifiers, names, addresses, time.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::keccak256;

/// A text that is not of its type's form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} {text:?} {why}")]
pub struct Malformed {
    what: &'static str,
    text: String,
    why: &'static str,
}

impl Malformed {
    pub(crate) fn new(what: &'static str, text: &str, why: &'static str) -> Self {
        let text = text.chars().take(80).collect();
        Self { what, text, why }
    }
}

/// Serde by way of `Display` and `FromStr`, so that JSON has the text form.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Msg_ID: issued by the host, bound to a client, accepted once, for ever.
///
/// A UUID of version 7 (RFC 9562) in its canonical lower-case form. Its first
/// 48 bits are the time of issue, so that an index over it grows at one end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MsgId([u8; 16]);

impl MsgId {
    /// A new id from the time and ten random bytes.
    #[must_use]
    pub fn new(now: Time, random: [u8; 10]) -> Self {
        let id = uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid();
        Self(id.into_bytes())
    }

    /// Its sixteen bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An id from its sixteen bytes as stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl FromStr for MsgId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let id = uuid::Uuid::try_parse(text).ok().map(|id| Self(id.into_bytes()));
        // One text a value: other spellings of a UUID would be other signed bytes.
        id.filter(|id| id.to_string() == text)
            .ok_or_else(|| Malformed::new("msg_id", text, "is not a lower-case, hyphenated UUID"))
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(MsgId);

/// The longest name of a client, message type, state or module, in bytes:
/// long enough for words, short enough for every index and log line.
pub const NAME_BYTES_MAX: usize = 64;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
                let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
                if first && rest && text.len() <= NAME_BYTES_MAX {
                    Ok(Self(text.into()))
                } else {
                    Err(Malformed::new($what, text, "is not 1 to 64 letters, digits, `_`, `-` or `.`, the first a letter or digit"))
                }
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        serde_as_text!($type);
    };
}

name!(
    /// Who submits: one account with its allowed signers and message types.
    ClientId, "client_id"
);
name!(
    /// What kind of message it is; each kind has a schema and a workflow.
    MsgType, "msg_type"
);
name!(
    /// Msg_State: a state's name in the message's workflow.
    MsgState, "msg_state"
);
name!(
    /// What a signal is called in the state that waits for it.
    SignalName, "signal"
);
name!(
    /// The name under which an action module is deployed.
    ModuleName, "module name"
);
name!(
    /// What a secret is called in manifests, the policy and placeholders.
    SecretName, "secret name"
);

/// Revision: 0 at admission, one more with every committed transition.
pub type Seq = u64;

/// A keccak256 digest, in text `0x` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(keccak256(bytes))
    }
}

impl FromStr for Digest {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            || Malformed::new("digest", text, "is not `0x` and 64 lower-case hex digits");
        let digits = text.strip_prefix("0x").ok_or_else(malformed)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| malformed())?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(malformed());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Digest);

/// An Ethereum address, in text with its EIP-55 checksum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 20]);

impl FromStr for Address {
    type Err = Malformed;

    /// Accepts EIP-55 checksummed, all-lower and all-upper digits. A
    /// mixed-case address with a wrong checksum is a typing error.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("address", text, "is not `0x` and 40 hex digits");
        let digits = text.strip_prefix("0x").ok_or_else(malformed)?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| malformed())?;
        let address = Self(bytes);
        let mixed = digits.bytes().any(|b| b.is_ascii_lowercase())
            && digits.bytes().any(|b| b.is_ascii_uppercase());
        if mixed && address.to_string() != text {
            return Err(Malformed::new("address", text, "has a wrong EIP-55 checksum"));
        }
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = hex::encode(self.0).into_bytes();
        let hash = keccak256(&digits);
        for (i, digit) in digits.iter_mut().enumerate() {
            let nibble = (hash[i / 2] >> (4 * (1 - i % 2))) & 0xf;
            if nibble >= 8 {
                digit.make_ascii_uppercase();
            }
        }
        write!(f, "0x{}", String::from_utf8_lossy(&digits))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Address);

/// A point in time in milliseconds since the Unix epoch, in text RFC 3339 with
/// three decimals and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The latest time: 9999-12-30T22:00:00.000Z, the last that
    /// jiff can hold at every offset.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// A time from milliseconds since the epoch, at most [`Time::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis < Self::MAX.0 { millis } else { Self::MAX.0 })
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// This much later.
    #[must_use]
    pub fn after(self, delay: std::time::Duration) -> Self {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This much earlier, at most back to the epoch.
    #[must_use]
    pub fn before(self, span: std::time::Duration) -> Self {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

impl FromStr for Time {
    type Err = Malformed;

    /// Any RFC 3339 date-time from 1970 on, with its offset.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            || Malformed::new("time", text, "is not an RFC 3339 date-time from 1970 on");
        let stamp: jiff::Timestamp = text.parse().map_err(|_| malformed())?;
        let millis = u64::try_from(stamp.as_millisecond()).map_err(|_| malformed())?;
        Ok(Self::from_millis(millis))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        let stamp = jiff::Timestamp::from_millisecond(millis).map_err(|_| fmt::Error)?;
        write!(f, "{stamp:.3}")
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Time);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_checksums_of_eip_55() {
        // The examples of EIP-55.
        for text in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
            assert_eq!(text.to_lowercase().parse::<Address>().unwrap().to_string(), text);
        }
        let wrong = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed".parse::<Address>();
        assert!(wrong.unwrap_err().to_string().contains("EIP-55"));
        assert!("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".parse::<Address>().is_err());
    }

    #[test]
    fn a_msg_id_has_one_text() {
        let id = MsgId::new(Time::from_millis(1_700_000_000_000), [7; 10]);
        let text = id.to_string();
        assert_eq!(text.parse::<MsgId>().unwrap(), id);
        assert!(text.to_uppercase().parse::<MsgId>().is_err());
        assert!(text.replace('-', "").parse::<MsgId>().is_err());
    }

    #[test]
    fn times_are_rfc_3339() {
        let time: Time = "2026-11-23T10:00:00.5+02:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-23T08:00:00.500Z");
        assert_eq!(Time::MAX.to_string(), "9999-12-30T22:00:00.000Z");
        assert!("1960-01-01T00:00:00Z".parse::<Time>().is_err());
    }

    #[test]
    fn names_are_short_words() {
        assert!("acme-1.eu_x".parse::<ClientId>().is_ok());
        for bad in ["", "-a", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad:?}");
        }
    }
}
