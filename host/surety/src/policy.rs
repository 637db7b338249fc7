//! The policy and the secrets that it grants, read at a start.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use surety_core::policy::Policy;
use surety_egress::{Gate, Secrets, SystemResolver};

use crate::config::Config;
use crate::data::is_exposed;

/// The policy, and the way out under it.
///
/// # Errors
/// With the file and the place in it, and never with a secret.
pub fn load(config: &Config) -> anyhow::Result<(Policy, Gate)> {
    let policy = read(&config.policy.file)?;
    let secrets = secrets(&config.policy.secrets_file)?;
    for name in policy.grants.iter().flat_map(|grant| &grant.secrets) {
        let known = secrets.names().any(|known| known == name);
        ensure!(
            known,
            "the policy grants the secret `{name}`, which is not in `[policy] secrets_file`"
        );
    }
    let gate = Gate::open(config.egress.clone(), secrets, Arc::new(SystemResolver));
    Ok((policy, gate.context("`[egress]`")?))
}

/// The policy of a file; of no file the one that gives nobody anything.
///
/// # Errors
/// With the file and the place in it.
pub fn read(file: &Path) -> anyhow::Result<Policy> {
    if file.as_os_str().is_empty() {
        return Ok(Policy::default());
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the policy {} cannot be read", file.display()))?;
    let policy = Policy::parse(&text);
    let policy = policy.with_context(|| format!("the policy {} is not valid", file.display()))?;
    tracing::info!(file = %file.display(), grants = policy.grants.len(), "policy read");
    Ok(policy)
}

fn secrets(file: &Path) -> anyhow::Result<Secrets> {
    if file.as_os_str().is_empty() {
        return Ok(Secrets::default());
    }
    let shown = file.display();
    ensure!(
        !is_exposed(file)?,
        "the secrets {shown} can be read by other users; run `chmod 600` on it"
    );
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the secrets {shown} cannot be read"))?;
    Secrets::parse(&text).with_context(|| format!("the secrets {shown} are not valid"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn error(config: &Config) -> String {
        load(config).map(|_| ()).map_or_else(|e| format!("{e:#}"), |()| String::new())
    }

    #[tokio::test]
    async fn files_are_read_and_refused_without_what_is_secret() {
        let folder = tempfile::tempdir().unwrap();
        let (policy, secrets) = (folder.path().join("p.toml"), folder.path().join("s.toml"));
        let grant = "[[grant]]\nmodules = ['a']\nsecrets = ['key']\nhttp = [{ hosts = ['a.example'], methods = ['GET'] }]";
        fs::write(&policy, grant).unwrap();
        fs::write(&secrets, "key = \"hunter2hunter2\"\n").unwrap();
        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
        let mut config = Config::default();
        assert_eq!(error(&config), "", "without files everything is denied");

        config.policy.file = policy;
        assert!(error(&config).contains("the secret `key`"));
        config.policy.secrets_file = secrets.clone();
        assert_eq!(error(&config), "");

        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(error(&config).contains("chmod 600"));
        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
        for bad in [
            "key = hunter2hunter2",
            "key = [\"hunter2hunter2\"]",
            "'a b' = 'hunter2hunter2'",
            "key = \"hunter2\"",
            "x = 'hunter2hunter2\n",
        ] {
            fs::write(&secrets, format!("\n{bad}")).unwrap();
            let error = error(&config);
            assert!(error.contains("not valid") && !error.contains("hunter2"), "{error}");
        }
    }
}
