//! Typed data (EIP-712) through the real binary. Against other implementations
//! they are tested in `vectors.rs` and `interop.rs`.

use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::crypto::PrivateKey;
use surety_core::json;
use surety_core::typed_data::TypedData;
use surety_tests::host::{Host, path, repository, sign, withdrawal, write_client_key};
use surety_tests::rig::{HOST_KEY, client_key};
use tempfile::TempDir;

fn typed_data(host: &Host) -> TypedData {
    let (status, answer) = host.ask("GET", "/v1/message-types/withdrawal/typed-data", "").unwrap();
    assert_eq!(status, 200, "{answer}");
    TypedData::parse(&answer.to_string()).unwrap()
}

/// The envelope of a text that need not be the canonical one.
fn envelope(typed_data: &TypedData, text: &str) -> Value {
    let value = json::parse(text.as_bytes()).unwrap();
    let hash = typed_data.hash(&value.to_string(), &value).unwrap();
    json!({"scheme": "eip712", "message": text, "signature": client_key().sign_hash(&hash)})
}

fn submit(host: &Host, envelope: &Value) -> (u16, Value) {
    host.ask("POST", "/v1/messages", &envelope.to_string()).unwrap()
}

/// I2, I10: the proof of such a message needs nothing but its bundle, whatever
/// is deployed by then.
#[test]
fn i10_a_message_that_was_signed_as_typed_data_is_proven_by_its_bundle() {
    let folder = TempDir::new().unwrap();
    let mut host = Host::start(folder.path());
    host.deploy();
    let typed_data = typed_data(&host);
    let text = withdrawal(&host.msg_id().unwrap()).to_string();
    let sent = envelope(&typed_data, &text);
    let (status, receipt) = submit(&host, &sent);
    assert_eq!(status, 202, "{receipt}");
    let id = receipt["msg_id"].as_str().unwrap();
    let message = host.end_of(id);
    assert_eq!(message["msg_state"], "notified");
    assert_eq!(message["signer"], client_key().address().to_string());
    // The same content again, under whichever scheme.
    assert_eq!(submit(&host, &sent), (200, receipt.clone()));
    assert_eq!(submit(&host, &sign(&client_key(), &text)), (200, receipt.clone()));

    // From now on only the text can be signed.
    let file = std::fs::read_to_string(repository("workflows/withdrawal.json")).unwrap();
    let schema = std::fs::read_to_string(repository("schemas/withdrawal.schema.json")).unwrap();
    let mut workflow: Value = serde_json::from_str(&file).unwrap();
    workflow["schema"] = serde_json::from_str(&schema).unwrap();
    workflow["version"] = json!(2);
    workflow.as_object_mut().unwrap().remove("typed_data");
    let (status, answer) = host.ask("PUT", "/v1/workflows", &workflow.to_string()).unwrap();
    assert!(status < 300, "{answer}");
    let path = "/v1/message-types/withdrawal/typed-data";
    let (status, problem) = host.ask("GET", path, "").unwrap();
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{problem}");
    let text = withdrawal(&host.msg_id().unwrap()).to_string();
    let (status, problem) = submit(&host, &envelope(&typed_data, &text));
    assert_eq!((status, &problem["code"]), (422, &json!("scheme_not_offered")), "{problem}");
    assert_eq!(submit(&host, &sign(&client_key(), &text)).0, 202);
    // What was accepted stays accepted, by what it was signed with then.
    assert_eq!(submit(&host, &sent), (200, receipt.clone()));
    let mut stranger = sent.clone();
    let value = json::parse(sent["message"].as_str().unwrap().as_bytes()).unwrap();
    let hash = typed_data.hash(sent["message"].as_str().unwrap(), &value).unwrap();
    let key: PrivateKey = HOST_KEY.parse().unwrap();
    stranger["signature"] = json!(key.sign_hash(&hash));
    assert_eq!(submit(&host, &stranger).1["code"], "scheme_not_offered");

    let bundle = host.bundle(id);
    assert!(host.stop());
    assert_eq!(*bundle.message.text, *sent["message"].as_str().unwrap());
    bundle.verify().unwrap();
    // Whoever changes a bit of what the signature covers breaks the proof.
    let bytes = bundle.encode();
    for part in ["\"chainId\":1", "surety withdrawals", "uint256", "eip712", "250000000000000000"] {
        let mut forged = bytes.clone();
        let at = forged.windows(part.len()).position(|w| w == part.as_bytes()).unwrap();
        forged[at + part.len() - 1] ^= 1;
        assert!(!Bundle::decode(&forged).is_ok_and(|b| b.verify().is_ok()), "{part}");
    }
}

#[test]
fn what_is_not_the_one_text_of_what_was_signed_is_refused() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(folder.path());
    host.deploy();
    let typed_data = typed_data(&host);
    let id = host.msg_id().unwrap();
    let text = withdrawal(&id).to_string();
    for other in [
        format!("{text}\n"),
        text.replace("\"nonce\":7", "\"nonce\": 7"),
        text.replace("acme", "\\u0061cme"),
    ] {
        assert_ne!(other, text);
        let (status, problem) = submit(&host, &envelope(&typed_data, &other));
        assert_eq!((status, &problem["code"]), (422, &json!("text_not_canonical")), "{problem}");
        assert!(problem["receipt"]["signature"].is_string(), "a signed refusal: {problem}");
    }
    let mut fraction = envelope(&typed_data, &text);
    fraction["message"] = json!(text.replace("\"nonce\":7", "\"nonce\":7.0"));
    let (_, problem) = submit(&host, &fraction);
    assert_eq!(problem["errors"][0]["pointer"], "/payload/nonce", "{problem}");
    // Signed for another chain, it is by somebody else.
    let foreign = typed_data.as_str().replace("\"chainId\":1,", "\"chainId\":5,");
    let foreign = TypedData::parse(&foreign).unwrap();
    assert_ne!(foreign, typed_data);
    let (status, problem) = submit(&host, &envelope(&foreign, &text));
    assert_eq!((status, &problem["code"]), (403, &json!("signer_not_allowed")), "{problem}");
    assert_eq!(submit(&host, &envelope(&typed_data, &text)).0, 202);
    let (status, _) = host.ask("GET", "/v1/message-types/gift/typed-data", "").unwrap();
    assert_eq!(status, 404);
}

/// A schema without typed data may be what it likes; with them it is refused at
/// each place that has no type.
#[test]
fn a_workflow_whose_schema_cannot_be_mapped_is_not_deployed() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(folder.path());
    host.deploy();
    let file = std::fs::read_to_string(repository("workflows/withdrawal.json")).unwrap();
    let schema = std::fs::read_to_string(repository("schemas/withdrawal.schema.json")).unwrap();
    let mut workflow: Value = serde_json::from_str(&file).unwrap();
    workflow["schema"] = serde_json::from_str(&schema).unwrap();
    workflow["version"] = json!(2);
    let properties = &mut workflow["schema"]["properties"]["payload"]["properties"];
    properties["nonce"] = json!({"type": "number"});
    properties["memo"] = json!({"type": "string"});
    let push = |workflow: &Value| host.ask("PUT", "/v1/workflows", &workflow.to_string()).unwrap();
    let (status, problem) = push(&workflow);
    assert_eq!((status, &problem["code"]), (422, &json!("workflow_invalid")), "{problem}");
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["pointer"].as_str().unwrap())
        .collect();
    let payload = "/schema/properties/payload/properties";
    assert_eq!(pointers, [format!("{payload}/memo"), format!("{payload}/nonce")]);
    workflow["typed_data"] = json!({"name": "x", "version": "1", "chain_id": 0});
    assert_eq!(push(&workflow).1["errors"][0]["pointer"], "/typed_data/chain_id");
    workflow.as_object_mut().unwrap().remove("typed_data");
    assert!(push(&workflow).0 < 300);
}

#[test]
fn the_command_line_signs_typed_data_with_and_without_a_host() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| path(&folder.path().join(name));
    let mut host = Host::start(&folder.path().join("data"));
    host.deploy();
    write_client_key(folder.path().join("key").as_path());
    let typed_data = typed_data(&host);
    std::fs::write(file("types"), typed_data.as_str()).unwrap();
    // As a person writes it.
    let message = withdrawal(&host.msg_id().unwrap());
    std::fs::write(file("message"), serde_json::to_string_pretty(&message).unwrap()).unwrap();

    let (message_file, key, types) = (file("message"), file("key"), file("types"));
    let sign = ["message", "sign", &message_file, "--key", &key];
    let by_host = host.done(&[&sign[..], &["--scheme", "eip712"]].concat()).remove(0);
    assert_eq!(by_host, envelope(&typed_data, &message.to_string()));
    let (status, receipt) = submit(&host, &by_host);
    assert_eq!(status, 202, "{receipt}");
    assert!(host.stop());
    let offline = [&sign[..], &["--scheme", "eip712", "--typed-data", &types]].concat();
    assert_eq!(host.done(&offline).remove(0), by_host);
    // Without the scheme they would not be what is signed.
    assert_eq!(host.cli(&[&sign[..], &["--typed-data", &types]].concat()).status.code(), Some(1));
    let output = host.cli(&[&sign[..], &["--scheme", "eip712"]].concat());
    assert_eq!(output.status.code(), Some(4), "the host is gone");
    std::fs::write(file("message"), message.to_string().replace("\"nonce\":7", "\"nonce\":7.5"))
        .unwrap();
    assert_eq!(host.cli(&offline).status.code(), Some(3), "refused before it is signed");
}
