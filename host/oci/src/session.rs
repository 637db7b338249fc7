//! One repository of one registry, as it is asked.

use std::sync::Arc;
use std::time::Duration;

use http_auth::{ChallengeRef, parse_challenges};
use serde::Deserialize;
use ureq::http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use ureq::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::error::printable;
use crate::reference::is_loopback;
use crate::{Access, Error, Reference};

/// How long connecting may take, with TLS.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long a small answer may take: manifests, tokens, the beginning of an upload.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How long a blob may take: 32 MiB, the usual limit of a component, at 0.5 Mbit/s.
pub(crate) const BLOB_MAX: Duration = Duration::from_secs(600);

/// The largest token and the longest error that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// How often a registry may send a reader on: it does once, to where its blobs are.
const REDIRECTS_MAX: u32 = 3;

/// Docker's registry has a name that people use and one that answers.
const DOCKER: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// What is done in the repository, in the words of a token's scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It is read.
    Pull,
    /// It is read and written.
    Push,
}

/// One repository of one registry, and what it takes to be let in.
pub(crate) struct Session<'a> {
    agent: Agent,
    reference: &'a Reference,
    access: &'a Access,
    doing: Doing,
    /// Scheme, host and port of the registry.
    base: String,
    /// The `Authorization` header that it took last.
    authorization: Option<String>,
    /// Who that is.
    who: String,
}

/// A request to it.
pub(crate) struct Ask<'a> {
    /// The method.
    pub(crate) method: Method,
    /// A whole URL.
    pub(crate) url: String,
    /// A header beside those of every request.
    pub(crate) header: Option<(&'static str, &'a str)>,
    /// What is sent.
    pub(crate) body: &'a [u8],
    /// How long it may take.
    pub(crate) time: Duration,
}

impl<'a> Ask<'a> {
    /// A small request without a body.
    pub(crate) fn new(method: Method, url: String) -> Self {
        Self { method, url, header: None, body: &[], time: ANSWER_MAX }
    }
}

impl<'a> Session<'a> {
    /// Finds out how the registry is spoken to.
    pub(crate) fn open(
        reference: &'a Reference,
        access: &'a Access,
        doing: Doing,
    ) -> Result<Self, Error> {
        let host = if reference.registry == DOCKER.0 { DOCKER.1 } else { &reference.registry };
        let (local, plain) = (reference.is_local(), access.plain_http);
        let agent = agent(local, !local && !plain);
        let scheme = match (local, plain) {
            (_, true) => "http",
            (false, false) => "https",
            (true, false) => local_scheme(&agent, host),
        };
        let base = format!("{scheme}://{host}");
        let who = "nobody known".to_owned();
        Ok(Self { agent, reference, access, doing, base, authorization: None, who })
    }

    /// The URL of something in the repository.
    pub(crate) fn url(&self, what: &str) -> String {
        format!("{}/v2/{}/{what}", self.base, self.reference.repository)
    }

    /// Asks; when the registry wants to know who asks, asks again with what it takes.
    /// Gives what was a success.
    pub(crate) fn ask(&mut self, ask: &Ask<'_>) -> Result<Response<Body>, Error> {
        let mut response = self.send(ask)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.authorization = self.authorize(response.headers())?;
            if self.authorization.is_some() {
                response = self.send(ask)?;
            }
        }
        match response.status() {
            status if status.is_success() => Ok(response),
            _ => Err(self.refused(response)),
        }
    }

    /// The bytes of an answer.
    pub(crate) fn read(
        &self,
        response: Response<Body>,
        what: &'static str,
        max: u64,
    ) -> Result<Vec<u8>, Error> {
        // A body that ends at the limit is still within it.
        let body = response.into_body().into_with_config().limit(max.saturating_add(1));
        let reference = self.reference.to_string();
        match body.read_to_vec() {
            Ok(bytes) if bytes.len() as u64 <= max => Ok(bytes),
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => {
                Err(Error::TooLarge { reference, what, max })
            }
            Err(e) => Err(self.unreachable(&e)),
        }
    }

    /// Where an upload goes on, as an answer says.
    pub(crate) fn location(&self, response: &Response<Body>) -> Result<String, Error> {
        let none = || self.protocol("it begins an upload and does not say where it goes on");
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(none)?;
        match location.starts_with('/') && !location.starts_with("//") {
            true => Ok(format!("{}{location}", self.base)),
            false => self.checked(location).map(|()| location.to_owned()),
        }
    }

    /// That the registry does not keep to the specification.
    pub(crate) fn protocol(&self, why: impl Into<String>) -> Error {
        Error::Protocol { registry: self.reference.registry.clone(), why: why.into() }
    }

    fn send(&self, ask: &Ask<'_>) -> Result<Response<Body>, Error> {
        let Ask { method, url, header, body, time } = ask;
        let mut request = Request::builder().method(method).uri(url);
        if let Some((name, value)) = header {
            request = request.header(*name, *value);
        }
        // An upload may go on elsewhere, where the registry's password is not wanted.
        if let Some(authorization) = self.authorization.as_ref().filter(|_| self.is_own(url)) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let reads = *method == Method::GET || *method == Method::HEAD;
        let redirects = if reads { REDIRECTS_MAX } else { 0 };
        let sent = match reads {
            true => request.body(()).map_err(ureq::Error::from).and_then(|request| {
                let config = self.agent.configure_request(request);
                let config = config.max_redirects(redirects).timeout_global(Some(*time));
                self.agent.run(config.build())
            }),
            false => request.body(*body).map_err(ureq::Error::from).and_then(|request| {
                let config = self.agent.configure_request(request);
                let config = config.max_redirects(redirects).max_redirects_will_error(false);
                self.agent.run(config.timeout_global(Some(*time)).build())
            }),
        };
        sent.map_err(|e| self.unreachable(&e))
    }

    /// Whether a URL is the registry's own.
    fn is_own(&self, url: &str) -> bool {
        let origin = |url: &str| {
            let url: Uri = url.parse().ok()?;
            Some((url.scheme_str()?.to_owned(), url.authority()?.as_str().to_ascii_lowercase()))
        };
        origin(url).is_some() && origin(url) == origin(&self.base)
    }

    /// What the registry takes after it has asked who asks; None when there is nothing.
    fn authorize(&mut self, headers: &HeaderMap) -> Result<Option<String>, Error> {
        let values = headers.get_all(WWW_AUTHENTICATE).into_iter();
        let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        let challenges = texts.iter().filter_map(|text| parse_challenges(text).ok()).flatten();
        let challenges: Vec<ChallengeRef<'_>> = challenges.collect();
        let of = |scheme: &str| {
            challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
        };
        let password = self.access.password(&self.reference.registry)?;
        if let Some(password) = &password {
            self.who = format!("{:?}", password.user());
        }
        if let Some(challenge) = of("bearer") {
            let basic = password.map(|password| password.basic());
            return self.token(challenge, basic).map(Some);
        }
        if of("basic").is_none() {
            return Err(self.protocol("it asks who asks, and in no way that is known here"));
        }
        Ok(password.map(|password| password.basic()))
    }

    /// A token for the repository, from where the registry says that they are given out
    /// (the distribution project's token authentication).
    fn token(&self, challenge: &ChallengeRef<'_>, basic: Option<String>) -> Result<String, Error> {
        let parameter = |name: &str| {
            let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        let realm = parameter("realm")
            .ok_or_else(|| self.protocol("it does not say where its tokens are given out"))?;
        self.checked(&realm)?;
        let doing = match self.doing {
            Doing::Pull => "pull",
            Doing::Push => "pull,push",
        };
        let scope = format!("repository:{}:{doing}", self.reference.repository);
        let mut request = self.agent.get(&realm).query("scope", scope);
        if let Some(service) = parameter("service") {
            request = request.query("service", service);
        }
        if let Some(basic) = &basic {
            request = request.header(AUTHORIZATION, basic);
        }
        // A password goes nowhere but to the address that was checked.
        let request = request.config().max_redirects(0).max_redirects_will_error(false);
        let sent = request.timeout_global(Some(ANSWER_MAX)).build().call();
        let response = sent.map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(self.refused(response));
        }
        let body = self.read(response, "the token", ANSWER_BYTES_MAX)?;
        let token: Token = serde_json::from_slice(&body)
            .map_err(|_| self.protocol("what it gives as a token is none"))?;
        let token = token.token.or(token.access_token);
        let token = token.ok_or_else(|| self.protocol("what it gives as a token is none"))?;
        Ok(format!("Bearer {token}"))
    }

    /// Whether something that may be secret can be sent to a place that the registry
    /// names.
    fn checked(&self, url: &str) -> Result<(), Error> {
        let parsed: Option<Uri> = url.parse().ok();
        let host = parsed.as_ref().and_then(Uri::host).unwrap_or_default();
        let named = || printable(url);
        match parsed.as_ref().and_then(Uri::scheme_str) {
            Some("https") if !host.is_empty() => Ok(()),
            Some("http") if self.access.plain_http || is_loopback(host) => Ok(()),
            Some("http") => Err(Error::Plain { url: named() }),
            _ => Err(self.protocol(format!("it names {:?}, which is no URL", named()))),
        }
    }

    /// What an answer means that was none of success.
    fn refused(&self, response: Response<Body>) -> Error {
        let status = response.status();
        let body = self.read(response, "the answer", ANSWER_BYTES_MAX).unwrap_or_default();
        let said = said(&body);
        let registry = self.reference.registry.clone();
        let reference = self.reference.to_string();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let verb = if self.doing == Doing::Push { "publish" } else { "fetch" };
                let what = format!("{verb} {reference}");
                Error::Unauthorized { registry, who: self.who.clone(), what, said }
            }
            StatusCode::NOT_FOUND => Error::NotFound { reference, said },
            StatusCode::TOO_MANY_REQUESTS => {
                let why = format!("it has had too many requests{said}; try again later");
                Error::Unreachable { registry, why }
            }
            _ if status.is_server_error() => {
                Error::Unreachable { registry, why: format!("it answers {status}{said}") }
            }
            _ => self.protocol(format!("it answers {status}{said}")),
        }
    }

    fn unreachable(&self, e: &ureq::Error) -> Error {
        let registry = self.reference.registry.clone();
        let why = match e {
            ureq::Error::RequireHttpsOnly(url) => return Error::Plain { url: printable(url) },
            _ if is_certificate(e) => format!(
                "its certificate is not trusted here ({e}); SSL_CERT_FILE names the certificates that are"
            ),
            _ => e.to_string(),
        };
        Error::Unreachable { registry, why }
    }
}

/// What gives out tokens answers with one of these.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// The client, with what this system trusts.
fn agent(local: bool, https_only: bool) -> Agent {
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted = trusted.iter().map(|der| Certificate::from_der(der).to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(trusted.collect())))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(https_only)
        .tls_config(tls)
        .timeout_connect(Some(CONNECT_MAX))
        .user_agent(concat!("surety/", env!("CARGO_PKG_VERSION")));
    // A proxy of the environment is for the world outside.
    let config = if local { config.proxy(None) } else { config };
    config.build().new_agent()
}

/// How a registry on this machine is spoken to: with TLS if it has it.
fn local_scheme(agent: &Agent, host: &str) -> &'static str {
    let request = agent.get(format!("https://{host}/v2/")).config();
    match request.timeout_global(Some(CONNECT_MAX)).build().call() {
        Ok(_) => "https",
        Err(e) if is_certificate(&e) => "https",
        Err(_) => "http",
    }
}

/// Whether it has TLS, and a certificate that is not trusted.
fn is_certificate(e: &ureq::Error) -> bool {
    let is = |e: &rustls::Error| matches!(e, rustls::Error::InvalidCertificate(_));
    match e {
        ureq::Error::Rustls(e) => is(e),
        ureq::Error::Io(e) => e.get_ref().and_then(|e| e.downcast_ref()).is_some_and(is),
        _ => false,
    }
}

/// A registry's own words, with a colon before them; nothing if it says nothing.
fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        code: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice(body) {
        Ok(Errors { errors }) if !errors.is_empty() => {
            let one = |One { code, message }: &One| format!("{code} {message}");
            let all: Vec<_> = errors.iter().map(one).collect();
            format!(": {}", printable(all.join("; ").trim()))
        }
        _ => String::new(),
    }
}
