//! Whether a host can work on a data folder. Only looks, and a host may run meanwhile.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access, statvfs};

use super::{EmbeddedConfig, schema};
use crate::findings::{Finding, Grade};

/// The room that must be left on the disk: the log beside the file may grow to 16 MiB
/// and be copied once, and a day's messages want some more.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// Examines a data folder.
#[must_use]
pub fn examine(config: &EmbeddedConfig) -> Vec<Finding> {
    let folder = &config.path;
    let what = format!("the data folder {}", folder.display());
    let mut findings = Vec::new();
    let mut problem = |what: &str, found: String, remedy: &str| {
        findings.push(Finding::new(Grade::Problem, what, found).remedy(remedy));
    };
    let metadata = match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            problem(&what, "is a file".to_owned(), "name a folder with `--data`");
            return findings;
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let remedy = "the first start of a host makes it";
            return vec![Finding::new(Grade::Note, what, "is not there").remedy(remedy)];
        }
        Err(e) => {
            problem(&what, e.to_string(), "look at the rights on the folders above it");
            return findings;
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let found = format!("other users can look into it, its mode is {mode:o}");
        problem(&what, found, "take their rights away: chmod 700");
    }
    if let Err(e) = access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        let remedy = "run as the user whose folder it is, on a disk that can be written";
        problem(&what, format!("cannot be written: {e}"), remedy);
    }
    findings.push(room(folder));
    findings.push(file(&folder.join("surety.db")));
    findings
}

fn room(folder: &Path) -> Finding {
    let what = format!("the disk of {}", folder.display());
    match statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} MiB are free", free >> 20);
            if free < FREE_BYTES_MIN {
                let remedy = "free space on it: a host whose disk is full takes no messages";
                return Finding::new(Grade::Problem, what, found).remedy(remedy);
            }
            Finding::new(Grade::Good, what, found)
        }
        Err(e) => Finding::new(Grade::Note, what, format!("its room is not known: {e}")),
    }
}

fn file(file: &Path) -> Finding {
    let what = file.display().to_string();
    if !file.exists() {
        let remedy = "the first start of a host makes it";
        return Finding::new(Grade::Note, what, "is not there").remedy(remedy);
    }
    let version = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|db| db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)));
    match version {
        Ok(version) if version == schema::VERSION => {
            Finding::new(Grade::Good, what, format!("has version {version}"))
        }
        Ok(version) => {
            let found = format!("has version {version}, this host reads {}", schema::VERSION);
            Finding::new(Grade::Problem, what, found).remedy("use the surety that wrote it")
        }
        Err(e) => {
            let remedy = "restore the folder from a backup";
            Finding::new(Grade::Problem, what, format!("cannot be read: {e}")).remedy(remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn graded(folder: &Path) -> Vec<(Grade, String)> {
        let findings = examine(&EmbeddedConfig::new(folder));
        findings.into_iter().map(|f| (f.grade, f.found)).collect()
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert_eq!(graded(&data), [(Grade::Note, "is not there".to_owned())]);
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        let found = graded(&data);
        assert_eq!(found[0].0, Grade::Problem);
        assert!(found[0].1.contains("its mode is 755"), "{found:?}");

        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        let file = data.join("surety.db");
        let db = Connection::open(&file).unwrap();
        schema::prepare(&db, None).unwrap();
        let version = (Grade::Good, format!("has version {}", schema::VERSION));
        assert_eq!(graded(&data)[1..], [version]);
        db.pragma_update(None, "user_version", 99).unwrap();
        assert!(graded(&data)[1].1.contains("has version 99"));
        drop(db);
        fs::write(&file, "no database at all, but long enough to be looked at".repeat(9)).unwrap();
        assert!(graded(&data)[1].1.contains("cannot be read"));
    }
}
