//! Lines for the host's log. The host tags them with module and message, and
//! limits their number and size. Natively they go to standard error.

#[cfg(target_family = "wasm")]
use crate::bindings::surety::action::log::{Level, write};

/// For whoever debugs the action.
pub fn debug(text: &str) {
    write(Level::Debug, text);
}

/// What an operator may want to know.
pub fn info(text: &str) {
    write(Level::Info, text);
}

/// Odd, but the action goes on.
pub fn warn(text: &str) {
    write(Level::Warn, text);
}

/// Why the action is about to fail.
pub fn error(text: &str) {
    write(Level::Error, text);
}

#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, text: &str) {
    eprintln!("{level:?}: {text}");
}
