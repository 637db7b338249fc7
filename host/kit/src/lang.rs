//! The languages.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A language with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// Rust, with the SDK.
    Rust,
    /// JavaScript, on QuickJS.
    JavaScript,
    /// Python, on CPython.
    Python,
    /// C.
    C,
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::JavaScript, Self::Python, Self::C];

    /// As the command line has it, and the folder of the template.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// The file by which a project of the language is known.
    #[must_use]
    pub fn marker(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::JavaScript => "package.json",
            Self::Python => "src/app.py",
            Self::C => "src/action.c",
        }
    }

    /// The language of a folder.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| folder.join(lang.marker()).is_file())
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lang {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|lang| lang.as_str() == text);
        found.ok_or_else(|| {
            format!("{text:?} is none of {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}
