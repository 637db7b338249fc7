//! One request and its response on a connection of their own.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use surety_core::effect::{
    HEAD_BYTES_MAX, HEADERS_MAX, Header, Request, Response, Unsent, UnsentKind,
};

use crate::connect::Stream;

/// A request with its secrets, and what the host says of it.
pub(crate) struct Head<'a> {
    pub(crate) request: &'a Request,
    pub(crate) idempotency_key: &'a str,
}

/// How the host names itself.
const USER_AGENT: &str = concat!("surety/", env!("CARGO_PKG_VERSION"));

fn protocol(e: impl std::fmt::Display) -> Unsent {
    Unsent::new(UnsentKind::Protocol, e.to_string())
}

pub(crate) async fn exchange(
    connection: Box<dyn Stream>,
    head: Head<'_>,
    bytes_max: usize,
) -> Result<Response, Unsent> {
    let (mut sender, driver) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .max_buf_size(2 * HEAD_BYTES_MAX)
        .handshake(TokioIo::new(connection))
        .await
        .map_err(protocol)?;
    let request = build(&head)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(protocol)?;
        read(response, bytes_max).await
    };
    // The connection moves only while its answer is waited for, and ends with it.
    tokio::pin!(answer, driver);
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        _ = &mut driver => {}
    }
    // The other side closed; what it said before is there to be read.
    answer.await
}

fn build(head: &Head<'_>) -> Result<http::Request<Full<Bytes>>, Unsent> {
    let Head { request, idempotency_key } = head;
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(&request.target)
        .header(header::HOST, request.authority());
    for (name, value) in &request.headers {
        let value = HeaderValue::from_bytes(value).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        builder = builder.header(name, value.map_err(protocol)?);
    }
    if !request.headers.iter().any(|(name, _)| name == "user-agent") {
        builder = builder.header(header::USER_AGENT, USER_AGENT);
    }
    builder
        .header("idempotency-key", *idempotency_key)
        // An encoded answer could hide a secret from who takes it out.
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close")
        .body(Full::from(request.body.clone()))
        .map_err(protocol)
}

/// Of no use to who gets a response whole, or about the connection.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 7] = [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
    ];
    NAMES.contains(name) || name == "keep-alive"
}

fn headers(map: &HeaderMap) -> Vec<Header> {
    let kept = map.iter().filter(|(name, _)| !is_hop_by_hop(name));
    kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

async fn read(response: http::Response<Incoming>, bytes_max: usize) -> Result<Response, Unsent> {
    let (parts, mut body) = response.into_parts();
    if parts.status.is_informational() {
        return Err(protocol("the other side wants to speak something else"));
    }
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !parts.headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(protocol("the response is encoded, though a plain one was asked for"));
    }
    let headers = headers(&parts.headers);
    let mut response = Response { status: parts.status.as_u16(), headers, body: Vec::new() };
    if response.size() > bytes_max {
        return Err(Unsent::too_large(bytes_max));
    }
    let room = bytes_max - response.size();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(protocol)?.into_data() else { continue };
        if response.body.len() + data.len() > room {
            return Err(Unsent::too_large(bytes_max));
        }
        response.body.extend_from_slice(&data);
    }
    Ok(response)
}
