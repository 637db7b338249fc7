//! What the actions of message type `withdrawal` share: amounts, addresses,
//! and the refusal of a withdrawal.
//!
//! ```text
//! received ─screen▶ screened ─quote▶ quoted ─▶ (held, awaiting approval) ─▶ approved
//!
//! approved ─reserve▶ reserved ─settle▶ settled ─notify▶ notified
//!                       └─ for good ─▶ unsettled ─release▶ released
//! ```

mod address;
mod amount;
mod refusal;

pub use address::{Address, AddressError, keccak256};
pub use amount::{Amount, AmountError};
pub use refusal::Refusal;
