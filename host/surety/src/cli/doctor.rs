//! `surety doctor`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use surety_core::ports::Clock as _;
use surety_store::{AwsAdmin, EmbeddedConfig, Finding, Grade};

use super::Common;
use super::exit::Failed;
use crate::clock::SystemClock;
use crate::config::{Backend, Config};

/// Examines where messages are kept: whether it is there, may be used, has room and is
/// of this version; and says what to do. A host may run meanwhile.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// On AWS: only look, so that an operator's identity is enough
    #[arg(long)]
    no_probe: bool,
    /// Also look at every open message: whether a ticket, a timer or a person will move
    /// it. Names each that nothing will move
    #[arg(long)]
    deep: bool,
    /// The host's configuration
    #[arg(long, env = "SURETY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Doctor {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let config = common.config(self.config.as_ref())?;
        let findings = examine(&config, !self.no_probe, self.deep)?;
        common.output().value(&findings, |findings| show(findings))?;
        match findings.iter().filter(|finding| finding.grade == Grade::Problem).count() {
            0 => Ok(()),
            problems => Err(Failed::Found(problems)),
        }
    }
}

fn examine(config: &Config, probe: bool, deep: bool) -> anyhow::Result<Vec<Finding>> {
    let clock = Arc::new(SystemClock);
    Ok(match config.store.backend {
        Backend::Memory => vec![],
        Backend::Embedded => {
            let store = EmbeddedConfig::new(config.data_folder()?);
            let mut findings = surety_store::examine(&store);
            if deep {
                findings.extend(surety_store::examine_messages(&store, clock.now()));
            }
            findings
        }
        Backend::Aws => {
            let admin = AwsAdmin::new(&config.store.aws, clock)?;
            tokio::runtime::Runtime::new()?.block_on(async {
                let mut findings = admin.doctor(probe).await;
                if deep {
                    findings.extend(admin.deep().await);
                }
                findings
            })
        }
    })
}

fn show(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for Finding { grade, what, found, remedy } in findings {
        let grade = match grade {
            Grade::Good => "good",
            Grade::Note => "note",
            Grade::Problem => "PROBLEM",
        };
        lines.push(format!("{grade:7}  {what}: {found}"));
        if !remedy.is_empty() {
            lines.push(format!("{:7}  → {remedy}", ""));
        }
    }
    if lines.is_empty() {
        lines.push("Nothing is kept, so there is nothing to examine.".to_owned());
    }
    lines.join("\n")
}
