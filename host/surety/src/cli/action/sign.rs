//! `surety action sign` and `surety action approve`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use surety_core::crypto::PrivateKey;
use surety_core::endorse::{Approval, Claim, Endorsements, Subject};
use surety_core::module::Manifest;
use surety_core::policy::Powers;
use surety_sandbox::{Limits, inspect};

use super::source::{Opened, Registry, Source};
use crate::cli::exit::Failed;
use crate::cli::output::fields;
use crate::cli::{Common, input};
use crate::data::{is_exposed, read_key};
use crate::policy;

/// What stands behind a component's name in the name of its signatures' file.
const SIGNATURES: &str = ".signatures.json";

/// Signs a component's name, version and digest as its publisher. The signature goes
/// to a file, beside those that are there.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The component, the folder of a project that was built, or oci://… of a registry
    #[arg(default_value = ".", value_parser = Source::parser())]
    file: Source,
    /// The publisher's key file
    #[arg(long, default_value = "surety.key", value_name = "FILE")]
    key: PathBuf,
    /// Where signatures are kept [default: the component's name and .signatures.json;
    /// of oci:// there is none]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The host's configuration, for its limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    wallet: Wallet,
    #[command(flatten)]
    registry: Registry,
}

/// Approves what a component may do under a policy, as its reviewer, and prints it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Approve {
    /// The component, the folder of a project that was built, or oci://… of a registry
    #[arg(default_value = ".", value_parser = Source::parser())]
    file: Source,
    /// The reviewer's key file
    #[arg(long, default_value = "surety.key", value_name = "FILE")]
    key: PathBuf,
    /// The host's policy, which says what of its wishes the component gets
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Where signatures are kept [default: the component's name and .signatures.json;
    /// of oci:// there is none]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The host's configuration, for its limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    wallet: Wallet,
    #[command(flatten)]
    registry: Registry,
}

/// A key that is not in a file.
#[derive(Debug, Args)]
struct Wallet {
    /// Print the text for a wallet to sign, and sign nothing
    #[arg(long)]
    text: bool,
    /// A wallet's signature over that text, to be kept
    #[arg(long, value_name = "HEX", conflicts_with_all = ["text", "key"])]
    signature: Option<String>,
}

impl Wallet {
    /// The wallet's signature, or one by the key of a file. None when the text was
    /// asked for, and is printed.
    fn claim(&self, common: &Common, key: &Path, text: &str) -> Result<Option<Claim>, Failed> {
        if self.text {
            let value = json!({ "text": text });
            common.output().value(&value, |_| text.to_owned())?;
            return Ok(None);
        }
        match &self.signature {
            None => Ok(Some(Claim::sign(&read_exposed(key)?, text))),
            Some(signature) => Claim::by_wallet(signature, text).map(Some).map_err(Failed::refused),
        }
    }
}

impl Sign {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let limits = common.config(self.config.as_ref())?.sandbox;
        let opened = self.file.open(&self.registry, limits.component_bytes_max)?;
        let (subject, _) = read(&opened.component, &limits)?;
        let text = subject.publish_text();
        let Some(claim) = self.wallet.claim(common, &self.key, &text)? else { return Ok(()) };
        let (file, mut all) = before(&opened, self.out)?;
        all.signatures.retain(|kept| kept.signer != claim.signer);
        all.signatures.push(claim.clone());
        keep(&file, &all)?;
        let value = json!({ "signer": claim.signer, "module": subject, "file": file.display().to_string() });
        common.output().value(&value, |_| {
            fields(&[
                ("signed", subject.to_string()),
                ("by", claim.signer.to_string()),
                ("kept in", file.display().to_string()),
            ])
        })?;
        Ok(())
    }
}

impl Approve {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let limits = common.config(self.config.as_ref())?.sandbox;
        let opened = self.file.open(&self.registry, limits.component_bytes_max)?;
        let (subject, manifest) = read(&opened.component, &limits)?;
        let policy = policy::read(&self.policy)?;
        let Manifest { name, version, capabilities, .. } = &manifest;
        let grant = policy.grant(name, version, subject.digest, capabilities);
        let powers = Powers::of(&grant).map_err(Failed::refused)?;
        let text = subject.review_text(powers.digest());
        let Some(claim) = self.wallet.claim(common, &self.key, &text)? else { return Ok(()) };
        let Claim { signer, signature } = claim;
        let approval = Approval { powers: powers.digest(), signer, signature };
        let (file, mut all) = before(&opened, self.out)?;
        all.approvals.retain(|kept| kept.signer != signer);
        all.approvals.push(approval);
        keep(&file, &all)?;
        let value = json!({
            "signer": signer, "module": subject, "powers": powers.digest(),
            "may": powers.lines(), "file": file.display().to_string(),
        });
        common.output().value(&value, |_| {
            let may = powers.lines().into_iter().map(|line| format!("  may {line}\n"));
            let signed = fields(&[
                ("approved", subject.to_string()),
                ("by", signer.to_string()),
                ("kept in", file.display().to_string()),
            ]);
            format!("{}{signed}", may.collect::<String>())
        })?;
        Ok(())
    }
}

/// The file that a signature goes to, and the signatures that it joins.
fn before(opened: &Opened, out: Option<PathBuf>) -> anyhow::Result<(PathBuf, Endorsements)> {
    match (out, opened.beside()) {
        // What was published with it goes on with it.
        (Some(out), None) if !out.exists() => Ok((out, opened.endorsements(None)?)),
        (Some(out), _) => kept(&out).map(|all| (out, all)),
        (None, Some(beside)) => Ok((beside.to_owned(), kept(beside)?)),
        (None, None) => bail!(
            "--out says where the signature is to be kept; `surety action publish --signatures` puts it into the registry"
        ),
    }
}

/// The file with a component's signatures.
pub(super) fn beside(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(SIGNATURES);
    name.into()
}

/// The signatures in a file; none if there is no file.
pub(super) fn kept(file: &Path) -> anyhow::Result<Endorsements> {
    if !file.exists() {
        return Ok(Endorsements::NONE);
    }
    read_signatures(file)
}

/// The signatures in a file.
pub(super) fn read_signatures(file: &Path) -> anyhow::Result<Endorsements> {
    serde_json::from_str(&input::text(file)?)
        .with_context(|| format!("the signatures {} cannot be read", file.display()))
}

fn keep(file: &Path, all: &Endorsements) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(all)? + "\n";
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// What a component says of itself, if these limits admit it. It is not run.
pub(super) fn read(component: &[u8], limits: &Limits) -> Result<(Subject, Manifest), Failed> {
    let inspected = inspect(component, limits).map_err(Failed::refused)?;
    let (manifest, digest) = (inspected.manifest, inspected.digest);
    let (module, version) = (manifest.name.clone(), manifest.version.clone());
    Ok((Subject { module, version, digest }, manifest))
}

fn read_exposed(file: &Path) -> anyhow::Result<PrivateKey> {
    if is_exposed(file)? {
        let key = file.display();
        let _ = writeln!(std::io::stderr(), "surety: other users can read the key {key}");
    }
    read_key(file)
}
