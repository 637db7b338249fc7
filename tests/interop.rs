//! The real wallet libraries against the real binary: eth-account, ethers and
//! viem sign texts and typed data, submit, and check receipts and chain by
//! themselves.

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use surety_core::schema::Schema;
use surety_core::typed_data::TypedData;
use surety_tests::host::{Host, guests, path, repository};
use surety_tests::rig::{CLIENT_KEY, client_key};
use tempfile::TempDir;

#[allow(unreachable_pub, reason = "a module of this test alone")]
#[path = "interop/dice.rs"]
mod dice;

/// Messages that each library sends.
const COUNT: &str = "3";

fn installed() -> PathBuf {
    let folder = std::env::var_os("SURETY_INTEROP").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.exists());
    folder
        .expect("SURETY_INTEROP names no folder with the wallet libraries; run `cargo xtask test`")
}

fn run(host: &Host, mut client: Command, scheme: &str) {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, host.token()).unwrap();
    client.args(["--base", &format!("http://{}", host.address()), "--client", "acme"]);
    client.args(["--private-key", CLIENT_KEY, "--count", COUNT, "--token-file"]).arg(&token);
    client.args(["--scheme", scheme]);
    let output = client.output().unwrap();
    let (said, wrong) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{client:?}: {wrong}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["final"], said["scheme"].as_str()), (&3.into(), Some(scheme)), "{said}");
    println!("{said}");
}

#[test]
fn wallet_libraries_interoperate_unchanged() {
    let installed = installed();
    let folder = TempDir::new().unwrap();
    let host = Host::start(folder.path());
    host.deploy();
    for scheme in ["eip191", "eip712"] {
        let mut python = Command::new(installed.join("venv/bin/python"));
        python.arg(repository("tests/interop/client.py"));
        run(&host, python, scheme);
        for library in ["ethers", "viem"] {
            let mut node = Command::new("node");
            node.env("NODE_PATH", installed.join("node_modules"));
            node.arg(repository("tests/interop/client.mjs")).args(["--library", library]);
            run(&host, node, scheme);
        }
    }
}

/// A publisher's wallet signs a module by its text alone.
#[test]
fn a_wallet_signs_a_module() {
    const SIGN: &str = "import sys; from eth_account import Account; from eth_account.messages import encode_defunct; print('0x' + Account.sign_message(encode_defunct(text=sys.argv[1]), sys.argv[2]).signature.hex().removeprefix('0x'))";
    let folder = TempDir::new().unwrap();
    let file = |name: &str| path(&folder.path().join(name));
    let signer = client_key().address();
    let policy = format!("[[publish]]\nmodules = ['screen']\nsigners = ['{signer}']\nneeded = 1\n");
    std::fs::write(file("policy.toml"), policy).unwrap();
    std::fs::write(file("surety.toml"), "[policy]\nfile = 'policy.toml'\n").unwrap();
    let host = Host::start_strict(&folder.path().join("data"), &["--config", &file("surety.toml")]);
    std::fs::copy(guests().join("screen.wasm"), file("screen.wasm")).unwrap();
    let component = file("screen.wasm");
    let text = host.done(&["action", "sign", &component, "--text"]).remove(0);
    let mut wallet = Command::new(installed().join("venv/bin/python"));
    wallet.args(["-c", SIGN, text["text"].as_str().unwrap(), CLIENT_KEY]);
    let signature = wallet.output().unwrap();
    let said = String::from_utf8(signature.stdout).unwrap();
    let signature = ["--signature", said.trim()];
    let signed = host.done(&[&["action", "sign", &component][..], &signature].concat()).remove(0);
    assert_eq!(signed["signer"], signer.to_string());
    let settings = path(&repository("actions/screen/settings.demo.json"));
    let pushed = host.done(&["action", "push", &component, "--settings", &settings]).remove(0);
    assert_eq!(pushed["signers"], json!([signer]));
}

/// The libraries hash and sign like the host, whatever the schema; its types come
/// from a second reading of the documentation.
#[test]
fn wallet_libraries_sign_any_typed_data_alike() {
    let mut dice = dice::Dice::new();
    let mut cases = Vec::new();
    for chain_id in 1..=200 {
        let (schema, messages) = dice.object(4);
        let compiled = Schema::compile(&schema).unwrap();
        for message in messages {
            assert_eq!(compiled.check(&message), [], "{schema} {message}");
            cases.push(json!({
                "schema": schema, "name": "dice", "version": "1", "chain_id": chain_id,
                "text": message.to_string(), "private_key": CLIENT_KEY,
            }));
        }
    }
    let signed = sign_by_all(&cases);
    assert_eq!(signed.len(), cases.len());
    let (mut structs, mut hashes) = (0, BTreeSet::new());
    for (case, theirs) in cases.iter().zip(signed) {
        let chain_id = case["chain_id"].as_u64().unwrap();
        let ours = TypedData::of_schema(&case["schema"], "dice", "1", chain_id).unwrap();
        assert_eq!(ours.as_str(), theirs["typed_data"].to_string());
        let text = case["text"].as_str().unwrap();
        let hash = ours.hash(text, &serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(theirs["hash"], format!("0x{}", hex::encode(hash)), "{case}");
        let signature = client_key().sign_hash(&hash).to_string();
        assert_eq!(theirs["signature"], signature, "{case}");
        structs = structs.max(theirs["typed_data"]["types"].as_object().unwrap().len());
        hashes.insert(hash);
    }
    let different = hashes.len();
    assert!(structs >= 8 && different >= 300, "{structs} structs, {different} hashes");
}

/// What the three libraries agree on.
fn sign_by_all(cases: &[Value]) -> Vec<Value> {
    let installed = installed();
    let mut script = Command::new(installed.join("venv/bin/python"));
    script.arg(repository("tests/vectors/make_eip712.py")).arg("--given");
    script.env("NODE_PATH", installed.join("node_modules"));
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = script.spawn().unwrap();
    // It reads to the end before it writes, so no pipe can be full.
    script.stdin.take().unwrap().write_all(json!(cases).to_string().as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success(), "the libraries do not agree, or not with themselves");
    serde_json::from_slice(&output.stdout).unwrap()
}
