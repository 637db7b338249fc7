//! The host, as commands ask it.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use surety_core::bundle::BUNDLE_BYTES_MAX;
use ureq::http::{Method, Request};

use super::exit::Failed;
use crate::api::problem::ProblemView;

/// How long connecting may take: a host that is there answers at once.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an answer may take, beside what the host was asked to wait.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A host.
pub(super) struct Remote {
    agent: ureq::Agent,
    url: String,
    authorization: Option<String>,
}

/// A body in an answer that was a success.
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JSON in them.
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.0)
            .context("the host's answer cannot be read; is it another version?")
    }
}

impl Remote {
    /// The host at an address.
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self, Failed> {
        if !url.starts_with("http://") {
            let why =
                "speaks plain HTTP, to a host or a proxy near it; the URL starts with http://";
            return Err(Failed::Other(anyhow!("{url:?}: this command {why}")));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A host is near; a proxy of the environment is for the world outside.
            .proxy(None)
            .timeout_connect(Some(CONNECT_MAX))
            .build();
        let authorization = token.map(|token| format!("Bearer {token}"));
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.new_agent(), url, authorization })
    }

    /// Asks.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Failed> {
        self.send(Method::GET, path, Vec::new(), ANSWER_MAX)
    }

    /// Asks, and lets the host take its time.
    pub(super) fn wait(&self, path: &str, wait: Duration) -> Result<Answer, Failed> {
        self.send(Method::GET, path, Vec::new(), ANSWER_MAX + wait)
    }

    /// Sends bytes.
    pub(super) fn post(&self, path: &str, body: Vec<u8>) -> Result<Answer, Failed> {
        self.send(Method::POST, path, body, ANSWER_MAX)
    }

    /// Sends a value.
    pub(super) fn post_json(&self, path: &str, body: &impl Serialize) -> Result<Answer, Failed> {
        self.post(path, serde_json::to_vec(body)?)
    }

    /// Takes something away.
    pub(super) fn delete(&self, path: &str) -> Result<Answer, Failed> {
        self.send(Method::DELETE, path, Vec::new(), ANSWER_MAX)
    }

    /// Puts bytes, and lets the host take its time.
    pub(super) fn put(&self, path: &str, body: Vec<u8>, wait: Duration) -> Result<Answer, Failed> {
        self.send(Method::PUT, path, body, ANSWER_MAX + wait)
    }

    /// Puts a value.
    pub(super) fn put_json(&self, path: &str, body: &impl Serialize) -> Result<Answer, Failed> {
        self.put(path, serde_json::to_vec(body)?, Duration::ZERO)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        time: Duration,
    ) -> Result<Answer, Failed> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("accept", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body)?;
        let request = self.agent.configure_request(request).timeout_global(Some(time)).build();
        let response = self.agent.run(request).map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let limit = BUNDLE_BYTES_MAX as u64 + 1;
        let read = response.into_body().into_with_config().limit(limit).read_to_vec();
        let body = read.map_err(|e| self.unreachable(&e))?;
        if status.is_success() {
            return Ok(Answer(body));
        }
        match serde_json::from_slice::<ProblemView>(&body) {
            Ok(problem) => Err(Failed::Refused(Box::new(problem))),
            Err(_) => Err(Failed::Other(anyhow!("{} answered {status}; is it a host?", self.url))),
        }
    }

    fn unreachable(&self, e: &ureq::Error) -> Failed {
        Failed::Unreachable(format!("the host at {} cannot be reached: {e}", self.url))
    }
}
