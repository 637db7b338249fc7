//! Servers that do what a test tells them, and requests to send there.
#![allow(dead_code, unreachable_pub, reason = "shared by tests, each of which uses its part")]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use surety_core::capability::Capabilities;
use surety_core::effect::{Budget, Outcome, Request};
use surety_core::policy::{Grant, Policy};
use surety_core::ports::{Egress as _, Order};
use surety_core::types::Digest;
use surety_egress::{EgressConfig, Gate, Resolver, Secrets};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

pub const SECRET: &str = "s3cr3t/\"value\"+of=treasury";

/// Names that a test gives addresses: each look-up takes the next of them.
#[derive(Default)]
pub struct Names {
    addresses: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    pub asked: AtomicUsize,
}

impl Names {
    pub fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.addresses.lock().unwrap().insert(name.to_owned(), answers);
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut all = self.addresses.lock().unwrap();
        let answers = all.get_mut(name).ok_or_else(|| io::Error::other("no such name"))?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

/// What a server heard: each request's bytes.
pub type Heard = Arc<Mutex<Vec<String>>>;

/// How a server answers a request; none to say nothing and keep the line open.
pub type Answer = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

pub struct Server {
    pub address: SocketAddr,
    pub heard: Heard,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(answer: Answer) -> Self {
        Self::start_with(answer, None).await
    }

    pub async fn start_with(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Heard::default();
        let hears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, heard, tls) = (Arc::clone(&answer), Arc::clone(&hears), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, answer, heard).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, answer, heard).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heard, task }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer, heard: Heard) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let whole = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .map_or(0, |rest| rest.lines().next().unwrap().trim().parse::<usize>().unwrap());
        (body.len() >= length).then_some(text.clone())
    };
    let text = loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
        if let Some(text) = whole(&bytes) {
            break text;
        }
    };
    heard.lock().unwrap().push(text.clone());
    match answer(&text) {
        Some(answer) => {
            drop(stream.write_all(&answer).await);
            drop(stream.shutdown().await);
        }
        None => std::future::pending().await,
    }
}

pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub fn always(answer: Vec<u8>) -> Answer {
    Arc::new(move |_| Some(answer.clone()))
}

/// A certificate authority of the test's own, and servers' certificates by it.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A grant of these rules, written as in a policy; all of it is asked for as well.
pub fn grant(rules: &str) -> Arc<Grant> {
    granted(&format!("[[grant]]\nmodules = ['test']\nsecrets = ['treasury-api']\nhttp = [{rules}]"))
}

/// What a whole policy grants; all of it is asked for as well.
pub fn granted(policy: &str) -> Arc<Grant> {
    let policy = Policy::parse(policy).unwrap();
    let rules = policy.grants.iter().flat_map(|grant| &grant.http);
    let http = rules
        .map(|rule| {
            let hosts = rule.hosts.clone();
            let (methods, ports) = (rule.methods.clone(), rule.ports.clone());
            surety_core::capability::HttpRule { hosts, methods, ports }
        })
        .collect();
    let secrets = policy.grants.iter().flat_map(|grant| grant.secrets.clone()).collect();
    let asked = Capabilities { http, secrets };
    let name = "test".parse().unwrap();
    Arc::new(policy.grant(&name, &"1.0.0".parse().unwrap(), Digest([0; 32]), &asked))
}

/// A rule for `a.example` and `b.example` at a port, on loopback, without TLS.
pub fn plain(port: u16) -> String {
    format!(
        "{{ hosts = ['a.example', 'b.example', '127.0.0.1'], methods = ['GET', 'POST', 'HEAD'], ports = [{port}], private_addresses = ['127.0.0.1'], plain_http = true }}"
    )
}

pub struct Way {
    pub gate: Gate,
    pub names: Arc<Names>,
}

pub fn way(config: EgressConfig) -> Way {
    let secrets = format!("treasury-api = '{SECRET}'\nother = 'the other secret'");
    let names = Arc::new(Names::default());
    names.set("a.example", &[&["127.0.0.1"]]);
    names.set("b.example", &[&["127.0.0.1"]]);
    let resolver = Arc::clone(&names) as Arc<dyn Resolver>;
    let gate = Gate::open(config, Secrets::parse(&secrets).unwrap(), resolver).unwrap();
    Way { gate, names }
}

pub const BUDGET: Budget = Budget { response_bytes_max: 64 << 10, ms_max: 5_000 };

impl Way {
    pub async fn send_within(
        &self,
        grant: &Arc<Grant>,
        request: Request,
        budget: Budget,
    ) -> Outcome {
        let order = Order {
            module: "test".parse().unwrap(),
            grant: Arc::clone(grant),
            idempotency_key: "id-0-0".to_owned(),
            request,
            budget,
        };
        self.gate.send(order).await
    }

    pub async fn send(&self, grant: &Arc<Grant>, request: Request) -> Outcome {
        self.send_within(grant, request, BUDGET).await
    }

    /// A GET without TLS.
    pub async fn get(&self, grant: &Arc<Grant>, authority: &str, target: &str) -> Outcome {
        self.send(grant, get(authority, target)).await
    }
}

pub fn get(authority: &str, target: &str) -> Request {
    Request::new("GET", false, authority, target, Vec::new(), Vec::new()).unwrap()
}

pub fn post(authority: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let header = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    let headers = headers.iter().map(header).collect();
    Request::new("POST", false, authority, "/", headers, body.as_bytes().to_vec()).unwrap()
}
