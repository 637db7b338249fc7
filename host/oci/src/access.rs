use std::io::ErrorKind;
use std::path::PathBuf;
use std::{env, fmt, fs};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use docker_credential::{CredentialRetrievalError as Docker, DockerCredential};

use crate::Error;

/// What a helper of docker says when it has none for a registry (docker's
/// `docker-credential-helpers`, `credentials/error.go`).
const NONE_KNOWN: &str = "credentials not found";

/// How registries are asked.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Who asks [default: whom docker's configuration names for the registry,
    /// `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, with its helpers; else
    /// nobody known].
    pub password: Option<Password>,
    /// Whether plain HTTP is good enough for registries on other machines.
    pub plain_http: bool,
}

/// A user and a password. It is sent to registries that ask for it, or to where such a
/// registry gives out tokens.
#[derive(Clone)]
pub struct Password {
    user: String,
    password: String,
}

impl Password {
    /// A user's password, or the token that stands for one.
    #[must_use]
    pub fn new(user: String, password: String) -> Self {
        Self { user, password }
    }

    /// The user's name.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The value of an `Authorization` header (RFC 7617).
    pub(crate) fn basic(&self) -> String {
        let Self { user, password } = self;
        format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Access {
    /// Who asks this registry; None for nobody known.
    ///
    /// # Errors
    /// [`Error::Credentials`] when docker's configuration has some and they cannot be
    /// had: to go on without them would only say that nobody may.
    pub(crate) fn password(&self, registry: &str) -> Result<Option<Password>, Error> {
        if let Some(password) = &self.password {
            return Ok(Some(password.clone()));
        }
        let Some(file) = docker_file() else { return Ok(None) };
        let unusable = |why: String| Error::Credentials { registry: registry.to_owned(), why };
        let config = match fs::read(&file) {
            Ok(config) => config,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unusable(format!("{} cannot be read: {e}", file.display()))),
        };
        let why = match docker_credential::get_credential_from_reader(&*config, registry) {
            Ok(DockerCredential::UsernamePassword(user, password)) => {
                return Ok(Some(Password { user, password }));
            }
            Err(Docker::ConfigNotFound | Docker::NoCredentialConfigured) => return Ok(None),
            Err(Docker::HelperFailure { stdout, .. }) if stdout.contains(NONE_KNOWN) => {
                return Ok(None);
            }
            Ok(DockerCredential::IdentityToken(_)) => {
                "docker's configuration has an identity token; log in with a user and a password or an access token".to_owned()
            }
            Err(Docker::ConfigReadError) => {
                format!("{} is not what `docker login` writes", file.display())
            }
            // Not what the helper printed: it may be the password.
            Err(Docker::HelperFailure { helper, .. }) => {
                format!("docker's credential helper `{helper}` failed; does `docker login` work?")
            }
            Err(Docker::HelperCommunicationError | Docker::MalformedHelperResponse) => {
                "docker's credential helper is not there or does not answer as one; does `docker login` work?".to_owned()
            }
            Err(Docker::CredentialDecodingError | Docker::CredentialMismatchError) => {
                "what docker's configuration has is malformed; `docker login` writes it anew".to_owned()
            }
        };
        Err(unusable(why))
    }
}

/// Where docker's configuration is, if it is there.
fn docker_file() -> Option<PathBuf> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let password = Password::new("ada".to_owned(), "hush".to_owned());
        let access = Access { password: Some(password), plain_http: false };
        assert!(!format!("{access:?}").contains("hush"));
        let password = access.password("registry.example").unwrap().unwrap();
        // RFC 7617's form.
        assert_eq!(password.basic(), "Basic YWRhOmh1c2g=");
    }
}
