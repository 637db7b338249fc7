//! Effects: what an action does in the world outside, which is to send requests.
//! The forms here are the engine's own; the sandbox speaks wasi:http to the guest,
//! and an egress speaks HTTP to the world.
//!
//! ```text
//!  guest → sandbox → Request ──→ Exchanges ──→ Egress → world
//!                                   │  ↖ journal: recorded ones are not sent again
//!                                   └──→ Guarantee, before the guest sees the answer
//! ```

mod codec;
mod exchanges;
mod request;
mod secret;

use std::fmt;

use async_trait::async_trait;

use crate::ports::Fault;
use crate::record::{Failure, ModuleRef};
use crate::text::line;

pub use exchanges::{Exchanges, Place, Taint};
pub use request::{BadRequest, HEAD_BYTES_MAX, HEADERS_MAX, HeaderRule, Request, header_rule};
pub use secret::{PLACEHOLDER_START, PLACEHOLDERS_MAX, Placeholders, marker, placeholders};

/// The name of a header and its value.
pub type Header = (String, Vec<u8>);

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<Header>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Response {
    /// About what it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        request::size(&self.headers) + self.body.len()
    }
}

impl fmt::Debug for Response {
    /// Without what may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.size())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// How a request came to nothing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum UnsentKind { $($(#[$doc])* $variant,)* }

        impl UnsentKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in records.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

kinds! {
    /// No grant covers it.
    Denied = "denied",
    /// The host has an address that no request may reach.
    Address = "address",
    /// The host has no address.
    Dns = "dns",
    /// Nothing answers there.
    Connect = "connect",
    /// Nobody can be sure to talk to the host.
    Tls = "tls",
    /// There was no answer in time.
    Timeout = "timeout",
    /// The response is larger than what is left of the limit.
    TooLarge = "too_large",
    /// The response redirects too often, or to where no request can go.
    Redirect = "redirect",
    /// The other side does not speak HTTP, or stopped in the middle.
    Protocol = "protocol",
    /// Too many connections are open.
    Busy = "busy",
}

impl UnsentKind {
    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

/// The longest detail, in bytes.
const DETAIL_BYTES_MAX: usize = 512;

/// A request that came to nothing. It may have arrived all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", kind.as_str())]
pub struct Unsent {
    /// How.
    pub kind: UnsentKind,
    /// For people. Never with a secret's value.
    pub detail: String,
}

impl Unsent {
    /// What came to nothing so. The other side may have a say in the detail, so it
    /// is kept as a printable line.
    #[must_use]
    pub fn new(kind: UnsentKind, detail: impl AsRef<str>) -> Self {
        Self { kind, detail: line(detail.as_ref(), DETAIL_BYTES_MAX) }
    }

    /// A response is larger than the bytes that are left for it.
    #[must_use]
    pub fn too_large(max: usize) -> Self {
        let detail =
            format!("the response is larger than the {max} bytes that `http_bytes_max` leaves");
        Self::new(UnsentKind::TooLarge, detail)
    }
}

/// What became of a request.
pub type Outcome = Result<Response, Unsent>;

/// A request as the guest made it, secrets as placeholders, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The request.
    pub request: Request,
    /// What the guest was given.
    pub outcome: Outcome,
}

/// An effect in the journal, with the module that it was made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The module.
    pub module: ModuleRef,
    /// The effect.
    pub effect: Effect,
}

/// What is left for a request of what its call may use.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Bytes of the response, head and body.
    pub response_bytes_max: usize,
    /// Milliseconds until it must be there.
    pub ms_max: u64,
}

/// Why a call cannot go on after it asked for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It is at its end, with this failure.
    Failed(Failure),
    /// The host failed; the call is to be run again.
    Fault(Fault),
}

/// The world outside, as one call of an action sees it.
#[async_trait]
pub trait Outside: Send + Sync {
    /// On return the request and its outcome are durable, so that a re-run of the
    /// call is given the same.
    async fn exchange(&self, request: Request, budget: Budget) -> Result<Outcome, Stopped>;
}

/// An outside that nothing goes to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Closed;

#[async_trait]
impl Outside for Closed {
    async fn exchange(&self, _: Request, _: Budget) -> Result<Outcome, Stopped> {
        Ok(Err(Unsent::new(UnsentKind::Denied, "nothing goes out of here")))
    }
}
