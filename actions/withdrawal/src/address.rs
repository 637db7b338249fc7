//! Ethereum addresses and the hash that their checksum needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::{Digest, Keccak256};

/// keccak256, Ethereum's hash.
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// An Ethereum address; written with its EIP-55 checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// The address that nobody has the key of; what is sent there is lost.
    pub const ZERO: Self = Self([0; 20]);
}

/// A text that is no [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// Something else than `0x` and 40 hexadecimal digits.
    Form,
    /// Mixed case that is not the EIP-55 checksum: a typing error.
    Checksum,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not an address of 0x and 40 hexadecimal digits",
            Self::Checksum => "the address has a wrong EIP-55 checksum",
        })
    }
}

impl std::error::Error for AddressError {}

impl FromStr for Address {
    type Err = AddressError;

    /// Digits all in one case carry no checksum; mixed ones must match it.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix("0x").ok_or(AddressError::Form)?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| AddressError::Form)?;
        let address = Self(bytes);

        let upper = digits.bytes().any(|digit| digit.is_ascii_uppercase());
        let lower = digits.bytes().any(|digit| digit.is_ascii_lowercase());
        if upper && lower && address.to_string() != text {
            return Err(AddressError::Checksum);
        }
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 40];
        hex::encode_to_slice(self.0, &mut digits).expect("40 digits are 20 bytes");
        let hash = keccak256(&digits);
        for (index, digit) in digits.iter_mut().enumerate() {
            // EIP-55: a letter is upper case where the hash's nibble is 8 or more.
            let nibble = hash[index / 2] >> if index % 2 == 0 { 4 } else { 0 } & 0xf;
            if nibble >= 8 {
                digit.make_ascii_uppercase();
            }
        }
        f.write_str("0x")?;
        f.write_str(str::from_utf8(&digits).expect("hexadecimal digits are ASCII"))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of EIP-55.
    const EIP55: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn the_examples_of_eip_55_are_read_and_written() {
        for text in EIP55 {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
            let lower = text.to_lowercase();
            assert_eq!(lower.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_address_is_refused() {
        let wrong_case = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(wrong_case.parse::<Address>(), Err(AddressError::Checksum));
        let (short, long) = (&EIP55[2][..41], format!("{}0", EIP55[2]));
        let no_prefix = &EIP55[2][2..];
        for text in
            ["", "0x", short, &long, no_prefix, "0xgg709f2102306220921060314715629080e2fb77"]
        {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Form), "{text:?}");
        }
    }
}
