//! Capabilities: what a module asks for in its manifest beyond `log`.
//!
//! ```text
//!   manifest: capabilities ──┐
//!                            ├─ intersection → Grant → Permit, one a request
//!   policy file: [[grant]] ──┘
//! ```
//!
//! Clocks and random need no asking: a module is given the recorded time and
//! numbers that follow from the message, so neither tells it anything.

mod address;
mod host;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::types::SecretName;

pub use address::{AddressRange, denied_as};
pub use host::{HostName, HostPattern};

/// The port of `https`, where a rule names none.
pub const PORT_DEFAULT: u16 = 443;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A request method. `CONNECT` and `TRACE` make no request to a resource,
        /// and nobody may have them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Method { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl Method {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in a request.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

methods! {
    /// Asks.
    Get = "GET",
    /// Asks for the head alone.
    Head = "HEAD",
    /// Does something.
    Post = "POST",
    /// Puts something in place.
    Put = "PUT",
    /// Changes something.
    Patch = "PATCH",
    /// Removes something.
    Delete = "DELETE",
    /// Asks what may be done.
    Options = "OPTIONS",
}

impl Method {
    /// The method of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.as_str() == name)
    }
}

/// Requests that a module wants to send: any of the methods, to any of the hosts,
/// at any of the ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// Names, `*.` and a name for all below it, or IP addresses.
    pub hosts: Vec<HostPattern>,
    /// Request methods.
    pub methods: BTreeSet<Method>,
    /// TCP ports.
    #[serde(default = "ports_default")]
    pub ports: BTreeSet<u16>,
}

pub(crate) fn ports_default() -> BTreeSet<u16> {
    [PORT_DEFAULT].into()
}

/// All that a module wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Outgoing requests; with none the module imports no `wasi:http`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpRule>,
    /// Secrets that it puts into requests, as placeholders.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<SecretName>,
}

impl Capabilities {
    /// Whether it wants nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.http.is_empty() && self.secrets.is_empty()
    }
}
