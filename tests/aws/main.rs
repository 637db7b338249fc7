//! The backend of many machines on servers that do the worst that AWS may do.
//!
//! `SURETY_AWS_SEEDS` says how many seeds, or which: `40`, `17..18`.

#![allow(clippy::print_stdout, reason = "what was measured belongs beside the result")]

mod bad_input;
mod calls;
mod crash;
mod deep;
mod hostile;
mod sleep;
mod stop;
mod sweep;
mod timers;
mod traps;
mod work;
