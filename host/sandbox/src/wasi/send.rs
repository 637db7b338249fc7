//! Sending: the one place where a guest's call waits for the world.

use std::time::Instant;

use surety_core::effect::{BadRequest, Budget, Outcome, Request, Unsent, UnsentKind};
use wasmtime::component::Resource;

use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{DnsErrorPayload, ErrorCode, Method, Scheme};
use super::http::{FutureResponse, Options, OutgoingRequest, Parts, Shared, Stage};
use super::{Halted, Reached};
use crate::guest::Guest;

impl outgoing_handler::Host for Guest {
    async fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<Options>>,
    ) -> wasmtime::Result<Result<Resource<FutureResponse>, ErrorCode>> {
        self.count_call()?;
        let request = self.wasi.table.delete(request)?;
        let first_byte = match options {
            Some(options) => self.wasi.table.delete(options)?.first_byte,
            None => None,
        };
        let shared = request.sending.clone();
        {
            let mut sending = shared.lock();
            sending.ms_max = first_byte.map(|ns| ns / 1_000_000);
            if sending.is_bodiless() {
                sending.complete();
            }
            sending.parts = Some(request.parts);
        }
        self.send_if_whole(&shared).await?;
        Ok(Ok(self.wasi.table.push(FutureResponse(shared))?))
    }
}

impl Guest {
    /// Sends a request that was handed over and whose body is whole.
    pub(super) async fn send_if_whole(&mut self, shared: &Shared) -> wasmtime::Result<()> {
        let (parts, body, ms_max) = {
            let mut sending = shared.lock();
            if sending.stage != Stage::Complete {
                return Ok(());
            }
            let Some(parts) = sending.parts.take() else { return Ok(()) };
            (parts, std::mem::take(&mut sending.body), sending.ms_max)
        };
        let outcome = match whole(parts, body) {
            Ok(request) => self.exchange(request, ms_max).await?.map_err(code),
            Err(e) => Err(bad(e)),
        };
        let mut sending = shared.lock();
        sending.stage = Stage::Done;
        sending.outcome = Some(outcome);
        Ok(())
    }

    async fn exchange(
        &mut self,
        request: Request,
        ms_max: Option<u64>,
    ) -> wasmtime::Result<Outcome> {
        let wasi = &mut self.wasi;
        wasi.requests += 1;
        if wasi.requests > wasi.limits.http_requests_max {
            let max = wasi.limits.http_requests_max.into();
            return Err(Reached("http_requests_max", max).into());
        }
        let bytes_max = wasi.limits.http_bytes_max;
        wasi.bytes = wasi.bytes.saturating_add(request.size());
        let Some(response_bytes_max) = bytes_max.checked_sub(wasi.bytes) else {
            return Err(Reached("http_bytes_max", bytes_max as u64).into());
        };
        let waited = u64::try_from(wasi.waited.as_millis()).unwrap_or(u64::MAX);
        let left = wasi.limits.http_ms_max.saturating_sub(waited);
        let ms_max = left.min(ms_max.unwrap_or(u64::MAX)).max(1);
        let began = Instant::now();
        let outcome = wasi.outside.exchange(request, Budget { response_bytes_max, ms_max }).await;
        wasi.waited += began.elapsed();
        let outcome = outcome.map_err(Halted)?;
        if let Ok(response) = &outcome {
            wasi.bytes = wasi.bytes.saturating_add(response.size());
        }
        Ok(outcome)
    }
}

/// A request from its parts.
fn whole(parts: Parts, body: Vec<u8>) -> Result<Request, BadRequest> {
    let Parts { method, scheme, authority, target, headers } = parts;
    let method = match &method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Patch => "PATCH",
        Method::Connect | Method::Trace => return Err(BadRequest::Method),
        Method::Other(name) => name,
    };
    let tls = match scheme {
        None | Some(Scheme::Https) => true,
        Some(Scheme::Http) => false,
        Some(Scheme::Other(_)) => return Err(BadRequest::Url),
    };
    let target = target.as_deref().unwrap_or("/");
    Request::new(method, tls, &authority.unwrap_or_default(), target, headers, body)
}

fn bad(e: BadRequest) -> ErrorCode {
    match e {
        BadRequest::Method => ErrorCode::HttpRequestMethodInvalid,
        BadRequest::Url => ErrorCode::HttpRequestUriInvalid,
        BadRequest::UrlLength => ErrorCode::HttpRequestUriTooLong,
        BadRequest::Headers => ErrorCode::HttpRequestHeaderSize(None),
    }
}

/// The nearest of the interface's own errors.
fn code(e: Unsent) -> ErrorCode {
    match e.kind {
        UnsentKind::Denied => ErrorCode::HttpRequestDenied,
        UnsentKind::Address => ErrorCode::DestinationIpProhibited,
        UnsentKind::Dns => ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None }),
        UnsentKind::Connect => ErrorCode::ConnectionRefused,
        UnsentKind::Tls => ErrorCode::TlsCertificateError,
        UnsentKind::Timeout => ErrorCode::HttpResponseTimeout,
        UnsentKind::TooLarge => ErrorCode::HttpResponseBodySize(None),
        UnsentKind::Redirect => ErrorCode::LoopDetected,
        UnsentKind::Protocol => ErrorCode::HttpProtocolError,
        UnsentKind::Busy => ErrorCode::ConnectionLimitReached,
    }
}
