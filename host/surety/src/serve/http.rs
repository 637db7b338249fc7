//! Connections: accepted up to a limit, each with limits of its own. `axum::serve`
//! has none of them, so the loop is here, on hyper.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Stop;
use crate::config::Http;

/// The largest head of a request. A token and a query have a few hundred bytes;
/// hyper's own 400 KB for each connection would be wasted.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long to rest when no connection can be accepted, mostly because the
/// process has as many files open as it may.
const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// How long a stop lets the last answers be sent to clients that read slowly,
/// and how often it looks whether there are any.
const SEND_MAX: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Accepts and serves connections.
pub(super) struct Server {
    listener: TcpListener,
    router: Router,
    room: Arc<Semaphore>,
    requests: InHand,
    header_read_max: Duration,
}

impl Server {
    pub(super) fn new(listener: TcpListener, router: Router, limits: &Http) -> Self {
        let requests = InHand::default();
        let router = router.layer(from_fn_with_state(requests.clone(), hold));
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let header_read_max = Duration::from_millis(limits.header_read_ms_max);
        Self { listener, router, room, requests, header_read_max }
    }

    /// Serves until told to stop, and then until the requests in hand are answered.
    pub(super) async fn serve(self, stop: Stop) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.stopped() => break,
                accepted = self.accept() => accepted,
            };
            match accepted {
                Ok((stream, place)) => self.connect(stream, place, graceful.watcher()),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_DELAY).await;
                }
            }
        }
        drop(self.listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = idle(&self.requests) => {}
        }
    }

    /// A connection, as soon as there is room for one.
    async fn accept(&self) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.room).acquire_owned().await.map_err(std::io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        // Answers are written whole; waiting for more to send only delays them.
        stream.set_nodelay(true)?;
        Ok((stream, place))
    }

    fn connect(&self, stream: TcpStream, place: OwnedSemaphorePermit, watcher: Watcher) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_read_max)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router.clone()));
        tokio::spawn(async move {
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(place);
        });
    }
}

/// How many requests are in hand.
#[derive(Clone, Default)]
struct InHand(Arc<AtomicUsize>);

/// One of them.
struct Held(InHand);

impl InHand {
    fn hold(self) -> Held {
        self.0.fetch_add(1, Ordering::SeqCst);
        Held(self)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn hold(State(requests): State<InHand>, request: Request, next: Next) -> Response {
    let _held = requests.hold();
    next.run(request).await
}

/// Completes when no request is in hand, and answers have had time to be sent.
/// A connection on which half a request came has nothing to wait for.
async fn idle(requests: &InHand) {
    let mut idle = Duration::ZERO;
    while idle < SEND_MAX {
        tokio::time::sleep(LOOK_AGAIN).await;
        let in_hand = requests.0.load(Ordering::SeqCst) > 0;
        idle = if in_hand { Duration::ZERO } else { idle + LOOK_AGAIN };
    }
}
