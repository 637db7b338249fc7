//! What a reviewer wants to know of a module, found out without compiling or
//! running it: what it is made of, what it may do and who said so, what looks
//! wrong, what a new version may do more, and which messages can make it run.
//!
//! ```text
//!   component ─┬─ anatomy   sections, core modules, data ──┐
//!              └─ wit       imports and exports as text    ├─ patterns ─→ Audit ─→ text
//!   manifest, policy, limits ── powers ────────────────────┘                │
//!                                                       two of them ──→ diff ─→ text
//!   workflows, clients ── ways ──┬─ reach    which messages make a module run
//!                                └─ touches  what a message type can ever touch
//! ```
//!
//! A component is anybody's bytes here: it may be refused by every host. All that
//! is read of it is bounded, and shown escaped.

mod anatomy;
mod audit;
mod diff;
mod patterns;
mod powers;
mod reach;
mod report;
mod schemas;
mod text;
mod touches;
mod ways;
mod wit;

pub use audit::{Given, audit};
pub use diff::{Change, Diff, diff};
pub use reach::{Deployed, Reach, ReachedBy, reach};
pub use report::{
    Asked, Audit, ClientView, Core, Finding, Granted, Identity, Import, Limit, Line, Place, Powers,
    Producer, Refused, Section, Weight,
};
pub use text::{show_audit, show_diff, show_reach, show_touches};
pub use touches::{Known, Person, Touched, Touches, touches};
pub use ways::Hop;
