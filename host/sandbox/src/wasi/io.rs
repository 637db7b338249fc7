//! Streams and pollables: buffers, and what is ready at once or never.

use std::sync::Arc;

use wasmtime::component::Resource;

use super::bindings::wasi::io::{error, poll, streams};
use super::http::{Never, Shared, Stage};
use super::nonsense;
use crate::guest::Guest;

/// What a stream takes or gives at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Things that one `poll` asks about.
const POLLED_MAX: usize = 256;

/// Something to wait for.
pub enum Pollable {
    /// It is there.
    Ready,
    /// A time on the monotonic clock, in ns.
    At(u64),
    /// The response to a request.
    Response(Shared),
}

/// A response's body, or nothing.
pub struct InputStream {
    pub(super) bytes: Arc<[u8]>,
    pub(super) at: usize,
}

/// A request's body.
pub struct OutputStream(pub(super) Shared);

impl InputStream {
    fn take(&mut self, len: u64) -> Result<&[u8], streams::StreamError> {
        let rest = self.bytes.len() - self.at;
        if rest == 0 {
            return Err(streams::StreamError::Closed);
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest).min(CHUNK_BYTES);
        let from = self.at;
        self.at += len;
        Ok(&self.bytes[from..self.at])
    }
}

impl Guest {
    fn is_ready(&self, pollable: &Resource<Pollable>) -> wasmtime::Result<Readiness> {
        Ok(match self.wasi.table.get(pollable)? {
            Pollable::Ready => Readiness::Now,
            Pollable::At(ns) if *ns <= self.monotonic_ns() => Readiness::Now,
            Pollable::At(ns) => Readiness::At(*ns),
            Pollable::Response(shared) => match shared.lock().stage {
                Stage::Open | Stage::Complete => Readiness::Never,
                Stage::Done => Readiness::Now,
            },
        })
    }

    fn written(&mut self, stream: &Resource<OutputStream>, bytes: &[u8]) -> Written {
        self.count_call()?;
        self.wasi.give(bytes.len())?;
        let shared = self.wasi.table.get(stream)?.0.clone();
        let mut sending = shared.lock();
        if sending.stage != Stage::Open {
            return Ok(Err(streams::StreamError::Closed));
        }
        sending.body.extend_from_slice(bytes);
        Ok(Ok(()))
    }

    fn read_from(&mut self, stream: &Resource<InputStream>, len: u64) -> Read {
        self.count_call()?;
        Ok(self.wasi.table.get_mut(stream)?.take(len).map(<[u8]>::to_vec))
    }
}

type Written = wasmtime::Result<Result<(), streams::StreamError>>;
type Read = wasmtime::Result<Result<Vec<u8>, streams::StreamError>>;
type Count = wasmtime::Result<Result<u64, streams::StreamError>>;

enum Readiness {
    Now,
    At(u64),
    Never,
}

const DEADLOCK: &str =
    "the action waits for a response whose request it has not finished, which never comes";

impl poll::Host for Guest {
    /// What is there; timers only when nothing else is, so that none wins a race
    /// that it would have lost outside.
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        self.count_call()?;
        if pollables.is_empty() || pollables.len() > POLLED_MAX {
            return Err(nonsense("the action polls nothing, or too much"));
        }
        let readiness =
            pollables.iter().map(|p| self.is_ready(p)).collect::<wasmtime::Result<Vec<_>>>()?;
        let those = |wanted: &dyn Fn(&Readiness) -> bool| -> Vec<u32> {
            (0..).zip(&readiness).filter(|(_, r)| wanted(r)).map(|(i, _)| i).collect()
        };
        let now = those(&|r| matches!(r, Readiness::Now));
        if !now.is_empty() {
            return Ok(now);
        }
        let times = readiness.iter().filter_map(|r| match r {
            Readiness::At(ns) => Some(*ns),
            _ => None,
        });
        let first = times.min().ok_or_else(|| nonsense(DEADLOCK))?;
        self.sleep_until(first);
        Ok(those(&|r| matches!(r, Readiness::At(ns) if *ns <= first)))
    }
}

impl poll::HostPollable for Guest {
    fn ready(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<bool> {
        self.count_call()?;
        Ok(matches!(self.is_ready(&pollable)?, Readiness::Now))
    }

    fn block(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.count_call()?;
        match self.is_ready(&pollable)? {
            Readiness::Now => {}
            Readiness::At(ns) => self.sleep_until(ns),
            Readiness::Never => return Err(nonsense(DEADLOCK)),
        }
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.wasi.table.delete(pollable)?;
        Ok(())
    }
}

impl error::Host for Guest {}

/// No operation here fails, so there is no error to ask about.
impl error::HostError for Guest {
    fn to_debug_string(&mut self, error: Resource<Never>) -> wasmtime::Result<String> {
        match *self.wasi.table.get(&error)? {}
    }

    fn drop(&mut self, error: Resource<Never>) -> wasmtime::Result<()> {
        match self.wasi.table.delete(error)? {}
    }
}

impl streams::Host for Guest {}

impl streams::HostInputStream for Guest {
    fn read(&mut self, stream: Resource<InputStream>, len: u64) -> Read {
        self.read_from(&stream, len)
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, len: u64) -> Read {
        self.read_from(&stream, len)
    }

    fn skip(&mut self, stream: Resource<InputStream>, len: u64) -> Count {
        Ok(self.read_from(&stream, len)?.map(|bytes| bytes.len() as u64))
    }

    fn blocking_skip(&mut self, stream: Resource<InputStream>, len: u64) -> Count {
        Ok(self.read_from(&stream, len)?.map(|bytes| bytes.len() as u64))
    }

    fn subscribe(&mut self, _: Resource<InputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.count_call()?;
        Ok(self.wasi.table.push(Pollable::Ready)?)
    }

    fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        self.wasi.table.delete(stream)?;
        Ok(())
    }
}

impl streams::HostOutputStream for Guest {
    fn check_write(&mut self, stream: Resource<OutputStream>) -> Count {
        self.count_call()?;
        let open = self.wasi.table.get(&stream)?.0.lock().stage == Stage::Open;
        Ok(if open { Ok(CHUNK_BYTES as u64) } else { Err(streams::StreamError::Closed) })
    }

    fn write(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> Written {
        self.written(&stream, &contents)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        contents: Vec<u8>,
    ) -> Written {
        self.written(&stream, &contents)
    }

    fn flush(&mut self, stream: Resource<OutputStream>) -> Written {
        self.written(&stream, &[])
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> Written {
        self.written(&stream, &[])
    }

    fn subscribe(&mut self, _: Resource<OutputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.count_call()?;
        Ok(self.wasi.table.push(Pollable::Ready)?)
    }

    fn write_zeroes(&mut self, stream: Resource<OutputStream>, len: u64) -> Written {
        let len = usize::try_from(len).ok().filter(|len| *len <= CHUNK_BYTES);
        let len = len.ok_or_else(|| nonsense("the action writes more than it was let"))?;
        self.written(&stream, &vec![0; len])
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        len: u64,
    ) -> Written {
        self.write_zeroes(stream, len)
    }

    fn splice(
        &mut self,
        stream: Resource<OutputStream>,
        source: Resource<InputStream>,
        len: u64,
    ) -> Count {
        let bytes = match self.read_from(&source, len)? {
            Ok(bytes) => bytes,
            Err(closed) => return Ok(Err(closed)),
        };
        Ok(self.written(&stream, &bytes)?.map(|()| bytes.len() as u64))
    }

    fn blocking_splice(
        &mut self,
        stream: Resource<OutputStream>,
        source: Resource<InputStream>,
        len: u64,
    ) -> Count {
        self.splice(stream, source, len)
    }

    fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        self.wasi.table.delete(stream)?;
        Ok(())
    }
}
