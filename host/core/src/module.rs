//! Modules as the engine sees them, actions and validators: the manifest that
//! travels inside the component, and a deployment of it with its settings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capability::Capabilities;
use crate::policy::{Grant, Policy, Ungranted};
use crate::record::ModuleRef;
use crate::refusal::{Code, Refusal};
use crate::schema::Schema;
use crate::types::{Digest, ModuleName, MsgState};
use crate::{json, schemas};

/// The custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "surety:manifest";

/// The largest manifest. Its schemas are hand-written.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;

/// The largest settings of a deployment. They are handed to every call.
pub const SETTINGS_BYTES_MAX: usize = 256 << 10;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident >= $least:literal,)*) => {
        /// Limits below the host's, that a module wants or a policy sets. Each has
        /// the name of the host's own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct ManifestLimits { $($(#[$doc])* pub $name: Option<u64>,)* }

        impl ManifestLimits {
            /// All that can be lowered, and how far.
            pub const LEAST: &[(&str, u64)] = &[$((stringify!($name), $least),)*];

            /// The lower one of each.
            #[must_use]
            pub fn lowest(self, other: Self) -> Self {
                Self { $($name: lower(self.$name, other.$name),)* }
            }

            /// The first that is lower than it can be, and what it can be.
            #[must_use]
            pub fn too_low(&self) -> Option<(&'static str, u64)> {
                let wanted = [$(self.$name,)*];
                let low = |(value, (_, least)): &(Option<u64>, &(_, u64))| value.is_some_and(|v| v < *least);
                wanted.into_iter().zip(Self::LEAST).find(low).map(|(_, least)| *least)
            }
        }
    };
}

limits! {
    /// All memories and tables of one instance, in bytes; a page at least.
    memory_bytes_max >= 65_536,
    /// Fuel of one call.
    fuel_max >= 1,
    /// Milliseconds of one call, counted while it has a processor.
    wall_ms_max >= 1,
    /// What is handed to the host at once, in bytes.
    output_bytes_max >= 1,
    /// Log lines of one call.
    log_lines_max >= 0,
    /// Log text of one call, in bytes.
    log_bytes_max >= 0,
    /// Calls to the host in one call.
    host_calls_max >= 0,
    /// Requests of one call.
    http_requests_max >= 0,
    /// Requests and responses of one call together, in bytes.
    http_bytes_max >= 0,
    /// Milliseconds that one call waits for responses.
    http_ms_max >= 1,
    /// Calls at the same time.
    module_calls_max >= 1,
    /// Calls that begin in a second.
    module_calls_per_second_max >= 1,
}

fn lower(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

/// The WIT world that a module implements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// It moves messages.
    #[serde(rename = "surety:action/action@1.0.0")]
    Action,
    /// It checks what is submitted.
    #[serde(rename = "surety:action/validator@1.0.0")]
    Validator,
}

impl World {
    /// What a module of this world is called.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Validator => "validator",
        }
    }
}

/// What a module says of itself.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Manifest {
    /// The name under which it is deployed.
    pub name: ModuleName,
    /// Its version.
    pub version: Version,
    /// What it implements.
    pub world: World,
    /// One sentence for who deploys or reviews it.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the Msg_Ext that it needs; of a validator, which sees none,
    /// the one that admits everything.
    #[serde(default = "anything")]
    pub reads: Value,
    /// JSON Schema of the settings of its deployment.
    pub settings: Value,
    /// The states that it may return, each with the JSON Schema of the merge
    /// patch (RFC 7396) that it returns with it; of a validator none.
    #[serde(default)]
    pub returns: BTreeMap<MsgState, Value>,
    /// What it wants beyond `log`.
    #[serde(default, skip_serializing_if = "Capabilities::is_empty")]
    pub capabilities: Capabilities,
    /// Limits below the host's.
    #[serde(default)]
    pub limits: ManifestLimits,
}

fn anything() -> Value {
    Value::Bool(true)
}

impl Manifest {
    /// Reads the manifest section.
    ///
    /// # Errors
    /// The strict parser's codes, `module_invalid` with all findings.
    pub fn parse(section: &[u8]) -> Result<Self, Refusal> {
        let invalid = |detail: &str| Refusal::new(Code::ModuleInvalid, detail);
        if section.len() > MANIFEST_BYTES_MAX {
            return Err(invalid("the manifest is larger than the limit `manifest_bytes_max`"));
        }
        let value = json::parse(section)?;
        let errors = schemas::manifest().check(&value);
        if !errors.is_empty() {
            return Err(Refusal { errors, ..invalid("the manifest is not of its schema") });
        }
        serde_json::from_value(value).map_err(|e| invalid(&format!("the manifest: {e}")))
    }
}

/// A deployed module: what it promises, and the settings it runs with.
pub struct Module {
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
    /// The digest of its component.
    pub digest: Digest,
    /// The deployment's settings: JSON text of the manifest's schema.
    pub settings: Arc<str>,
    /// The digest of that text.
    pub settings_digest: Digest,
    /// What it may have of what it asks for; nothing until [`Module::granted`].
    pub grant: Arc<Grant>,
    reads: Schema,
    writes: BTreeMap<MsgState, Schema>,
}

impl Module {
    /// Puts a deployment together.
    ///
    /// # Errors
    /// `module_invalid` when a schema of the manifest does not compile,
    /// `settings_invalid` with all findings when the settings do not fit.
    pub fn new(manifest: Manifest, digest: Digest, settings: &str) -> Result<Self, Refusal> {
        let compile = |name: &str, schema: &Value| {
            Schema::compile(schema).map_err(|finding| {
                let pointer = format!("/{name}{}", finding.pointer);
                let detail = "a schema of the manifest does not compile";
                Refusal::new(Code::ModuleInvalid, detail).at(&pointer, finding.detail)
            })
        };
        let invalid = |detail: &str| Refusal::new(Code::SettingsInvalid, detail);
        if settings.len() > SETTINGS_BYTES_MAX {
            return Err(invalid("the settings are larger than the limit `settings_bytes_max`"));
        }
        let errors =
            compile("settings", &manifest.settings)?.check(&json::parse(settings.as_bytes())?);
        if !errors.is_empty() {
            let detail = "the settings are not of the manifest's settings schema";
            return Err(Refusal { errors, ..invalid(detail) });
        }
        let patch = |(state, schema): (&MsgState, &Value)| {
            Ok((state.clone(), compile(&format!("returns/{state}"), schema)?))
        };
        Ok(Self {
            reads: compile("reads", &manifest.reads)?,
            writes: manifest.returns.iter().map(patch).collect::<Result<_, Refusal>>()?,
            manifest: Arc::new(manifest),
            digest,
            settings: settings.into(),
            settings_digest: Digest::of(settings.as_bytes()),
            grant: Arc::default(),
        })
    }

    /// The module with what a policy grants it.
    #[must_use]
    pub fn granted(self, policy: &Policy) -> Self {
        let Manifest { name, version, capabilities, .. } = &*self.manifest;
        let grant = Arc::new(policy.grant(name, version, self.digest, capabilities));
        Self { grant, ..self }
    }

    /// What it asks for and is granted in no part.
    #[must_use]
    pub fn ungranted(&self) -> Vec<Ungranted> {
        self.grant.ungranted(&self.manifest.capabilities)
    }

    /// The schema of the Msg_Ext that it needs.
    #[must_use]
    pub fn reads(&self) -> &Schema {
        &self.reads
    }

    /// The schema of the patch that it returns with this state; none when it
    /// does not say that it returns the state.
    #[must_use]
    pub fn writes(&self, state: &MsgState) -> Option<&Schema> {
        self.writes.get(state)
    }

    /// How records name it.
    #[must_use]
    pub fn reference(&self) -> ModuleRef {
        ModuleRef {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            digest: self.digest,
            settings: self.settings_digest,
        }
    }
}

impl fmt::Debug for Module {
    /// Without the settings, which may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({}@{} {})", self.manifest.name, self.manifest.version, self.digest)
    }
}
