//! Where a command takes a module from: a file, a project, or an OCI registry. The
//! command line fetches and publishes; a host only gets bytes, as from a file, and
//! opens no connection for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use surety_core::endorse::Endorsements;
use surety_core::refusal::{Code, Refusal};
use surety_kit::Project;
use surety_oci::{Access, Error, Password, Reference, SCHEME, pull};

use super::sign;
use crate::cli::exit::Failed;
use crate::cli::input;

/// The largest file that is looked at: no host can be told to take a larger one.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The settings in a project.
const SETTINGS: &str = "settings.json";

/// The annotation of a manifest that carries the module's signatures: an
/// [`Endorsements`] as JSON. A layer of their own would make it something that `wkg`
/// does not read.
pub(super) const SIGNATURES: &str = "surety.signatures";

/// Who asks a registry; not as arguments, which other users can see.
const USERNAME_ENV: &str = "SURETY_OCI_USERNAME";
const PASSWORD_ENV: &str = "SURETY_OCI_PASSWORD";

/// A module, before it is read.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A component, or the folder of a project that was built.
    Path(PathBuf),
    /// In a registry.
    Registry(Reference),
}

/// How registries are asked. Who asks is in the environment, SURETY_OCI_USERNAME and
/// SURETY_OCI_PASSWORD, else where `docker login` leaves it.
#[derive(Debug, Args)]
pub(super) struct Registry {
    /// Of oci://: ask a registry on another machine by plain HTTP, passwords included
    #[arg(long)]
    plain_http: bool,
}

/// A module that was read.
pub(super) struct Opened {
    /// The component.
    pub(super) component: Vec<u8>,
    /// The project's settings, if it is a project that has some.
    pub(super) settings: Option<PathBuf>,
    /// Where its signatures are.
    signed: Signed,
}

enum Signed {
    /// In this file, if it is there.
    Beside(PathBuf),
    /// In the manifest of what was fetched, or nowhere.
    With(Reference, Option<String>),
}

impl Source {
    /// Reads an argument.
    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(Self::parse)
    }

    fn parse(text: OsString) -> Result<Self, Error> {
        match text.to_str().filter(|text| text.starts_with(SCHEME)) {
            Some(reference) => reference.parse().map(Self::Registry),
            None => Ok(Self::Path(text.into())),
        }
    }

    /// Reads the component; from a registry one of at most so many bytes.
    pub(super) fn open(&self, registry: &Registry, bytes_max: usize) -> Result<Opened, Failed> {
        match self {
            Self::Path(path) => {
                let (file, settings) = located(path)?;
                let component = read(&file)?;
                Ok(Opened { component, settings, signed: Signed::Beside(sign::beside(&file)) })
            }
            Self::Registry(reference) => {
                let pulled = pull(reference, &registry.access()?, bytes_max as u64);
                let mut pulled = pulled.map_err(failed)?;
                let signatures = pulled.annotations.remove(SIGNATURES);
                let signed = Signed::With(pulled.pinned, signatures);
                Ok(Opened { component: pulled.component, settings: None, signed })
            }
        }
    }
}

impl Opened {
    /// The signatures in a file that was named and must be there, else those that came
    /// with the module.
    pub(super) fn endorsements(&self, named: Option<&Path>) -> anyhow::Result<Endorsements> {
        match (named, &self.signed) {
            (Some(named), _) => sign::read_signatures(named),
            (None, Signed::Beside(file)) => sign::kept(file),
            (None, Signed::With(_, None)) => Ok(Endorsements::NONE),
            (None, Signed::With(pinned, Some(text))) => serde_json::from_str(text)
                .with_context(|| format!("the signatures of {pinned} cannot be read")),
        }
    }

    /// The file beside it for its signatures; None for one from a registry.
    pub(super) fn beside(&self) -> Option<&Path> {
        match &self.signed {
            Signed::Beside(file) => Some(file),
            Signed::With(..) => None,
        }
    }
}

impl Registry {
    /// How registries are asked, with who asks.
    pub(super) fn access(&self) -> anyhow::Result<Access> {
        let [user, password] = [USERNAME_ENV, PASSWORD_ENV].map(|name| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            // The value is not for an error.
            value.map(|value| value.into_string().map_err(|_| anyhow!("{name} is not UTF-8")))
        });
        let password = match (user.transpose()?, password.transpose()?) {
            (Some(user), Some(password)) => Some(Password::new(user, password)),
            (None, None) => None,
            _ => return Err(anyhow!("of {USERNAME_ENV} and {PASSWORD_ENV} one is missing")),
        };
        Ok(Access { password, plain_http: self.plain_http })
    }
}

/// What a command says when a registry does not do what it should.
pub(super) fn failed(e: Error) -> Failed {
    match e {
        Error::Unreachable { .. } => Failed::Unreachable(e.to_string()),
        Error::NotWasm { .. } | Error::Digest { .. } | Error::TooLarge { .. } => {
            Failed::refused(Refusal::new(Code::ModuleInvalid, e.to_string()))
        }
        _ => Failed::Other(e.into()),
    }
}

/// The component that is meant by a path, and its project's settings.
fn located(path: &Path) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
    if !path.is_dir() {
        return Ok((path.to_owned(), None));
    }
    let project = Project::open(path)?;
    let (component, own) = (project.component(), project.folder.join(SETTINGS));
    ensure!(
        component.is_file(),
        "{} is not there; `surety action build` makes it",
        component.display()
    );
    Ok((component, own.is_file().then_some(own)))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::metadata(file).map_or(0, |about| about.len());
    ensure!(bytes <= FILE_BYTES_MAX, "{} is larger than {FILE_BYTES_MAX} bytes", file.display());
    input::bytes(file)
}
