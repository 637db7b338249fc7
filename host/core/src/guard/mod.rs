//! Guards: conditions of workflows and rules, in CEL.
//!
//! ```text
//!   text ─ cel's parser → lower ─→ Expr ─┬→ eval   (message, ext, now, signal) → holds, or a Fault
//!                                        └→ check  (their schemas)            → findings
//! ```
//!
//! The crate `cel` parses; what is evaluated is a tree of our own. Its interpreter
//! walks maps in an order that changes from run to run, has no limit on what an
//! evaluation costs, copies the whole message into values first, and prints
//! values in its errors. Here the order is fixed, every step is counted, only
//! what is looked at is read, where it lies, and an error names types.
//!
//! The language is CEL without unsigned and byte literals, messages, optional
//! values, regular expressions and conversions, and with 256-bit decimals and
//! times. Nothing in it can read a clock or draw chance.
//!
//! | | |
//! |---|---|
//! | `dec('123')` | a decimal: a whole number of up to 256 bits, with `+ - * / %` and comparison; an int beside one counts as one |
//! | `time('2026-01-01T00:00:00Z')` | milliseconds since the epoch, as `now` is |
//! | `days(n)`, `hours(n)`, `minutes(n)` | milliseconds |
//! | `size(x)`, `x.contains(y)`, `x.startsWith(y)`, `x.endsWith(y)`, `has(x.y)`, `x in y` | as in CEL |
//! | `x.all(v, …)`, `exists`, `exists_one`, `filter`, `map` | as in CEL, over lists, and over the keys of maps in their order |
//!
//! A whole JSON number that 64 bits hold is an int, any other a double, however it
//! is written.

mod expr;
mod lower;
mod show;

mod dec;
mod eval;
mod fault;
mod funcs;
mod ops;
mod value;

mod check;
mod facts;
mod shape;
mod types;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::types::Time;
pub use types::{GuardFinding, GuardTypes, Severity};

/// The longest guard, in bytes of its text.
pub const GUARD_BYTES_MAX: usize = 2 << 10;

/// The most words and signs in a guard, those inside strings too. With them the
/// parser's stack and the tree are bounded, whatever the text; a comparison like
/// `ext.a == 'b' &&` has ten.
pub const GUARD_TOKENS_MAX: usize = 512;

/// The deepest nesting of brackets, arguments and `?:`. The parser takes about
/// 9 KiB of stack for each, and the default is 2 MiB a thread.
pub const GUARD_NESTING_MAX: u16 = 24;

/// The deepest tree, chains like `a.b.c` and `a + b + c` counted. It bounds
/// every recursion over the tree.
pub const GUARD_DEPTH_MAX: usize = 64;

/// The most that one evaluation may cost: one for each part of the guard that is
/// evaluated, each element looked at, and each 64 bytes of text compared or
/// built. A guard over a dozen members costs about fifty, one over 10,000 elements
/// about 50,000. With 500,000 the dearest one that was found took 66 ms, which is
/// too long beside others.
pub const GUARD_COST_MAX: u32 = 200_000;

/// What a guard may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    /// `message` alone.
    Message,
    /// `message`, `ext`, `now`.
    State,
    /// `message`, `ext`, `now`, `signal`.
    Signal,
}

/// What a guard is evaluated on.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The message's text, parsed.
    pub message: &'a Value,
    /// Msg_Ext.
    pub ext: &'a Value,
    /// The signal: an object with `name`, `signer`, `client_id`, `data`.
    pub signal: Option<&'a Value>,
    /// The recorded time.
    pub now: Time,
}

/// A guard that gave no answer: which, and why, with the types of what it looked
/// at and never the values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the guard `{guard}` cannot be evaluated: {why}")]
pub struct GuardFailure {
    /// The guard's text.
    pub guard: Arc<str>,
    /// Why.
    pub why: String,
}

/// A compiled condition.
pub struct Guard {
    text: Arc<str>,
    expr: expr::Expr,
}

impl Guard {
    /// Compiles a guard.
    ///
    /// # Errors
    /// What is wrong with the text: its form, its size, a name that is not
    /// visible, a function that there is not, a constant that is no decimal.
    pub fn compile(text: &str, sees: Sees) -> Result<Self, String> {
        Ok(Self { text: text.into(), expr: lower::lower(text, sees)? })
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// When it gives no answer, or one that is neither true nor false.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, GuardFailure> {
        eval::holds(&self.expr, scope)
            .map_err(|fault| GuardFailure { guard: Arc::clone(&self.text), why: fault.to_string() })
    }

    /// Checks the guard against the schemas of what it looks at: everything that
    /// is wrong for every value, and everything that may go wrong for some.
    #[must_use]
    pub fn check(&self, types: &GuardTypes<'_>) -> Vec<GuardFinding> {
        check::check(&self.expr, types)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({:?})", self.text)
    }
}
