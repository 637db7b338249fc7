//! New projects: templates that are in this binary, with all that a project
//! needs outside of this repository.
//!
//! ```text
//!  common ← rust ← rust-validator      a file of the same path takes the other's place
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::{Error, Kind, Lang, c_bindings};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/templates");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/rust");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// What every language has.
const COMMON: &str = "common";

/// What a validator in Rust has in place of an action's.
const RUST_VALIDATOR: &str = "rust-validator";

/// What stands for the module's name in a template.
const NAME: &str = "{{name}}";

/// The contract, and where it lies in a project.
const CONTRACT: &str = "action-1.0.0/action.wit";

/// What the feature `http` of the Rust SDK is made of.
const WASI: &str = "wasi-0.2.12";

/// Where the Rust SDK lies in a project, from where it finds the contract as it
/// does in this repository.
const VENDORED_SDK: &str = "vendor/surety-sdk";

/// The longest name of a module; the host's names have the same limit.
const NAME_BYTES_MAX: usize = 64;

/// A file of a project: where it lies, and what is in it.
type File = (PathBuf, Vec<u8>);

/// Writes a new project into `folder`, which must not be there or be empty.
///
/// # Errors
/// A name that cannot be one, a kind that the language has no template for, a folder with something in it, and those of the
/// file system.
pub fn create(folder: &Path, name: &str, lang: Lang, kind: Kind) -> Result<(), Error> {
    if !is_name(name) {
        return Err(Error::Name(name.to_owned()));
    }
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || folder.is_file() {
        return Err(Error::Exists(folder.to_owned()));
    }
    for (path, bytes) in files(name, lang, kind)? {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::write(parent))?;
        }
        fs::write(&path, bytes).map_err(Error::write(&path))?;
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// All files of a new project.
fn files(name: &str, lang: Lang, kind: Kind) -> Result<Vec<File>, Error> {
    let templates: &[&str] = match (kind, lang) {
        (Kind::Action, _) => &[COMMON, lang.as_str()],
        (Kind::Validator, Lang::Rust) => &[COMMON, lang.as_str(), RUST_VALIDATOR],
        (Kind::Validator, _) => return Err(Error::NoTemplate { lang, kind, has: Lang::Rust }),
    };
    let mut files = Vec::new();
    for template in templates {
        let folder = TEMPLATES.get_dir(template).ok_or_else(|| lost(template))?;
        collect(folder, template, Path::new(""), &mut files);
    }
    let files: BTreeMap<_, _> = files.into_iter().collect(); // the last of a path
    let mut files: Vec<File> = files.into_iter().collect();
    for (path, bytes) in &mut files {
        if let Ok(text) = std::str::from_utf8(bytes) {
            *bytes = text.replace(NAME, name).into_bytes();
        }
        // Under its own name it would speak of this repository's files.
        if path.as_os_str() == "gitignore" {
            *path = PathBuf::from(".gitignore");
        }
    }
    let wit = WIT.get_file(CONTRACT).ok_or_else(|| lost(CONTRACT))?;
    files.push((Path::new("wit").join(CONTRACT), wit.contents().to_vec()));
    match lang {
        Lang::Rust => {
            let manifest = SDK.get_file("Cargo.toml").ok_or_else(|| lost("Cargo.toml"))?;
            let vendored = Path::new(VENDORED_SDK);
            files.push((vendored.join("Cargo.toml"), manifest.contents().to_vec()));
            let sources = SDK.get_dir("src").ok_or_else(|| lost("src"))?;
            collect(sources, "", vendored, &mut files);
            let wasi = WIT.get_dir(WASI).ok_or_else(|| lost(WASI))?;
            collect(wasi, "", Path::new("wit"), &mut files);
        }
        Lang::C => {
            let wit = wit.contents_utf8().ok_or_else(|| lost(CONTRACT))?;
            let made = c_bindings::generate(wit)?;
            files.extend(
                made.into_iter().map(|(name, bytes)| (Path::new("bindings").join(name), bytes)),
            );
        }
        Lang::JavaScript | Lang::Python => {}
    }
    Ok(files)
}

/// The files of an embedded folder, with `strip` taken from their paths, at
/// `to`.
fn collect(folder: &Dir<'_>, strip: &str, to: &Path, files: &mut Vec<File>) {
    for file in folder.files() {
        let path = file.path().strip_prefix(strip).unwrap_or(file.path());
        files.push((to.join(path), file.contents().to_vec()));
    }
    for below in folder.dirs() {
        collect(below, strip, to, files);
    }
}

fn lost(what: &str) -> Error {
    Error::Unexpected(format!("this binary was built without its template {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_whole_and_carries_its_name() {
        let actions = Lang::ALL.map(|lang| (lang, Kind::Action));
        for (lang, kind) in actions.into_iter().chain([(Lang::Rust, Kind::Validator)]) {
            let folder = tempfile::tempdir().unwrap();
            let project = folder.path().join("greet");
            create(&project, "greet", lang, kind).unwrap();
            let opened = crate::Project::open(&project).unwrap();
            assert_eq!((opened.lang, opened.name.as_str()), (lang, "greet"));
            for file in [".gitignore", "README.md", "workflow.json", "wit/action-1.0.0/action.wit"]
            {
                assert!(project.join(file).is_file(), "{lang}: {file}");
            }
            for (path, bytes) in files("greet", lang, kind).unwrap() {
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(NAME), "{lang}: {}", path.display());
            }
            let again = create(&project, "greet", lang, kind);
            assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
        }
        for lang in [Lang::JavaScript, Lang::Python, Lang::C] {
            let none = files("greet", lang, Kind::Validator).unwrap_err().to_string();
            assert!(none.contains("--lang rust --kind validator"), "{none}");
        }
    }

    #[test]
    fn a_validator_has_its_own_files_and_what_is_common() {
        let files = files("greet", Lang::Rust, Kind::Validator).unwrap();
        let text = |path: &str| {
            let of: Vec<_> = files.iter().filter(|(of, _)| of.as_os_str() == path).collect();
            assert_eq!(of.len(), 1, "{path}");
            String::from_utf8(of[0].1.clone()).unwrap()
        };
        assert!(text("manifest.json").contains("surety:action/validator@1.0.0"));
        assert!(text("src/lib.rs").contains("surety_sdk::validator!"));
        assert!(text("Cargo.toml").contains("default-features = false"));
        assert!(text("settings.json").contains("limit"));
        assert!(text("rust-toolchain.toml").contains("wasm32-unknown-unknown"));
    }

    /// `msg-id` as `msgId` or `msg_id`.
    fn spelled(name: &str, lang: Lang) -> String {
        if lang == Lang::Python {
            return name.replace('-', "_");
        }
        let mut words = name.split('-');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    }

    /// JavaScript and Python have types of their own for the contract; they name
    /// all that it has.
    #[test]
    fn the_types_of_every_language_have_the_contracts_fields() {
        let mut resolve = wit_parser::Resolve::default();
        let wit = WIT.get_file(CONTRACT).unwrap().contents_utf8().unwrap();
        let package = resolve.push_str("action.wit", wit).unwrap();
        let types = resolve.packages[package].interfaces["types"];
        for (lang, file) in [(Lang::JavaScript, "src/surety.d.ts"), (Lang::Python, "src/surety.py")]
        {
            let files = files("greet", lang, Kind::Action).unwrap();
            let (_, text) = files.iter().find(|(path, _)| path.ends_with(file)).unwrap();
            let text = std::str::from_utf8(text).unwrap();
            let mut seen = 0;
            for record in ["message", "call"] {
                let id = resolve.interfaces[types].types[record];
                let wit_parser::TypeDefKind::Record(record) = &resolve.types[id].kind else {
                    panic!("{record} is no record");
                };
                for field in &record.fields {
                    let name = spelled(&field.name, lang);
                    assert!(text.contains(&format!("{name}: ")), "{file} has no {name}");
                    seen += 1;
                }
            }
            assert_eq!(seen, 14);
        }
    }

    #[test]
    fn a_name_is_one_everywhere() {
        for good in ["a", "greet", "limit-check-2"] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", "A", "2a", "a_b", "a-", "a--b", "-a", "ä", "a b", "../a", long.as_str()] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
