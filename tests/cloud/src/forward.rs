//! Passing a request on.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// Headers of a reply that matter to the SDKs. Without the checksum: what is passed
/// on may be changed.
const HEADERS: [&str; 3] = ["content-type", "x-amzn-query-error", "x-amzn-requestid"];

/// A server that requests are passed on to.
#[derive(Debug)]
pub(crate) struct Forward {
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Forward {
    /// To `host:port`.
    pub(crate) fn to(address: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { address: address.to_owned(), client }
    }

    /// Passes a request on. A server that does not answer is a 502 that says so.
    pub(crate) async fn send(&self, mut request: Request<Bytes>) -> Reply {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let Ok(uri) = format!("http://{}{path}", self.address).parse::<Uri>() else {
            return self.failed("the address is none");
        };
        *request.uri_mut() = uri;
        // The length may be another now.
        request.headers_mut().remove(hyper::header::CONTENT_LENGTH);
        let response = match self.client.request(request.map(Full::new)).await {
            Ok(response) => response,
            Err(error) => return self.failed(&error.to_string()),
        };
        let (head, body) = response.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return self.failed(&error.to_string()),
        };
        let kept = HEADERS.iter().filter_map(|name| {
            Some((hyper::header::HeaderName::from_static(name), head.headers.get(*name)?.clone()))
        });
        Reply { status: head.status, headers: kept.collect(), body }
    }

    fn failed(&self, why: &str) -> Reply {
        let message = format!("the server behind the proxy, {}: {why}", self.address);
        Reply::json(502, &json!({"__type": "BadGateway", "message": message}))
    }
}

impl Reply {
    /// A reply of DynamoDB's protocol.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/x-amz-json-1.0");
        headers.insert(CONTENT_TYPE, json);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self { status, headers, body: body.to_string().into() }
    }

    /// Changes the body of a reply that succeeded.
    #[must_use]
    pub(crate) fn map_json(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let (true, Ok(mut value)) =
            (self.status.is_success(), serde_json::from_slice(&self.body))
        {
            change(&mut value);
            self.body = value.to_string().into();
        }
        self
    }

    /// As a response.
    pub(crate) fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}
