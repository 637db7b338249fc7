//! A request that can be sent as it is: every part is of a form that nobody reads
//! as something else.

use std::fmt;

use thiserror::Error;

use super::Header;
use crate::capability::{HostName, Method, PORT_DEFAULT};

/// The most headers of a request or a response.
pub const HEADERS_MAX: usize = 100;

/// The most bytes of all headers of one, and of a target: what servers take.
pub const HEAD_BYTES_MAX: usize = 32 << 10;

/// The longest target (RFC 9110 wants 8,000 to be possible).
const TARGET_BYTES_MAX: usize = 8 << 10;

/// The port of `http`.
const PORT_PLAIN: u16 = 80;

/// What an action asks to be sent. Secrets are placeholders.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Whether it is `https`.
    pub tls: bool,
    /// Where it goes.
    pub host: HostName,
    /// At which port.
    pub port: u16,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<Header>,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// A request that cannot be sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadRequest {
    /// The method is none that may be asked for.
    #[error("the method is not one that can be sent")]
    Method,
    /// It is neither `http` nor `https`, the host is none or in another spelling
    /// than its own, or the target is no path.
    #[error("the URL is not one that can be sent")]
    Url,
    /// The target is longer than 8 KiB.
    #[error("the URL is too long")]
    UrlLength,
    /// A header is none, is the host's own, or there are too many.
    #[error("the headers cannot be sent")]
    Headers,
}

/// What a guest may do with a header of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderRule {
    /// Set it.
    Free,
    /// Nothing by it: the host sets its own.
    Overwritten,
    /// Nothing: it would change where a request goes, where it ends, or whose it is.
    Forbidden,
}

/// The rule for a header, its name in any case.
#[must_use]
pub fn header_rule(name: &str) -> HeaderRule {
    match &*name.to_ascii_lowercase() {
        "content-length" | "accept-encoding" => HeaderRule::Overwritten,
        "host" | "connection" | "keep-alive" | "transfer-encoding" | "te" | "trailer"
        | "upgrade" | "expect" | "http2-settings" | "idempotency-key" | "via" | "forwarded" => {
            HeaderRule::Forbidden
        }
        name if name.starts_with("proxy-") || name.starts_with("x-forwarded-") => {
            HeaderRule::Forbidden
        }
        _ => HeaderRule::Free,
    }
}

/// Whether it is a header's name (RFC 9110, token).
#[must_use]
pub(crate) fn is_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(token)
}

/// Whether it is a header's value: nothing in it ends a line, and nothing around
/// it is thrown away by who reads it.
#[must_use]
pub(crate) fn is_value(value: &[u8]) -> bool {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f))
        && !blank(value.first())
        && !blank(value.last())
}

/// The bytes of headers as they are sent.
pub(super) fn size(headers: &[Header]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
}

impl Request {
    /// A request from what a guest says. `authority` is host and port as in a URL.
    /// Headers that the host sets itself are left out.
    ///
    /// # Errors
    /// When a part is not of its form.
    pub fn new(
        method: &str,
        tls: bool,
        authority: &str,
        target: &str,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> Result<Self, BadRequest> {
        let method = Method::parse(method).ok_or(BadRequest::Method)?;
        let (host, port) = split(authority, tls).ok_or(BadRequest::Url)?;
        if target.len() > TARGET_BYTES_MAX {
            return Err(BadRequest::UrlLength);
        }
        let visible = |b: u8| b.is_ascii_graphic() && b != b'#';
        if !target.starts_with('/') || !target.bytes().all(visible) {
            return Err(BadRequest::Url);
        }
        let mut kept = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            if !is_name(&name) || !is_value(&value) {
                return Err(BadRequest::Headers);
            }
            match header_rule(&name) {
                HeaderRule::Free => kept.push((name.to_ascii_lowercase(), value)),
                HeaderRule::Overwritten => {}
                HeaderRule::Forbidden => return Err(BadRequest::Headers),
            }
        }
        if kept.len() > HEADERS_MAX || size(&kept) > HEAD_BYTES_MAX {
            return Err(BadRequest::Headers);
        }
        Ok(Self { method, tls, host, port, target: target.to_owned(), headers: kept, body })
    }

    /// About what it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.target.len() + size(&self.headers) + self.body.len()
    }

    /// Host and port as they stand in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.tls { PORT_DEFAULT } else { PORT_PLAIN };
        match self.port {
            port if port == usual => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// Its URL, whole. The query may be private.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.target)
    }

    /// Its URL without the query, which may be private.
    #[must_use]
    pub fn place(&self) -> String {
        let mut url = self.url();
        url.truncate(url.find('?').unwrap_or(url.len()));
        url
    }
}

/// Host and port of a URL's authority. Whoever names a user in it gets nothing.
fn split(authority: &str, tls: bool) -> Option<(HostName, u16)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let digits = |port: &str| {
        let canonical = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
        port.parse().ok().filter(|_| canonical)
    };
    let port = match port {
        Some(port) => digits(port)?,
        None if tls => PORT_DEFAULT,
        None => PORT_PLAIN,
    };
    Some((HostName::of_url(host).ok()?, port))
}

impl fmt::Debug for Request {
    /// Without what may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {} bytes)", self.method.as_str(), self.place(), self.size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authority: &str, target: &str, header: (&str, &str)) -> Result<Request, BadRequest> {
        let headers = vec![(header.0.to_owned(), header.1.as_bytes().to_vec())];
        Request::new("GET", true, authority, target, headers, Vec::new())
    }

    #[test]
    fn an_authority_is_host_and_port() {
        for (authority, is) in [
            ("api.example.com", "api.example.com"),
            ("API.example.com:443", "api.example.com"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("[2606:4700::1111]:8443", "[2606:4700::1111]:8443"),
            ("[2606:4700::1111]", "[2606:4700::1111]"),
            ("127.0.0.1:80", "127.0.0.1:80"),
        ] {
            let request = request(authority, "/", ("accept", "a")).unwrap();
            assert_eq!(request.authority(), is);
        }
        for bad in [
            "",
            ":443",
            "host:",
            "host:0",
            "host:0443",
            "host:65536",
            "host:+1",
            "host:4 43",
            "user@host",
            "user:pass@host",
            "host:443@evil",
            "host.",
            "127.1",
            "0x7f.1",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "host/..",
            "host?",
            "host#",
            "host\\@x",
            "h%6fst",
            "ho st",
        ] {
            assert_eq!(request(bad, "/", ("accept", "a")), Err(BadRequest::Url), "{bad}");
        }
    }

    #[test]
    fn nothing_is_smuggled() {
        let table = [
            ("/a b", ("accept", "a"), BadRequest::Url),
            ("/a\r\nHost: evil", ("accept", "a"), BadRequest::Url),
            ("a", ("accept", "a"), BadRequest::Url),
            ("/a#b", ("accept", "a"), BadRequest::Url),
            ("/ä", ("accept", "a"), BadRequest::Url),
            ("/", ("accept", "a\r\nHost: evil"), BadRequest::Headers),
            ("/", ("accept", "a\n"), BadRequest::Headers),
            ("/", ("accept", "a\0"), BadRequest::Headers),
            ("/", ("accept", " a"), BadRequest::Headers),
            ("/", ("accept:x", "a"), BadRequest::Headers),
            ("/", ("acc ept", "a"), BadRequest::Headers),
            ("/", ("", "a"), BadRequest::Headers),
            ("/", ("Host", "evil"), BadRequest::Headers),
            ("/", ("TRANSFER-ENCODING", "chunked"), BadRequest::Headers),
            ("/", ("Connection", "close"), BadRequest::Headers),
            ("/", ("Proxy-Authorization", "x"), BadRequest::Headers),
            ("/", ("Idempotency-Key", "mine"), BadRequest::Headers),
            ("/", ("X-Forwarded-For", "127.0.0.1"), BadRequest::Headers),
        ];
        for (target, header, why) in table {
            assert_eq!(request("host", target, header), Err(why), "{target:?} {header:?}");
        }
        let request = request("host", "/", ("Content-Length", "5")).unwrap();
        assert!(request.headers.is_empty());
        for method in ["CONNECT", "TRACE", "get", "GET /", ""] {
            let made = Request::new(method, true, "host", "/", Vec::new(), Vec::new());
            assert_eq!(made, Err(BadRequest::Method));
        }
        let long = format!("/{}", "a".repeat(TARGET_BYTES_MAX));
        assert_eq!(super::tests::request("host", &long, ("a", "b")), Err(BadRequest::UrlLength));
        let many = vec![("a".to_owned(), b"b".to_vec()); HEADERS_MAX + 1];
        let made = Request::new("GET", true, "host", "/", many, Vec::new());
        assert_eq!(made, Err(BadRequest::Headers));
    }
}
