//! What goes wrong.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{Kind, Lang};

/// Why there is no project, or no component.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{} cannot be {verb}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The name is not one that every language and every host takes.
    #[error(
        "{0:?} is no name for an action: it has lowercase letters, digits and single hyphens, starts with a letter, and is at most 64 long"
    )]
    Name(String),
    /// The language has no template for it.
    #[error("there is no template for a {kind} in {lang}; `--lang {has} --kind {kind}` has one")]
    NoTemplate {
        /// The language.
        lang: Lang,
        /// What was wanted.
        kind: Kind,
        /// The language that has one.
        has: Lang,
    },
    /// Something is there already.
    #[error("{} is there already; nothing was changed", .0.display())]
    Exists(PathBuf),
    /// The folder has no project of a known language.
    #[error("{} is no action's project: {why}", folder.display())]
    NoProject {
        /// Which folder.
        folder: PathBuf,
        /// What is missing in it.
        why: String,
    },
    /// A tool is not installed.
    #[error("{tool} is missing, which {why}; {install}")]
    Missing {
        /// What was looked for.
        tool: String,
        /// What it does here.
        why: &'static str,
        /// What to do.
        install: String,
    },
    /// A tool failed; it has said why on standard error.
    #[error("failed to {to}: {tool}, {status}")]
    Failed {
        /// What it was to do.
        to: &'static str,
        /// Which.
        tool: String,
        /// How it ended.
        status: String,
    },
    /// What a tool made or said is not what it should be.
    #[error("{0}")]
    Unexpected(String),
}

impl Error {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), verb: "read", source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), verb: "written", source }
    }
}
