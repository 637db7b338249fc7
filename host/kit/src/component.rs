//! Components: made of core modules, and given their manifest.

use std::collections::BTreeSet;

use serde_json::Value;
use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

use crate::Error;

/// The component's custom section that carries its manifest. It is part of the
/// component's bytes, so the module's digest covers it.
pub const MANIFEST_SECTION: &str = "surety:manifest";

/// Makes a component of a core module that was built with the contract's
/// bindings.
///
/// # Errors
/// When it imports or exports what the contract does not have.
pub fn of_core(core: &[u8]) -> Result<Vec<u8>, Error> {
    let encoded = ComponentEncoder::default()
        .module(core)
        .and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|e| Error::Unexpected(format!("no component can be made of the module: {e:#}")))
}

/// Puts the manifest into a component.
#[must_use]
pub fn with_manifest(mut component: Vec<u8>, manifest: &Value) -> Vec<u8> {
    let section = CustomSection {
        name: MANIFEST_SECTION.into(),
        data: manifest.to_string().into_bytes().into(),
    };
    section.append_to_component(&mut component);
    component
}

/// The names of the interfaces that a component imports, or of what it exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interfaces {
    /// Interfaces and functions that it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// Reads what a component imports and exports.
///
/// # Errors
/// When it is no component.
pub fn interfaces(component: &[u8]) -> Result<Interfaces, Error> {
    let decoded = wit_component::decode(component)
        .map_err(|e| Error::Unexpected(format!("the component cannot be read: {e:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(Error::Unexpected("this is no component".to_owned()));
    };
    let world = &resolve.worlds[world];
    // Types stand for nothing that can be called.
    let called = |item: &WorldItem| !matches!(item, WorldItem::Type { .. });
    let names = |items: &mut dyn Iterator<Item = (&wit_parser::WorldKey, &WorldItem)>| {
        let names: BTreeSet<String> = items
            .filter(|(_, item)| called(item))
            .map(|(key, _)| resolve.name_world_key(key))
            .collect();
        names.into_iter().collect()
    };
    Ok(Interfaces {
        imports: names(&mut world.imports.iter()),
        exports: names(&mut world.exports.iter()),
    })
}
