//! Keccak, and ECDSA over secp256k1 as Ethereum uses it. The curve library
//! stands behind [`recover`] and [`PrivateKey`] alone. It is libsecp256k1, which
//! takes half the time of k256; the tests hold the two against each other.

use std::fmt;
use std::str::FromStr;

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SecretKey};
use serde::{Serialize, Serializer};
use sha3::{Digest as _, Keccak256};

use crate::refusal::{Code, Refusal};
use crate::types::{Address, Malformed};

/// keccak256 as of Ethereum (not the later SHA3-256).
#[must_use]
pub fn keccak256(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// The hash that `personal_sign` signs for a text (EIP-191, version 0x45).
#[must_use]
pub fn eip191_hash(text: &[u8]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    hasher.update(b"\x19Ethereum Signed Message:\n");
    hasher.update(text.len().to_string());
    hasher.update(text);
    hasher.finalize().into()
}

/// A signature of 65 bytes, r ‖ s ‖ v, that passed every check of form: r and s
/// in range, s in the lower half, v normalised to 0 or 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 65]);

/// The curve's order, big-endian (SEC 2, section 2.4.1).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// Half of it, the greatest s that EIP-2 admits.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

impl Signature {
    /// Reads the text form, `0x` and 130 hex digits.
    ///
    /// # Errors
    /// A refusal with the code of the first check of form that fails.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let digits = text.strip_prefix("0x").ok_or_else(not_hex)?;
        let bytes = hex::decode(digits).map_err(|_| not_hex())?;
        if bytes.len() == 64 {
            let detail =
                "64 bytes are the compact form of EIP-2098, which is not taken; send r, s and v";
            return Err(Refusal::new(Code::SignatureCompact, detail));
        }
        let bytes: [u8; 65] = bytes.try_into().map_err(|bytes: Vec<u8>| {
            let detail = format!("the signature has {} bytes instead of 65", bytes.len());
            Refusal::new(Code::SignatureLength, detail)
        })?;
        Self::check(bytes)
    }

    fn check(mut bytes: [u8; 65]) -> Result<Self, Refusal> {
        bytes[64] = match bytes[64] {
            v @ (0 | 1) => v,
            v @ (27 | 28) => v - 27,
            v => {
                let detail = format!("the recovery id is {v}; 0, 1, 27 and 28 are taken");
                return Err(Refusal::new(Code::SignatureBadV, detail));
            }
        };
        for (name, scalar) in [("r", &bytes[..32]), ("s", &bytes[32..64])] {
            if scalar.iter().all(|&b| b == 0) {
                return Err(Refusal::new(Code::SignatureZero, format!("{name} is zero")));
            }
            if scalar >= &ORDER[..] {
                let detail = format!("{name} is not below the curve's order");
                return Err(Refusal::new(Code::SignatureOutOfRange, detail));
            }
        }
        if bytes[32..64] > HALF_ORDER[..] {
            let detail = "s is in the upper half of the curve's order (EIP-2); use the lower one";
            return Err(Refusal::new(Code::SignatureHighS, detail));
        }
        Ok(Self(bytes))
    }

    /// A signature from its bytes as stored.
    ///
    /// # Errors
    /// As [`Signature::parse`].
    pub fn from_bytes(bytes: [u8; 65]) -> Result<Self, Refusal> {
        Self::check(bytes)
    }

    /// r ‖ s ‖ v, v being 0 or 1.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }
}

fn not_hex() -> Refusal {
    Refusal::new(Code::SignatureHex, "the signature is not `0x` and hex digits")
}

impl fmt::Display for Signature {
    /// With v as 27 or 28, the way wallets write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}{:02x}", hex::encode(&self.0[..64]), self.0[64] + 27)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The address whose key made the signature over the hash.
///
/// # Errors
/// `signature_unrecoverable` when no key can have made it.
pub fn recover(hash: &[u8; 32], signature: &Signature) -> Result<Address, Refusal> {
    let recovered = || {
        let id = RecoveryId::try_from(i32::from(signature.0[64])).ok()?;
        let rs = RecoverableSignature::from_compact(&signature.0[..64], id).ok()?;
        rs.recover_ecdsa(Message::from_digest(*hash)).ok()
    };
    let key = recovered().ok_or_else(|| {
        Refusal::new(Code::SignatureUnrecoverable, "no key can have made this signature")
    })?;
    Ok(address_of(&key))
}

fn address_of(key: &PublicKey) -> Address {
    let hash = keccak256(&key.serialize_uncompressed()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Address(address)
}

/// A private key, of the host or of a client at the command line.
pub struct PrivateKey {
    key: SecretKey,
    address: Address,
}

impl PrivateKey {
    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// When they are zero or not below the curve's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Malformed> {
        let key = SecretKey::from_secret_bytes(*bytes).map_err(|_| {
            Malformed::new("private key", "(hidden)", "is not below the curve's order")
        })?;
        let address = address_of(&PublicKey::from_secret_key(&key));
        Ok(Self { key, address })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// A secret that only the key's holder can make, for one purpose: another
    /// purpose's says nothing about it, and neither does it about the key.
    #[must_use]
    pub fn secret_for(&self, purpose: &str) -> [u8; 32] {
        // Nothing that is signed is hashed in this form: a signed text has a prefix of
        // its own, and keccak cannot be gone on with from its result.
        let length = (purpose.len() as u64).to_be_bytes();
        let parts = [&b"surety secret"[..], &length, purpose.as_bytes()];
        keccak256(&[&parts.concat()[..], &self.key.to_secret_bytes()].concat())
    }

    /// Signs a text as `personal_sign` does. Deterministic (RFC 6979).
    #[must_use]
    pub fn sign_text(&self, text: &str) -> Signature {
        self.sign_hash(&eip191_hash(text.as_bytes()))
    }

    /// Signs a hash as it is. Deterministic (RFC 6979).
    #[must_use]
    pub fn sign_hash(&self, hash: &[u8; 32]) -> Signature {
        let hash = Message::from_digest(*hash);
        let signed = RecoverableSignature::sign_ecdsa_recoverable(hash, &self.key);
        let (id, rs) = signed.serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&rs);
        bytes[64] = id.to_u8();
        Signature(bytes)
    }
}

impl FromStr for PrivateKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            || Malformed::new("private key", "(hidden)", "is not `0x` and 64 hex digits");
        let digits = text.strip_prefix("0x").ok_or_else(malformed)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| malformed())?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first account of the well-known test mnemonic "test test … junk".
    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    #[test]
    fn keccak_is_ethereums() {
        // The empty string's, as in the Yellow Paper.
        let expected = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(hex::encode(keccak256(b"")), expected);
    }

    #[test]
    fn what_a_key_signs_recovers_to_its_address() {
        let key: PrivateKey = KEY.parse().unwrap();
        assert_eq!(key.address().to_string(), ADDRESS);
        let signature = key.sign_text("hello");
        let read = Signature::parse(&signature.to_string()).unwrap();
        assert_eq!(recover(&eip191_hash(b"hello"), &read).unwrap(), key.address());
        assert_ne!(recover(&eip191_hash(b"hullo"), &read).ok(), Some(key.address()));
    }

    #[test]
    fn each_purpose_and_each_key_has_a_secret_of_its_own() {
        let key: PrivateKey = KEY.parse().unwrap();
        let other = PrivateKey::from_bytes(&[1; 32]).unwrap();
        let secrets = [key.secret_for("a"), key.secret_for("b"), other.secret_for("a")];
        assert_eq!(secrets[0], key.secret_for("a"));
        assert!(secrets[0] != secrets[1] && secrets[0] != secrets[2]);
    }

    #[test]
    fn a_key_shows_only_its_address() {
        let key: PrivateKey = KEY.parse().unwrap();
        assert_eq!(format!("{key:?}"), format!("PrivateKey({ADDRESS})"));
        let wrong = "0xzz".parse::<PrivateKey>().unwrap_err();
        assert!(!wrong.to_string().contains("zz"));
    }
}
