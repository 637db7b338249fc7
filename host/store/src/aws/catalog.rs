//! Modules and workflows: names and versions in the table `catalog`, components and
//! texts on the object store.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use surety_core::canary::{Canary, Counts};
use surety_core::deployment::{Change, Deployed, Revocation};
use surety_core::ports::{Busy, Catalog, DeployError, Fault};
use surety_core::types::{Digest, ModuleName, MsgType, Time};

use super::entries::{Entry, putting};
use super::item::{Fields, Item, item, n, names as placeholders, s, t};
use super::transact::Canceled;
use super::{Aws, names};

/// Workflow texts that are read at one time. They are small, and read at a start.
const READS_MAX: usize = 8;

/// Under what condition an entry is made.
const NEW: &str = "attribute_not_exists(#kind)";

/// How soon a workflow may be put again that was removed at the same moment.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// The name of a workflow's entry, in the order of the versions.
fn workflow(msg_type: &MsgType, version: u32) -> String {
    format!("{msg_type}@{version:010}")
}

#[async_trait]
impl Catalog for Aws {
    async fn change_modules(&self, change: Change) -> Result<(), DeployError> {
        self.change(&change).await
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.objects.content(&names::component(digest), digest).await
    }

    async fn modules(&self) -> Result<Vec<Deployed>, Fault> {
        self.in_effect().await
    }

    async fn history(&self, name: &ModuleName) -> Result<Vec<Deployed>, Fault> {
        self.deployed(name).await
    }

    async fn canaries(&self) -> Result<Vec<Canary>, Fault> {
        let read = |entry: &Item| Fields::of(entry, "the entry of a canary").json("canary");
        self.entries(Entry::Canary).await?.iter().map(read).collect()
    }

    async fn count_canary(
        &self,
        name: &ModuleName,
        started_at: Time,
        counts: &Counts,
    ) -> Result<Option<Canary>, Fault> {
        self.count(name, started_at, counts).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), Fault> {
        let Revocation { digest, reason, revoked_at, revoked_by } = revocation;
        let mut entry = Entry::Revocation.key(digest);
        entry.extend(item([
            ("reason", s(reason)),
            ("revoked_at", t(revoked_at)),
            ("revoked_by", s(revoked_by)),
        ]));
        let put = putting(&self.names.catalog(), entry, Some(NEW), Item::new());
        match self.write_entries(vec![put], None).await {
            // It is revoked already.
            Ok(()) | Err(Canceled::Conditions(_)) => Ok(()),
            Err(Canceled::Fault(fault)) => Err(fault),
        }
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, Fault> {
        let read = |entry: &Item| {
            let fields = Fields::of(entry, "the entry of a revocation");
            Ok(Revocation {
                digest: fields.parsed("name")?,
                reason: fields.text("reason")?.to_owned(),
                revoked_at: fields.time("revoked_at")?,
                revoked_by: fields.text("revoked_by")?.to_owned(),
            })
        };
        self.entries(Entry::Revocation).await?.iter().map(read).collect()
    }

    async fn put_workflow(
        &self,
        msg_type: MsgType,
        version: u32,
        text: Arc<str>,
    ) -> Result<(), DeployError> {
        let (digest, name) = (Digest::of(text.as_bytes()), workflow(&msg_type, version));
        // Before what names it. One that nothing names does no harm.
        self.objects.put(&names::workflow(digest), text.as_bytes().to_vec()).await?;
        let mut entry = Entry::Workflow.key(&name);
        entry.extend(item([
            ("msg_type", s(msg_type)),
            ("version", n(version)),
            ("digest", s(digest)),
        ]));
        let put = putting(&self.names.catalog(), entry, Some(NEW), Item::new());
        match self.write_entries(vec![put], None).await {
            Ok(()) => return Ok(()),
            Err(Canceled::Fault(fault)) => return Err(fault.into()),
            Err(Canceled::Conditions(_)) => {}
        }
        let Some(deployed) = self.entry(Entry::Workflow, &name).await? else {
            let why = format!("the workflow {name} is removed at the same time");
            return Err(Fault::Busy(Busy { why, after: AGAIN }).into());
        };
        let deployed: Digest = Fields::of(&deployed, "the entry of a workflow").parsed("digest")?;
        if deployed == digest { Ok(()) } else { Err(DeployError::AlreadyExists(deployed)) }
    }

    async fn remove_workflow(&self, msg_type: &MsgType, version: u32) -> Result<(), Fault> {
        let there = "attribute_exists(#kind)";
        let delete = Delete::builder()
            .table_name(self.names.catalog())
            .set_key(Some(Entry::Workflow.key(workflow(msg_type, version))))
            .condition_expression(there)
            .set_expression_attribute_names(Some(placeholders(&[there])))
            .build()
            .expect("table and key are set");
        let delete = TransactWriteItem::builder().delete(delete).build();
        match self.write_entries(vec![delete], None).await {
            // It is not there.
            Ok(()) | Err(Canceled::Conditions(_)) => Ok(()),
            Err(Canceled::Fault(fault)) => Err(fault),
        }
    }

    async fn workflows(&self) -> Result<Vec<Arc<str>>, Fault> {
        let mut reads = Vec::new();
        for entry in self.entries(Entry::Workflow).await? {
            let fields = Fields::of(&entry, "the entry of a workflow");
            let key: (MsgType, u64) = (fields.parsed("msg_type")?, fields.number("version")?);
            let digest = fields.parsed("digest")?;
            reads.push(async move { Ok::<_, Fault>((key, self.workflow_text(digest).await?)) });
        }
        let mut texts: Vec<_> =
            stream::iter(reads).buffer_unordered(READS_MAX).try_collect().await?;
        // Names of entries sort otherwise than types.
        texts.sort();
        Ok(texts.into_iter().map(|(_, text)| text).collect())
    }

    async fn revision(&self) -> Result<u64, Fault> {
        Ok(self.counter().await?.0)
    }
}

impl Aws {
    async fn workflow_text(&self, digest: Digest) -> Result<Arc<str>, Fault> {
        let place = names::workflow(digest);
        let text = self.objects.content(&place, digest).await?;
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(Into::into).ok_or_else(|| {
            let place = self.objects.place(&place);
            Fault::Corrupt(format!(
                "the object {place}, a workflow's text, is not there; put it back from a backup, or remove the workflow and put it again"
            ))
        })
    }
}
