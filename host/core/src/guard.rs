//! Guards: conditions of workflows and rules, in CEL.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::types::Time;

/// The longest guard, in bytes of its text.
pub const GUARD_BYTES_MAX: usize = 2 << 10;

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
    /// The signal: an object with `name`, `signer`, `client_id`.
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
    program: cel::Program,
}

impl Guard {
    /// Compiles a guard.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn compile(text: &str, _sees: Sees) -> Result<Self, String> {
        if text.len() > GUARD_BYTES_MAX {
            return Err(format!("is longer than `guard_bytes_max`, {GUARD_BYTES_MAX}"));
        }
        let program = cel::Program::compile(text).map_err(|e| e.to_string())?;
        Ok(Self { text: text.into(), program })
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
        let fail = |why: String| GuardFailure { guard: Arc::clone(&self.text), why };
        let mut context = cel::Context::default();
        let mut bind = |name: &str, value: &Value| {
            let value = cel::to_value(value).map_err(|e| fail(e.to_string()))?;
            context.add_variable_from_value(name, value);
            Ok(())
        };
        bind("message", scope.message)?;
        bind("ext", scope.ext)?;
        if let Some(signal) = scope.signal {
            bind("signal", signal)?;
        }
        bind("now", &Value::from(scope.now.as_millis()))?;
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(fail("it is neither true nor false".to_owned())),
            Err(e) => Err(fail(e.to_string())),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({:?})", self.text)
    }
}
