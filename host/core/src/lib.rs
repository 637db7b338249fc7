//! The engine of surety: what is decided about a signed message, and nothing of
//! how it is stored, sandboxed or served. It reads no clock and draws no chance;
//! both come through [`ports::Clock`].
//!
//! ```text
//!            intake ───────────────→ Guarantee ←──────────── controller
//!   json → message → crypto, typed_data  │ tickets               │
//!   schema, workflows, clients           └──→ Feeder ───────────→┤
//!                                                                ├→ machine (pure)
//!   Reference ←── projection ←───────────────────────────────────┤
//!   archive   ←── bundle ← record ← codec ←──────────────────────┘
//! ```

// In the order in which a message meets them.
pub mod text;
pub mod types;

pub mod json;
pub mod refusal;
pub mod schema;
pub mod schemas;

pub mod crypto;
pub mod message;
pub mod receipt;
pub mod scheme;
pub mod typed_data;

pub mod graph;
pub mod guard;
pub mod intake;
pub mod workflow;
pub mod workflows;

pub mod check;

pub mod capability;
pub mod effect;
pub mod policy;

pub mod ports;

pub mod controller;
pub mod ext;
pub mod machine;
pub mod module;
pub mod operator;
pub mod record;
mod settle;

pub mod bundle;
pub mod codec;
pub mod projection;
pub mod reconcile;
mod stored;
