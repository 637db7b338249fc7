//! Journeys through the real binary with the real actions.

use std::process::Stdio;

use serde_json::{Value, json};
use surety_tests::host::{
    Host, MODULES, WAY, guests, path, repository, serve, sign, withdrawal, write_client_key,
};
use surety_tests::rig::{BOARD_KEYS, board_key, client_key};
use tempfile::TempDir;

fn states(host: &Host, id: &str) -> Vec<String> {
    let (status, history) = host.ask("GET", &format!("/v1/messages/{id}/history"), "").unwrap();
    assert_eq!(status, 200, "{history}");
    let records = history["records"].as_array().unwrap();
    records.iter().map(|r| r["to"].as_str().unwrap().to_owned()).collect()
}

/// Submits a withdrawal with one member of its payload changed.
fn submit_with(host: &Host, member: &str, value: Value) -> String {
    let id = host.msg_id().unwrap();
    let mut message = withdrawal(&id);
    message["payload"][member] = value;
    let body = sign(&client_key(), &message.to_string()).to_string();
    let (status, answer) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{answer}");
    id
}

/// The main job by the command line alone, as the README tells it.
#[test]
fn i2_i10_a_message_goes_from_the_command_line_to_a_verified_bundle() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str| path(&folder.path().join(name));
    let mut host = Host::start(&folder.path().join("data"));
    host.deploy();
    write_client_key(folder.path().join("key").as_path());
    let payload = withdrawal("unused")["payload"].to_string();
    std::fs::write(file("payload"), payload).unwrap();

    let new = ["message", "new", "--type", "withdrawal", "--client", "acme", "--payload"];
    let text = host.cli(&[&new[..], &[&file("payload")]].concat());
    assert!(text.status.success());
    let text = String::from_utf8(text.stdout).unwrap();
    std::fs::write(file("message"), text.trim_end()).unwrap();
    let envelope = host.cli(&["message", "sign", &file("message"), "--key", &file("key")]);
    assert!(envelope.status.success());
    std::fs::write(file("envelope"), envelope.stdout).unwrap();
    let receipt = host.done(&["message", "submit", &file("envelope")]).remove(0);
    let id = receipt["msg_id"].as_str().unwrap();
    assert_eq!(receipt["msg_state"], "received");

    let watched = host.done(&["message", "watch", id]);
    let tos: Vec<_> = watched.iter().map(|r| r["to"].as_str().unwrap()).collect();
    assert_eq!(tos, WAY);
    let message = host.done(&["message", "get", id]).remove(0);
    assert_eq!((&message["final"], &message["parked"]), (&json!(true), &json!(false)));

    let _ = host.done(&["archive", "get", id, "-o", &file("bundle")]);
    let bundle = host.bundle(id);
    assert_eq!(*bundle.message.text, *text.trim_end(), "I2");
    assert_eq!(bundle.encode(), std::fs::read(file("bundle")).unwrap());
    assert!(host.stop(), "graceful");
    // I10: without a server.
    let _ = host.done(&["verify", &file("bundle")]);
    let mut forged = std::fs::read(file("bundle")).unwrap();
    let at = forged.windows(8).position(|w| w == b"screened").unwrap();
    forged[at] = b'S';
    std::fs::write(file("forged"), forged).unwrap();
    let output = host.cli(&["verify", &file("forged")]);
    assert_eq!(output.status.code(), Some(5));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("record"), "{said}");
    let report = host.done(&["reconcile", "--check"]).remove(0);
    assert_eq!(report["archived"], 1, "{report}");
}

#[test]
fn i9_the_receipt_and_the_refusal_of_a_used_msg_id_outlive_archive_and_restart() {
    let folder = TempDir::new().unwrap();
    let mut host = Host::start(folder.path());
    host.deploy();
    let id = host.msg_id().unwrap();
    let text = withdrawal(&id).to_string();
    let body = sign(&client_key(), &text).to_string();
    let other = sign(&client_key(), &text.replace("\"nonce\":7", "\"nonce\":8")).to_string();
    let (status, receipt) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202);
    for _ in 0..2 {
        let _ = host.end_of(&id);
        assert_eq!(host.ask("POST", "/v1/messages", &body).unwrap(), (200, receipt.clone()));
        let (status, problem) = host.ask("POST", "/v1/messages", &other).unwrap();
        assert_eq!((status, &problem["code"]), (409, &json!("msg_id_used")));
        assert!(host.stop());
        host = Host::start(folder.path());
    }
    assert_eq!(states(&host, &id).len(), WAY.len());
}

#[test]
fn actions_decide_where_a_message_goes() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(folder.path());
    host.deploy();
    // On the deny list of the demo's settings.
    let denied = json!("0x000000000000000000000000000000000000dEaD");
    let id = submit_with(&host, "to", denied);
    assert_eq!(host.end_of(&id)["msg_state"], "rejected");
    assert_eq!(states(&host, &id), ["received", "rejected"]);
    // Less than the fee.
    let id = submit_with(&host, "amount", json!("1"));
    assert_eq!(host.end_of(&id)["msg_state"], "rejected");
    assert_eq!(states(&host, &id), ["received", "screened", "rejected"]);
    // Both are archived like any other.
    host.bundle(&id).verify().unwrap();
}

#[test]
fn what_is_deployed_takes_effect_without_a_restart_and_survives_one() {
    let folder = TempDir::new().unwrap();
    let mut host = Host::start(folder.path());
    let signer = client_key().address().to_string();
    let client = ["client", "put", "acme", "--signer", &signer, "--type", "withdrawal"];
    let _ = host.done(&client);
    let id = host.msg_id().unwrap();
    let body = sign(&client_key(), &withdrawal(&id).to_string()).to_string();
    let (status, problem) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!((status, &problem["code"]), (422, &json!("msg_type_unknown")), "{problem}");

    host.deploy();
    let (status, answer) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{answer}");
    assert_eq!(host.end_of(&id)["msg_state"], "notified");

    assert!(host.stop());
    host = Host::start(folder.path());
    let id = host.submit();
    assert_eq!(host.end_of(&id)["msg_state"], "notified");
    assert_eq!(
        host.done(&["action", "list"]).remove(0)["modules"].as_array().unwrap().len(),
        MODULES.len()
    );
}

#[test]
fn new_settings_are_for_the_next_attempt_and_pinned_workflows_stay() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(folder.path());
    host.deploy();
    let first = host.submit();
    assert_eq!(host.end_of(&first)["msg_state"], "notified");
    let settings = folder.path().join("settings.json");
    let strict = json!({
        "deny": [], "limits": {"acme": {"ETH": "1"}}, "default_limits": {},
        "hold_above": {}, "approval_above": {},
    });
    std::fs::write(&settings, strict.to_string()).unwrap();
    let component = surety_tests::host::guests().join("screen.wasm");
    let _ = host.done(&["action", "push", &path(&component), "--settings", &path(&settings)]);
    let second = host.submit();
    assert_eq!(host.end_of(&second)["msg_state"], "rejected");
    let digests = |id: &str| {
        let records = host.bundle(id).verify().unwrap();
        let module = records[1].module.clone().unwrap();
        (module.digest, module.settings)
    };
    let (before, after) = (digests(&first), digests(&second));
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1, "the record tells the settings apart");
}

#[test]
fn a_data_folder_in_use_or_corrupt_is_said_plainly() {
    let folder = TempDir::new().unwrap();
    let mut host = Host::start(folder.path());
    let refused = || {
        let mut second = serve(folder.path());
        let output = second.stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused();
    assert!(said.contains("in use by another process"), "{said}");
    assert!(host.stop());

    std::fs::write(folder.path().join("surety.db"), vec![b'x'; 8192]).unwrap();
    for wal in ["surety.db-wal", "surety.db-shm"] {
        drop(std::fs::remove_file(folder.path().join(wal)));
    }
    let said = refused();
    assert!(said.contains("cannot be read") && said.contains("backup"), "{said}");
}

/// The withdrawal workflow as its file has it, with the schema in it.
fn workflow(version: u32) -> Value {
    let json_of = |file: &str| -> Value {
        serde_json::from_slice(&std::fs::read(repository(file)).unwrap()).unwrap()
    };
    let mut workflow = json_of("workflows/withdrawal.json");
    workflow["schema"] = json_of("schemas/withdrawal.schema.json");
    workflow["version"] = json!(version);
    workflow
}

/// A host with the withdrawal workflow, and a board that may give signals.
fn with_board(folder: &TempDir) -> Host {
    let host = Host::start(&folder.path().join("data"));
    host.deploy();
    let signers: Vec<_> = (0..2).map(|m| board_key(m).address().to_string()).collect();
    let board = ["client", "put", "board", "--type", "signal", "--signer", &signers[0]];
    let _ = host.done(&[&board[..], &["--signer", &signers[1]]].concat());
    for (member, key) in BOARD_KEYS.iter().enumerate() {
        std::fs::write(folder.path().join(format!("board{member}")), key).unwrap();
    }
    host
}

/// Ether that needs approval by two of the board.
const LARGE: &str = "30000000000000000000";

/// What a large withdrawal waits for, once it does.
fn awaiting(host: &Host, id: &str) -> Value {
    let mut seq = json!(0);
    loop {
        let path = format!("/v1/messages/{id}?wait=20&seq={seq}");
        let (_, message) = host.ask("GET", &path, "").unwrap();
        if message["msg_state"] == "awaiting_approval" {
            break;
        }
        assert_ne!(message["seq"], seq, "it does not move: {message}");
        seq = message["seq"].clone();
    }
    host.done(&["message", "signals", id]).remove(0)
}

fn put(host: &Host, workflow: &Value) {
    let (status, answer) = host.ask("PUT", "/v1/workflows", &workflow.to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn what_rules_and_validators_refuse_is_not_kept() {
    let folder = TempDir::new().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.deploy();
    let mut judged = workflow(2);
    judged["rules"] = json!([{
        "rule": "dec(message.payload.amount) < dec('1000000000000000000000')",
        "detail": "is more than anybody sends", "pointer": "/payload/amount",
    }]);
    let file = folder.path().join("judged.json");
    std::fs::write(&file, judged.to_string()).unwrap();
    // The host's modules are enough to check it by, the validator included.
    let checked = &host.done(&["workflow", "check", &path(&file)])[0];
    assert_eq!(checked["findings"], json!([]));
    put(&host, &judged);

    let id = host.msg_id().unwrap();
    let refused = |member: &str, value: Value, code: &str, pointer: &str| {
        let mut message = withdrawal(&id);
        message["payload"][member] = value;
        let body = sign(&client_key(), &message.to_string()).to_string();
        let (status, problem) = host.ask("POST", "/v1/messages", &body).unwrap();
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["receipt"]["signature"].is_string(), "a signed refusal: {problem}");
    };
    refused("amount", json!("1000000000000000000000"), "rule_broken", "/payload/amount");
    let mistyped = json!("0x70997970C51812dc3A010C7d01b50e0d17dc79c8");
    refused("to", mistyped, "validator_refused", "/payload/to");
    let fee = json!("1000000000001");
    refused("max_fee_per_gas", fee, "validator_refused", "/payload/max_fee_per_gas");

    // The id is still good; and what was accepted stays so when rules change.
    let body = sign(&client_key(), &withdrawal(&id).to_string()).to_string();
    let (status, receipt) = host.ask("POST", "/v1/messages", &body).unwrap();
    assert_eq!(status, 202, "{receipt}");
    assert_eq!(host.end_of(&id)["msg_state"], "notified");
    judged["version"] = json!(3);
    judged["rules"][0]["rule"] = json!("dec(message.payload.amount) < dec('1')");
    put(&host, &judged);
    assert_eq!(host.ask("POST", "/v1/messages", &body).unwrap(), (200, receipt));
}

#[test]
fn the_board_approves_and_an_operator_cancels() {
    let folder = TempDir::new().unwrap();
    let host = with_board(&folder);
    let submit = || submit_with(&host, "amount", json!(LARGE));
    let (id, other) = (submit(), submit());
    let awaited = awaiting(&host, &id);
    assert_eq!(awaited["signals"][0]["quorum"], 2);
    let _ = awaiting(&host, &other);
    let key = |member: usize| path(&folder.path().join(format!("board{member}")));
    let approve_by = |scheme: &str, id: &str, member: usize| {
        let give = ["message", "signal", id, "approve", "--client", "board", "--scheme", scheme];
        host.cli(&[&give[..], &["--key", &key(member)]].concat())
    };
    let approve = |id: &str, member: usize| approve_by("eip191", id, member);
    let first = approve(&id, 0);
    assert!(first.status.success(), "{first:?}");
    let twice = approve(&id, 0);
    assert_eq!(twice.status.code(), Some(3));
    assert!(String::from_utf8(twice.stderr).unwrap().contains("signal_twice"));
    // The third of the board is not registered.
    let stranger = approve(&id, 2);
    assert!(String::from_utf8(stranger.stderr).unwrap().contains("signer_not_allowed"));
    let typed = approve_by("eip712", &id, 1);
    assert!(typed.status.success(), "{typed:?}");
    assert_eq!(host.end_of(&id)["msg_state"], "notified");
    let way = ["quoted", "awaiting_approval", "awaiting_approval", "approved", "reserved"];
    assert_eq!(states(&host, &id)[2..7], way);
    host.bundle(&id).verify().expect("I10: signals are part of the proof");

    let cancelled = host.done(&["message", "cancel", &other, "--reason", "by phone"]).remove(0);
    assert_eq!(cancelled["msg_state"], "rejected");
    assert_eq!(host.end_of(&other)["msg_state"], "rejected");
    let late = approve(&other, 0);
    assert!(!late.status.success(), "a signal to a message that is done");
}

#[test]
fn an_operator_redrives_and_migrates() {
    let folder = TempDir::new().unwrap();
    let host = with_board(&folder);
    // `quote` does not know any asset for a while.
    let settings = folder.path().join("none.json");
    std::fs::write(&settings, r#"{"assets": {}}"#).unwrap();
    let quote = path(&guests().join("quote.wasm"));
    let push = |settings: &str| {
        let _ = host.done(&["action", "push", &quote, "--settings", settings]);
    };
    push(&path(&settings));
    let ids = [host.submit(), host.submit()];
    for id in &ids {
        let parked = host.end_of(id);
        assert_eq!(parked["msg_state"], "failed");
        assert_eq!((&parked["attempts"], &parked["module"]), (&json!(1), &json!("quote@1.0.0")));
    }
    push(&path(&repository("actions/quote/settings.demo.json")));
    let back = ["redrive", "--state", "failed", "--reason", "settings mended"];
    let redriven = host.done(&back).remove(0);
    assert_eq!(redriven["redriven"].as_array().unwrap().len(), 2, "{redriven}");
    for id in &ids {
        assert_eq!(host.end_of(id)["msg_state"], "notified");
    }

    let waits = submit_with(&host, "amount", json!(LARGE));
    let _ = awaiting(&host, &waits);
    let mut longer = workflow(2);
    longer["states"]["awaiting_approval"]["after"][0]["delay"] = json!("48h");
    put(&host, &longer);
    let pinned = host.cli(&["workflow", "remove", "withdrawal", "1"]);
    assert!(String::from_utf8(pinned.stderr).unwrap().contains("workflow_pinned"));
    let migrate = ["workflow", "migrate", "withdrawal", "--to", "2"];
    let verdicts = host.done(&[&migrate[..], &["--dry-run"]].concat()).remove(0);
    assert_eq!(verdicts["messages"][0]["msg_id"], json!(waits));
    assert_eq!(verdicts["messages"][0]["moves"], true, "{verdicts}");
    let _ = host.done(&[&migrate[..], &["--reason", "longer waits"]].concat());
    let _ = host.done(&["workflow", "remove", "withdrawal", "1"]);
    let (_, history) = host.ask("GET", &format!("/v1/messages/{waits}/history"), "").unwrap();
    let last = history["records"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["cause"], &last["note"]),
        (&json!("migration"), &json!("operator: longer waits"))
    );
}
