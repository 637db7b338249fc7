//! Compiled components on disk, so that a restart compiles nothing again.
//!
//! A hint: without it everything works, slower. A file is named by what it was
//! made from (the component's digest) and for (the engine's version and
//! settings), and starts with the digest of the rest, so that one that was cut
//! off or altered by a failing disk is compiled again.
//!
//! The only place with `unsafe`: compiled code is loaded as it is.

use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use surety_core::crypto::keccak256;
use surety_core::types::Digest;
use tempfile::NamedTempFile;
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::ENGINE;

/// The folder is no place for code.
#[derive(Debug, Error)]
pub enum CacheError {
    /// It cannot be made or written.
    #[error("the module cache {folder:?} cannot be used")]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else could put code there, which the host would run.
    #[error("the module cache {folder:?} must belong to the host's user and have mode 0700")]
    NotPrivate {
        /// The folder.
        folder: PathBuf,
    },
}

/// The folder, for one engine.
pub(crate) struct Cache {
    folder: PathBuf,
    engine: Engine,
    /// What the engine's version and settings are in a file name.
    key: String,
}

/// Collects what is hashed, for a hash that is wide enough to be a name.
#[derive(Default)]
struct Collector(Vec<u8>);

impl Hasher for Collector {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0 // not asked for
    }
}

impl Cache {
    /// Opens the folder; makes it if there is none.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, CacheError> {
        let unusable = |source| CacheError::Io { folder: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        // Made by this process, so its owner is who the host runs as.
        let own = NamedTempFile::new_in(folder).and_then(|file| file.as_file().metadata());
        let (own, there) = (own.map_err(unusable)?, fs::metadata(folder).map_err(unusable)?);
        if own.uid() != there.uid() || there.mode() & 0o777 != 0o700 {
            return Err(CacheError::NotPrivate { folder: folder.to_owned() });
        }
        let mut settings = Collector::default();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let key = hex(&keccak256(&settings.0)[..8]);
        let key = format!("{}-{}-{key}", ENGINE.0, ENGINE.1);
        Ok(Self { folder: folder.to_owned(), engine: engine.clone(), key })
    }

    /// The compiled form of a component: kept, or made now and kept. Takes up to
    /// 20 s for the largest; not for an asynchronous thread.
    pub(crate) fn compile(&self, digest: Digest, component: &[u8]) -> wasmtime::Result<Component> {
        let path = self.folder.join(format!("{digest}-{}.cwasm", self.key));
        match self.load(&path) {
            Ok(Some(compiled)) => return Ok(compiled),
            Ok(None) => tracing::info!(%digest, "compiling a module"),
            Err(error) => tracing::warn!(%digest, %error, "compiling a module again"),
        }
        let compiled = Component::from_binary(&self.engine, component)?;
        if let Err(error) = self.save(&path, &compiled) {
            tracing::warn!(%digest, %error, "a compiled module was not kept");
        }
        Ok(compiled)
    }

    /// A kept file; an error if it is not what was written.
    fn load(&self, path: &Path) -> Result<Option<Component>, String> {
        let file = match fs::read(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(format!("the kept file cannot be read: {e}")),
        };
        let compiled = match file.split_first_chunk::<32>() {
            Some((checksum, rest)) if keccak256(rest) == *checksum => rest,
            _ => return Err("the kept file is damaged".to_owned()),
        };
        // SAFETY: `deserialize` runs what it is given, so these bytes must be
        // what `serialize` of an equal engine made. They are: only the host's
        // user can write to the folder (`open` refuses any other), the host
        // writes nothing else under this name, the name holds the version and
        // settings of the engine, and the checksum has just been compared on the
        // very bytes that are loaded.
        #[expect(unsafe_code, reason = "loading compiled code is what the cache is for")]
        let component = unsafe { Component::deserialize(&self.engine, compiled) };
        component.map(Some).map_err(|e| format!("the kept file cannot be loaded: {e:#}"))
    }

    /// Writes a file whole or not at all.
    fn save(&self, path: &Path, compiled: &Component) -> Result<(), String> {
        let compiled = compiled.serialize().map_err(|e| format!("{e:#}"))?;
        let write = || {
            let mut file = NamedTempFile::new_in(&self.folder)?;
            file.write_all(&keccak256(&compiled))?;
            file.write_all(&compiled)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok::<_, io::Error>(())
        };
        write().map_err(|e| e.to_string())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
