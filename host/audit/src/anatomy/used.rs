//! Which imports of a component are called.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentTypeRef,
    Payload,
};

use crate::report::short;

/// The most imports that are listed. All of WASI has some 30 interfaces.
const IMPORTS_MAX: usize = 500;

/// The instances of the outermost component, by their numbers. Whoever takes a
/// function out of one, or hands it on whole, may call it.
#[derive(Default)]
pub(super) struct Used<'a> {
    imports: Vec<&'a str>,
    /// Of imported interfaces: the instance's number, the name, whether it is used.
    interfaces: Vec<(u32, &'a str, bool)>,
    instances: u32,
}

impl<'a> Used<'a> {
    /// A part of the outermost component.
    pub(super) fn take(&mut self, payload: Payload<'a>) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    let import = import?;
                    self.import(short(import.name.name), &import.ty);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    self.alias(&alias?);
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    self.instance(&instance?);
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Instance {
                        self.mark(export.index);
                        self.instances += 1;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, name: &'a str, ty: &ComponentTypeRef) {
        if self.imports.len() < IMPORTS_MAX {
            self.imports.push(name);
        }
        if matches!(ty, ComponentTypeRef::Instance(_)) {
            if self.interfaces.len() < IMPORTS_MAX {
                self.interfaces.push((self.instances, name, false));
            }
            self.instances += 1;
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        let ComponentAlias::InstanceExport { kind, instance_index, .. } = alias else { return };
        match kind {
            ComponentExternalKind::Type => {}
            ComponentExternalKind::Instance => {
                self.mark(*instance_index);
                self.instances += 1;
            }
            _ => self.mark(*instance_index),
        }
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) {
        self.instances += 1;
        match instance {
            ComponentInstance::Instantiate { args, .. } => {
                let given = args.iter().filter(|arg| arg.kind == ComponentExternalKind::Instance);
                given.for_each(|arg| self.mark(arg.index));
            }
            ComponentInstance::FromExports(exports) => {
                let given = exports.iter().filter(|e| e.kind == ComponentExternalKind::Instance);
                given.for_each(|export| self.mark(export.index));
            }
        }
    }

    fn mark(&mut self, instance: u32) {
        // Numbered in their order, so that a search finds one at once.
        if let Ok(at) = self.interfaces.binary_search_by_key(&instance, |(number, ..)| *number) {
            self.interfaces[at].2 = true;
        }
    }

    /// The names of all imports.
    pub(super) fn imports(&self) -> Vec<&'a str> {
        self.imports.clone()
    }

    /// The interfaces of which nothing is called.
    pub(super) fn uncalled(&self) -> Vec<&'a str> {
        self.interfaces.iter().filter(|(.., used)| !used).map(|(_, name, _)| *name).collect()
    }
}
