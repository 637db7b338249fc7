//! What bad input gets, over HTTP: a clear refusal with its code and place, and
//! nothing stored.

use base64::Engine as _;
use serde_json::{Value, json};
use surety_core::crypto::PrivateKey;
use surety_tests::host::{Host, guests, request, sign, withdrawal};
use surety_tests::rig::{HOST_KEY, client_key};
use tempfile::TempDir;

fn host() -> (TempDir, Host) {
    let folder = TempDir::new().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.deploy();
    (folder, host)
}

/// Asserts a refusal and gives the problem document.
fn refused(host: &Host, body: &[u8], status: u16, code: &str) -> Value {
    let (got, problem) = request(host.address(), None, "POST", "/v1/messages", body).unwrap();
    assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
    assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    problem
}

fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect()
}

fn signed(text: &str) -> Vec<u8> {
    sign(&client_key(), text).to_string().into_bytes()
}

#[test]
fn every_bad_submission_is_refused_with_its_code_and_stores_nothing() {
    let (_folder, host) = host();
    let id = host.msg_id().unwrap();
    let good = withdrawal(&id);
    let text = good.to_string();
    let with = |pointer: &str, value: Value| {
        let mut message = good.clone();
        *message.pointer_mut(pointer).unwrap() = value;
        signed(&message.to_string())
    };

    // The body and its envelope.
    refused(&host, &vec![b' '; 1 << 20], 413, "message_too_large");
    refused(&host, &signed(&format!("{text}{}", " ".repeat(70_000))), 413, "message_too_large");
    refused(&host, b"{\"scheme\": \"\xff\"}", 400, "json_utf8");
    refused(&host, b"", 400, "json_syntax");
    refused(&host, b"{} {}", 400, "json_trailing");
    let problem =
        refused(&host, b"{\"scheme\": \"eip191\", \"other\": 1}", 400, "envelope_invalid");
    assert!(pointers(&problem).len() >= 3, "{problem}");
    let eip1271 = json!({"scheme": "eip1271", "message": text, "signature": "0x"}).to_string();
    let problem = refused(&host, eip1271.as_bytes(), 400, "scheme_unknown");
    assert!(problem["detail"].as_str().unwrap().contains("eip1271"), "{problem}");

    // The message text.
    refused(&host, &signed(&"[".repeat(100)), 400, "json_depth");
    let twice = text.replacen('{', "{\"msg_type\":\"withdrawal\",", 1);
    let problem = refused(&host, &signed(&twice), 400, "json_duplicate_key");
    assert_eq!(pointers(&problem), ["/msg_type"]);
    refused(&host, &with("/payload/nonce", json!(9_007_199_254_740_993_u64)), 400, "json_number");
    refused(&host, &with("/msg_type", json!("gift")), 422, "msg_type_unknown");
    let mut wrong = good.clone();
    wrong["payload"] = json!({"asset": 1, "amount": "-5", "to": "0x1", "extra": true});
    let problem = refused(&host, &signed(&wrong.to_string()), 422, "schema_invalid");
    let found = pointers(&problem);
    for pointer in ["/payload/asset", "/payload/amount", "/payload/to", "/payload"] {
        assert!(found.contains(&pointer), "all findings at once: {found:?}");
    }

    // Signature and authority.
    let broken =
        json!({"scheme": "eip191", "message": text, "signature": format!("0x{}", "11".repeat(64))});
    refused(&host, broken.to_string().as_bytes(), 400, "signature_compact");
    let stranger: PrivateKey = HOST_KEY.parse().unwrap();
    let problem =
        refused(&host, sign(&stranger, &text).to_string().as_bytes(), 403, "signer_not_allowed");
    assert!(problem["receipt"]["signature"].is_string(), "a signed refusal: {problem}");
    refused(&host, &with("/client_id", json!("nobody")), 422, "client_unknown");

    // Msg_ID.
    refused(&host, &with("/msg_id", json!("1")), 422, "msg_id_malformed");
    let invented = "01a3185c-5000-7000-8000-000000000002";
    refused(&host, &with("/msg_id", json!(invented)), 422, "msg_id_unknown");

    // Nothing of all that left a trace, and the id is still good.
    let (_, messages) = host.ask("GET", "/v1/messages", "").unwrap();
    assert_eq!(messages["messages"], json!([]));
    let (status, answer) =
        host.ask("POST", "/v1/messages", &String::from_utf8(signed(&text)).unwrap()).unwrap();
    assert_eq!(status, 202, "{answer}");
}

#[test]
fn bad_modules_are_refused_by_name() {
    let (_folder, host) = host();
    let push = |component: &[u8]| {
        let component = base64::prelude::BASE64_STANDARD.encode(component);
        let body = json!({"component": component, "settings": {}}).to_string();
        let (status, problem) = host.ask("PUT", "/v1/modules", &body).unwrap();
        assert!(status >= 400, "{problem}");
        (problem["code"].as_str().unwrap().to_owned(), problem.to_string())
    };
    assert_eq!(push(b"no module at all").0, "module_invalid");
    assert_eq!(push(b"\0asm\x01\0\0\0").0, "module_invalid");
    let screen = std::fs::read(guests().join("screen.wasm")).unwrap();
    assert_eq!(push(&screen[..screen.len() / 2]).0, "module_invalid");
    let wants = wat::parse_str(
        r#"(component (import "wasi:filesystem/types@0.2.0" (instance (export "f" (func)))))"#,
    );
    let (code, said) = push(&wants.unwrap());
    assert!(said.contains("wasi:filesystem/types"), "{said}");
    assert!(["module_import", "module_invalid"].contains(&code.as_str()), "{said}");
    // What was deployed still runs.
    let id = host.submit();
    assert_eq!(host.end_of(&id)["msg_state"], "notified");
}

#[test]
fn a_version_is_taken_once() {
    let (_folder, host) = host();
    let file = std::fs::read_to_string(surety_tests::host::repository("workflows/withdrawal.json"));
    let mut workflow: Value = serde_json::from_str(&file.unwrap()).unwrap();
    workflow["schema"] = json!({"type": "object"});
    for of_the_schema in ["typed_data", "rules"] {
        workflow.as_object_mut().unwrap().remove(of_the_schema);
    }
    let (status, problem) = host.ask("PUT", "/v1/workflows", &workflow.to_string()).unwrap();
    assert_eq!((status, &problem["code"]), (409, &json!("workflow_version_used")), "{problem}");
    workflow["version"] = json!(2);
    workflow["states"]["received"]["invoke"] = json!("nobody@^1");
    let (status, problem) = host.ask("PUT", "/v1/workflows", &workflow.to_string()).unwrap();
    assert_eq!((status, &problem["code"]), (422, &json!("module_unknown")), "{problem}");
    assert_eq!(pointers(&problem), ["/states/received/invoke"]);
    workflow["states"]["received"] = json!({"choose": []});
    let (status, problem) = host.ask("PUT", "/v1/workflows", &workflow.to_string()).unwrap();
    assert_eq!((status, &problem["code"]), (422, &json!("workflow_invalid")), "{problem}");
}

#[test]
fn roles_may_do_what_they_may_and_no_more() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("surety.toml");
    let mut tokens = Vec::new();
    let mut lines = String::new();
    for role in ["reader", "auditor", "deployer"] {
        let output = std::process::Command::new(surety_tests::host::binary())
            .args(["token", "new", "--role", role, "--json"])
            .output()
            .unwrap();
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        let hash = made["hash"].as_str().unwrap();
        lines += &format!("[[tokens]]\nname = \"{role}\"\nrole = \"{role}\"\nhash = \"{hash}\"\n");
        tokens.push(made["token"].as_str().unwrap().to_owned());
    }
    std::fs::write(&config, lines).unwrap();
    let config = surety_tests::host::path(&config);
    let host = Host::start_with(&folder.path().join("data"), &["--config", &config]);
    host.deploy();
    let id = host.submit();
    let _ = host.end_of(&id);

    let bundle = format!("/v1/messages/{id}/bundle");
    let client =
        json!({"signers": [client_key().address()], "msg_types": ["withdrawal"]}).to_string();
    // What is asked; and the answers without a token, to reader, auditor,
    // deployer, operator.
    let table = [
        ("GET", "/v1/messages", "", [401, 200, 200, 200, 200]),
        ("GET", bundle.as_str(), "", [401, 403, 200, 403, 200]),
        ("PUT", "/v1/workflows", "{}", [401, 403, 403, 422, 422]),
        ("PUT", "/v1/clients/b", client.as_str(), [401, 403, 403, 403, 200]),
        ("GET", "/v1/logs", "", [401, 403, 403, 403, 200]),
        ("GET", "/healthz", "", [200, 200, 200, 200, 200]),
        ("GET", "/openapi.json", "", [200, 200, 200, 200, 200]),
    ];
    let given = [None, Some(&tokens[0]), Some(&tokens[1]), Some(&tokens[2])];
    for (method, path, body, expected) in table {
        let operator = host.token().to_owned();
        let all = given.into_iter().map(|t| t.cloned()).chain([Some(operator)]);
        for (token, expected) in all.zip(expected) {
            let answer = request(host.address(), token.as_deref(), method, path, body.as_bytes());
            let (status, answer) = answer.unwrap();
            assert_eq!(status, expected, "{method} {path} {token:?}: {answer}");
        }
    }
}

#[test]
fn the_openapi_document_names_every_endpoint() {
    let (_folder, host) = host();
    let (status, document) = request(host.address(), None, "GET", "/openapi.json", b"").unwrap();
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    for path in [
        "/v1/msg-ids",
        "/v1/logs",
        "/v1/messages",
        "/v1/messages/{id}",
        "/v1/messages/{id}/history",
        "/v1/messages/{id}/bundle",
        "/v1/message-types/{type}/typed-data",
        "/v1/modules",
        "/v1/workflows",
        "/v1/clients",
        "/healthz",
        "/readyz",
    ] {
        assert!(document["paths"][path].is_object(), "{path} is missing");
    }
}
