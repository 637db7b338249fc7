//! Modules in an OCI registry, through the real binary and a real registry: published
//! with their signatures, fetched, deployed and run; and what becomes of those that
//! were changed, and of who may not.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use surety_tests::host::{Host, MODULES, binary, guests, path, repository};
use surety_tests::rig::{BOARD_KEYS, board_key, client_key};
use tempfile::TempDir;

/// How long the registry may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may, in the registries that ask.
const USER: &str = "ada";
const PASSWORD: &str = "open sesame";

/// The line of `htpasswd -B` for them.
const HTPASSWD: &str = "ada:$2b$06$abcdefghijklmnopqrstuu6HOdRXRedKhuj/20F2oHIZZYnOj0s3W\n";

/// Names the registry's program, which `cargo xtask test` fetches.
const PROGRAM_ENV: &str = "SURETY_REGISTRY";

/// A running registry, and the folder with what it keeps.
struct Registry {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Registry {
    /// That lets everybody.
    fn open() -> Self {
        Self::start(TempDir::new().unwrap(), json!({}))
    }

    /// That lets those in who have a password.
    fn with_password() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("htpasswd");
        std::fs::write(&file, HTPASSWD).unwrap();
        let auth = json!({ "htpasswd": { "realm": "tests", "path": file } });
        Self::start(folder, json!({ "auth": auth }))
    }

    /// With what its configuration says more; on a free port.
    fn start(folder: TempDir, more: Value) -> Self {
        let program = std::env::var_os(PROGRAM_ENV).map(PathBuf::from);
        let program = program.expect("SURETY_REGISTRY names no registry; run `cargo xtask test`");
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "info" },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("kept") } },
            "http": { "addr": "127.0.0.1:0" },
        });
        for (key, value) in more.as_object().unwrap() {
            match (config[key].as_object_mut(), value) {
                (Some(old), Value::Object(new)) => old.extend(new.clone()),
                _ => config[key] = value.clone(),
            }
        }
        // JSON is YAML.
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut command = Command::new(&program);
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the registry starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (says, said) = mpsc::channel();
        // Reads on, so that the registry never waits for it.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let rest = line.split_once("listening on ").map(|(_, rest)| rest);
                let address: Option<String> =
                    rest.map(|rest| rest.split([',', '"', ' ']).next().unwrap().to_owned());
                if let Some(address) = address {
                    let _ = says.send(address);
                }
            }
        });
        let address = said.recv_timeout(PATIENCE).expect("the registry listens");
        Self { child, address, folder }
    }

    fn at(&self, name: &str) -> String {
        format!("oci://{}/demo/{name}", self.address)
    }

    /// Where it keeps a blob.
    fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.folder.path().join("kept/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    /// A manifest, as it is there.
    fn manifest(&self, name: &str, at: &str) -> Value {
        let url = format!("http://{}/v2/demo/{name}/manifests/{at}", self.address);
        let accept = "application/vnd.oci.image.manifest.v1+json";
        let mut response = ureq::get(url).header("accept", accept).call().unwrap();
        serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap()
    }

    /// Puts blobs and their manifest there, as other tools do.
    fn put(&self, name: &str, tag: &str, config: (&str, &[u8]), layer: (&str, &[u8])) {
        let base = format!("http://{}/v2/demo/{name}", self.address);
        let descriptor = |(kind, bytes): (&str, &[u8])| {
            let digest = sha256(bytes);
            let begun = ureq::post(format!("{base}/blobs/uploads/")).send_empty().unwrap();
            let location = begun.headers()["location"].to_str().unwrap();
            ureq::put(format!("{location}&digest={digest}")).send(bytes).unwrap();
            json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
        };
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind,
            "config": descriptor(config), "layers": [descriptor(layer)],
        });
        let url = format!("{base}/manifests/{tag}");
        ureq::put(url).header("content-type", kind).send(manifest.to_string()).unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A folder with files for the command line, which asks as this user.
struct Desk {
    folder: TempDir,
    /// Who asks registries.
    asks: Option<(&'static str, &'static str)>,
    /// The certificates that are trusted.
    trusts: Option<PathBuf>,
    /// The host that is asked.
    host: Option<String>,
}

impl Desk {
    fn new(asks: Option<(&'static str, &'static str)>) -> Self {
        Self { folder: TempDir::new().unwrap(), asks, trusts: None, host: None }
    }

    fn file(&self, name: &str) -> String {
        path(&self.folder.path().join(name))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.file(name), content).unwrap();
        self.file(name)
    }

    /// One of the demo's components, without the signatures that it may have.
    fn component(&self, module: &str) -> String {
        let name = format!("{module}.wasm");
        self.write(&name, std::fs::read(guests().join(&name)).unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--json").env("DOCKER_CONFIG", self.folder.path());
        for name in ["SURETY_OCI_USERNAME", "SURETY_OCI_PASSWORD", "SSL_CERT_FILE", "HTTPS_PROXY"] {
            command.env_remove(name);
        }
        if let Some((user, password)) = self.asks {
            command.env("SURETY_OCI_USERNAME", user).env("SURETY_OCI_PASSWORD", password);
        }
        if let Some(trusts) = &self.trusts {
            command.env("SSL_CERT_FILE", trusts);
        }
        if let Some(host) = &self.host {
            command.env("SURETY_URL", host).env("SURETY_DATA", self.folder.path().join("data"));
        }
        command.output().expect("the binary runs")
    }

    /// Runs a command that succeeds, and gives what it prints.
    fn done(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        serde_json::from_str(stdout.lines().next().unwrap()).unwrap()
    }

    /// Runs a command that fails with this code, and gives what it says.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(!said.contains(PASSWORD), "{said}");
        said
    }

    /// A host in development, or under a policy.
    fn host(&mut self, policy: Option<&str>) -> Host {
        let data = self.folder.path().join("data");
        let host = match policy {
            None => Host::start(&data),
            Some(policy) => {
                self.write("policy.toml", policy);
                let config = self.write("surety.toml", "[policy]\nfile = \"policy.toml\"\n");
                Host::start_strict(&data, &["--config", &config])
            }
        };
        self.host = Some(format!("http://{}", host.address()));
        host
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a member of the manifest's `surety.signatures` is.
fn signatures(manifest: &Value) -> Value {
    serde_json::from_str(manifest["annotations"]["surety.signatures"].as_str().unwrap()).unwrap()
}

#[test]
fn a_workflow_runs_from_a_registry() {
    let registry = Registry::open();
    let mut desk = Desk::new(None);
    let host = desk.host(None);
    for module in MODULES {
        let component = desk.component(module);
        let published = desk.done(&["action", "publish", &component, "--to", &registry.at(module)]);
        // The tag is the version.
        let reference = format!("{}:1.0.0", registry.at(module));
        assert_eq!(published["reference"], reference);
        let settings = path(&repository(&format!("actions/{module}/settings.demo.json")));
        let pinned = published["pinned"].as_str().unwrap();
        let deployed = desk.done(&["action", "push", pinned, "--settings", &settings]);
        assert_eq!(deployed["name"], module);
        assert_eq!(deployed["digest"], published["module"]["digest"]);
    }
    let _ = host.done(&["workflow", "push", &path(&repository("workflows/withdrawal.json"))]);
    let signer = client_key().address().to_string();
    let _ = host.done(&["client", "put", "acme", "--signer", &signer, "--type", "withdrawal"]);
    let end = host.end_of(&host.submit());
    assert_eq!(end["msg_state"], "notified", "{end}");
}

#[test]
fn signatures_travel_with_the_module_and_decide() {
    let registry = Registry::with_password();
    let mut desk = Desk::new(Some((USER, PASSWORD)));
    let publishers = json!([board_key(0).address(), board_key(1).address()]);
    let policy = format!("[[publish]]\nmodules = [\"*\"]\nsigners = {publishers}\nneeded = 2\n");
    let _host = desk.host(Some(&policy));
    let settings = path(&repository("actions/screen/settings.demo.json"));
    let component = desk.component("screen");
    let at = registry.at("screen");
    let tagged = format!("{at}:1.0.0");
    let push = ["action", "push", &tagged, "--settings", &settings];

    // Nobody has signed it: the registry takes it, the host does not.
    let unsigned = desk.done(&["action", "publish", &component, "--to", &at]);
    assert_eq!(unsigned["signatures"], 0);
    assert!(desk.fails(3, &push).contains("module_unsigned"));

    // The first publisher signs what is on the desk; the second what is there.
    let keys = [0, 1].map(|i| desk.write(&format!("{i}.key"), BOARD_KEYS[i]));
    let _ = desk.done(&["action", "sign", &component, "--key", &keys[0]]);
    let one = desk.done(&["action", "publish", &component, "--to", &at]);
    assert_eq!(one["signatures"], 1);
    assert!(desk.fails(3, &push).contains("module_unsigned"));
    let said = desk.fails(1, &["action", "sign", &tagged, "--key", &keys[1]]);
    assert!(said.contains("--out"), "{said}");
    let out = desk.file("both.json");
    let _ = desk.done(&["action", "sign", &tagged, "--key", &keys[1], "--out", &out]);
    let to = ["action", "publish", &tagged, "--to", &tagged, "--signatures", &out];
    let both = desk.done(&to);
    assert_eq!(both["signatures"], 2);

    // What was published is the same again, and whatever is signed is the same module.
    assert_eq!(desk.done(&to)["pinned"], both["pinned"]);
    assert_ne!(both["pinned"], one["pinned"]);
    assert_eq!(both["module"], unsigned["module"]);

    // It can be looked at without a host, and then goes there.
    let checked = desk.done(&["action", "check", &tagged, "--settings", &settings]);
    assert_eq!(checked["digest"], both["module"]["digest"]);
    let audit = desk.done(&["action", "audit", both["pinned"].as_str().unwrap()]);
    let signers = audit["signers"].to_string();
    for i in [0, 1] {
        assert!(signers.contains(&board_key(i).address().to_string()), "{audit}");
    }
    let more = desk.done(&["action", "audit", &tagged, "--diff", one["pinned"].as_str().unwrap()]);
    assert_eq!(more["more"], json!([]));
    let deployed = desk.done(&push);
    assert_eq!(deployed["digest"], both["module"]["digest"]);

    // A signature over something else is not published.
    let other = desk.component("quote");
    let said = desk.fails(3, &["action", "publish", &other, "--to", &at, "--signatures", &out]);
    assert!(said.contains("signature_mismatch"), "{said}");
}

#[test]
fn the_layout_is_the_one_of_wkg() {
    let registry = Registry::open();
    let desk = Desk::new(None);
    let file = desk.component("screen");
    let component = std::fs::read(&file).unwrap();
    let key = desk.write("0.key", BOARD_KEYS[0]);
    let _ = desk.done(&["action", "sign", &file, "--key", &key]);
    let to = format!("{}:stable", registry.at("screen"));
    let _ = desk.done(&["action", "publish", &file, "--to", &to]);

    // What `oci-wasm` 0.6, which wkg 0.16 is made with, asks of an artifact.
    let manifest = registry.manifest("screen", "stable");
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let layer = json!({
        "mediaType": "application/wasm", "digest": sha256(&component), "size": component.len(),
        "annotations": { "org.opencontainers.image.title": "screen.wasm" },
    });
    assert_eq!(manifest["layers"], json!([layer]));
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "1.0.0");
    let signer = &signatures(&manifest)["signatures"][0]["signer"];
    assert_eq!(*signer, json!(board_key(0).address()));
    let config = std::fs::read(registry.blob(manifest["config"]["digest"].as_str().unwrap()));
    let config: Value = serde_json::from_slice(&config.unwrap()).unwrap();
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["layerDigests"], json!([sha256(&component)]));
    assert!(config["created"].as_str().unwrap().ends_with('Z'), "{config}");
    let exports = config["component"]["exports"].as_array().unwrap();
    assert!(!exports.is_empty() && config["component"]["imports"].is_array(), "{config}");

    // What wkg writes has no signatures, another time, and an author who is null.
    let digests = [sha256(&component)];
    let written = json!({
        "created": "2026-11-23T10:00:00.123456789Z", "author": null, "architecture": "wasm",
        "os": "wasip2", "layerDigests": digests,
        "component": { "exports": exports, "imports": [], "target": null },
    });
    let config = ("application/vnd.wasm.config.v0+json", written.to_string());
    let config = (config.0, config.1.as_bytes());
    registry.put("screen", "wkg", config, ("application/wasm", &component));
    let checked = desk.done(&["action", "check", &format!("{}:wkg", registry.at("screen"))]);
    assert_eq!(checked["bytes"], component.len());
}

#[test]
fn what_is_not_what_was_published_is_refused() {
    let registry = Registry::open();
    let desk = Desk::new(None);
    let file = desk.component("screen");
    let at = registry.at("screen");
    let published = desk.done(&["action", "publish", &file, "--to", &at]);
    let pinned = published["pinned"].as_str().unwrap().to_owned();
    let tagged = format!("{at}:1.0.0");

    let said = desk.fails(1, &["action", "check", &format!("{at}:9.9.9")]);
    assert!(said.contains("is not there") && said.contains("MANIFEST_UNKNOWN"), "{said}");
    let said = desk.fails(1, &["action", "check", &at]);
    assert!(said.contains("a tag or a digest"), "{said}");
    let said = desk.fails(2, &["action", "check", "oci://screen:1.0.0"]);
    assert!(said.contains("oci://registry.example/org/name:1.2.0"), "{said}");
    let said = desk.fails(1, &["action", "publish", &file, "--to", &pinned]);
    assert!(said.contains("gets a tag"), "{said}");

    let image = ("application/vnd.oci.image.config.v1+json", &b"{}"[..]);
    let layer = ("application/vnd.oci.image.layer.v1.tar", &b"layer"[..]);
    registry.put("image", "1", image, layer);
    let said = desk.fails(3, &["action", "check", &format!("{}:1", registry.at("image"))]);
    assert!(said.contains("is no WebAssembly component"), "{said}");
    assert!(said.contains("oci.image.config.v1"), "{said}");

    let config = desk.write("small.toml", "[sandbox]\ncomponent_bytes_max = 1000\n");
    let said = desk.fails(3, &["action", "push", &tagged, "--config", &config]);
    assert!(said.contains("larger than 1000 bytes"), "{said}");

    // One byte of what the registry keeps becomes another.
    let digest = sha256(&std::fs::read(&file).unwrap());
    let blob = registry.blob(&digest);
    let mut bytes = std::fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    for reference in [&tagged, &pinned] {
        let said = desk.fails(3, &["action", "audit", reference]);
        assert!(said.contains(&digest) && said.contains(&sha256(&bytes)), "{said}");
    }
}

#[test]
fn who_may_not_is_told_what_to_do() {
    let registry = Registry::with_password();
    let mut desk = Desk::new(None);
    let file = desk.component("screen");
    let at = registry.at("screen");
    let publish = ["action", "publish", &file, "--to", &at];
    let said = desk.fails(1, &publish);
    assert!(said.contains("does not let nobody known publish"), "{said}");
    assert!(said.contains("docker login") && said.contains("SURETY_OCI_USERNAME"), "{said}");

    desk.asks = Some((USER, "open barley"));
    let said = desk.fails(1, &publish);
    assert!(said.contains(USER) && !said.contains("barley"), "{said}");
    desk.asks = Some((USER, ""));
    assert!(desk.fails(1, &publish).contains("one is missing"));

    // As `docker login` leaves it.
    desk.asks = None;
    let auth = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let config = json!({ "auths": { &registry.address: { "auth": auth } } });
    desk.write("config.json", config.to_string());
    let _ = desk.done(&publish);
    desk.write(
        "config.json",
        json!({ "auths": { &registry.address: { "auth": "?" } } }).to_string(),
    );
    assert!(desk.fails(1, &publish).contains("malformed"));
    // For another registry: it is not for this one.
    desk.write(
        "config.json",
        json!({ "auths": { "registry.example": { "auth": auth } } }).to_string(),
    );
    assert!(desk.fails(1, &publish).contains("nobody known"));
}

/// A certificate for this machine, by an authority that nobody knows.
struct Certified {
    key: KeyPair,
    der: Vec<u8>,
    /// Files: the certificate, its key, and the authority's certificate.
    certificate: PathBuf,
    private: PathBuf,
    authority: PathBuf,
}

impl Certified {
    fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let write = |name: &str, pem: String| {
            std::fs::write(folder.join(name), pem).unwrap();
            folder.join(name)
        };
        Self {
            der: certificate.der().to_vec(),
            certificate: write("certificate.pem", certificate.pem()),
            private: write("private.pem", key.serialize_pem()),
            authority: write("authority.pem", issuer.pem()),
            key,
        }
    }
}

#[test]
fn tls_is_used_and_certificates_are_checked() {
    let folder = TempDir::new().unwrap();
    let Certified { certificate, private, authority, .. } = Certified::new(folder.path());
    let tls = json!({ "http": { "tls": { "certificate": certificate, "key": private } } });
    let registry = Registry::start(folder, tls);
    let mut desk = Desk::new(None);
    let file = desk.component("screen");
    let at = registry.at("screen");
    let publish = ["action", "publish", &file, "--to", &at];
    let said = desk.fails(4, &publish);
    assert!(said.contains("certificate") && said.contains("SSL_CERT_FILE"), "{said}");
    desk.trusts = Some(authority);
    let published = desk.done(&publish);
    let _ = desk.done(&["action", "check", published["pinned"].as_str().unwrap()]);
}

/// Gives out tokens to whom it knows: a JWT that the registry checks (the distribution
/// project's token authentication). Gives its address; it ends with the test's process.
fn tokens(key: &KeyPair, der: &[u8]) -> String {
    let pkcs8 = key.serialize_der();
    let random = SystemRandom::new();
    let signing =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &random).unwrap();
    let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [BASE64_STANDARD.encode(der)] });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let known = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let head = text(&head);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            // What is asked for, of which everybody gets what reads.
            let writes = head.contains("%3Apull%2Cpush") || head.contains(":pull,push");
            let is_known = head.contains(&format!("Basic {known}"));
            let actions = if writes && is_known { vec!["pull", "push"] } else { vec!["pull"] };
            let claims = json!({
                "iss": "tests", "aud": "registry", "sub": USER, "jti": "1",
                "iat": now, "nbf": now - 10, "exp": now + 300,
                "access": [{ "type": "repository", "name": "demo/screen", "actions": actions }],
            });
            let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(&header), part(&claims));
            let signature = signing.sign(&random, signed.as_bytes()).unwrap();
            let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref());
            let body = json!({ "token": format!("{signed}.{signature}") }).to_string();
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

#[test]
fn tokens_are_fetched_from_where_the_registry_says() {
    let folder = TempDir::new().unwrap();
    let Certified { key, der, authority, .. } = Certified::new(folder.path());
    let realm = format!("http://{}/token", tokens(&key, &der));
    let token = json!({
        "realm": realm, "service": "registry", "issuer": "tests", "rootcertbundle": authority,
    });
    let registry = Registry::start(folder, json!({ "auth": { "token": token } }));
    let mut desk = Desk::new(None);
    let file = desk.component("screen");
    let at = registry.at("screen");
    let publish = ["action", "publish", &file, "--to", &at];
    // A token that only reads is no help.
    let said = desk.fails(1, &publish);
    assert!(said.contains("does not let nobody known publish"), "{said}");
    desk.asks = Some((USER, PASSWORD));
    let published = desk.done(&publish);
    desk.asks = None;
    let _ = desk.done(&["action", "check", published["pinned"].as_str().unwrap()]);
}
