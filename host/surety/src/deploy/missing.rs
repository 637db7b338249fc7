//! Compiling again what is deployed and was compiled for another version of the
//! engine, or whose compiled form is gone. The host serves meanwhile: messages that
//! need such a module are put off.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use surety_core::types::Digest;
use surety_sandbox::NotReady;

use super::{Deployer, aside};

/// How long to rest when a component could not be compiled for a reason of the host's.
const AGAIN_DELAY: Duration = Duration::from_secs(30);

impl Deployer {
    pub(super) async fn compile_missing(self: Arc<Self>, missing: BTreeSet<Digest>) {
        let all = missing.len();
        tracing::info!(modules = all, "compiling what was not kept compiled for this engine");
        for digest in missing {
            while let Err(error) = self.compile_again(digest).await {
                tracing::error!(%digest, error = format!("{error:#}"), "a deployed module cannot run; its messages wait");
                if error.downcast_ref().is_some_and(|e| matches!(e, NotReady::Refused(_))) {
                    break;
                }
                tokio::time::sleep(AGAIN_DELAY).await;
            }
        }
        tracing::info!(modules = all, "what was to be compiled is");
    }

    async fn compile_again(&self, digest: Digest) -> anyhow::Result<()> {
        let component = self.component(digest).await?;
        let sandbox = Arc::clone(&self.sandbox);
        Ok(aside(move || sandbox.complete(&component)).await??)
    }
}
