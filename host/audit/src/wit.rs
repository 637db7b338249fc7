//! Imports and exports as WIT.

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use wit_component::{DecodedWasm, Output, OutputToString, WitPrinter, decode};
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

use crate::report::short;

/// The longest WIT that is shown: three times the contract with all of WASI's HTTP.
const WIT_BYTES_MAX: usize = 128 << 10;

/// The most imports or exports that are listed. All of WASI has some 30 interfaces.
const ITEMS_MAX: usize = 256;

/// The most functions that are listed of one import.
const FUNCTIONS_MAX: usize = 128;

/// A component's outside.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    /// Functions by the import that they are in; a function that is imported by
    /// itself is in the import of its name.
    pub(crate) imports: BTreeMap<String, Vec<String>>,
    /// What is exported, types aside.
    pub(crate) exports: Vec<String>,
    /// All of it as WIT, cut at [`WIT_BYTES_MAX`].
    pub(crate) text: String,
}

/// Reads a component's outside; none when it has no form in WIT.
pub(crate) fn outside(component: &[u8]) -> Option<Outside> {
    // The library asserts what hostile bytes need not keep to.
    let read = catch_unwind(|| match decode(component) {
        Ok(DecodedWasm::Component(resolve, world)) => Some(describe(&resolve, world)),
        Ok(DecodedWasm::WitPackage(..)) | Err(_) => None,
    });
    read.ok().flatten()
}

fn describe(resolve: &Resolve, id: WorldId) -> Outside {
    let world = &resolve.worlds[id];
    let name = |key: &WorldKey| short(&resolve.name_world_key(key)).to_owned();
    let imports = world.imports.iter().take(ITEMS_MAX);
    let imports =
        imports.filter_map(|(key, item)| Some((name(key), functions(resolve, key, item)?)));
    let exports = world.exports.iter().take(ITEMS_MAX);
    let exports = exports.filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
    Outside {
        imports: imports.collect(),
        exports: exports.map(|(key, _)| name(key)).collect(),
        text: print(resolve, id),
    }
}

/// The functions of an import; none of a type, which is nothing by itself.
fn functions(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Option<Vec<String>> {
    match item {
        WorldItem::Interface { id, .. } => {
            let functions = resolve.interfaces[*id].functions.keys();
            Some(functions.take(FUNCTIONS_MAX).map(|name| short(name).to_owned()).collect())
        }
        WorldItem::Function(_) => Some(vec![short(&resolve.name_world_key(key)).to_owned()]),
        WorldItem::Type { .. } => None,
    }
}

fn print(resolve: &Resolve, id: WorldId) -> String {
    let Some(package) = resolve.worlds[id].package else { return String::new() };
    let nested: Vec<_> =
        resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != package).collect();
    let mut printer = WitPrinter::new(Bounded(OutputToString::default(), 0));
    printer.emit_docs(false);
    match printer.print(resolve, package, &nested) {
        Ok(()) => String::from(printer.output.0),
        Err(_) => String::new(),
    }
}

/// Text up to [`WIT_BYTES_MAX`]: a name of 100 KB can be used 100,000 times.
struct Bounded(OutputToString, usize);

impl Bounded {
    fn has_room(&mut self, bytes: usize) -> bool {
        self.1 = self.1.saturating_add(bytes);
        self.1 <= WIT_BYTES_MAX
    }
}

impl Output for Bounded {
    fn push_str(&mut self, src: &str) {
        if self.has_room(src.len()) {
            self.0.push_str(src);
        }
    }

    fn indent_if_needed(&mut self) -> bool {
        self.0.indent_if_needed()
    }

    fn indent_start(&mut self) {
        self.0.indent_start();
    }

    fn indent_end(&mut self) {
        self.0.indent_end();
    }

    fn newline(&mut self) {
        if self.has_room(1) {
            self.0.newline();
        }
    }
}
