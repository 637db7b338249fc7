//! Other people's readings of AWS, each a process of its own on a free loopback port,
//! ended with its value. `cargo xtask test` installs them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::Value;
use surety_cloud::Clock;
use tempfile::TempDir;

use crate::host::built;

/// How long one may take to start: LocalStack loads for some ten seconds, and twice
/// that where two processors compile beside it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long it is asked again whether it has started.
const ASK_EACH: Duration = Duration::from_millis(100);

/// A running emulator.
pub struct Emulator {
    child: Child,
    url: String,
    /// What it writes, and where it keeps what it must.
    folder: TempDir,
}

/// What starts it: on this port, in this folder.
type Starting<'a> = &'a dyn Fn(u16, &Path) -> Command;

/// Where a ministack says that it runs.
const MINISTACK_HEALTH: &str = "/_ministack/health";

fn ministack(command: &mut Command, port: u16, folder: &Path, services: &str) {
    command.current_dir(folder).env("BIND_HOST", "127.0.0.1");
    command.env("GATEWAY_PORT", port.to_string()).env("SERVICES", services);
}

/// Tells an emulator the time until it ends. Where it waits, the clock passes; one that
/// stands still does not.
fn answer(clock: &dyn Clock, asked: ChildStdout, mut answered: ChildStdin) {
    for line in BufReader::new(asked).lines() {
        let Ok(line) = line else { return };
        if let Some(until) = line.strip_prefix("until ") {
            let until = until.parse().expect("the emulator gives milliseconds");
            let _ = clock.sleep_until_ms(until).now_or_never();
        }
        if writeln!(answered, "{}", clock.now_ms()).is_err() {
            return;
        }
    }
}

/// A program of those that are installed.
fn program(venv: &str, name: &str) -> PathBuf {
    built("SURETY_EMULATORS", "../emulators").join(venv).join("bin").join(name)
}

impl Emulator {
    /// ministack with these services, such as `sqs,dynamodb`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn ministack(services: &str) -> Self {
        Self::start("ministack", MINISTACK_HEALTH, &|port, folder| {
            let mut command = Command::new(program("ministack", "ministack"));
            ministack(&mut command, port, folder, services);
            command
        })
    }

    /// The same, on this clock.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn ministack_at(clock: Arc<dyn Clock>, services: &str) -> Self {
        Self::start_at(Some(clock), "ministack", MINISTACK_HEALTH, &|port, folder| {
            let script =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("emulators/clocked_ministack.py");
            let mut command = Command::new(program("ministack", "python"));
            ministack(command.arg(script), port, folder, services);
            command
        })
    }

    /// LocalStack's SQS, with deletions, retention and the sixty seconds as AWS has them.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn localstack() -> Self {
        Self::start("localstack", "/_localstack/health", &|port, folder| {
            let mut command = Command::new(program("localstack", "python"));
            command.current_dir(folder).args(["-m", "localstack.runtime.main"]);
            command.envs([
                ("SERVICES", "sqs"),
                // No name server: it would listen on the port that those have.
                ("DNS_ADDRESS", "0"),
                ("EAGER_SERVICE_LOADING", "0"),
                ("SKIP_SSL_CERT_DOWNLOAD", "1"),
                ("DISABLE_EVENTS", "1"),
                ("SQS_DELAY_RECENTLY_DELETED", "1"),
                ("SQS_ENABLE_MESSAGE_RETENTION_PERIOD", "1"),
                ("SQS_ENDPOINT_STRATEGY", "path"),
            ]);
            command.env("GATEWAY_LISTEN", format!("127.0.0.1:{port}"));
            command.env("FILESYSTEM_ROOT", folder.join("localstack"));
            command
        })
    }

    /// microburst in front of another server, which does nothing yet.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn microburst(upstream: &str) -> Self {
        Self::start("microburst", "/_microburst/health", &|port, folder| {
            let mut command = Command::new(program("ministack", "microburst"));
            command.current_dir(folder).args(["--host", "127.0.0.1", "--upstream", upstream]);
            command.args(["--port", &port.to_string()]);
            command
        })
    }

    /// What goes wrong at a microburst from now on, in its own form.
    ///
    /// # Panics
    /// When it refuses the rules.
    pub fn rules(&self, rules: &Value) {
        let taken = ureq::post(format!("{}/_microburst/rules", self.url))
            .header("content-type", "application/json")
            .send(rules.to_string());
        taken.unwrap_or_else(|e| panic!("microburst refuses {rules}: {e}"));
    }

    /// How many faults a microburst has done so far, and of how many requests.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn faults(&self) -> (u64, u64) {
        let mut answer =
            ureq::get(format!("{}/_microburst/stats", self.url)).call().expect("stats");
        let stats = answer.body_mut().read_to_string().expect("a text");
        let stats: Value = serde_json::from_str(&stats).expect("JSON");
        let count = |name: &str| stats["requests"][name].as_u64().expect("a number");
        (count("faulted"), count("total"))
    }

    /// Where it is: `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    fn start(name: &str, health: &str, starting: Starting<'_>) -> Self {
        Self::start_at(None, name, health, starting)
    }

    /// The same of one that asks for the time on its standard output, if there is a clock.
    fn start_at(
        clock: Option<Arc<dyn Clock>>,
        name: &str,
        health: &str,
        starting: Starting<'_>,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("log");
        // Free now; nobody else is given it before it is listened on again.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let file = std::fs::File::create(&log).expect("a file");
        let mut command = starting(port, folder.path());
        if clock.is_some() {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file"));
        }
        let mut child = command.stderr(file).spawn().unwrap_or_else(|e| {
            panic!("{name} does not start: {e}; run `cargo xtask test`, which installs it")
        });
        if let Some(clock) = clock {
            let (asked, answered) = (child.stdout.take(), child.stdin.take());
            let (asked, answered) = (asked.expect("a pipe"), answered.expect("a pipe"));
            std::thread::spawn(move || answer(&*clock, asked, answered));
        }
        let mut emulator = Self { child, url: format!("http://127.0.0.1:{port}"), folder };
        let started = Instant::now();
        while ureq::get(format!("{}{health}", emulator.url)).call().is_err() {
            let ended = emulator.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "{name} does not start ({ended:?}):\n{}",
                emulator.said()
            );
            std::thread::sleep(ASK_EACH);
        }
        emulator
    }

    /// What it wrote so far.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
