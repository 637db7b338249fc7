//! The archive on the object store. Guarantee writes it.

use async_trait::async_trait;
use surety_core::ports::{Archive, Fault};
use surety_core::types::MsgId;

use super::{Aws, names};

#[async_trait]
impl Archive for Aws {
    async fn get(&self, msg_id: MsgId) -> Result<Option<Vec<u8>>, Fault> {
        self.objects.get(&names::bundle(msg_id)).await
    }

    async fn list(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        let after = after.map(|id| id.to_string());
        let names = self.objects.list(names::BUNDLES, after.as_deref(), limit).await?;
        let read = |name: String| {
            name.parse().map_err(|_| {
                let place = self.objects.place(&format!("{}/{name}", names::BUNDLES));
                Fault::Corrupt(format!(
                    "the object {place} is no bundle; take out of its folder what surety did not put there"
                ))
            })
        };
        names.into_iter().map(read).collect()
    }
}
