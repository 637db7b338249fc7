//! Requests to services outside, for actions whose manifest asks for `http` in
//! `capabilities` and whose host's policy grants it. Feature `http`.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use surety_sdk::{Failure, http};
//!
//! #[derive(Serialize)]
//! struct Order<'a> {
//!     amount: &'a str,
//! }
//!
//! #[derive(Deserialize)]
//! struct Ordered {
//!     id: String,
//! }
//!
//! fn order(amount: &str) -> Result<Ordered, Failure> {
//!     let response = http::Request::post("https://api.example.com/orders")
//!         // The host puts the value in; this action never sees it.
//!         .header("authorization", "Bearer {{secret:orders-api}}")
//!         .json(&Order { amount })?
//!         .send()?
//!         .ok()?;
//!     response.json()
//! }
//!
//! // Natively a test is the world.
//! surety_sdk::testing::world(|request| {
//!     assert_eq!(request.body(), br#"{"amount":"20"}"#);
//!     Ok(http::Response::new(201, r#"{"id":"o-1"}"#))
//! });
//! assert_eq!(order("20").unwrap().id, "o-1");
//! ```
//!
//! The host records each request and its response. When an action is run again
//! after a crash it is given the recorded ones, so it must ask for the same on the
//! same call. Every request carries the header `Idempotency-Key`, which is the same
//! when the action is tried again: a service that heeds it does nothing twice.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::call::parse;

/// A request that is being made.
#[derive(Debug, Clone)]
pub struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    /// A GET of a URL, `https://host/path?query`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST to a URL.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Any method that can be granted: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// With a header. Those about connection and length are the host's own.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With a body as it is.
    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a body of JSON.
    pub fn json(self, body: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(body)?;
        Ok(self.header("content-type", "application/json").bytes(body))
    }

    /// Its method.
    pub fn method(&self) -> &str {
        self.method
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its headers, in their order.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sends it, and waits for the response, whatever its status.
    pub fn send(self) -> Result<Response, Error> {
        send(&self)
    }
}

/// A response, whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, their names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without headers, for tests.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The response, if its status is one of success. Else a failure: transient for
    /// 408, 425, 429 and 5xx, where another attempt may help, and permanent for all
    /// others.
    pub fn ok(self) -> Result<Self, Failure> {
        match self.status {
            200..=299 => Ok(self),
            status @ (408 | 425 | 429 | 500..) => {
                Err(Failure::transient(format!("the service answered {status}")))
            }
            status => Err(Failure::permanent(format!("the service answered {status}"))),
        }
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str, Failure> {
        Ok(std::str::from_utf8(&self.body)?)
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        parse("the response", self.text()?)
    }
}

/// A request that came to nothing, though it may have arrived. `?` makes of it the
/// failure that fits: permanent where it will not get better, else transient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The host's policy denies it, or it cannot be sent as it is.
    Refused(String),
    /// No connection, no answer in time, or only half of one.
    Unanswered(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) | Self::Unanswered(why) => f.write_str(why),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(why) => Self::Permanent(why),
            Error::Unanswered(why) => Self::Transient(why),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn send(request: &Request) -> Result<Response, Error> {
    crate::testing::answer(request)
}

/// Where it went, without a query, which may be private.
fn place(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

/// A request that came to nothing in one of the ways that a host's records name.
pub(crate) fn unsent(url: &str, kind: &str) -> Error {
    let place = place(url);
    match kind {
        "denied" => {
            Error::Refused(format!("the host's policy does not grant the request to {place}"))
        }
        "address" => Error::Refused(format!("{place} is at an address that nothing may reach")),
        "form" => Error::Refused(format!("the request to {place} is not one that can be sent")),
        "too_large" => Error::Refused(format!("the response of {place} is larger than the limit")),
        "timeout" => Error::Unanswered(format!("{place} did not answer in time")),
        "tls" => Error::Unanswered(format!("{place} did not prove who it is")),
        "dns" => Error::Unanswered(format!("{place} has no address")),
        _ => Error::Unanswered(format!("{place} did not answer")),
    }
}

#[cfg(target_family = "wasm")]
use wasm::send;

#[cfg(target_family = "wasm")]
mod wasm {
    use super::{Error, Request, Response, place, unsent};
    use crate::http_bindings::wasi::http::outgoing_handler::handle;
    use crate::http_bindings::wasi::http::types::{
        ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
    };
    use crate::http_bindings::wasi::io::streams::StreamError;

    /// What a stream takes at once, by the interface's own words.
    const WRITE_BYTES: usize = 4096;
    const READ_BYTES: u64 = 64 << 10;

    pub(super) fn send(request: &Request) -> Result<Response, Error> {
        let refused = |what: &str| Error::Refused(format!("{what} of the request is not valid"));
        let url = &request.url;
        let (scheme, rest) = match url.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            _ => return Err(refused("the URL")),
        };
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let target = match target.starts_with('?') {
            true => format!("/{target}"),
            false => target.to_owned(),
        };
        let fields = Fields::from_list(&request.headers).map_err(|_| refused("a header"))?;
        let outgoing = OutgoingRequest::new(fields);
        let set = outgoing.set_method(&method(request.method)).is_ok()
            && outgoing.set_scheme(Some(&scheme)).is_ok()
            && outgoing.set_authority(Some(authority)).is_ok()
            && outgoing.set_path_with_query(Some(&target)).is_ok();
        if !set {
            return Err(refused("the URL"));
        }
        let body = match request.body.is_empty() {
            true => None,
            false => outgoing.body().ok(),
        };
        let future = handle(outgoing, None).map_err(|code| error(url, &code))?;
        if let Some(body) = body {
            write(&body, &request.body).map_err(|()| lost(url))?;
            OutgoingBody::finish(body, None).map_err(|code| error(url, &code))?;
        }
        future.subscribe().block();
        match future.get() {
            Some(Ok(Ok(response))) => {
                let headers = response.headers().entries();
                let body = response.consume().map_err(|()| lost(url))?;
                Ok(Response { status: response.status(), headers, body: read(body, url)? })
            }
            Some(Ok(Err(code))) => Err(error(url, &code)),
            Some(Err(())) | None => Err(lost(url)),
        }
    }

    fn write(body: &OutgoingBody, bytes: &[u8]) -> Result<(), ()> {
        let stream = body.write()?;
        for chunk in bytes.chunks(WRITE_BYTES) {
            stream.blocking_write_and_flush(chunk).map_err(|_| ())?;
        }
        Ok(())
    }

    fn read(body: IncomingBody, url: &str) -> Result<Vec<u8>, Error> {
        let stream = body.stream().map_err(|()| lost(url))?;
        let mut bytes = Vec::new();
        loop {
            match stream.blocking_read(READ_BYTES) {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(StreamError::Closed) => return Ok(bytes),
                Err(StreamError::LastOperationFailed(_)) => return Err(lost(url)),
            }
        }
    }

    fn method(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            other => Method::Other(other.to_owned()),
        }
    }

    fn lost(url: &str) -> Error {
        Error::Unanswered(format!("the request to {} was lost", place(url)))
    }

    fn error(url: &str, code: &ErrorCode) -> Error {
        use ErrorCode as Code;
        unsent(
            url,
            match code {
                Code::HttpRequestDenied => "denied",
                Code::DestinationIpProhibited => "address",
                Code::HttpRequestMethodInvalid
                | Code::HttpRequestUriInvalid
                | Code::HttpRequestUriTooLong
                | Code::HttpRequestHeaderSize(_)
                | Code::HttpRequestTrailerSectionSize(_) => "form",
                Code::HttpResponseBodySize(_) => "too_large",
                Code::HttpResponseTimeout => "timeout",
                Code::TlsCertificateError => "tls",
                Code::DnsError(_) => "dns",
                _ => "connect",
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_to_try_again() {
        for (status, transient) in
            [(400, false), (404, false), (302, false), (429, true), (503, true)]
        {
            let failure = Response::new(status, "").ok().unwrap_err();
            assert_eq!(matches!(failure, Failure::Transient(_)), transient, "{status}");
        }
        assert_eq!(Response::new(204, "").ok().unwrap().status, 204);
    }

    #[test]
    fn an_error_is_the_failure_that_fits() {
        let refused = Failure::from(Error::Refused("no".to_owned()));
        assert_eq!(refused, Failure::Permanent("no".to_owned()));
        let unanswered = Failure::from(Error::Unanswered("no".to_owned()));
        assert_eq!(unanswered, Failure::Transient("no".to_owned()));
    }
}
