//! The host: everything around the engine that touches the outside world.
//!
//! ```text
//!  main → cli ─┬─ serve ─┬─ data      folder, host key, operator token
//!              │         ├─ deploy    catalog ⇄ workflows and routes, if `policy` and `check` allow
//!              │         ├─ routes    which module gets a call; canaries, revocations → sandbox
//!              │         ├─ workers   feeder → controllers
//!              │         └─ http      connections → api
//!              ├─ action test ─ fixture   a component in the sandbox, without a host
//!              └─ the other commands, most of which are clients of the api
//! ```
//!
//! It runs on Unix: it answers SIGTERM, and its secrets are files of mode 600.

// In the order of a start.
pub mod cli;

pub mod config;
pub mod telemetry;

pub mod clock;
pub mod data;
pub mod tokens;

pub mod audit;
pub mod canaries;
pub mod check;
pub mod compile;
pub mod deploy;
pub mod guest_logs;
pub mod policy;
pub mod routes;
pub mod serve;
pub mod watch;

pub mod api;

pub mod fixture;
