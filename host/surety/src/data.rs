//! The data folder: what the host needs to be itself again after a restart.
//!
//! ```text
//!  surety.db …       the store's own
//!  host.key          the key that signs receipts and chains    0600
//!  operator.token    the token of the first start               0600
//!  tokens.json       its hash, which is what the host knows     0600
//!  compile.secret    what marks compiled modules as made here   0600
//!  compiled/         compiled modules; can be deleted, like the secret
//! ```

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use surety_core::crypto::PrivateKey;

use crate::clock::random_bytes;
use crate::tokens::{self, Role, TokenEntry};

/// The data folder.
#[derive(Debug, Clone)]
pub struct DataFolder {
    path: PathBuf,
}

/// `tokens.json`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    tokens: Vec<TokenEntry>,
}

impl DataFolder {
    /// The folder, made for its owner alone when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or used.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("the data folder {} cannot be used", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(failed)?;
        let path = path.canonicalize().with_context(failed)?;
        let mode = path.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(folder = %path.display(), mode = format!("{:o}", mode & 0o777), "other users can look into the data folder");
        }
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where compiled modules are kept.
    #[must_use]
    pub fn compiled(&self) -> PathBuf {
        self.path.join("compiled")
    }

    /// What compiled modules are marked with, so that no other process's are loaded.
    /// Made when it is not there: then everything is compiled once more.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn compile_secret(&self) -> anyhow::Result<[u8; 32]> {
        let path = self.path.join("compile.secret");
        let failed = || format!("{} cannot be read; delete it", path.display());
        if !path.try_exists()? {
            write_secret(&path, hex::encode(random_bytes::<32>()).as_bytes())?;
        }
        ensure!(
            !is_exposed(&path)?,
            "{} can be read by other users; delete it, and a new one is made",
            path.display()
        );
        let text = std::fs::read(&path).with_context(failed)?;
        let mut secret = [0; 32];
        hex::decode_to_slice(text, &mut secret).with_context(failed)?;
        Ok(secret)
    }

    /// Where the operator token lies.
    #[must_use]
    pub fn operator_token(&self) -> PathBuf {
        operator_token(&self.path)
    }

    /// The host's key, made at the first start. Call it with the store open:
    /// its lock keeps a second process away.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn host_key(&self) -> anyhow::Result<PrivateKey> {
        let path = self.path.join("host.key");
        if !path.try_exists()? {
            // Written after the key, so the key was there. With another one the
            // host would be another host, and nobody would have been asked.
            let started_before = self.path.join("tokens.json").try_exists()?;
            ensure!(
                !started_before,
                "the key {} is gone; restore it from a backup",
                path.display()
            );
            write_secret(&path, new_key().1.as_bytes())?;
        }
        ensure!(
            !is_exposed(&path)?,
            "the key {} can be read by other users; run `chmod 600` on it",
            path.display()
        );
        read_key(&path)
    }

    /// The tokens of this folder. At the first start there is one, of an
    /// operator, and its text is in a file beside.
    ///
    /// # Errors
    /// When they cannot be read or made.
    pub fn tokens(&self) -> anyhow::Result<Vec<TokenEntry>> {
        let path = self.path.join("tokens.json");
        let failed = || format!("{} cannot be read", path.display());
        if !path.try_exists()? {
            let token = tokens::generate();
            let hash = tokens::hash(&token);
            let entry = TokenEntry { name: "operator".to_owned(), role: Role::Operator, hash };
            let file = TokensFile { tokens: vec![entry] };
            // The hash last: without it the next start makes both again.
            write_secret(&self.operator_token(), format!("{token}\n").as_bytes())?;
            write_secret(&path, &serde_json::to_vec_pretty(&file)?)?;
        }
        let file: TokensFile = serde_json::from_slice(&std::fs::read(&path).with_context(failed)?)
            .with_context(failed)?;
        Ok(file.tokens)
    }
}

/// Where the operator token of a data folder lies.
#[must_use]
pub fn operator_token(folder: &Path) -> PathBuf {
    folder.join("operator.token")
}

/// A fresh key, and the line that a key file holds.
#[must_use]
pub fn new_key() -> (PrivateKey, String) {
    loop {
        let bytes = random_bytes::<32>();
        // All but one in 2^128 draws are keys.
        if let Ok(key) = PrivateKey::from_bytes(&bytes) {
            return (key, format!("0x{}\n", hex::encode(bytes)));
        }
    }
}

/// Reads a key file.
///
/// # Errors
/// When it cannot be read or holds no key.
pub fn read_key(path: &Path) -> anyhow::Result<PrivateKey> {
    let failed = || format!("the key {} cannot be read", path.display());
    let text = std::fs::read_to_string(path).with_context(failed)?;
    text.trim().parse().with_context(failed)
}

/// Whether other users can read a file, or cannot be kept from it.
///
/// # Errors
/// When there is no such file.
pub fn is_exposed(path: &Path) -> anyhow::Result<bool> {
    let metadata = path.metadata().with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(metadata.permissions().mode() & 0o077 != 0)
}

/// Writes a file for its owner alone, so that after a crash it is either whole
/// or not there. What was there is replaced.
///
/// # Errors
/// When it cannot be written.
pub fn write_secret(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("{} cannot be written", path.display());
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    match std::fs::remove_file(&draft) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e).with_context(failed),
        _ => {}
    }
    let mut file = create_new(&draft).with_context(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(failed)?;
    std::fs::rename(&draft, path).with_context(failed)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)
}

/// A new file for its owner alone; an error when there is one.
///
/// # Errors
/// Those of the file system.
pub fn create_new(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_finds_what_the_first_one_made() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("a/b")).unwrap();
        let (key, entries) = (data.host_key().unwrap(), data.tokens().unwrap());
        let token = std::fs::read_to_string(data.operator_token()).unwrap();
        assert_eq!(entries[0].hash, tokens::hash(token.trim()));

        let again = DataFolder::open(data.path()).unwrap();
        assert_eq!(again.host_key().unwrap().address(), key.address());
        assert_eq!(again.tokens().unwrap(), entries);
        assert_eq!(data.compile_secret().unwrap(), again.compile_secret().unwrap());
        for (file, mode) in [
            ("", 0o700),
            ("host.key", 0o600),
            ("operator.token", 0o600),
            ("tokens.json", 0o600),
            ("compile.secret", 0o600),
        ] {
            let found = data.path().join(file).metadata().unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{file}");
        }
        let known = std::fs::read_to_string(data.path().join("tokens.json")).unwrap();
        assert!(!known.contains(token.trim()));

        std::fs::remove_file(data.path().join("host.key")).unwrap();
        assert!(format!("{:#}", data.host_key().unwrap_err()).contains("backup"));
    }

    #[test]
    fn a_host_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        data.host_key().unwrap();
        let lax = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path().join("host.key"), lax).unwrap();
        assert!(format!("{:#}", data.host_key().unwrap_err()).contains("chmod 600"));
    }
}
