//! The real binary, started, asked and killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use surety_core::bundle::Bundle;
use surety_core::crypto::PrivateKey;
use surety_sandbox::{CompileLimits, Compiling};

use crate::rig::{CLIENT_KEY, client_key};

/// How long a host may take to start or stop before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The modules of the withdrawal workflow, in its order.
pub const MODULES: [&str; 7] =
    ["policy", "screen", "quote", "reserve", "settle", "release", "notify"];

/// The states of a withdrawal that is small and goes well.
pub const WAY: [&str; 7] =
    ["received", "screened", "quoted", "approved", "reserved", "settled", "notified"];

/// A running host.
pub struct Host {
    child: Child,
    address: String,
    data: PathBuf,
    token: String,
}

/// The built binary.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn binary() -> PathBuf {
    built("SURETY_BIN", "surety")
}

/// The built components.
///
/// # Panics
/// When they are not built.
#[must_use]
pub fn guests() -> PathBuf {
    built("SURETY_GUESTS", "../guests")
}

/// What `cargo xtask test` built: named by it, or beside this test's own binary.
pub(crate) fn built(variable: &str, beside: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(
        || {
            let mut folder = std::env::current_exe().expect("a test has a path");
            folder.pop();
            if folder.ends_with("deps") {
                folder.pop();
            }
            folder.join(beside)
        },
        PathBuf::from,
    );
    assert!(path.exists(), "{} is not there; run `cargo xtask test`", path.display());
    path
}

/// A file of the repository.
#[must_use]
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The text of a withdrawal that is screened, quoted, settled and notified.
#[must_use]
pub fn withdrawal(id: &str) -> Value {
    json!({
        "msg_id": id, "msg_type": "withdrawal", "client_id": "acme",
        "creation_date": "2026-11-23T10:00:00Z",
        "payload": {
            "asset": "ETH", "amount": "250000000000000000",
            "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "nonce": 7,
            "max_fee_per_gas": "30000000000", "max_priority_fee_per_gas": "1000000000",
        },
    })
}

/// The envelope of a text, signed by a key.
#[must_use]
pub fn sign(key: &PrivateKey, text: &str) -> Value {
    json!({"scheme": "eip191", "message": text, "signature": key.sign_text(text)})
}

impl Host {
    /// Starts a host on a data folder and a free port.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// The same with more arguments.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with(data: &Path, arguments: &[&str]) -> Self {
        let mut command = serve(data);
        command.args(arguments);
        Self::started(data, command)
    }

    /// Starts a host that is not in development.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_strict(data: &Path, arguments: &[&str]) -> Self {
        let mut command = serve_strict(data);
        command.args(arguments);
        Self::started(data, command)
    }

    fn started(data: &Path, mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("readable");
        let about: Value = serde_json::from_str(&line)
            .unwrap_or_else(|e| panic!("the host did not start: {e}: {line:?}"));
        let text = |name: &str| about[name].as_str().expect("a text").to_owned();
        let token = std::fs::read_to_string(text("token_file")).expect("the operator token");
        let token = token.trim().to_owned();
        Self { child, address: text("listen"), data: data.to_owned(), token }
    }

    /// Runs the command line against this host.
    ///
    /// # Panics
    /// When the binary cannot be run.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--json").args(["--url", &format!("http://{}", self.address)]);
        command.arg("--data").arg(&self.data).output().expect("the binary runs")
    }

    /// The same, for commands that succeed; gives what they print.
    ///
    /// # Panics
    /// When the command fails.
    #[must_use]
    pub fn done(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.cli(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        stdout.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
    }

    /// Registers `acme` and deploys the withdrawal workflow with its actions.
    ///
    /// # Panics
    /// When something is refused.
    pub fn deploy(&self) {
        for module in MODULES {
            let component = guests().join(format!("{module}.wasm"));
            let settings = repository(&format!("actions/{module}/settings.demo.json"));
            let (component, settings) = (path(&component), path(&settings));
            let _ = self.done(&["action", "push", &component, "--settings", &settings]);
        }
        let _ = self.done(&["workflow", "push", &path(&repository("workflows/withdrawal.json"))]);
        let signer = client_key().address().to_string();
        let client = ["client", "put", "acme", "--signer", &signer, "--type", "withdrawal"];
        let _ = self.done(&[&client[..], &["--msg-ids-outstanding-max", "1000000"]].concat());
    }

    /// Sends a request with the operator token; gives status and JSON body.
    ///
    /// # Errors
    /// When there is no answer: the host may have been killed.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, Value), String> {
        let token = Some(self.token.as_str());
        request(&self.address, token, method, path, body.as_bytes())
    }

    /// The bundle of a finished message.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn bundle(&self, id: &str) -> Bundle {
        let path = format!("/v1/messages/{id}/bundle");
        let started = Instant::now();
        loop {
            let answer = raw(&self.address, Some(&self.token), "GET", &path, b"");
            let (status, bytes) = answer.expect("an answer");
            if status == 200 {
                return Bundle::decode(&bytes).expect("a bundle");
            }
            // Final is shown before the archive has it; the endpoint waits for a while.
            let said = String::from_utf8_lossy(&bytes).into_owned();
            assert!(started.elapsed() < PATIENCE, "{id} has no bundle: {status} {said}");
        }
    }

    /// A fresh Msg_ID for `acme`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn msg_id(&self) -> Result<String, String> {
        let (status, answer) = self.ask("POST", "/v1/msg-ids", r#"{"client_id":"acme"}"#)?;
        let id = answer["msg_ids"][0].as_str();
        id.map(str::to_owned).ok_or_else(|| format!("{status}: {answer}"))
    }

    /// Submits a withdrawal; gives its id.
    ///
    /// # Panics
    /// When it is not accepted.
    #[must_use]
    pub fn submit(&self) -> String {
        let id = self.msg_id().expect("an id");
        let body = sign(&client_key(), &withdrawal(&id).to_string()).to_string();
        let (status, answer) = self.ask("POST", "/v1/messages", &body).expect("an answer");
        assert_eq!(status, 202, "{answer}");
        id
    }

    /// Submits a withdrawal to a host that may still compile its validator, and says so
    /// until it has; gives the message's id.
    ///
    /// # Panics
    /// When it is refused, or told to come again for too long.
    #[must_use]
    pub fn submit_when_ready(&self) -> String {
        let id = self.msg_id().expect("an id");
        let body = sign(&client_key(), &withdrawal(&id).to_string()).to_string();
        let (status, answer) = self.send_when_ready(&body);
        assert_eq!(status, 202, "{answer}");
        id
    }

    /// Sends an envelope again as long as the host says that it makes a module ready;
    /// gives status and JSON body.
    ///
    /// # Panics
    /// When there is no answer, or that one for too long.
    #[must_use]
    pub fn send_when_ready(&self, body: &str) -> (u16, Value) {
        let started = Instant::now();
        loop {
            let (status, answer) = self.ask("POST", "/v1/messages", body).expect("an answer");
            if (status, &answer["code"]) != (503, &"busy".into()) {
                return (status, answer);
            }
            assert!(started.elapsed() < PATIENCE, "{answer}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a message is final or parked.
    ///
    /// # Panics
    /// When it is neither in time.
    #[must_use]
    pub fn end_of(&self, id: &str) -> Value {
        let started = Instant::now();
        loop {
            let (status, message) =
                self.ask("GET", &format!("/v1/messages/{id}?wait=20"), "").expect("an answer");
            assert_eq!(status, 200, "{message}");
            if message["final"] == true || message["parked"] == true {
                return message;
            }
            assert!(started.elapsed() < PATIENCE, "{id} does not end: {message}");
        }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The operator token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// SIGSTOP: it does nothing any more, and does not know.
    ///
    /// # Panics
    /// When it is not there.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: it goes on where it was.
    ///
    /// # Panics
    /// When it is not there.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success(), "no {signal} to {pid}");
    }

    /// SIGTERM; gives whether it stopped with exit code 0.
    ///
    /// # Panics
    /// When it does not stop in time.
    #[must_use]
    pub fn stop(&mut self) -> bool {
        self.signal("-TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.success();
            }
            assert!(started.elapsed() < PATIENCE, "the host does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A test that failed must not leave a server behind.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How the real binary compiles components for a sandbox that is a test's own.
#[must_use]
pub fn compiling(folder: &Path) -> Compiling {
    Compiling {
        command: vec![binary().into(), "compile-module".into()],
        limits: CompileLimits::default(),
        folder: folder.to_owned(),
        secret: [0; 32],
    }
}

/// The command that serves a data folder on a free port, in development: tests push
/// modules that nobody signs.
#[must_use]
pub fn serve(data: &Path) -> Command {
    let mut command = serve_strict(data);
    command.arg("--development");
    command
}

/// The same, not in development.
fn serve_strict(data: &Path) -> Command {
    let mut command = Command::new(binary());
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command.stdout(Stdio::piped());
    command
}

/// Sends a request; gives status and JSON body (null where there is none).
///
/// # Errors
/// When there is no answer.
pub fn request(
    address: &str,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<(u16, Value), String> {
    let (status, body) = raw(address, token, method, path, body)?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn raw(
    address: &str,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<(u16, Vec<u8>), String> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent();
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(body.to_vec()).map_err(|e| e.to_string())?;
    let mut response = agent.run(request).map_err(|e| e.to_string())?;
    let body = response.body_mut().read_to_vec().map_err(|e| e.to_string())?;
    Ok((response.status().as_u16(), body))
}

/// The key of the client `acme` in a file, as the command line wants it.
///
/// # Panics
/// When the file cannot be written.
pub fn write_client_key(file: &Path) {
    std::fs::write(file, CLIENT_KEY).expect("written");
}

/// A path as text.
///
/// # Panics
/// When it is not UTF-8.
#[must_use]
pub fn path(path: &Path) -> String {
    path.to_str().expect("a path of UTF-8").to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
