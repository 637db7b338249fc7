//! `surety action revoke`

use clap::Args;
use surety_core::types::Digest;

use crate::api::revocations::{RevocationView, RevocationsView, RevokeRequest};
use crate::cli::Common;
use crate::cli::exit::Failed;
use crate::cli::output::table;

/// Stops a component for good: once this is answered, no call of it starts on the host
/// that was asked. Other hosts on the same tables look for it each two seconds, and hear
/// of it later while the catalog does not answer them.
#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    /// The component's digest, as `action list` shows it
    digest: Digest,
    /// Why; the records of messages that needed it keep it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Revoke {
    pub(super) fn run(self, common: &Common) -> Result<(), Failed> {
        let path = format!("/v1/modules/{}/revoke", self.digest);
        let request = RevokeRequest { reason: self.reason };
        let view: RevocationsView = common.remote()?.post_json(&path, &request)?.read()?;
        Ok(common.output().value(&view, |view| {
            let row = |r: &RevocationView| {
                [
                    r.digest.to_string(),
                    r.revoked_at.to_string(),
                    r.revoked_by.clone(),
                    r.reason.clone(),
                ]
            };
            let rows = view.revocations.iter().map(row).collect();
            table(["REVOKED", "AT", "BY", "REASON"], rows)
        })?)
    }
}
