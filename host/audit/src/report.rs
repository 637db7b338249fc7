//! The answer's form: what is printed as JSON, and served.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::reach::Reach;

/// The longest name in a report: of sections, imports, tools. Toolchains write 60
/// bytes, the format takes 100,000.
const NAME_BYTES_MAX: usize = 200;

/// A name of a stranger, cut to [`NAME_BYTES_MAX`].
pub(crate) fn short(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// A signature over a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditSigner)]
pub struct Signer {
    /// Whose it is said to be: an address with its checksum.
    pub address: String,
    /// `publisher`, or `reviewer`.
    pub role: String,
    /// Whether it is theirs, over this module; a reviewer's also over what the module
    /// may do by the policy of now.
    pub holds: bool,
}

/// What a component is and may do. Texts are as they stand in the component, and
/// may hold anything that JSON can.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Audit)]
pub struct Audit {
    /// keccak256 of the component.
    pub digest: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it says of itself; none if that cannot be read.
    pub module: Option<Identity>,
    /// The signatures that are at hand.
    pub signers: Vec<Signer>,
    /// Why a host does not take it for what it is; none if it does.
    pub refused: Option<Refused>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Its imports and exports as WIT, without comments; none if they have no such
    /// form.
    pub wit: Option<String>,
    /// What it asks for, and what it is given.
    pub capabilities: Powers,
    /// What one call may use.
    pub limits: Vec<Limit>,
    /// Custom sections, of the component and of what is inside it.
    pub sections: Vec<Section>,
    /// What it says that it was made with.
    pub producers: Vec<Producer>,
    /// The core modules in it.
    pub core_modules: Vec<Core>,
    /// What a reviewer should know, the important first.
    pub findings: Vec<Finding>,
    /// The manifest as it stands in the component, if it is JSON.
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<Value>,
    /// What makes it run, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
}

/// What a module says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `action` or `validator`.
    pub world: String,
    /// One sentence.
    pub description: String,
}

impl Identity {
    /// As workflows and people name it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Why a host does not take a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// The stable code.
    pub code: String,
    /// One sentence.
    pub detail: String,
    /// All findings.
    pub errors: Vec<Place>,
}

/// Something at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// JSON Pointer (RFC 6901).
    pub pointer: String,
    /// What is there.
    pub detail: String,
}

/// An import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// The functions in it; none if its types alone are used.
    pub functions: Vec<String>,
    /// What it gives the module.
    pub meaning: String,
}

/// What a module asks for and what it is given of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Powers {
    /// Requests that it asks for.
    pub http: Vec<Asked>,
    /// Secrets that it asks for, by name.
    pub secrets: Vec<String>,
    /// Requests that it is granted.
    pub granted_http: Vec<Granted>,
    /// Secrets that it is granted, each with the grants that give it.
    pub granted_secrets: BTreeMap<String, Vec<Line>>,
    /// What it asks for and is given nothing of.
    pub ungranted: Vec<Place>,
}

/// Requests: each of the methods, to each of the hosts, at each of the ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asked {
    /// Names, `*.` and a name for all below it, or addresses.
    pub hosts: Vec<String>,
    /// Request methods.
    pub methods: Vec<String>,
    /// TCP ports.
    pub ports: Vec<u16>,
}

/// Requests that may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Granted {
    /// Which.
    #[serde(flatten)]
    pub requests: Asked,
    /// Addresses that are not public and that they may reach.
    pub private_addresses: Vec<String>,
    /// Whether they may go without TLS.
    pub plain_http: bool,
    /// Secrets that may go into them.
    pub secrets: Vec<String>,
    /// The grant that says so.
    pub by: Line,
}

/// A grant of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// The line at which it starts in the policy file, from 1.
    pub line: u64,
}

/// What one call may use of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limit {
    /// The limit's name, which is its key in the configuration.
    pub name: String,
    /// The host's.
    pub host: u64,
    /// What the manifest lowers it to.
    pub asked: Option<u64>,
    /// What the policy lowers it to.
    pub policy: Option<u64>,
    /// The lowest, which holds.
    pub in_force: u64,
}

/// A custom section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its content's size in bytes.
    pub bytes: u64,
    /// What it stands in.
    pub within: String,
}

/// A tool or language that made the component, by its own word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A core module in the component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Core {
    /// What it is called here.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Functions of its own.
    pub functions: u64,
    /// Bytes that its own memories start with.
    pub memory_bytes: u64,
    /// Memories of its own.
    pub memories: u64,
    /// Elements that its own tables start with.
    pub table_elements: u64,
    /// Bytes of data.
    pub data_bytes: u64,
    /// Whether it works in another module's memory.
    pub borrows_memory: bool,
    /// Whether it has a function that runs when it is instantiated.
    pub start: bool,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// A person should look before this is approved.
    Look,
    /// Usual with some tools.
    Note,
}

/// A known pattern that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditFinding)]
pub struct Finding {
    /// Its stable code.
    pub code: String,
    /// How much it matters.
    pub weight: Weight,
    /// Where, and what there.
    pub found: Vec<String>,
    /// What it means.
    pub meaning: String,
}

/// A client, who may make messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditClient)]
pub struct ClientView {
    /// Its name.
    pub client_id: String,
    /// The addresses that may sign for it.
    pub signers: Vec<String>,
}
