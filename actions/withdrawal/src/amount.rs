//! 256-bit amounts.

use std::fmt;
use std::str::FromStr;

use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 256-bit unsigned integer; in JSON a string of decimal digits, because a
/// JSON number is a double in most languages and exact only up to 2^53.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub U256);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(U256::ZERO);
}

/// A text that is no [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountError {
    /// Something else than decimal digits without leading zeros.
    Digits,
    /// 2^256 or more.
    Range,
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "not a decimal integer without leading zeros",
            Self::Range => "above 2^256 - 1",
        })
    }
}

impl std::error::Error for AmountError {}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return Err(AmountError::Digits);
        }
        U256::from_str_radix(text, 10).map(Self).map_err(|_| AmountError::Range)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        for text in ["0", "1", "18446744073709551616", max] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        assert_eq!(max.parse::<Amount>(), Ok(Amount(U256::MAX)));
        let above = format!("{}6", &max[..max.len() - 1]);
        assert_eq!(above.parse::<Amount>(), Err(AmountError::Range));
    }

    #[test]
    fn anything_but_digits_is_refused() {
        for text in ["", "-1", "+1", "01", "00", "1.0", "1e3", "0x1", "1_000", " 1", "１"] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::Digits), "{text:?}");
        }
    }
}
