//! Debian's packages, unpacked into a folder: through an apt configuration of our own,
//! so that the system's sources, lists and packages stay as they are, nobody needs to
//! be root, and no service starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::{output, run};

/// What signs Debian's packages; from its package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The mirror that this system already takes Debian's packages from.
pub(crate) fn mirror() -> Result<String> {
    if !Path::new(KEYRING).is_file() {
        bail!("no Debian package either: {KEYRING} does not exist");
    }
    let repositories = output(
        Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(REPO_URI)",
            "Created-By: Packages",
        ]),
        "ask apt for its repositories",
    )?;
    repositories
        .lines()
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
        .context("no Debian package either: apt has no Debian repository")
}

/// The suite that this system is of, such as `bookworm`.
pub(crate) fn suite() -> Result<String> {
    let about = fs::read_to_string("/etc/os-release").context("/etc/os-release is not there")?;
    let name = about.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("/etc/os-release has no VERSION_CODENAME")?.trim_matches('"').to_owned())
}

/// apt with one suite, and its state in one folder of its own.
pub(crate) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// With the suite's index as it is now.
    pub(crate) fn new(work: &Path, mirror: &str, suite: &str) -> Result<Self> {
        let folder = work.join(suite);
        fs::create_dir_all(folder.join("state/lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        fs::write(
            folder.join("sources.list"),
            format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"),
        )?;
        let dir = folder.display();
        fs::write(
            folder.join("apt.conf"),
            format!(
                "Dir::State \"{dir}/state\";\nDir::State::status \"/dev/null\";\n\
                 Dir::Cache \"{dir}/cache\";\n\
                 Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
                 Acquire::Languages \"none\";\n\
                 // As root, apt would fetch as a user who cannot write here.\n\
                 APT::Sandbox::User \"root\";\n"
            ),
        )?;
        let apt = Self { folder };
        run(apt.command("apt-get").args(["--quiet=2", "update"]), "read Debian's package index")?;
        Ok(apt)
    }

    /// The versions of a package, the newest first.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let rows = output(
            self.command("apt-cache").args(["madison", package]),
            "search Debian's package index",
        )?;
        // `rust-src | 1.95.0+dfsg1-2~bpo13+1 | <repository>`
        let versions = rows.lines().filter_map(|row| row.split('|').nth(1));
        Ok(versions.map(|version| version.trim().to_owned()).collect())
    }

    /// Fetches a package, `NAME` or `NAME=VERSION`, and unpacks it into a folder.
    pub(crate) fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        eprintln!("fetching Debian's {package}");
        let what = format!("fetch {package}");
        run(self.command("apt-get").args(["--quiet=2", "download", package]), &what)?;
        let deb = fs::read_dir(&self.folder)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt-get download left no package")?;
        run(
            Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(into),
            &format!("unpack {package}"),
        )
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf")).current_dir(&self.folder);
        command
    }
}
