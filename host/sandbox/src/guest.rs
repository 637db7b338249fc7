//! The host's side of one instance: its account, and what it may call.

use std::fmt;
use std::sync::Arc;

use surety_core::text::Escaped;
use surety_core::types::MsgId;
use tracing::Level;

use crate::bindings::surety::action::{log, types};
use crate::limits::Limits;
use crate::meter::Meter;
use crate::wasi::Wasi;

/// A line that a module wrote, or that says how many are missing.
#[derive(Debug, Clone, Copy)]
pub struct GuestLine<'a> {
    /// The module's name and version.
    pub module: &'a str,
    /// The message that it ran for.
    pub msg_id: MsgId,
    /// How much it matters.
    pub level: Level,
    /// What it says: one printable line.
    pub text: &'a str,
}

/// Gets every line that modules write, beside the host's own log.
pub trait GuestLog: Send + Sync {
    /// A line. The guest waits for it, so it should not take long.
    fn line(&self, line: GuestLine<'_>);
}

/// What is known of one instance while it runs.
pub(crate) struct Guest {
    pub(crate) meter: Meter,
    pub(crate) wasi: Wasi,
    module: Arc<str>,
    msg_id: MsgId,
    log: Option<Arc<dyn GuestLog>>,
    limits: Limits,
    host_calls: u32,
    log_lines: u32,
    log_bytes: usize,
    log_dropped: u32,
}

/// The guest called the host too often.
#[derive(Debug, thiserror::Error)]
#[error("the limit `host_calls_max` of {0} is reached")]
pub(crate) struct TooManyCalls(pub(crate) u32);

impl Guest {
    pub(crate) fn new(
        module: &Arc<str>,
        msg_id: MsgId,
        limits: Limits,
        log: Option<Arc<dyn GuestLog>>,
        wasi: Wasi,
    ) -> Self {
        Self {
            meter: Meter::new(limits),
            wasi,
            module: Arc::clone(module),
            msg_id,
            log,
            limits,
            host_calls: 0,
            log_lines: 0,
            log_bytes: 0,
            log_dropped: 0,
        }
    }

    /// Says once how much of the guest's log is missing.
    pub(crate) fn finish_log(&self) {
        if self.log_dropped > 0 {
            let Self { log_dropped, .. } = self;
            self.line(Level::WARN, format_args!("{log_dropped} log lines were cut or dropped"));
        }
    }

    /// Every function that the guest can call counts here first.
    pub(crate) fn count_call(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > self.limits.host_calls_max {
            return Err(TooManyCalls(self.limits.host_calls_max).into());
        }
        Ok(())
    }

    /// As much of `text` as the limits leave; the rest is dropped, because a
    /// log line is not worth the message.
    fn write(&mut self, level: Level, text: &str) {
        if self.log_lines == self.limits.log_lines_max {
            self.log_dropped += 1;
            return;
        }
        let kept = text.floor_char_boundary(self.limits.log_bytes_max - self.log_bytes);
        if kept < text.len() {
            self.log_dropped += 1;
        }
        if kept > 0 || text.is_empty() {
            self.log_lines += 1;
            self.log_bytes += kept;
            self.line(level, Escaped(&text[..kept]));
        }
    }

    fn line(&self, level: Level, text: impl fmt::Display) {
        let Self { module, msg_id, .. } = self;
        if let Some(log) = &self.log {
            let text = text.to_string();
            log.line(GuestLine { module, msg_id: *msg_id, level, text: &text });
        }
        // The level is part of an event's static description.
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(target: "surety::guest", $level, %module, %msg_id, "{text}")
            };
        }
        match level {
            Level::ERROR => event!(Level::ERROR),
            Level::WARN => event!(Level::WARN),
            Level::INFO => event!(Level::INFO),
            _ => event!(Level::DEBUG),
        }
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, text: String) -> wasmtime::Result<()> {
        self.count_call()?;
        let level = match level {
            log::Level::Debug => Level::DEBUG,
            log::Level::Info => Level::INFO,
            log::Level::Warn => Level::WARN,
            log::Level::Error => Level::ERROR,
        };
        Guest::write(self, level, &text);
        Ok(())
    }
}

/// Has types only.
impl types::Host for Guest {}
