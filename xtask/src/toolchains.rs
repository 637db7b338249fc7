//! The tools of the kit's languages, for the tests: installed as a developer's
//! project installs them, once, into the build folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use surety_kit::{Kind, Lang, Project, build, create};

use crate::paths::{root, target_dir};

/// The name of the projects that the tools are installed into.
const NAME: &str = "tools";

/// Languages with tools of their own, and the file that pins them.
const PINNED: [(Lang, &str); 3] = [
    (Lang::JavaScript, "package-lock.json"),
    (Lang::Python, "requirements.txt"),
    (Lang::C, "requirements.txt"),
];

/// Where they are installed: a folder a language.
pub(crate) fn folder() -> Result<PathBuf> {
    Ok(target_dir()?.join("toolchains"))
}

/// Installs what is not there, or is pinned to something else now.
pub(crate) fn install() -> Result<()> {
    for (lang, pinned) in PINNED {
        let project = folder()?.join(lang.as_str());
        let installed = project.join(".installed");
        let wanted = root().join("sdk/templates").join(lang.as_str()).join(pinned);
        let wanted = read(&wanted)?;
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
            continue;
        }
        if project.exists() {
            fs::remove_dir_all(&project)?;
        }
        create(&project, NAME, lang, Kind::Action)?;
        build(&Project::open(&project)?)
            .with_context(|| format!("failed to install the tools for {lang}"))?;
        fs::write(installed, wanted)?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}
