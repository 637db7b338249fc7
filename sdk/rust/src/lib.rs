//! Write an action for surety: one step in the life of a signed message; or a
//! validator, which checks what is submitted: see `validator!`.
//!
//! A feature for each, so that a component carries nothing of the other: `action`,
//! which is the default, and `validator`.
//!
//! An action is a function. It gets a [`Call`] (the message, where it stands,
//! Msg_Ext, the settings of its deployment) and returns an [`Advance`] (the next
//! state and a patch for Msg_Ext) or a [`Failure`]. [`action!`] exports it.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use surety_sdk::{Advance, Call, Failure, log};
//!
//! /// What the client signed.
//! #[derive(Deserialize)]
//! pub struct Payload {
//!     amount: u64,
//! }
//!
//! /// What this action reads from Msg_Ext.
//! #[derive(Deserialize)]
//! pub struct Ext {
//!     rate: u64,
//! }
//!
//! /// What it writes to Msg_Ext.
//! #[derive(Serialize)]
//! struct Patch {
//!     price: u64,
//! }
//!
//! pub fn run(call: Call<Payload, Ext>) -> Result<Advance, Failure> {
//!     let price = (call.message.payload.amount)
//!         .checked_mul(call.ext.rate)
//!         .ok_or_else(|| Failure::permanent("the price overflows"))?;
//!     log::info(&format!("price {price}"));
//!     Advance::to("priced").patch(&Patch { price })
//! }
//!
//! surety_sdk::action!(run);
//!
//! // A unit test needs neither a host nor WebAssembly.
//! # fn main() -> Result<(), Failure> {
//! let call = surety_sdk::testing::call(r#"{"amount": 20}"#, r#"{"rate": 3}"#, "{}")?;
//! let advance = run(call)?;
//! assert_eq!(advance.state, "priced");
//! assert_eq!(advance.ext_patch, r#"{"price":60}"#);
//! # Ok(())
//! # }
//! ```
//!
//! An action has no clock, no randomness and no memory from one call to the
//! next; [`Call::now_ms`] is the recorded time, the same when a step is
//! re-executed. The world outside is reached with the feature `http`.

mod call;
mod fixture;
#[cfg(any(target_family = "wasm", test))]
mod heap;
mod outcome;
mod place;
#[cfg(feature = "validator")]
mod validator;
mod world;

#[cfg(feature = "http")]
pub mod http;
pub mod log;
pub mod testing;

pub use call::{Call, Message, Unused};
pub use outcome::{Advance, Failure};
#[cfg(feature = "validator")]
pub use validator::{Finding, Submission};

/// What both worlds share, generated from `wit/action-1.0.0`.
#[doc(hidden)]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated; with its like below the only unsafe code of the SDK"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/action-1.0.0",
        // Imported by both anyway, so it adds nothing to a component.
        inline: "package surety:sdk;
            world common {
                import surety:action/types@1.0.0;
                import surety:action/log@1.0.0;
            }",
        generate_all,
    });
}

/// The raw contract of actions. For [`action!`].
#[cfg(feature = "action")]
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod action_bindings {
    wit_bindgen::generate!({
        path: "../../wit/action-1.0.0",
        world: "action",
        pub_export_macro: true,
        default_bindings_module: "surety_sdk::action_bindings",
        with: {
            "surety:action/types@1.0.0": crate::bindings::surety::action::types,
            "surety:action/log@1.0.0": crate::bindings::surety::action::log,
        },
    });
}

/// The raw contract of validators. For [`validator!`].
#[cfg(feature = "validator")]
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod validator_bindings {
    wit_bindgen::generate!({
        path: "../../wit/action-1.0.0",
        world: "validator",
        pub_export_macro: true,
        default_bindings_module: "surety_sdk::validator_bindings",
        with: {
            "surety:action/types@1.0.0": crate::bindings::surety::action::types,
            "surety:action/log@1.0.0": crate::bindings::surety::action::log,
        },
    });
}

/// The parts of WASI that [`http`] is made of.
#[cfg(all(feature = "http", target_family = "wasm"))]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated; the only unsafe code of the SDK"
)]
mod http_bindings {
    wit_bindgen::generate!({
        path: [
            "../../wit/wasi-0.2.12/io.wit",
            "../../wit/wasi-0.2.12/clocks.wit",
            "../../wit/wasi-0.2.12/http.wit",
        ],
        inline: "
            package surety:sdk-http;
            world http {
                import wasi:http/outgoing-handler@0.2.12;
            }
        ",
        world: "surety:sdk-http/http",
        generate_all,
    });
}

/// Exports a function as the validator of this crate:
/// `fn(Submission<Payload, Settings>) -> Vec<Finding>`.
///
/// ```
/// use serde::Deserialize;
/// use surety_sdk::{Finding, Submission};
///
/// #[derive(Deserialize)]
/// pub struct Payload {
///     from: String,
///     to: String,
/// }
///
/// pub fn validate(submission: Submission<Payload>) -> Vec<Finding> {
///     let Payload { from, to } = &submission.message.payload;
///     if from == to { vec![Finding::at("/payload/to", "is where it comes from")] } else { vec![] }
/// }
///
/// surety_sdk::validator!(validate);
/// # fn main() {}
/// ```
#[cfg(feature = "validator")]
#[macro_export]
macro_rules! validator {
    ($validate:path) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "the export's generated ABI")]
        const _: () = {
            struct Validator;
            impl $crate::validator_bindings::Guest for Validator {
                fn validate(
                    submission: $crate::validator_bindings::Submission,
                ) -> Vec<$crate::validator_bindings::Finding> {
                    $crate::__validate(submission, $validate)
                }
            }
    $crate::validator_bindings::export!(Validator with_types_in $crate::validator_bindings);
        };
    };
}

/// One submission from the raw contract to the validator and back. For
/// [`validator!`].
#[cfg(feature = "validator")]
#[doc(hidden)]
pub fn __validate<P, S>(
    raw: validator_bindings::Submission,
    validator: impl FnOnce(Submission<P, S>) -> Vec<Finding>,
) -> Vec<validator_bindings::Finding>
where
    P: serde::de::DeserializeOwned,
    S: serde::de::DeserializeOwned,
{
    let findings = match Submission::from_raw(raw) {
        Ok(submission) => validator(submission),
        // The schemas let through what the validator's types do not.
        Err(finding) => vec![finding],
    };
    findings.into_iter().map(Into::into).collect()
}

/// Exports a function as the action of this crate:
/// `fn(Call<Payload, Ext, Settings>) -> Result<Advance, Failure>`.
///
/// Once a crate, whose type is `cdylib`. Built for another target than
/// WebAssembly it exports nothing, so that native tests link.
#[cfg(feature = "action")]
#[macro_export]
macro_rules! action {
    ($run:path) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "the export's generated ABI")]
        const _: () = {
            struct Action;
            impl $crate::action_bindings::Guest for Action {
                fn run(
                    call: $crate::action_bindings::Call,
                ) -> ::core::result::Result<
                    $crate::action_bindings::Advance,
                    $crate::action_bindings::Failure,
                > {
                    $crate::__run(call, $run)
                }
            }
    $crate::action_bindings::export!(Action with_types_in $crate::action_bindings);
        };
    };
}

/// One call from the raw contract to the action and back. For [`action!`].
#[cfg(feature = "action")]
#[doc(hidden)]
pub fn __run<P, E, S>(
    raw: action_bindings::Call,
    action: impl FnOnce(Call<P, E, S>) -> Result<Advance, Failure>,
) -> Result<action_bindings::Advance, action_bindings::Failure>
where
    P: serde::de::DeserializeOwned,
    E: serde::de::DeserializeOwned,
    S: serde::de::DeserializeOwned,
{
    let advance = Call::from_raw(raw).and_then(action)?;
    Ok(advance.into())
}
