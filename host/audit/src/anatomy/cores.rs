//! Core modules: what they start with.

use wasmparser::{BinaryReaderError, Payload, TypeRef};

use super::data::{self, Hit};
use crate::report::Core;

/// The most core modules that are listed; a host takes 64 instances.
const CORES_MAX: usize = 256;

/// A page of memory, in bytes.
const PAGE_BYTES: u64 = 64 << 10;

/// The core modules as they come.
#[derive(Default)]
pub(super) struct Cores {
    all: Vec<Core>,
    hits: Vec<Hit>,
    left_out: u64,
    count: usize,
}

/// What a core module is called here.
pub(super) fn name(core: usize) -> String {
    format!("core module {}", core + 1)
}

impl Cores {
    /// A new one begins; gives its place in the order of the file.
    pub(super) fn begin(&mut self, bytes: u64) -> usize {
        let core = self.count;
        self.count += 1;
        match core < CORES_MAX {
            true => self.all.push(Core { name: name(core), bytes, ..Core::default() }),
            false => self.left_out += 1,
        }
        core
    }

    /// A part of one.
    pub(super) fn take(
        &mut self,
        at: usize,
        payload: Payload<'_>,
    ) -> Result<(), BinaryReaderError> {
        let mut beyond = Core::default();
        let core = self.all.get_mut(at).unwrap_or(&mut beyond);
        match payload {
            Payload::FunctionSection(functions) => core.functions = functions.count().into(),
            Payload::StartSection { .. } => core.start = true,
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
                    core.memories += 1;
                    core.memory_bytes = core.memory_bytes.saturating_add(bytes);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    let elements = table?.ty.initial;
                    core.table_elements = core.table_elements.saturating_add(elements);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    core.borrows_memory |= matches!(import?.ty, TypeRef::Memory(_));
                }
            }
            Payload::DataSection(segments) => {
                for (i, segment) in segments.into_iter().enumerate() {
                    let data = segment?.data;
                    core.data_bytes += data.len() as u64;
                    let place = format!("data segment {i} of {}", name(at));
                    self.left_out += data::scan(data, &place, &mut self.hits);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What was listed, what was found in it, and how much was left out.
    pub(super) fn end(self) -> (Vec<Core>, Vec<Hit>, u64) {
        (self.all, self.hits, self.left_out)
    }
}
