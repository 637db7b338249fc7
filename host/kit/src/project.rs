//! A folder with an action in it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Lang};

/// The file with the manifest.
pub const MANIFEST: &str = "manifest.json";

/// A project that can be built.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// What it is written in.
    pub lang: Lang,
    /// The action's name, from the manifest.
    pub name: String,
    /// Its version, from the manifest.
    pub version: String,
    /// The manifest.
    pub manifest: Value,
}

impl Project {
    /// Reads a project's folder.
    ///
    /// # Errors
    /// When it has no manifest with a name and a version, or no known language.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let folder = folder.canonicalize().map_err(Error::read(folder))?;
        let no_project = |why: String| Error::NoProject { folder: folder.clone(), why };
        let file = folder.join(MANIFEST);
        if !file.is_file() {
            let why = format!("it has no {MANIFEST}; `surety action new` makes one");
            return Err(no_project(why));
        }
        let text = fs::read(&file).map_err(Error::read(&file))?;
        let manifest: Value = serde_json::from_slice(&text)
            .map_err(|e| no_project(format!("{MANIFEST} is not JSON: {e}")))?;
        let text = |member: &str| {
            let text = manifest[member].as_str().map(str::to_owned);
            text.ok_or_else(|| no_project(format!("{MANIFEST} has no text `{member}`")))
        };
        let (name, version) = (text("name")?, text("version")?);
        // The name becomes that of a file.
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(no_project(format!("{MANIFEST} has the name {name:?}")));
        }
        let lang = Lang::of(&folder).ok_or_else(|| {
            no_project(format!("it has none of {}", Lang::ALL.map(Lang::marker).join(", ")))
        })?;
        Ok(Self { lang, name, version, manifest, folder })
    }

    /// Where its component is written.
    #[must_use]
    pub fn component(&self) -> PathBuf {
        self.folder.join(format!("{}.wasm", self.name))
    }

    /// Where what is made on the way, and can be made again, is kept.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.folder.join(".surety")
    }
}
