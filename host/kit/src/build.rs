//! A project becomes a component.

use std::fs;
use std::path::Path;

use crate::{Error, Lang, Project, c, component, javascript, python, rust};

/// Builds a project: the component's bytes, with the manifest in them. Nothing
/// is written but what the language's tools keep. JavaScript, Python and C
/// fetch the tool that the project pins when it is not there yet.
///
/// # Errors
/// A tool that is missing, with what to install; a tool that failed, after it
/// has said why on standard error.
pub fn build(project: &Project) -> Result<Vec<u8>, Error> {
    let component = match project.lang {
        Lang::Rust => component::of_core(&rust::core_module(project)?)?,
        Lang::C => component::of_core(&c::core_module(project)?)?,
        Lang::JavaScript => javascript::component(project)?,
        Lang::Python => python::component(project)?,
    };
    Ok(component::with_manifest(component, &project.manifest))
}

/// A folder for what a build makes on its way.
pub(crate) fn scratch(project: &Project) -> Result<std::path::PathBuf, Error> {
    let folder = project.cache().join("build");
    fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
    Ok(folder)
}

/// What a tool wrote.
pub(crate) fn made(file: &Path) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(Error::read(file))
}
