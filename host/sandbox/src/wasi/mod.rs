//! WASI for actions: the parts that tell an action nothing but its own call, and
//! outgoing HTTP.
//!
//! ```text
//!  clocks, random   the recorded time; numbers that follow from message and revision
//!  io               buffers: nothing here ever waits
//!  http             a request, whole → exchange → a response, whole
//! ```
//!
//! Everything that takes time happens inside the one call that completes a request,
//! so a guest cannot tell how long it took, nor in how many pieces it came. That is
//! what makes a re-run the same. A guest that waits for a timer alone has it at once,
//! and its monotonic clock then shows the later time.

#![allow(unreachable_pub, reason = "the generated code names the types of resources")]

mod clocks;
mod fields;
mod http;
mod io;
mod random;
mod send;

use std::sync::Arc;
use std::time::Duration;

use surety_core::effect::{Outside, Stopped};
use surety_core::machine::Call;
use surety_core::types::{MsgId, Seq, Time};
use wasmtime::component::ResourceTable;

pub use fields::Fields;
pub use http::{
    FutureResponse, FutureTrailers, IncomingBody, IncomingResponse, Never, Options, OutgoingBody,
    OutgoingRequest,
};
pub use io::{InputStream, OutputStream, Pollable};

use crate::guest::Guest;
use crate::limits::Limits;

/// Things of a call that the host holds for the guest at once: far more than one
/// request after the other needs.
const RESOURCES_MAX: usize = 256;

/// What a guest may hand over for requests, times `http_bytes_max`: it may build
/// one in several steps, and each copies.
const GIVEN_FACTOR: usize = 4;

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/wasi-0.2.12/io.wit",
            "../../wit/wasi-0.2.12/clocks.wit",
            "../../wit/wasi-0.2.12/random.wit",
            "../../wit/wasi-0.2.12/http.wit",
        ],
        inline: "
            package surety:outside;
            world outside {
                import wasi:io/error@0.2.12;
                import wasi:io/poll@0.2.12;
                import wasi:io/streams@0.2.12;
                import wasi:clocks/monotonic-clock@0.2.12;
                import wasi:clocks/wall-clock@0.2.12;
                import wasi:random/random@0.2.12;
                import wasi:random/insecure@0.2.12;
                import wasi:random/insecure-seed@0.2.12;
                import wasi:http/types@0.2.12;
                import wasi:http/outgoing-handler@0.2.12;
            }
        ",
        world: "surety:outside/outside",
        imports: {
            "wasi:http/outgoing-handler.handle": async | trappable,
            "wasi:http/types.[static]outgoing-body.finish": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:io/error.error": super::Never,
            "wasi:io/poll.pollable": super::Pollable,
            "wasi:io/streams.input-stream": super::InputStream,
            "wasi:io/streams.output-stream": super::OutputStream,
            "wasi:http/types.fields": super::Fields,
            "wasi:http/types.incoming-request": super::Never,
            "wasi:http/types.outgoing-request": super::OutgoingRequest,
            "wasi:http/types.request-options": super::Options,
            "wasi:http/types.response-outparam": super::Never,
            "wasi:http/types.incoming-response": super::IncomingResponse,
            "wasi:http/types.incoming-body": super::IncomingBody,
            "wasi:http/types.future-trailers": super::FutureTrailers,
            "wasi:http/types.outgoing-response": super::Never,
            "wasi:http/types.outgoing-body": super::OutgoingBody,
            "wasi:http/types.future-incoming-response": super::FutureResponse,
        },
    });
}

/// Links what every action may have.
pub(crate) fn add_deterministic(
    linker: &mut wasmtime::component::Linker<Guest>,
) -> wasmtime::Result<()> {
    use bindings::wasi::{clocks, io, random};
    use wasmtime::component::HasSelf;
    type Own = HasSelf<Guest>;
    io::error::add_to_linker::<_, Own>(linker, |guest| guest)?;
    io::poll::add_to_linker::<_, Own>(linker, |guest| guest)?;
    io::streams::add_to_linker::<_, Own>(linker, |guest| guest)?;
    clocks::monotonic_clock::add_to_linker::<_, Own>(linker, |guest| guest)?;
    clocks::wall_clock::add_to_linker::<_, Own>(linker, |guest| guest)?;
    random::random::add_to_linker::<_, Own>(linker, |guest| guest)?;
    random::insecure::add_to_linker::<_, Own>(linker, |guest| guest)?;
    random::insecure_seed::add_to_linker::<_, Own>(linker, |guest| guest)
}

/// Links outgoing HTTP.
pub(crate) fn add_http(linker: &mut wasmtime::component::Linker<Guest>) -> wasmtime::Result<()> {
    use bindings::wasi::http;
    use wasmtime::component::HasSelf;
    http::types::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    http::outgoing_handler::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)
}

/// What one instance knows of the world.
pub(crate) struct Wasi {
    table: ResourceTable,
    outside: Arc<dyn Outside>,
    now: Time,
    /// What timers that were waited for add to the monotonic clock, in ns.
    slept_ns: u64,
    random: random::Random,
    limits: Limits,
    /// Requests that were sent.
    requests: u32,
    /// Of requests and responses.
    bytes: usize,
    /// What the guest handed over to make requests of.
    given: usize,
    /// For responses.
    waited: Duration,
}

impl Wasi {
    pub(crate) fn new(
        outside: Arc<dyn Outside>,
        msg_id: MsgId,
        seq: Seq,
        now: Time,
        limits: Limits,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self {
            table,
            outside,
            now,
            slept_ns: 0,
            random: random::Random::new(msg_id, seq),
            limits,
            requests: 0,
            bytes: 0,
            given: 0,
            waited: Duration::ZERO,
        }
    }

    /// The one of a call.
    pub(crate) fn of(call: &Call, outside: Arc<dyn Outside>, limits: Limits) -> Self {
        Self::new(outside, call.message.msg_id, call.seq, call.now, limits)
    }

    /// Takes over bytes of the guest's.
    fn give(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.given = self.given.saturating_add(bytes);
        let max = self.limits.http_bytes_max;
        if self.given > max.saturating_mul(GIVEN_FACTOR).saturating_add(GIVEN_FREE) {
            return Err(Reached("http_bytes_max", max as u64).into());
        }
        Ok(())
    }
}

/// What may be handed over however low the limit is: the heads that a client makes
/// before it knows.
const GIVEN_FREE: usize = 64 << 10;

/// The guest went over a limit.
#[derive(Debug, thiserror::Error)]
#[error("the limit `{0}` of {1} is reached")]
pub(crate) struct Reached(pub(crate) &'static str, pub(crate) u64);

/// A request that ends the call.
#[derive(Debug, thiserror::Error)]
#[error("the call cannot go on")]
pub(crate) struct Halted(pub(crate) Stopped);

/// What a guest did that makes no sense; it ends as a trap.
fn nonsense(what: &str) -> wasmtime::Error {
    wasmtime::Error::msg(what.to_owned())
}
