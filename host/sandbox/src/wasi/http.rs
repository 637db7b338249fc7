//! `wasi:http/types`: requests on their way out, and their responses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use surety_core::effect::{Header, Response};
use wasmtime::component::Resource;

use super::bindings::wasi::http::types::{
    ErrorCode, Host, HostFutureIncomingResponse, HostFutureTrailers, HostIncomingBody,
    HostIncomingRequest, HostIncomingResponse, HostOutgoingBody, HostOutgoingRequest,
    HostOutgoingResponse, HostRequestOptions, HostResponseOutparam, Method, Scheme,
};
use super::io::{InputStream, OutputStream, Pollable};
use super::{Fields, nonsense};
use crate::guest::Guest;

/// What nobody has: requests and responses the other way round.
pub enum Never {}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its body may grow.
    Open,
    /// Its body is whole.
    Complete,
    /// Its outcome is known.
    Done,
}

/// A request's body and outcome, which several things of the guest's refer to.
pub(super) struct Sending {
    pub(super) stage: Stage,
    pub(super) body: Vec<u8>,
    /// Set when it is handed over to be sent.
    pub(super) parts: Option<Parts>,
    pub(super) ms_max: Option<u64>,
    /// Taken once.
    pub(super) outcome: Option<Result<Response, ErrorCode>>,
    body_taken: bool,
    stream_taken: bool,
}

#[derive(Clone)]
pub struct Shared(Arc<Mutex<Sending>>);

impl Shared {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Sending {
            stage: Stage::Open,
            body: Vec::new(),
            parts: None,
            ms_max: None,
            outcome: None,
            body_taken: false,
            stream_taken: false,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Sending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being made.
pub struct OutgoingRequest {
    pub(super) parts: Parts,
    pub(super) sending: Shared,
}

/// All of it but the body.
pub(super) struct Parts {
    pub(super) method: Method,
    pub(super) scheme: Option<Scheme>,
    pub(super) authority: Option<String>,
    pub(super) target: Option<String>,
    pub(super) headers: Vec<Header>,
}

pub struct OutgoingBody(Shared);
pub struct FutureResponse(pub(super) Shared);

/// What the guest wants to wait for at most, in ns.
#[derive(Default)]
pub struct Options {
    connect: Option<u64>,
    pub(super) first_byte: Option<u64>,
    between_bytes: Option<u64>,
}

pub struct IncomingResponse {
    status: u16,
    headers: Vec<Header>,
    body: Option<Arc<[u8]>>,
}

/// The body, until its stream is taken.
pub struct IncomingBody(Option<Arc<[u8]>>);

/// Trailers, of which there are none.
pub struct FutureTrailers {
    taken: bool,
}

impl Host for Guest {
    fn http_error_code(&mut self, error: Resource<Never>) -> wasmtime::Result<Option<ErrorCode>> {
        match *self.wasi.table.get(&error)? {}
    }
}

impl HostOutgoingRequest for Guest {
    fn new(&mut self, headers: Resource<Fields>) -> wasmtime::Result<Resource<OutgoingRequest>> {
        self.count_call()?;
        let headers = self.wasi.table.delete(headers)?.list;
        let (scheme, authority, target) = (None, None, None);
        let parts = Parts { method: Method::Get, scheme, authority, target, headers };
        Ok(self.wasi.table.push(OutgoingRequest { parts, sending: Shared::new() })?)
    }

    fn body(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        self.count_call()?;
        let shared = self.wasi.table.get(&request)?.sending.clone();
        if std::mem::replace(&mut shared.lock().body_taken, true) {
            return Ok(Err(()));
        }
        Ok(Ok(self.wasi.table.push(OutgoingBody(shared))?))
    }

    fn method(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Method> {
        self.count_call()?;
        Ok(self.wasi.table.get(&request)?.parts.method.clone())
    }

    fn set_method(
        &mut self,
        request: Resource<OutgoingRequest>,
        method: Method,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.count_call()?;
        if let Method::Other(name) = &method {
            self.wasi.give(name.len())?;
        }
        self.wasi.table.get_mut(&request)?.parts.method = method;
        Ok(Ok(()))
    }

    fn path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        self.count_call()?;
        Ok(self.wasi.table.get(&request)?.parts.target.clone())
    }

    fn set_path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
        target: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.count_call()?;
        self.wasi.give(target.as_ref().map_or(0, String::len))?;
        self.wasi.table.get_mut(&request)?.parts.target = target;
        Ok(Ok(()))
    }

    fn scheme(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<Scheme>> {
        self.count_call()?;
        Ok(self.wasi.table.get(&request)?.parts.scheme.clone())
    }

    fn set_scheme(
        &mut self,
        request: Resource<OutgoingRequest>,
        scheme: Option<Scheme>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.count_call()?;
        if let Some(Scheme::Other(name)) = &scheme {
            self.wasi.give(name.len())?;
        }
        self.wasi.table.get_mut(&request)?.parts.scheme = scheme;
        Ok(Ok(()))
    }

    fn authority(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        self.count_call()?;
        Ok(self.wasi.table.get(&request)?.parts.authority.clone())
    }

    fn set_authority(
        &mut self,
        request: Resource<OutgoingRequest>,
        authority: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.count_call()?;
        self.wasi.give(authority.as_ref().map_or(0, String::len))?;
        self.wasi.table.get_mut(&request)?.parts.authority = authority;
        Ok(Ok(()))
    }

    fn headers(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Resource<Fields>> {
        self.count_call()?;
        let list = self.wasi.table.get(&request)?.parts.headers.clone();
        self.wasi.give(list.iter().map(|(name, value)| name.len() + value.len()).sum())?;
        Ok(self.wasi.table.push(Fields { list, fixed: true })?)
    }

    fn drop(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<()> {
        self.wasi.table.delete(request)?;
        Ok(())
    }
}

impl HostOutgoingBody for Guest {
    fn write(
        &mut self,
        body: Resource<OutgoingBody>,
    ) -> wasmtime::Result<Result<Resource<OutputStream>, ()>> {
        self.count_call()?;
        let shared = self.wasi.table.get(&body)?.0.clone();
        if std::mem::replace(&mut shared.lock().stream_taken, true) {
            return Ok(Err(()));
        }
        Ok(Ok(self.wasi.table.push(OutputStream(shared))?))
    }

    async fn finish(
        &mut self,
        body: Resource<OutgoingBody>,
        trailers: Option<Resource<Fields>>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        self.count_call()?;
        let OutgoingBody(shared) = self.wasi.table.delete(body)?;
        if let Some(trailers) = trailers
            && !self.wasi.table.delete(trailers)?.list.is_empty()
        {
            shared.lock().fail(ErrorCode::HttpRequestTrailerSectionSize(Some(0)));
            return Ok(Err(ErrorCode::HttpRequestTrailerSectionSize(Some(0))));
        }
        shared.lock().complete();
        self.send_if_whole(&shared).await?;
        Ok(Ok(()))
    }

    /// A body that is dropped was not meant to be sent.
    fn drop(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<()> {
        let OutgoingBody(shared) = self.wasi.table.delete(body)?;
        shared.lock().fail(ErrorCode::HttpProtocolError);
        Ok(())
    }
}

impl Sending {
    pub(super) fn complete(&mut self) {
        if self.stage == Stage::Open {
            self.stage = Stage::Complete;
        }
    }

    /// Nobody took a body, so there is none to wait for.
    pub(super) fn is_bodiless(&self) -> bool {
        !self.body_taken
    }

    pub(super) fn fail(&mut self, code: ErrorCode) {
        if self.stage != Stage::Done {
            self.stage = Stage::Done;
            self.outcome = Some(Err(code));
        }
    }
}

impl HostFutureIncomingResponse for Guest {
    fn subscribe(
        &mut self,
        future: Resource<FutureResponse>,
    ) -> wasmtime::Result<Resource<Pollable>> {
        self.count_call()?;
        let shared = self.wasi.table.get(&future)?.0.clone();
        Ok(self.wasi.table.push(Pollable::Response(shared))?)
    }

    #[allow(clippy::type_complexity, reason = "the interface's own")]
    fn get(
        &mut self,
        future: Resource<FutureResponse>,
    ) -> wasmtime::Result<Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>> {
        self.count_call()?;
        let shared = self.wasi.table.get(&future)?.0.clone();
        let mut sending = shared.lock();
        if sending.stage != Stage::Done {
            return Ok(None);
        }
        Ok(Some(match sending.outcome.take() {
            None => Err(()),
            Some(Err(code)) => Ok(Err(code)),
            Some(Ok(Response { status, headers, body })) => {
                let response = IncomingResponse { status, headers, body: Some(body.into()) };
                Ok(Ok(self.wasi.table.push(response)?))
            }
        }))
    }

    fn drop(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<()> {
        self.wasi.table.delete(future)?;
        Ok(())
    }
}

impl HostIncomingResponse for Guest {
    fn status(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        self.count_call()?;
        Ok(self.wasi.table.get(&response)?.status)
    }

    fn headers(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Resource<Fields>> {
        self.count_call()?;
        let list = self.wasi.table.get(&response)?.headers.clone();
        self.wasi.give(list.iter().map(|(name, value)| name.len() + value.len()).sum())?;
        Ok(self.wasi.table.push(Fields { list, fixed: true })?)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        self.count_call()?;
        let Some(body) = self.wasi.table.get_mut(&response)?.body.take() else {
            return Ok(Err(()));
        };
        Ok(Ok(self.wasi.table.push(IncomingBody(Some(body)))?))
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        self.wasi.table.delete(response)?;
        Ok(())
    }
}

impl HostIncomingBody for Guest {
    fn stream(
        &mut self,
        body: Resource<IncomingBody>,
    ) -> wasmtime::Result<Result<Resource<InputStream>, ()>> {
        self.count_call()?;
        let Some(bytes) = self.wasi.table.get_mut(&body)?.0.take() else {
            return Ok(Err(()));
        };
        Ok(Ok(self.wasi.table.push(InputStream { bytes, at: 0 })?))
    }

    fn finish(
        &mut self,
        body: Resource<IncomingBody>,
    ) -> wasmtime::Result<Resource<FutureTrailers>> {
        self.count_call()?;
        self.wasi.table.delete(body)?;
        Ok(self.wasi.table.push(FutureTrailers { taken: false })?)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.wasi.table.delete(body)?;
        Ok(())
    }
}

impl HostFutureTrailers for Guest {
    fn subscribe(&mut self, _: Resource<FutureTrailers>) -> wasmtime::Result<Resource<Pollable>> {
        self.count_call()?;
        Ok(self.wasi.table.push(Pollable::Ready)?)
    }

    #[allow(clippy::type_complexity, reason = "the interface's own")]
    fn get(
        &mut self,
        trailers: Resource<FutureTrailers>,
    ) -> wasmtime::Result<Option<Result<Result<Option<Resource<Fields>>, ErrorCode>, ()>>> {
        self.count_call()?;
        let taken = std::mem::replace(&mut self.wasi.table.get_mut(&trailers)?.taken, true);
        Ok(Some(if taken { Err(()) } else { Ok(Ok(None)) }))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        self.wasi.table.delete(trailers)?;
        Ok(())
    }
}

macro_rules! options {
    ($($get:ident, $set:ident, $field:ident;)*) => {
        impl HostRequestOptions for Guest {
            fn new(&mut self) -> wasmtime::Result<Resource<Options>> {
                self.count_call()?;
                Ok(self.wasi.table.push(Options::default())?)
            }

            $(
                fn $get(&mut self, options: Resource<Options>) -> wasmtime::Result<Option<u64>> {
                    self.count_call()?;
                    Ok(self.wasi.table.get(&options)?.$field)
                }

                fn $set(
                    &mut self,
                    options: Resource<Options>,
                    ns: Option<u64>,
                ) -> wasmtime::Result<Result<(), ()>> {
                    self.count_call()?;
                    self.wasi.table.get_mut(&options)?.$field = ns;
                    Ok(Ok(()))
                }
            )*

            fn drop(&mut self, options: Resource<Options>) -> wasmtime::Result<()> {
                self.wasi.table.delete(options)?;
                Ok(())
            }
        }
    };
}

options! {
    connect_timeout, set_connect_timeout, connect;
    first_byte_timeout, set_first_byte_timeout, first_byte;
    between_bytes_timeout, set_between_bytes_timeout, between_bytes;
}

/// Nobody sends an action a request, so there is nothing of this to be had.
const NONE: &str = "the action holds something that does not exist";

impl HostIncomingRequest for Guest {
    fn method(&mut self, _: Resource<Never>) -> wasmtime::Result<Method> {
        Err(nonsense(NONE))
    }

    fn path_with_query(&mut self, _: Resource<Never>) -> wasmtime::Result<Option<String>> {
        Err(nonsense(NONE))
    }

    fn scheme(&mut self, _: Resource<Never>) -> wasmtime::Result<Option<Scheme>> {
        Err(nonsense(NONE))
    }

    fn authority(&mut self, _: Resource<Never>) -> wasmtime::Result<Option<String>> {
        Err(nonsense(NONE))
    }

    fn headers(&mut self, _: Resource<Never>) -> wasmtime::Result<Resource<Fields>> {
        Err(nonsense(NONE))
    }

    fn consume(
        &mut self,
        _: Resource<Never>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        Err(nonsense(NONE))
    }

    fn drop(&mut self, _: Resource<Never>) -> wasmtime::Result<()> {
        Err(nonsense(NONE))
    }
}

impl HostOutgoingResponse for Guest {
    fn new(&mut self, _: Resource<Fields>) -> wasmtime::Result<Resource<Never>> {
        Err(nonsense("an action answers no requests"))
    }

    fn status_code(&mut self, _: Resource<Never>) -> wasmtime::Result<u16> {
        Err(nonsense(NONE))
    }

    fn set_status_code(&mut self, _: Resource<Never>, _: u16) -> wasmtime::Result<Result<(), ()>> {
        Err(nonsense(NONE))
    }

    fn headers(&mut self, _: Resource<Never>) -> wasmtime::Result<Resource<Fields>> {
        Err(nonsense(NONE))
    }

    fn body(&mut self, _: Resource<Never>) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        Err(nonsense(NONE))
    }

    fn drop(&mut self, _: Resource<Never>) -> wasmtime::Result<()> {
        Err(nonsense(NONE))
    }
}

impl HostResponseOutparam for Guest {
    fn set(
        &mut self,
        _: Resource<Never>,
        _: Result<Resource<Never>, ErrorCode>,
    ) -> wasmtime::Result<()> {
        Err(nonsense(NONE))
    }

    fn drop(&mut self, _: Resource<Never>) -> wasmtime::Result<()> {
        Err(nonsense(NONE))
    }
}
