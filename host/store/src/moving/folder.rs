//! The files of an export.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use surety_core::bundle::BUNDLE_BYTES_MAX;
use surety_core::types::{Digest, MsgId};

use super::{Exported, MoveError};

/// The version of the export's form.
pub(super) const VERSION: u32 = 1;

/// The largest file that is read, in bytes: as the largest bundle. Every other file is
/// far below.
const FILE_BYTES_MAX: usize = BUNDLE_BYTES_MAX;

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const CLIENTS: &str = "clients.jsonl";
pub(super) const MODULES: &str = "modules.jsonl";
pub(super) const WORKFLOWS: &str = "workflows.jsonl";

/// What an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) surety_export: u32,
    pub(super) finished: bool,
    pub(super) counts: Exported,
    /// How many lists of Msg_IDs there are.
    pub(super) id_lists: u64,
    /// The digests of the lists, by their names.
    pub(super) files: BTreeMap<String, Digest>,
}

impl Manifest {
    /// One of an export that is under way.
    pub(super) fn begun() -> Self {
        let (counts, files) = (Exported::default(), BTreeMap::new());
        Self { surety_export: VERSION, finished: false, counts, id_lists: 0, files }
    }
}

/// The name of a list of Msg_IDs.
pub(super) fn id_list(number: u64) -> String {
    format!("ids-{number:06}.jsonl")
}

pub(super) fn open(id: MsgId) -> String {
    format!("open/{id}")
}

pub(super) fn archive(id: MsgId) -> String {
    format!("archive/{id}")
}

pub(super) fn component(digest: Digest) -> String {
    format!("components/{digest}")
}

/// Values as lines of JSON.
pub(super) fn lines<T: Serialize>(values: &[T]) -> Vec<u8> {
    let mut text = Vec::new();
    for value in values {
        // None of the lines has keys that are not texts.
        text.extend(serde_json::to_vec(value).unwrap_or_default());
        text.push(b'\n');
    }
    text
}

/// An export's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the folder and those in it, for its owner alone.
    pub(super) fn make(&self) -> Result<(), MoveError> {
        for folder in ["", "open", "archive", "components"] {
            let path = self.0.join(folder);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|e| MoveError::Io(path, e))?;
        }
        Ok(())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file's bytes; none if there is none.
    pub(super) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, MoveError> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        let read = File::open(&path)
            .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
        match read {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(MoveError::Io(path, e)),
            Ok(_) => {}
        }
        if bytes.len() > FILE_BYTES_MAX {
            return Err(self.altered(name, "it is too large"));
        }
        Ok(Some(bytes))
    }

    /// The bytes of a file that has this digest.
    pub(super) fn content(&self, name: &str, digest: Digest) -> Result<Vec<u8>, MoveError> {
        match self.get(name)? {
            None => Err(self.altered(name, "it is gone")),
            Some(bytes) if Digest::of(&bytes) != digest => {
                Err(self.altered(name, "it has another digest"))
            }
            Some(bytes) => Ok(bytes),
        }
    }

    /// Writes a file so that it is whole or not there. One that is the same already is
    /// left.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), MoveError> {
        let path = self.path(name);
        if bytes.len() > FILE_BYTES_MAX {
            let e = std::io::Error::new(ErrorKind::FileTooLarge, "it would not be read again");
            return Err(MoveError::Io(path, e));
        }
        if self.get(name).ok().flatten().is_some_and(|there| there == bytes) {
            return Ok(());
        }
        let draft = self.path(&format!("{name}.new"));
        let mut private = OpenOptions::new();
        private.write(true).create(true).truncate(true).mode(0o600);
        let written = private
            .open(&draft)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&draft, &path));
        written.map_err(|e| MoveError::Io(path, e))
    }

    /// Removes a file, if there is one.
    pub(super) fn remove(&self, name: &str) -> Result<(), MoveError> {
        match std::fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(MoveError::Io(self.path(name), e)),
            _ => Ok(()),
        }
    }

    /// Makes durable what was put, and then the manifest.
    pub(super) fn finish(&self, manifest: &Manifest) -> Result<(), MoveError> {
        for folder in ["open", "archive", "components", ""] {
            let path = self.path(folder);
            let synced = File::open(&path).and_then(|folder| folder.sync_all());
            synced.map_err(|e| MoveError::Io(path, e))?;
        }
        self.put_manifest(manifest)
    }

    pub(super) fn put_manifest(&self, manifest: &Manifest) -> Result<(), MoveError> {
        let mut text = serde_json::to_vec_pretty(manifest).unwrap_or_default();
        text.push(b'\n');
        self.put(MANIFEST, &text)?;
        let synced = File::open(&self.0).and_then(|folder| folder.sync_all());
        synced.map_err(|e| MoveError::Io(self.0.clone(), e))
    }

    /// The manifest of a finished export.
    pub(super) fn manifest(&self) -> Result<Manifest, MoveError> {
        let unfinished = |why: &str| MoveError::Unfinished(self.0.clone(), why.to_owned());
        let bytes = self.get(MANIFEST)?.ok_or_else(|| unfinished("there is no manifest.json"))?;
        let version: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|e| self.altered(MANIFEST, &e.to_string()))?;
        if version["surety_export"] != VERSION {
            let found = &version["surety_export"];
            let why = format!("it has version {found}, and this surety reads {VERSION}");
            return Err(self.altered(MANIFEST, &why));
        }
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|e| self.altered(MANIFEST, &e.to_string()))?;
        if !manifest.finished {
            return Err(unfinished("it was interrupted"));
        }
        Ok(manifest)
    }

    /// The lines of a list that the manifest names.
    pub(super) fn list<T: DeserializeOwned>(
        &self,
        manifest: &Manifest,
        name: &str,
    ) -> Result<Vec<T>, MoveError> {
        let digest = manifest.files.get(name);
        let digest = *digest.ok_or_else(|| {
            self.altered(MANIFEST, &format!("it has no digest of the file {name}"))
        })?;
        let bytes = self.content(name, digest)?;
        let read = |(n, line): (usize, &[u8])| {
            serde_json::from_slice(line)
                .map_err(|e| self.altered(name, &format!("line {}: {e}", n + 1)))
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.enumerate().map(read).collect()
    }

    pub(super) fn altered(&self, name: &str, why: &str) -> MoveError {
        MoveError::Altered(self.path(name), why.to_owned())
    }
}
