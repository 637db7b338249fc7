//! Modules in OCI registries, for the command line: a component is published to one
//! and fetched from one, in the layout that `wkg oci push` writes and reads (the CNCF's
//! "Wasm OCI Artifact"). It knows no host, no engine and no signatures of modules.
//!
//! ```text
//!  Reference ── pull ─┐                        ┌─ Access: user and password,
//!                     ├─ Session ── registry ──┤          else docker's, else none
//!  Artifact ─── push ─┘  one repository        └─ TLS; plain HTTP on loopback
//! ```
//!
//! Whatever a registry sends has a limit, in bytes and in time, and a blob is taken
//! only if it has the digest that the manifest gives it, and the manifest only if it
//! has the digest that was asked for. A tag is the registry's word.

mod access;
mod artifact;
mod error;
mod reference;
mod session;

pub use access::{Access, Password};
pub use artifact::{Artifact, Pulled, Pushed, pull, push};
pub use error::Error;
pub use reference::{Reference, SCHEME};
