//! A server on a loopback port of its own, which can also hang up.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::gate::Gate;

/// The largest request that is read: a batch of SQS is 1 MiB, a batch of DynamoDB
/// 16 MiB, and JSON may write a byte as six.
const REQUEST_BYTES_MAX: usize = 32 << 20;

/// Accepting fails when the process has too many files open; some will be closed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// What a request gets: a response, or the connection closed without a byte of one.
pub(crate) type Answer = Option<Response<Full<Bytes>>>;

/// The operation that a request asks for, without its service and version; empty when
/// it names none.
pub(crate) fn operation(request: &Request<Bytes>) -> String {
    let target = request.headers().get("x-amz-target").and_then(|t| t.to_str().ok());
    target.and_then(|t| t.rsplit('.').next()).unwrap_or_default().to_owned()
}

/// The gate that all calls pass.
type Place = Arc<Mutex<Arc<Gate>>>;

/// A server. Dropped, it stops, and all its connections with it.
pub(crate) struct Server {
    address: SocketAddr,
    gate: Place,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn start<H, F>(handler: H) -> io::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let gate = Place::new(Mutex::new(Gate::open()));
        let passed = gate.clone();
        let handler = Arc::new(handler);
        let handler = move |request: Request<Bytes>| {
            let (handler, gate) = (handler.clone(), passed.clone());
            async move {
                let gate = gate.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let (operation, body) = (operation(&request), request.body().clone());
                gate.pass(&operation, &body, handler(request)).await
            }
        };
        let task = tokio::spawn(accept(listener, Arc::new(handler)));
        Ok(Self { address, gate, task })
    }

    /// Puts a gate before all further calls.
    pub(crate) fn set_gate(&self, gate: Arc<Gate>) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept<H, F>(listener: TcpListener, handler: Arc<H>)
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    // Dropped with this task, it stops all of them.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let handler = handler.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(handler.clone(), request));
            // An error is a client that went away, or one that we hung up on.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer<H, F>(
    handler: Arc<H>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, HungUp>
where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = Answer>,
{
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, REQUEST_BYTES_MAX).collect().await else {
        return Ok(respond(StatusCode::PAYLOAD_TOO_LARGE, &[], Bytes::new()));
    };
    let request = Request::from_parts(head, body.to_bytes());
    handler(request).await.ok_or(HungUp)
}

/// A response of these headers and body.
pub(crate) fn respond(
    status: StatusCode,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(*name, value);
        }
    }
    response
}

/// Told to hyper, it closes the connection.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reply is lost on purpose")
    }
}

impl std::error::Error for HungUp {}
