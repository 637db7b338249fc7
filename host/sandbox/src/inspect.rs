//! What a component is, found out without compiling or running it.

use serde::{Deserialize, Serialize};
use surety_core::module::{MANIFEST_SECTION, Manifest, World};
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::types::Digest;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::TypesRef;
use wasmparser::{ElementItems, ElementKind, Parser, Payload, Validator};

use crate::engine;
use crate::limits::Limits;
use crate::shape::{self, LOG_WRITE, RUN, VALIDATE};

/// Components and modules inside each other. A composed action has two levels.
const NESTING_MAX: usize = 16;

/// Elements of passive segments, all core modules together. Each instance of a module has
/// its own copies, 16 bytes an element, which no limit of memory counts: these times the
/// default `core_instances_max` are 4 MiB. Today's toolchains make active segments alone.
const PASSIVE_ELEMENTS_MAX: u64 = 4_096;

/// Findings that are listed, and the bytes of a name in one. A hostile component
/// can have a million imports.
const FINDINGS_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 200;

/// The import that every action may have.
const LOG: &str = "surety:action/log@1.0.0";

/// Types only; nothing can be called there.
const TYPES: &str = "surety:action/types@1.0.0";
const VALIDATION: &str = "surety:action/validation@1.0.0";

/// A component that can be deployed.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The digest of the component's bytes, the manifest included.
    pub digest: Digest,
    /// What it imports beyond `log`.
    pub imports: Imports,
}

/// What a component imports beyond `log`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    /// WASI, in any part.
    pub wasi: bool,
    /// Outgoing HTTP, in any part.
    pub http: bool,
    /// The function that sends requests.
    sends: bool,
}

/// What a component shows of itself. It crosses from the process that read it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// The text of the manifest's section.
    manifest: String,
    imports: Imports,
}

impl Shown {
    /// What is known of the component with this digest.
    pub(crate) fn of(self, digest: Digest) -> Result<Inspected, Refusal> {
        let Self { manifest, imports } = self;
        Ok(Inspected { manifest: Manifest::parse(manifest.as_bytes())?, digest, imports })
    }
}

/// Reads a component, without compiling or running anything of it, in this process.
///
/// # Errors
/// `module_invalid` when it is too large, no valid component, without a valid
/// manifest, or not of the world that the manifest names; `module_import` with all imports that
/// an action may not have. The manifest's own refusals.
pub fn inspect(component: &[u8], limits: &Limits) -> Result<Inspected, Refusal> {
    read(component, limits)?.of(Digest::of(component))
}

/// The same, as it is passed on.
pub(crate) fn read(component: &[u8], limits: &Limits) -> Result<Shown, Refusal> {
    check_form(component, limits)?;
    let mut validator = Validator::new_with_features(engine::features());
    let outline = outline(component)?;
    let types = validator.validate_all(component).map_err(malformed)?;
    let imports = check_imports(types.as_ref(), &outline.imports)?;
    let [section] = outline.manifests[..] else {
        let detail = format!(
            "the component has {} sections `{MANIFEST_SECTION}`; it must have one",
            outline.manifests.len()
        );
        return Err(invalid(detail));
    };
    let manifest = Manifest::parse(section)?;
    check_export(types.as_ref(), manifest.world)?;
    check_asked(&manifest, imports)?;
    // It is JSON, so it is UTF-8.
    Ok(Shown { manifest: String::from_utf8_lossy(section).into_owned(), imports })
}

/// What is imported is what is asked for.
fn check_asked(manifest: &Manifest, imports: Imports) -> Result<(), Refusal> {
    if imports.wasi && manifest.world == World::Validator {
        let detail = "the component imports WASI, which a validator may not have";
        return Err(Refusal::new(Code::ModuleImport, detail));
    }
    let asked = !manifest.capabilities.http.is_empty();
    if imports.http && !asked {
        let detail = "the component imports `wasi:http`, and its manifest does not ask for `http` in `capabilities`";
        return Err(Refusal::new(Code::ModuleImport, detail));
    }
    if asked && !imports.sends {
        let detail = "the manifest asks for what the component does not import";
        let why = "needs the import `wasi:http/outgoing-handler`";
        return Err(invalid(detail).at("/capabilities/http", why));
    }
    Ok(())
}

/// The interfaces of WASI 0.2 that an action may import: those that tell it nothing
/// but its own call, and those of outgoing HTTP.
const WASI_DETERMINISTIC: [&str; 8] = [
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
];
const WASI_HTTP: [&str; 2] = ["wasi:http/types", WASI_SENDS];
const WASI_SENDS: &str = "wasi:http/outgoing-handler";

/// The last version of WASI 0.2 that there is here.
const WASI_PATCH_MAX: u32 = 12;

impl Imports {
    /// Takes note of an import, if it is one of WASI's that an action may have.
    fn note(&mut self, name: &str) -> bool {
        let Some((interface, version)) = name.split_once('@') else { return false };
        let patch = version.strip_prefix("0.2.");
        let digits = patch.filter(|patch| patch.bytes().all(|b| b.is_ascii_digit()));
        let patch = digits.and_then(|patch| patch.parse::<u32>().ok());
        if patch.is_none_or(|patch| patch > WASI_PATCH_MAX) {
            return false;
        }
        let http = WASI_HTTP.contains(&interface);
        let known = http || WASI_DETERMINISTIC.contains(&interface);
        self.wasi |= known;
        self.http |= http;
        self.sends |= interface == WASI_SENDS;
        known
    }
}

fn invalid(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::ModuleInvalid, detail)
}

fn malformed(error: wasmparser::BinaryReaderError) -> Refusal {
    invalid(format!("the component is not valid: {error}"))
}

/// What can be said from the size and the first bytes.
pub(crate) fn check_form(component: &[u8], limits: &Limits) -> Result<(), Refusal> {
    let (bytes, max) = (component.len(), limits.component_bytes_max);
    if bytes > max {
        return Err(invalid(format!(
            "the component has {bytes} bytes; the limit `component_bytes_max` is {max}"
        )));
    }
    if Parser::is_core_wasm(component) {
        return Err(invalid("this is a core module; it must be made a component first"));
    }
    if !Parser::is_component(component) {
        return Err(invalid("this is not WebAssembly"));
    }
    Ok(())
}

/// What is written in the component's sections.
struct Outline<'a> {
    /// Of the outermost component.
    imports: Vec<&'a str>,
    /// At any level, so that no two tools can find different ones.
    manifests: Vec<&'a [u8]>,
}

fn outline(component: &[u8]) -> Result<Outline<'_>, Refusal> {
    let mut outline = Outline { imports: Vec::new(), manifests: Vec::new() };
    let (mut depth, mut passive) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(malformed)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                if depth > NESTING_MAX {
                    return Err(invalid(format!(
                        "the component is nested deeper than `nesting_max`, which is {NESTING_MAX}"
                    )));
                }
            }
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    outline.imports.push(import.map_err(malformed)?.name.name);
                }
            }
            Payload::ElementSection(segments) => {
                for segment in segments {
                    let segment = segment.map_err(malformed)?;
                    if matches!(segment.kind, ElementKind::Passive) {
                        passive += u64::from(match segment.items {
                            ElementItems::Functions(items) => items.count(),
                            ElementItems::Expressions(_, items) => items.count(),
                        });
                    }
                }
                if passive > PASSIVE_ELEMENTS_MAX {
                    return Err(invalid(format!(
                        "the component has more elements in passive segments than `passive_elements_max`, which is {PASSIVE_ELEMENTS_MAX}"
                    )));
                }
            }
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                outline.manifests.push(section.data());
            }
            _ => {}
        }
    }
    Ok(outline)
}

/// Nothing is imported that an action may not have.
fn check_imports(types: TypesRef<'_>, imports: &[&str]) -> Result<Imports, Refusal> {
    const FORBIDDEN: &str = "is no import that an action may have";
    let mut errors = Vec::new();
    let mut noted = Imports::default();
    let mut refuse = |name: &str, why: &str| {
        if errors.len() < FINDINGS_MAX {
            let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
            errors.push(Finding { pointer: String::new(), detail: format!("`{name}` {why}") });
        }
    };
    for &name in imports {
        let item = types.component_item_for_import(name);
        let instance = match item.map(|item| item.ty) {
            Some(ComponentEntityType::Instance(id)) if [LOG, TYPES, VALIDATION].contains(&name) => {
                &types[id]
            }
            // What is in it is compared when it is linked.
            Some(ComponentEntityType::Instance(_)) if noted.note(name) => continue,
            Some(ty) if is_data(&ty) => continue,
            _ => {
                refuse(name, FORBIDDEN);
                continue;
            }
        };
        for (member, item) in &instance.exports {
            if name == LOG && member == "write" {
                let shape = shape::entity(types, &item.ty);
                if shape != LOG_WRITE {
                    refuse(
                        &format!("{name}#{member}"),
                        &format!("is {shape}; it must be {LOG_WRITE}"),
                    );
                }
            } else if !is_data(&item.ty) {
                refuse(&format!("{name}#{member}"), FORBIDDEN);
            }
        }
    }
    if errors.is_empty() {
        return Ok(noted);
    }
    let detail = "the component imports what an action may not have";
    Err(Refusal { errors, ..Refusal::new(Code::ModuleImport, detail) })
}

/// A name for a type of data, such as the world's `use` makes: nothing to call,
/// and nothing to hold.
fn is_data(ty: &ComponentEntityType) -> bool {
    use ComponentAnyTypeId::Defined;
    matches!(ty, ComponentEntityType::Type { referenced: Defined(_), .. })
}

/// What the world's function is called, and what it is.
fn export(world: World) -> (&'static str, &'static str) {
    match world {
        World::Action => ("run", RUN),
        World::Validator => ("validate", VALIDATE),
    }
}

/// The function is there, and what the world says.
fn check_export(types: TypesRef<'_>, world: World) -> Result<(), Refusal> {
    let (export, wanted) = export(world);
    let Some(item) = types.component_item_for_export(export) else {
        let world = world.as_str();
        let detail = format!(
            "the component does not export `{export}`, as a module of the world `{world}` does"
        );
        return Err(invalid(detail));
    };
    let shape = shape::entity(types, &item.ty);
    if shape != wanted {
        let detail = format!("the export `{export}` is {shape}; it must be {wanted}");
        return Err(invalid(detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasi_is_known_by_its_exact_names() {
        let noted = |name: &str| {
            let mut imports = Imports::default();
            imports.note(name).then_some(imports)
        };
        assert!(noted("wasi:io/poll@0.2.0").is_some_and(|imports| !imports.http));
        assert!(noted("wasi:http/outgoing-handler@0.2.3").is_some_and(|imports| imports.sends));
        for name in [
            "wasi:io/poll",
            "wasi:io/poll@0.2",
            "wasi:io/poll@0.2.",
            "wasi:io/poll@0.2.13",
            "wasi:io/poll@0.2.0-rc",
            "wasi:io/poll@1.2.0",
            "wasi:io/pol@0.2.0",
            "xwasi:io/poll@0.2.0",
            "wasi:cli/environment@0.2.0",
            "wasi:cli/stdin@0.2.0",
            "wasi:sockets/tcp@0.2.0",
            "wasi:filesystem/types@0.2.0",
            "wasi:http/incoming-handler@0.2.0",
            "wasi:io/poll@0.2.+1",
        ] {
            assert_eq!(noted(name), None, "{name}");
        }
    }
}
