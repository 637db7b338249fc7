//! Queues, tables and objects that several hosts share, and the hosts.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::{Value, json};
use surety_core::ports::Clock;
use surety_core::types::{Digest, Time};
use surety_store::{AwsConfig, Config, QueueKind, Swept};
use surety_tests::host::{Host, binary, path};
use surety_tests::payout::payout;
use surety_tests::rig::{BOARD_KEYS, board_key, client_key};
use surety_tests::servers::credentials;
use tempfile::TempDir;

use crate::treasury::Treasury;

/// What the names of tables and queues begin with.
const PREFIX: &str = "scale";

/// The region; nobody looks at it.
const REGION: &str = "eu-central-1";

/// The bucket of an account that has one.
const BUCKET: &str = "proofs";

/// As short as it may be, so that actions outlast it.
const LEASE_S: u16 = 3;

/// Short, because a host that was killed still has its receives at the server, and what
/// they get is nobody's for a lease.
const RECEIVE_WAIT_S: u16 = 2;

/// Often, so that tickets that were lost come again within the test's time.
const TIMERS_EVERY_S: u16 = 1;

/// Queues, tables, a folder of objects, and the service that actions ask.
pub(crate) struct Account {
    sqs: String,
    dynamodb: String,
    /// The endpoint of S3; none when objects are files.
    s3: Option<String>,
    /// What the queues of messages are.
    queues: QueueKind,
    pub(crate) folder: TempDir,
    pub(crate) treasury: Treasury,
}

/// The machine's time.
struct SystemClock;

#[async_trait::async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Time::from_millis(u64::try_from(since.as_millis()).unwrap())
    }

    async fn sleep_until(&self, at: Time) {
        let left = at.as_millis().saturating_sub(self.now().as_millis());
        tokio::time::sleep(std::time::Duration::from_millis(left)).await;
    }

    fn random(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Account {
    /// Everything that a host needs, made by `surety aws apply` on servers that are
    /// empty. Applied again, it has nothing to do.
    pub(crate) fn new(sqs: &str, dynamodb: &str) -> Self {
        Self::of(sqs, dynamodb, None, QueueKind::Standard)
    }

    /// The same with FIFO queues for messages.
    pub(crate) fn with_fifo(sqs: &str, dynamodb: &str) -> Self {
        Self::of(sqs, dynamodb, None, QueueKind::Fifo)
    }

    /// The same on one server of all three services, with a bucket for the objects.
    pub(crate) fn with_bucket(url: &str) -> Self {
        let bucket = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
        );
        let made = ureq::put(format!("{url}/{BUCKET}"))
            .header("authorization", authorization("s3"))
            .send(bucket);
        made.expect("the bucket is made");
        Self::of(url, url, Some(url), QueueKind::Standard)
    }

    fn of(sqs: &str, dynamodb: &str, s3: Option<&str>, queues: QueueKind) -> Self {
        credentials();
        let folder = TempDir::new().unwrap();
        let (sqs, dynamodb, s3) = (sqs.to_owned(), dynamodb.to_owned(), s3.map(str::to_owned));
        let account = Self { sqs, dynamodb, s3, queues, folder, treasury: Treasury::start() };
        account.configure();
        for changes in [true, false] {
            let applied = account.surety(&["aws", "apply", "--json"]);
            let said = String::from_utf8(applied.stdout).unwrap();
            let wrong = String::from_utf8(applied.stderr).unwrap();
            assert!(applied.status.success(), "{said}\n{wrong}");
            let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
            assert_eq!(last["changes"].as_u64().unwrap() > 0, changes, "{said}");
        }
        account
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &[u8]) -> String {
        let file = self.file(name);
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(true).write(true).mode(0o600);
        options.open(&file).unwrap().write_all(text).unwrap();
        path(&file)
    }

    fn configure(&self) {
        let port = self.treasury.port;
        let policy = format!(
            "[[grant]]\nid = 'treasury'\nmodules = ['payout']\nsecrets = ['treasury-api']\n\
             http = [{{ hosts = ['127.0.0.1'], methods = ['GET', 'POST'], ports = [{port}], private_addresses = ['127.0.0.1'], plain_http = true }}]"
        );
        self.write("policy.toml", policy.as_bytes());
        self.write("secrets.toml", b"treasury-api = 'hunter2-hunter2-hunter2'");
        let ((objects, endpoint), level) = (self.objects(), log_level());
        let queues = match self.queues {
            QueueKind::Standard => "standard",
            QueueKind::Fifo => "fifo",
        };
        let beside = format!(
            "[controller]\nconcurrency = 64\n\
             [policy]\nfile = 'policy.toml'\nsecrets_file = 'secrets.toml'\n\
             [log]\nlevel = '{level}'\n"
        );
        self.write("alone.toml", beside.as_bytes());
        let config = format!(
            "[store]\nbackend = 'aws'\n[store.aws]\nprefix = '{PREFIX}'\nregion = '{REGION}'\n\
             sqs_endpoint = '{}'\ndynamodb_endpoint = '{}'\nobjects = '{objects}'\n\
             objects_endpoint = '{endpoint}'\nqueues = '{queues}'\nlease_s = {LEASE_S}\nreceive_wait_s = {RECEIVE_WAIT_S}\ntimers_every_s = {TIMERS_EVERY_S}\n\
             {beside}",
            self.sqs, self.dynamodb,
        );
        self.write("surety.toml", config.as_bytes());
    }

    /// The configuration that all hosts have.
    pub(crate) fn config(&self) -> String {
        path(&self.file("surety.toml"))
    }

    /// Where objects are, and the endpoint that has them.
    fn objects(&self) -> (String, String) {
        match &self.s3 {
            Some(s3) => (format!("s3://{BUCKET}/surety"), s3.clone()),
            None => (format!("file://{}", path(&self.file("objects"))), String::new()),
        }
    }

    /// The configuration and the data of a host that is alone, on a file.
    pub(crate) fn alone(&self) -> (String, PathBuf) {
        (path(&self.file("alone.toml")), self.file("alone"))
    }

    /// Moves what the host alone has kept to the queues and tables, with its key.
    pub(crate) fn move_here(&self) {
        let ((config, data), moved) = (self.alone(), path(&self.file("moved")));
        let run = |arguments: &[&str]| {
            let ended = Command::new(binary()).args(arguments).output().unwrap();
            let wrong = String::from_utf8(ended.stderr).unwrap();
            assert!(ended.status.success(), "{arguments:?}: {wrong}");
        };
        run(&["export", "--config", &config, "--data", &path(&data), "--to", &moved]);
        run(&["import", "--config", &self.config(), "--from", &moved]);
        std::fs::create_dir(self.data(0)).unwrap();
        std::fs::copy(data.join("host.key"), self.data(0).join("host.key")).unwrap();
    }

    fn data(&self, host: usize) -> PathBuf {
        self.file(&format!("host-{host}"))
    }

    fn surety(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).args(["--config", &self.config()]).output().unwrap()
    }

    /// Starts the host of this number, on the data folder that it had before.
    pub(crate) fn start(&self, host: usize) -> Host {
        Host::start_with(&self.data(host), &["--config", &self.config()])
    }

    /// Deploys both workflows through one host, and registers who may send.
    pub(crate) fn deploy(&self, host: &Host) {
        host.deploy();
        let port = self.treasury.port;
        let component = self.write("payout.wasm", &payout(port, "1.0.0", &["127.0.0.1"]));
        let url = json!({"url": format!("http://127.0.0.1:{port}/v1/payouts")}).to_string();
        let settings = self.write("payout.json", url.as_bytes());
        let _ = host.done(&["action", "push", &component, "--settings", &settings]);
        let workflow = self.write("payouts.json", payouts().to_string().as_bytes());
        let _ = host.done(&["workflow", "push", &workflow]);
        let signer = client_key().address().to_string();
        let _ = host.done(&[
            "client",
            "put",
            "acme",
            "--signer",
            &signer,
            "--type",
            "withdrawal",
            "--type",
            "payout",
            "--msg-ids-outstanding-max",
            "1000000",
        ]);
        let signers: Vec<_> = (0..2).map(|m| board_key(m).address().to_string()).collect();
        let board = ["client", "put", "board", "--type", "signal"];
        let _ =
            host.done(&[&board[..], &["--signer", &signers[0], "--signer", &signers[1]]].concat());
        for (member, key) in BOARD_KEYS.iter().enumerate() {
            self.write(&format!("board-{member}.key"), key.as_bytes());
        }
    }

    /// The digest of the component that is deployed as `payout`.
    pub(crate) fn payout(&self) -> String {
        Digest::of(&std::fs::read(self.file("payout.wasm")).unwrap()).to_string()
    }

    /// The key of one of the board, in a file.
    pub(crate) fn board(&self, member: usize) -> String {
        path(&self.file(&format!("board-{member}.key")))
    }

    /// Sweeps as a host does, and gives what was done and which queues are left.
    pub(crate) fn sweep(&self) -> (Swept, Vec<String>) {
        let (objects, objects_endpoint) = self.objects();
        let config = AwsConfig {
            prefix: PREFIX.to_owned(),
            region: REGION.to_owned(),
            sqs_endpoint: self.sqs.clone(),
            dynamodb_endpoint: self.dynamodb.clone(),
            objects,
            objects_endpoint,
            queues: self.queues,
            ..AwsConfig::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let swept = runtime.block_on(async {
            let stores = surety_store::open(&Config::Aws(config), Arc::new(SystemClock)).unwrap();
            let swept = stores.sweep().await.unwrap();
            stores.close().await;
            swept
        });
        (swept, self.queues())
    }

    /// The names of all queues, by SQS.
    fn queues(&self) -> Vec<String> {
        let mut answer = ureq::post(&self.sqs)
            .header("x-amz-target", "AmazonSQS.ListQueues")
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", authorization("sqs"))
            .send("{}")
            .expect("SQS lists its queues");
        let answer = answer.body_mut().read_to_string().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let urls = answer["QueueUrls"].as_array().cloned().unwrap_or_default();
        let name = |url: &Value| url.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let mut names: Vec<_> = urls.iter().map(name).collect();
        names.sort_unstable();
        names
    }

    /// The queues that are there when no message is open.
    pub(crate) fn feeders() -> Vec<String> {
        ["feeder-0", "feeder-dead"].map(|name| format!("{PREFIX}-{name}")).to_vec()
    }
}

/// Who asks which service; the emulators do not look at the signature.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn log_level() -> String {
    std::env::var("SURETY_SCALE_LOG").unwrap_or_else(|_| "error".to_owned())
}

/// A payout waits for a slow service, and then for a second.
fn payouts() -> Value {
    json!({
        "msg_type": "payout", "version": 1, "initial": "asked",
        "schema": {"type": "object", "required": ["payload"], "properties": {"payload": {
            "type": "object", "required": ["asset", "amount", "to"],
            "properties": {"asset": {"type": "string"}, "amount": {"type": "string"}, "to": {"type": "string"}},
        }}},
        "states": {
            "asked": {"invoke": "payout@^1", "targets": ["paid", "refused"],
                "retry": {"max_attempts": 3, "first_delay": "100ms"}, "on_failure": "failed"},
            "paid": {"after": [{"delay": "1s", "target": "booked"}]},
            "booked": {"final": true}, "refused": {"final": true},
            "failed": {"parked": true, "redrive": ["asked"]},
        },
    })
}

/// The text of a payout of this asset.
pub(crate) fn payout_text(id: &str, asset: &str) -> Value {
    json!({
        "msg_id": id, "msg_type": "payout", "client_id": "acme",
        "creation_date": "2026-11-23T10:00:00Z",
        "payload": {"asset": asset, "amount": "5", "to": "bob"},
    })
}
