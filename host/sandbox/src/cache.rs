//! Compiled components on disk, so that a restart compiles nothing again, and reads
//! no component.
//!
//! A hint: without it everything works, slower. A file is named by what it was
//! made from (the component's digest) and for (the engine's version and
//! settings), and starts with a code that only this host can make, over its name and
//! all that follows. A file that is cut off, altered, renamed or made by somebody
//! else is never loaded, and its component is compiled again.
//!
//! The only place with `unsafe`: compiled code is loaded as it is.

use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use surety_core::crypto::keccak256;
use surety_core::types::Digest;
use tempfile::NamedTempFile;
use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::apart;
use crate::engine::{ENGINE, SMALL_CODE_BYTES_MAX};
use crate::inspect::Shown;

/// What the files end with.
const EXTENSION: &str = "cwasm";

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

/// The folder, for engines that are alike.
pub(crate) struct Cache {
    folder: PathBuf,
    engines: Vec<Engine>,
    /// What the engines' version and settings are in a file name.
    key: String,
    /// What only this host knows.
    secret: [u8; 32],
}

/// A compiled component on each engine, or if it is large on the first alone.
pub(crate) type Loaded = Vec<Component>;

/// The same, and what it said of itself.
pub(crate) type Kept = (Shown, Loaded);

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
    /// Opens the folder; makes it if there is none. What other versions of the
    /// engine left there is thrown away.
    pub(crate) fn open(
        folder: &Path,
        engines: &[Engine],
        secret: [u8; 32],
    ) -> Result<Self, CacheError> {
        let unusable = |source| CacheError::Io { folder: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
        // Made by this process, so its owner is who the host runs as.
        let own = NamedTempFile::new_in(folder).and_then(|file| file.as_file().metadata());
        let (own, there) = (own.map_err(unusable)?, fs::metadata(folder).map_err(unusable)?);
        if own.uid() != there.uid() || there.mode() & 0o777 != 0o700 {
            return Err(CacheError::NotPrivate { folder: folder.to_owned() });
        }
        let (engines, key) = (engines.to_vec(), key(&engines[0]));
        let cache = Self { folder: folder.to_owned(), engines, key, secret };
        cache.prune().map_err(unusable)?;
        Ok(cache)
    }

    /// Removes files of other engines, and drafts that a crash left.
    fn prune(&self) -> io::Result<()> {
        let ours = format!("-{}.{EXTENSION}", self.key);
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_file() && !name.to_string_lossy().ends_with(&ours) {
                fs::remove_file(entry.path())?;
                tracing::info!(file = ?name, "removed from the module cache: not of this engine");
            }
        }
        Ok(())
    }

    /// What is kept of a component; nothing if it is not just what this host wrote.
    pub(crate) fn get(&self, digest: Digest) -> Option<Kept> {
        match self.load(&self.name(digest)) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(%digest, %error, "a compiled module is not used");
                None
            }
        }
    }

    /// Loads what a component was compiled to, and keeps it.
    ///
    /// # Errors
    /// When the engine does not take the code.
    pub(crate) fn put(
        &self,
        digest: Digest,
        shown: &Shown,
        code: &[u8],
    ) -> wasmtime::Result<Loaded> {
        let loaded = self.deserialize(code)?;
        if let Err(error) = self.save(&self.name(digest), shown, code) {
            tracing::warn!(%digest, %error, "a compiled module was not kept");
        }
        Ok(loaded)
    }

    fn name(&self, digest: Digest) -> String {
        format!("{digest}-{}.{EXTENSION}", self.key)
    }

    /// A kept file; an error if it is not what was written.
    fn load(&self, name: &str) -> Result<Option<Kept>, String> {
        let file = match fs::read(self.folder.join(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(format!("the kept file cannot be read: {e}")),
        };
        let (code, content) = file.split_first_chunk::<32>().ok_or("the kept file is cut off")?;
        self.mac(name, content).verify(code.into()).map_err(|_| "the kept file is not ours")?;
        let (shown, compiled) = apart::split(content).ok_or("the kept file makes no sense")?;
        let loaded = self.deserialize(compiled);
        let loaded = loaded.map_err(|e| format!("the kept file cannot be loaded: {e:#}"))?;
        Ok(Some((shown, loaded)))
    }

    fn deserialize(&self, code: &[u8]) -> wasmtime::Result<Loaded> {
        let on = if code.len() > SMALL_CODE_BYTES_MAX { 1 } else { self.engines.len() };
        self.engines[..on].iter().map(|engine| Self::deserialize_on(engine, code)).collect()
    }

    fn deserialize_on(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` runs what it is given, so these bytes must be what an
        // equal engine compiled. There are two callers. One has them from the
        // compiler, a process of this binary that this process started and asked. The
        // other read them from a file and has just compared its code, over these very
        // bytes and the file's name, which holds the engine's version and settings:
        // who has not the host's secret cannot have written it.
        #[expect(unsafe_code, reason = "loading compiled code is what the cache is for")]
        unsafe {
            Component::deserialize(engine, code)
        }
    }

    /// Writes a file whole or not at all.
    fn save(&self, name: &str, shown: &Shown, code: &[u8]) -> io::Result<()> {
        let mut content = Vec::with_capacity(code.len());
        apart::write(&mut content, shown, code)?;
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(&self.mac(name, &content).finalize().into_bytes())?;
        file.write_all(&content)?;
        file.as_file().sync_all()?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }

    fn mac(&self, name: &str, content: &[u8]) -> Hmac<Sha256> {
        // A key of HMAC is a block of its hash, filled up with zeroes.
        let mut key = [0; 64];
        key[..32].copy_from_slice(&self.secret);
        let mut mac = Hmac::new(&key.into());
        mac.update(&(name.len() as u64).to_be_bytes());
        mac.update(name.as_bytes());
        mac.update(content);
        mac
    }
}

/// The engine's version and settings, as a part of a file name.
fn key(engine: &Engine) -> String {
    let mut settings = Collector::default();
    engine.precompile_compatibility_hash().hash(&mut settings);
    format!("{}-{}-{}", ENGINE.0, ENGINE.1, hex(&keccak256(&settings.0)[..8]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, engine};

    #[test]
    fn what_the_compiler_makes_is_for_the_engine_that_runs() {
        let limits = Limits { concurrency: 1, ..Limits::default() };
        let (runs, compiles) =
            (engine::build(&limits).unwrap(), engine::compiler(&limits).unwrap());
        for runs in runs {
            assert_eq!(key(&runs), key(&compiles));
        }
    }
}
