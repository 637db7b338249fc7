//! The configuration: one TOML file, every key with a default. The reason for
//! each default stands in `surety.example.toml`, which a test holds to these.

mod sections;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use surety_core::canary::CanaryLimits;
use surety_core::intake::IntakeLimits;
use surety_egress::EgressConfig;
use surety_sandbox::{CompileLimits, Limits};

use crate::tokens::TokenEntry;
pub use sections::{
    Backend, CanarySection, Controller, Http, Intake, Log, LogFormat, PolicyFiles, Store,
};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the host listens.
    pub listen: SocketAddr,
    /// The data folder; empty for the platform's. See [`Config::data_folder`].
    pub data: PathBuf,
    /// Who may ask and operate, beside the operator token of the first start.
    pub tokens: Vec<TokenEntry>,
    /// Where messages are kept.
    pub store: Store,
    /// Connections and requests.
    pub http: Http,
    /// What comes in.
    pub intake: Intake,
    /// What moves messages.
    pub controller: Controller,
    /// What actions may use.
    pub sandbox: Limits,
    /// What compiling them may use.
    pub compile: CompileLimits,
    /// What modules may have beyond `log`.
    pub policy: PolicyFiles,
    /// Requests of modules.
    pub egress: EgressConfig,
    /// When a canary is stopped.
    pub canary: CanarySection,
    /// What is told.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8480)),
            data: PathBuf::new(),
            tokens: Vec::new(),
            store: Store::default(),
            http: Http::default(),
            intake: Intake::default(),
            controller: Controller::default(),
            sandbox: Limits::default(),
            compile: CompileLimits::default(),
            policy: PolicyFiles::default(),
            egress: EgressConfig::default(),
            canary: CanarySection::default(),
            log: Log::default(),
        }
    }
}

/// Keys at which zero means something; the sandbox checks its own.
const ZERO_ALLOWED: [&str; 3] =
    ["controller.threads", "controller.shutdown_grace_ms", "egress.redirects_max"];

impl Config {
    /// Reads a file, or the defaults when there is none.
    ///
    /// # Errors
    /// With the key and its place in the file.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the configuration {} cannot be read", file.display()))?;
        let mut config = Self::parse(&text)
            .with_context(|| format!("the configuration {} is not valid", file.display()))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let PolicyFiles { file, secrets_file, .. } = &mut config.policy;
        for path in [file, secrets_file, &mut config.egress.ca_file] {
            if !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        }
        Ok(config)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// Every limit is one, and every token has its own name.
    fn check(&self) -> anyhow::Result<()> {
        for (section, value) in toml::Table::try_from(self)? {
            let toml::Value::Table(keys) = value else { continue };
            for (key, value) in keys {
                let name = format!("{section}.{key}");
                let zero = value.as_integer() == Some(0);
                let allowed = section == "sandbox" || ZERO_ALLOWED.contains(&name.as_str());
                ensure!(
                    !zero || allowed,
                    "`{name}` is 0; it is a limit and cannot be switched off"
                );
            }
        }
        self.sandbox.check().context("`[sandbox]`")?;
        self.compile.check().context("`[compile]`")?;
        self.canary.check().context("`[canary]`")?;
        if self.store.backend == Backend::Aws {
            self.store.aws.check().map_err(anyhow::Error::msg).context("`[store.aws]`")?;
        }
        for (i, token) in self.tokens.iter().enumerate() {
            let twice =
                self.tokens[..i].iter().any(|t| t.name == token.name || t.hash == token.hash);
            ensure!(!twice, "the token `{}` is in `[[tokens]]` twice", token.name);
        }
        Ok(())
    }

    /// The data folder: the configured one, else `$XDG_DATA_HOME/surety`, else
    /// `~/.local/share/surety`.
    ///
    /// # Errors
    /// When none is configured and there is no home either.
    pub fn data_folder(&self) -> anyhow::Result<PathBuf> {
        if !self.data.as_os_str().is_empty() {
            return Ok(self.data.clone());
        }
        let absolute = |name: &str| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path) // as the XDG specification wants it
        };
        match (absolute("XDG_DATA_HOME"), absolute("HOME")) {
            (Some(data), _) => Ok(data.join("surety")),
            (None, Some(home)) => Ok(home.join(".local/share/surety")),
            (None, None) => bail!("there is no home folder; name a data folder with `--data`"),
        }
    }

    /// The engine's part of it.
    #[must_use]
    pub fn intake_limits(&self) -> IntakeLimits {
        IntakeLimits {
            message_bytes_max: self.intake.message_bytes_max,
            msg_ids_count_max: self.intake.msg_ids_count_max,
            msg_ids_outstanding_max: self.intake.msg_ids_outstanding_max,
            msg_id_ttl_ms: self.intake.msg_id_ttl_ms,
        }
    }

    /// When a canary is stopped.
    #[must_use]
    pub fn canary_limits(&self) -> CanaryLimits {
        let CanarySection { calls_min, failures_above_percent_max } = self.canary;
        CanaryLimits { calls_min, failures_above_percent_max }
    }

    /// How long a stop waits for what is in hand.
    #[must_use]
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.controller.shutdown_grace_ms)
    }

    /// Threads that run actions.
    #[must_use]
    pub fn controller_threads(&self) -> usize {
        match self.controller.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../surety.example.toml");

    #[test]
    fn the_example_has_every_key_with_its_default() {
        let example: toml::Table = EXAMPLE.parse().unwrap();
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        // Compared as tables: a key that is missing there would be filled in
        // by its default here.
        assert_eq!(example, defaults);
        assert_eq!(Config::parse(EXAMPLE).unwrap(), Config::default());
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn an_error_names_key_and_place() {
        for (text, expected) in [
            ("lisen = 1", "lisen"),
            ("[http]\nconnections_max = \"many\"", "connections_max"),
            ("[http]\nconnections_max = 0", "`http.connections_max` is 0"),
            ("[sandbox]\nfuel_max = 0", "fuel_max"),
            ("[store]\nbackend = \"aws\"", "`objects` is"),
            ("[store.aws]\nprefixes = 1", "prefixes"),
            ("[compile]\nmemory_bytes_max = 1000", "memory_bytes_max"),
            (
                "[canary]\nfailures_above_percent_max = 0",
                "`canary.failures_above_percent_max` is 0",
            ),
            ("[canary]\nfailures_above_percent_max = 100", "is 100; it must be 1 to 99"),
            ("[intake]\nmsg_ids_count_max = -1", "msg_ids_count_max"),
            ("[[tokens]]\nname = \"a\"\nrole = \"root\"", "line 3"),
            ("listen = \"here\"", "line 1"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(expected), "{text:?} gave {error}");
        }
    }
}
