//! A slow service: it answers the action `payout`, and remembers who asked.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// The shortest that an order takes.
const ORDER_MS_MIN: u64 = 100;

/// What is added at most, by the message's id.
const ORDER_MS_MORE: u64 = 900;

/// One in so many orders takes longer than a lease, so that leases are said again.
const LONG_EACH: u64 = 16;

/// How long those take. A lease is 3 s.
const LONG_MS: u64 = 4_500;

/// An order of this asset is refused for a moment, the first time.
pub(crate) const LATER: &str = "LATER";

/// An order of this asset is not understood, until it is mended.
pub(crate) const BROKEN: &str = "BROKEN";

/// An order of this asset is kept from its answer the first time, until it is let go.
pub(crate) const KEPT: &str = "KEPT";

/// How long it is looked again whether it is.
const KEPT_MS: u64 = 10;

/// The longest request that it reads.
const REQUEST_BYTES_MAX: usize = 65_536;

/// How often each idempotency key asked, by the message.
type Orders = BTreeMap<String, BTreeMap<String, usize>>;

#[derive(Default)]
struct State {
    orders: Orders,
    mended: bool,
    let_go: bool,
}

/// The service.
pub(crate) struct Treasury {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Treasury {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let kept = Arc::clone(&state);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { port, state }
    }

    /// The keys under which it was asked, by the message.
    pub(crate) fn orders(&self) -> Orders {
        lock(&self.state).orders.clone()
    }

    /// From now on it understands everything.
    pub(crate) fn mend(&self) {
        lock(&self.state).mended = true;
    }

    /// From now on it keeps nobody from an answer.
    pub(crate) fn let_go(&self) {
        lock(&self.state).let_go = true;
    }
}

/// One request. Who asks may be killed meanwhile, so nothing that fails here is wrong.
fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(text) = read(&mut stream) else { return };
    let (status, body) = if text.starts_with("GET ") {
        ("200 OK", json!({"settled": true}))
    } else {
        order(&text, state)
    };
    let body = body.to_string();
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    drop(stream.write_all(answer.as_bytes()));
}

fn read(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    while bytes.len() < REQUEST_BYTES_MAX {
        let n = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&bytes);
        // An order is a JSON object; a question ends with its head.
        let end = if text.starts_with("GET") { "\r\n\r\n" } else { "}" };
        if text.ends_with(end) {
            return Some(text.into_owned());
        }
    }
    None
}

fn order(text: &str, state: &Mutex<State>) -> (&'static str, Value) {
    let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
    let order: Value = serde_json::from_str(body).unwrap();
    let id = order["reference"].as_str().unwrap().to_owned();
    let key = text.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap();
    let (times, mended) = {
        let mut state = lock(state);
        let times = state.orders.entry(id.clone()).or_default().entry(key.to_owned()).or_default();
        *times += 1;
        (*times, state.mended)
    };
    match order["asset"].as_str().unwrap() {
        LATER if times == 1 => return ("503 Service Unavailable", json!({})),
        BROKEN if !mended => return ("404 Not Found", json!({})),
        KEPT if times == 1 => {
            while !lock(state).let_go {
                std::thread::sleep(Duration::from_millis(KEPT_MS));
            }
        }
        _ => {}
    }
    let chance = id.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let more = if chance.is_multiple_of(LONG_EACH) { LONG_MS } else { chance % ORDER_MS_MORE };
    std::thread::sleep(Duration::from_millis(ORDER_MS_MIN + more));
    ("201 Created", json!({"id": format!("p-{id}")}))
}
