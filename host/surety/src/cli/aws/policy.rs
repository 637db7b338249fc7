//! `surety aws policy`

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use surety_store::{Role, aws_policy};

use super::Deployment;
use crate::cli::Common;
use crate::cli::exit::Failed;

/// Prints a policy document of IAM. Asks nobody.
#[derive(Debug, Args)]
pub(in crate::cli) struct Policy {
    /// Whose policy
    role: Who,
    /// The account's twelve digits [default: any, which is the one of the identity]
    #[arg(long, value_name = "DIGITS")]
    account: Option<String>,
    #[command(flatten)]
    deployment: Deployment,
}

/// Whose.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Who {
    /// Who runs `surety serve` and `surety doctor`
    Host,
    /// Who runs `surety aws plan` and `surety aws apply`
    Operator,
    /// Who looks at Reference and the archive without a host
    Reader,
}

impl Policy {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let account = self.account.as_deref();
        if let Some(account) = account
            && (account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(anyhow!("an account has twelve digits, and {account:?} has not").into());
        }
        let role = match self.role {
            Who::Host => Role::Host,
            Who::Operator => Role::Operator,
            Who::Reader => Role::Reader,
        };
        let policy = aws_policy(&self.deployment.config(common)?, role, account);
        let text = serde_json::to_string_pretty(&policy).context("the policy is no JSON")?;
        common.output().value(&policy, |_| text)?;
        Ok(())
    }
}
