//! The real wallet libraries against the real binary: eth-account, ethers and
//! viem sign, submit, and check receipts and chain by themselves.

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

use std::path::PathBuf;
use std::process::Command;

use surety_tests::host::{Host, repository};
use surety_tests::rig::CLIENT_KEY;
use tempfile::TempDir;

/// Messages that each library sends.
const COUNT: &str = "3";

fn installed() -> PathBuf {
    let folder = std::env::var_os("SURETY_INTEROP").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.exists());
    folder
        .expect("SURETY_INTEROP names no folder with the wallet libraries; run `cargo xtask test`")
}

fn run(host: &Host, mut client: Command) {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, host.token()).unwrap();
    client.args(["--base", &format!("http://{}", host.address()), "--client", "acme"]);
    client.args(["--private-key", CLIENT_KEY, "--count", COUNT, "--token-file"]).arg(&token);
    let output = client.output().unwrap();
    let (said, wrong) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{client:?}: {wrong}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["final"], 3, "{said}");
    println!("{said}");
}

#[test]
fn wallet_libraries_interoperate_unchanged() {
    let installed = installed();
    let folder = TempDir::new().unwrap();
    let host = Host::start(folder.path());
    host.deploy();
    let mut python = Command::new(installed.join("venv/bin/python"));
    python.arg(repository("tests/interop/client.py"));
    run(&host, python);
    for library in ["ethers", "viem"] {
        let mut node = Command::new("node");
        node.env("NODE_PATH", installed.join("node_modules"));
        node.arg(repository("tests/interop/client.mjs")).args(["--library", library]);
        run(&host, node);
    }
}
