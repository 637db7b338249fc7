//! Revoking a component. It waits for no other deployment.

use std::sync::Arc;

use surety_core::deployment::{REASON_BYTES_MAX, Revocation};
use surety_core::refusal::{Code, Refusal};
use surety_core::text::line;
use surety_core::types::Digest;

use super::{Deployer, NotDeployed, finish};

impl Deployer {
    /// At a start, and when the catalog changed: what may not run.
    pub(super) async fn load_revocations(&self) -> anyhow::Result<()> {
        for digest in &self.rules.policy.revoked {
            self.routes.revoke(*digest, "the host's policy names it");
        }
        for Revocation { digest, reason, .. } in self.catalog.revocations().await? {
            self.routes.revoke(digest, &reason);
        }
        Ok(())
    }

    /// Revokes a component, deployed or not. Once this returns, no call of it starts
    /// on this host, now and after every restart; those that run go on to their end.
    /// Other hosts on the same tables look for it each two seconds (`follow.rs`), and
    /// hear of it later while the catalog does not answer them.
    ///
    /// # Errors
    /// `request_invalid` for no reason, or one that is too long.
    pub async fn revoke(
        self: &Arc<Self>,
        digest: Digest,
        reason: String,
        by: String,
    ) -> Result<(), NotDeployed> {
        if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
            let detail = format!("a reason has 1 to {REASON_BYTES_MAX} bytes");
            let refusal = Refusal::new(Code::RequestInvalid, detail);
            return Err(refusal.at("/reason", "is empty or too long").into());
        }
        let this = Arc::clone(self);
        finish(async move {
            let reason = line(&reason, REASON_BYTES_MAX);
            let (revoked_at, shown) = (this.clock.now(), reason.clone());
            let revocation = Revocation { digest, reason, revoked_at, revoked_by: by.clone() };
            this.catalog.revoke(revocation).await?;
            this.routes.revoke(digest, &shown);
            tracing::warn!(%digest, by, reason = shown, "module revoked");
            Ok(())
        })
        .await
    }
}
