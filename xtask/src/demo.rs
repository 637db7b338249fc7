//! `cargo xtask demo`: the main job on this machine, from nothing.
//!
//! ```text
//! guests, host built → host started → client, actions, workflow deployed
//!   → messages signed and submitted → each watched to its end → bundles verified
//! ```

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::guests;
use crate::host::{self, Profile};
use crate::paths::{output, root, run as run_command, target_dir};

/// Where `--serve` listens; the host's own default.
const SERVE_ON: &str = "127.0.0.1:8480";

/// The client of the demo.
const CLIENT: &str = "acme";

#[derive(Args)]
pub(crate) struct Demo {
    /// Leave the host running, with all of it deployed
    #[arg(long)]
    serve: bool,
}

/// What each message asks for.
fn payloads() -> Vec<Value> {
    let withdrawal = |asset: &str, amount: &str, to: &str, nonce: u32| {
        json!({
            "asset": asset, "amount": amount, "to": to, "nonce": nonce,
            "max_fee_per_gas": "30000000000", "max_priority_fee_per_gas": "1000000000",
        })
    };
    let (alice, bob) = (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    );
    vec![
        withdrawal("ETH", "250000000000000000", alice, 0),
        withdrawal("ETH", "49999999999999999999", bob, 1),
        withdrawal("USDC", "1500000000", bob, 2),
        // On the deny list of the demo's `screen`.
        withdrawal("ETH", "1000000000000000000", "0x000000000000000000000000000000000000dEaD", 3),
        // More than the client's limit.
        withdrawal("ETH", "51000000000000000000", alice, 4),
        withdrawal("USDC", "25000000", alice, 5),
    ]
}

/// A host that runs, and the folder that everything of the demo lies in.
struct Running {
    child: Child,
    binary: PathBuf,
    folder: PathBuf,
    url: String,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<()> {
        println!("building the actions and the host; the first time takes some minutes");
        guests::build_all()?;
        let binary = host::build(Profile::Dev, "surety")?;
        let folder = target_dir()?.join("demo");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut running = Running::start(binary, folder, self.serve)?;
        running.deploy()?;
        running.main_job()?;
        if self.serve { running.leave() } else { running.stop() }
    }
}

impl Running {
    fn start(binary: PathBuf, folder: PathBuf, serve: bool) -> Result<Self> {
        let log = File::create(folder.join("host.log"))?;
        let listen = if serve { SERVE_ON } else { "127.0.0.1:0" };
        let mut child = Command::new(&binary)
            .args(["serve", "--json", "--listen", listen, "--data"])
            .arg(folder.join("data"))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to start {}", binary.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let about: Value = serde_json::from_str(&line).with_context(|| {
            let log = fs::read_to_string(folder.join("host.log")).unwrap_or_default();
            format!("the host did not start:\n{log}")
        })?;
        let url = about["url"].as_str().context("no address")?.to_owned();
        println!("the host serves {url}; its log is {}", folder.join("host.log").display());
        Ok(Self { child, binary, folder, url })
    }

    /// The command line against this host.
    fn surety(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["--json", "--url", &self.url]);
        command.arg("--data").arg(self.folder.join("data"));
        command
    }

    /// Runs it and gives the first line that it prints.
    fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let printed = output(&mut self.surety(arguments), arguments[0])?;
        Ok(serde_json::from_str(printed.lines().next().unwrap_or_default())?)
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn deploy(&self) -> Result<()> {
        let address = self.ask(&["keys", "new", "--out", &self.file("acme.key")])?;
        let address = address["address"].as_str().context("no address")?.to_owned();
        let client = ["client", "put", CLIENT, "--signer", &address, "--type", "withdrawal"];
        self.ask(&client)?;
        println!("client {CLIENT}, who signs as {address}");
        for action in ["screen", "quote", "settle", "notify"] {
            let component = target_dir()?.join(format!("guests/{action}.wasm"));
            let settings = root().join(format!("actions/{action}/settings.demo.json"));
            let (component, settings) = (text(&component)?, text(&settings)?);
            let module = self.ask(&["action", "push", &component, "--settings", &settings])?;
            println!("action {action}@{} {}", word(&module, "version"), word(&module, "digest"));
        }
        let workflow = text(&root().join("workflows/withdrawal.json"))?;
        let workflow = self.ask(&["workflow", "push", &workflow])?;
        println!("workflow withdrawal, version {}\n", workflow["version"]);
        Ok(())
    }

    /// Signs, submits and follows every message, and counts what became of them.
    fn main_job(&self) -> Result<()> {
        let mut ids = Vec::new();
        std::thread::scope(|scope| -> Result<()> {
            let mut watches = Vec::new();
            for (n, payload) in payloads().iter().enumerate() {
                let id = self.submit(n, payload)?;
                ids.push(id.clone());
                watches.push(scope.spawn(move || self.watch(&id)));
            }
            watches.into_iter().try_for_each(|watch| watch.join().expect("no panic"))
        })?;
        let (mut finals, mut parked, mut archived) = (0, 0, 0);
        for id in &ids {
            let message = self.ask(&["message", "get", id, "--wait", "10"])?;
            finals += u32::from(message["final"] == true);
            parked += u32::from(message["parked"] == true);
            let bundle = self.file(&format!("{id}.surety"));
            self.ask(&["archive", "get", id, "-o", &bundle])?;
            run_command(
                self.surety(&["verify", &bundle]).stdout(Stdio::null()),
                "verify a bundle",
            )?;
            archived += 1;
        }
        println!(
            "\ndemo: {} submitted, {finals} final, {parked} parked, {archived} archived",
            ids.len()
        );
        ensure!(finals == ids.len() as u32 && parked == 0, "not every message ended");
        Ok(())
    }

    /// Writes, signs and submits a message; gives its Msg_ID.
    fn submit(&self, n: usize, payload: &Value) -> Result<String> {
        let (payload_file, message, envelope) =
            (self.file("payload.json"), self.file("message.json"), self.file("envelope.json"));
        fs::write(&payload_file, payload.to_string())?;
        let new = ["message", "new", "--type", "withdrawal", "--client", CLIENT];
        let text =
            output(&mut self.surety(&[&new[..], &["--payload", &payload_file]].concat()), "new")?;
        fs::write(&message, text.trim_end())?;
        let key = self.file("acme.key");
        let signed =
            output(&mut self.surety(&["message", "sign", &message, "--key", &key]), "sign")?;
        fs::write(&envelope, signed)?;
        let receipt = self.ask(&["message", "submit", &envelope])?;
        let id = word(&receipt, "msg_id");
        let (asset, amount) = (word(payload, "asset"), word(payload, "amount"));
        println!("message {n}: {id}  {amount} of {asset} to {}", word(payload, "to"));
        Ok(id)
    }

    /// Prints a message's way through its states as it happens.
    fn watch(&self, id: &str) -> Result<()> {
        let mut watch = self.surety(&["message", "watch", id]).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(watch.stdout.take().context("no output")?).lines();
        for line in lines {
            let record: Value = serde_json::from_str(&line?)?;
            let from = record["from"].as_str().unwrap_or("·");
            let note = record["note"].as_str().unwrap_or_default();
            println!("{id}  {from} → {}  {note}", word(&record, "to"));
        }
        ensure!(watch.wait()?.success(), "the message {id} did not end well");
        Ok(())
    }

    /// Leaves the host to whoever goes on with the tour.
    fn leave(&mut self) -> Result<()> {
        println!(
            "\nThe host goes on at {}; Ctrl-C stops it.\n  data and operator token  {}\n  the client's key         {}\n  the command line         {}",
            self.url,
            self.folder.join("data").display(),
            self.file("acme.key"),
            self.binary.display(),
        );
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the host ended with {status}");
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        run_command(Command::new("kill").args(["-TERM", &pid]), "stop the host")?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the host ended with {status}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing to do for one that has ended.
        drop(self.child.kill());
    }
}

fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path is not UTF-8")?.to_owned())
}
