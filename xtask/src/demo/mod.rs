//! `cargo xtask demo`: the main job on this machine, from nothing.
//!
//! ```text
//! guests, host built → keys of publisher and reviewer, policy → host started
//!   → clients, modules (signed by the publisher), workflow deployed
//!   → messages signed and submitted → each watched to its end, the board signing
//!     where one waits for it → bundles verified
//! ```

mod scenes;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use self::scenes::Scene;
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

/// Who signs the modules.
const PUBLISHER: &str = "publisher";

/// Who approves what modules may do. Those of the workflow ask for nothing, and need
/// no approval.
const REVIEWER: &str = "reviewer";

/// What `payout` may have, for who follows docs/security.md. No workflow names it, so
/// nothing runs it, and there is no such host.
const GRANT: &str = r#"
[[grant]]
id = "treasury"
modules = ["payout"]
secrets = ["treasury-api"]

[[grant.http]]
hosts = ["treasury.example.com"]
methods = ["GET", "POST"]
"#;

/// The secret of that grant, which opens nothing.
const SECRETS: &str = "treasury-api = \"a secret of the demo\"\n";

/// Who approves large withdrawals, and with how many keys.
const BOARD: &str = "board";
const BOARD_KEYS: usize = 3;

/// The modules of the workflow, in the order in which a message meets them.
const MODULES: [&str; 7] = ["policy", "screen", "quote", "reserve", "settle", "release", "notify"];

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
        let config = write_policy(&binary, &folder)?;
        let mut child = Command::new(&binary)
            .args(["serve", "--json", "--listen", listen, "--data"])
            .arg(folder.join("data"))
            .arg("--config")
            .arg(config)
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
        let acme = self.new_key("acme")?;
        self.ask(&["client", "put", CLIENT, "--signer", &acme, "--type", "withdrawal"])?;
        println!("client {CLIENT}, who signs as {acme}");
        let board = (1..=BOARD_KEYS)
            .map(|member| self.new_key(&format!("{BOARD}-{member}")))
            .collect::<Result<Vec<_>>>()?;
        let signers = board.iter().flat_map(|signer| ["--signer", signer]);
        let client = ["client", "put", BOARD, "--type", "signal"].into_iter().chain(signers);
        self.ask(&client.collect::<Vec<_>>())?;
        println!("client {BOARD}, who may give signals as {}", board.join(", "));
        for module in MODULES {
            let component = text(&target_dir()?.join(format!("guests/{module}.wasm")))?;
            let settings = text(&root().join(format!("actions/{module}/settings.demo.json")))?;
            let (key, signatures) = (
                self.file(&format!("{PUBLISHER}.key")),
                self.file(&format!("{module}.signatures.json")),
            );
            self.ask(&["action", "sign", &component, "--key", &key, "--out", &signatures])?;
            let push = ["action", "push", &component, "--settings", &settings];
            let pushed = self.ask(&[&push[..], &["--signatures", &signatures]].concat())?;
            println!("module {module}@{} {}", word(&pushed, "version"), word(&pushed, "digest"));
        }
        let workflow = text(&root().join("workflows/withdrawal.json"))?;
        let workflow = self.ask(&["workflow", "push", &workflow])?;
        println!("workflow withdrawal, version {}\n", workflow["version"]);
        Ok(())
    }

    /// Makes a key in `NAME.key`; gives its address.
    fn new_key(&self, name: &str) -> Result<String> {
        let made = self.ask(&["keys", "new", "--out", &self.file(&format!("{name}.key"))])?;
        Ok(made["address"].as_str().context("no address")?.to_owned())
    }

    /// Signs, submits and follows every message, and counts what became of them.
    fn main_job(&self) -> Result<()> {
        self.refused(&scenes::mistyped())?;
        let scenes = scenes::all();
        let mut ids = Vec::new();
        std::thread::scope(|scope| -> Result<()> {
            let mut watches = Vec::new();
            for (n, scene) in scenes.iter().enumerate() {
                let id = self.submit(n, scene)?;
                ids.push(id.clone());
                watches.push(scope.spawn(move || self.watch(&id, scene)));
            }
            watches.into_iter().try_for_each(|watch| watch.join().expect("no panic"))
        })?;
        let (mut finals, mut parked, mut archived) = (0, 0, 0);
        for (id, scene) in ids.iter().zip(&scenes) {
            let message = self.ask(&["message", "get", id, "--wait", "10"])?;
            finals += u32::from(message["final"] == true);
            parked += u32::from(message["parked"] == true);
            let state = word(&message, "msg_state");
            ensure!(state == scene.ends, "{id} is {state} instead of {}", scene.ends);
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

    /// Submits what is not accepted, and shows what is said about it.
    fn refused(&self, payload: &Value) -> Result<()> {
        let envelope = self.envelope(payload)?;
        let refused = self.surety(&["message", "submit", &envelope]).output()?;
        ensure!(!refused.status.success(), "a mistyped address was accepted");
        let problem: Value = serde_json::from_slice(&refused.stderr)?;
        let error = &problem["errors"][0];
        println!(
            "refused: a mistyped address\n  {}: {}, {} {}\n",
            word(&problem, "code"),
            word(&problem, "detail"),
            word(error, "pointer"),
            word(error, "detail"),
        );
        Ok(())
    }

    /// Writes, signs and submits a message; gives its Msg_ID.
    fn submit(&self, n: usize, scene: &Scene) -> Result<String> {
        let receipt = self.ask(&["message", "submit", &self.envelope(&scene.payload)?])?;
        let id = word(&receipt, "msg_id");
        let payload = |member| word(&scene.payload, member);
        let (asset, amount, to) = (payload("asset"), payload("amount"), payload("to"));
        println!("message {n}: {id}  {amount} of {asset} to {to}\n  {}", scene.about);
        Ok(id)
    }

    /// Writes and signs a message; gives the envelope's file.
    fn envelope(&self, payload: &Value) -> Result<String> {
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
        Ok(envelope)
    }

    /// Prints a message's way through its states as it happens; where it waits for
    /// the board, the board signs.
    fn watch(&self, id: &str, scene: &Scene) -> Result<()> {
        let mut watch = self.surety(&["message", "watch", id]).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(watch.stdout.take().context("no output")?).lines();
        let mut board = Some(scene.board);
        for line in lines {
            let record: Value = serde_json::from_str(&line?)?;
            let from = record["from"].as_str().unwrap_or("·");
            let (to, cause) = (word(&record, "to"), word(&record, "cause"));
            let note = record["error"].as_str().or(record["note"].as_str());
            println!("{id}  {from} → {to}  {cause}  {}", note.unwrap_or_default());
            if to == "awaiting_approval" {
                // Entered once; each signal is a record of its own.
                for (signal, member) in board.take().unwrap_or_default() {
                    let key = self.file(&format!("{BOARD}-{}.key", member + 1));
                    let give = ["message", "signal", id, signal, "--client", BOARD];
                    self.ask(&[&give[..], &["--key", &key]].concat())?;
                }
            }
        }
        ensure!(watch.wait()?.success(), "the message {id} did not end well");
        Ok(())
    }

    /// Leaves the host to whoever goes on with the tour.
    fn leave(&mut self) -> Result<()> {
        println!(
            "\nThe host goes on at {}; Ctrl-C stops it.\n  data and operator token  {}\n  the client's key         {}\n  the publisher's key      {}\n  the reviewer's key       {}\n  the board's keys         {}\n  the command line         {}",
            self.url,
            self.folder.join("data").display(),
            self.file("acme.key"),
            self.file(&format!("{PUBLISHER}.key")),
            self.file(&format!("{REVIEWER}.key")),
            self.file(&format!("{BOARD}-*.key")),
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

/// Makes the keys of publisher and reviewer, and a policy by which only modules of the
/// one run, and may do only what the other approved. Gives the host's configuration.
fn write_policy(binary: &Path, folder: &Path) -> Result<PathBuf> {
    let new_key = |name: &str| -> Result<String> {
        let mut keys = Command::new(binary);
        keys.args(["keys", "new", "--json", "--out"]).arg(folder.join(format!("{name}.key")));
        let made = output(&mut keys, &format!("make the {name}'s key"))?;
        Ok(word(&serde_json::from_str(&made)?, "address"))
    };
    let (publisher, reviewer) = (new_key(PUBLISHER)?, new_key(REVIEWER)?);
    println!("modules run that are signed by {publisher}; {reviewer} approves what they may do");
    let who = |line: &str, key: &str, address: &str| {
        format!("[[{line}]]\nmodules = [\"*\"]\n{key} = [\"{address}\"]\nneeded = 1\n")
    };
    let publish = who("publish", "signers", &publisher);
    let review = who("review", "reviewers", &reviewer);
    fs::write(folder.join("policy.toml"), format!("{publish}\n{review}{GRANT}"))?;
    // One that others can read is refused.
    let mut owners = File::options();
    owners.write(true).create_new(true).mode(0o600);
    owners.open(folder.join("secrets.toml"))?.write_all(SECRETS.as_bytes())?;
    let config = folder.join("surety.toml");
    fs::write(&config, "[policy]\nfile = \"policy.toml\"\nsecrets_file = \"secrets.toml\"\n")?;
    Ok(config)
}

fn word(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path is not UTF-8")?.to_owned())
}
