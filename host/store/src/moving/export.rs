//! Writing an export.

use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use surety_core::bundle::Bundle;
use surety_core::ports::{Fault, Found, Issued, Use};
use surety_core::types::{Digest, MsgId};
use surety_core::workflow::Workflow;

use super::folder::{self, CLIENTS, Folder, MODULES, Manifest, WORKFLOWS, lines};
use super::lines::{IdLine, ModuleLine, UsedBy, WorkflowLine};
use super::{Exported, MoveError};
use crate::Stores;

/// Msg_IDs of one list. It is what is lost of an export that is interrupted, and how
/// often progress is told.
const LIST_IDS_MAX: usize = 1_000;

/// Messages that are read at once: more than one, because each may wait for a queue.
const AT_ONCE: usize = 16;

/// How often a message is asked for that another process seems to have in hand. A lease
/// of a host that was stopped ends meanwhile.
const LOOKS_MAX: u32 = 60;

/// Between two of these looks.
const LOOK_DELAY: Duration = Duration::from_secs(1);

pub(super) async fn export(stores: &Stores, to: &Path) -> Result<Exported, MoveError> {
    let folder = Folder::at(to);
    folder.make()?;
    // Until it is finished, it is no export.
    folder.put_manifest(&Manifest::begun())?;
    let mut work = Export { stores, folder, manifest: Manifest::begun() };
    work.modules().await?;
    work.workflows().await?;
    work.clients().await?;
    work.msg_ids().await?;
    work.manifest.finished = true;
    work.folder.finish(&work.manifest)?;
    Ok(work.manifest.counts)
}

struct Export<'a> {
    stores: &'a Stores,
    folder: Folder,
    manifest: Manifest,
}

impl Export<'_> {
    fn put_list(&mut self, name: &str, bytes: &[u8]) -> Result<(), MoveError> {
        self.manifest.files.insert(name.to_owned(), Digest::of(bytes));
        self.folder.put(name, bytes)
    }

    async fn modules(&mut self) -> Result<(), MoveError> {
        let (moving, catalog) = (&self.stores.moving, &self.stores.catalog);
        let mut all = Vec::new();
        for digest in moving.components().await? {
            let gone = || Fault::Corrupt(format!("the component {digest} is gone"));
            let component = catalog.component(digest).await?.ok_or_else(gone)?;
            self.folder.put(&folder::component(digest), &component)?;
            self.manifest.counts.components += 1;
            all.push(ModuleLine::Component(digest));
        }
        let deployments = moving.deployments().await?;
        self.manifest.counts.deployments = deployments.len() as u64;
        all.extend(deployments.into_iter().map(|d| ModuleLine::Deployment(Box::new(d.into()))));
        let canaries = catalog.canaries().await?;
        all.extend(canaries.into_iter().map(|canary| ModuleLine::Canary(Box::new(canary))));
        let revocations = catalog.revocations().await?;
        all.extend(revocations.into_iter().map(|r| ModuleLine::Revocation(r.into())));
        self.put_list(MODULES, &lines(&all))
    }

    async fn workflows(&mut self) -> Result<(), MoveError> {
        let mut all = Vec::new();
        for text in self.stores.catalog.workflows().await? {
            let workflow = Workflow::parse(&text)
                .map_err(|e| Fault::Corrupt(format!("a deployed workflow cannot be read: {e}")))?;
            let Workflow { msg_type, version, .. } = workflow;
            all.push(WorkflowLine { msg_type, version, text });
        }
        self.manifest.counts.workflows = all.len() as u64;
        self.put_list(WORKFLOWS, &lines(&all))
    }

    async fn clients(&mut self) -> Result<(), MoveError> {
        let all = self.stores.clients.list().await?;
        self.manifest.counts.clients = all.len() as u64;
        self.put_list(CLIENTS, &lines(&all))
    }

    async fn msg_ids(&mut self) -> Result<(), MoveError> {
        let mut after = None;
        loop {
            let ids = self.stores.moving.msg_ids(after, LIST_IDS_MAX).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = Some(last.msg_id);
            let reads: Vec<_> = ids.iter().map(|id| self.line(id)).collect();
            let all: Vec<IdLine> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
            let counts = &mut self.manifest.counts;
            counts.msg_ids += all.len() as u64;
            for line in &all {
                counts.open += u64::from(matches!(line.used_by, Some(UsedBy::Open(_))));
                counts.archived += u64::from(matches!(line.used_by, Some(UsedBy::Archived(_))));
            }
            let Exported { msg_ids, open, archived, .. } = *counts;
            let name = folder::id_list(self.manifest.id_lists);
            self.manifest.id_lists += 1;
            self.put_list(&name, &lines(&all))?;
            tracing::info!(msg_ids, open, archived, "exported so far");
        }
    }

    async fn line(&self, id: &Issued) -> Result<IdLine, MoveError> {
        let Issued { msg_id, client_id, expires_at, used } = id.clone();
        let used_by = match used {
            None => None,
            Some(Use::Signal) => Some(UsedBy::Signal),
            Some(Use::Message) => Some(self.message(msg_id).await?),
        };
        Ok(IdLine { msg_id, client_id, expires_at, used_by })
    }

    async fn message(&self, id: MsgId) -> Result<UsedBy, MoveError> {
        match load(self.stores, id).await? {
            Found::Open(loaded) => {
                let bytes = loaded.encode();
                self.folder.put(&folder::open(id), &bytes)?;
                Ok(UsedBy::Open(Digest::of(&bytes)))
            }
            Found::Archived => {
                self.folder.remove(&folder::open(id))?;
                let name = folder::archive(id);
                // A bundle is what it is for good; one that an export before took is
                // believed when it proves itself.
                if let Some(there) = self.folder.get(&name).ok().flatten()
                    && is_bundle_of(&there, id)
                {
                    return Ok(UsedBy::Archived(Digest::of(&there)));
                }
                let gone = || Fault::Corrupt(format!("the bundle of {id} is gone"));
                let bundle = self.stores.archive.get(id).await?.ok_or_else(gone)?;
                self.folder.put(&name, &bundle)?;
                Ok(UsedBy::Archived(Digest::of(&bundle)))
            }
            Found::Nothing => {
                let why = format!("the msg_id {id} is used by a message that is not there");
                Err(Fault::Corrupt(why).into())
            }
        }
    }
}

/// Whether these bytes are a message's bundle and prove it.
pub(super) fn is_bundle_of(packed: &[u8], id: MsgId) -> bool {
    Bundle::unpack(packed)
        .is_ok_and(|bundle| bundle.message.msg_id == id && bundle.verify().is_ok())
}

/// A message, when nobody has it in hand any more.
async fn load(stores: &Stores, id: MsgId) -> Result<Found, Fault> {
    let mut looks = 1;
    loop {
        match stores.guarantee.load(id).await {
            Err(Fault::Busy(_)) if looks < LOOKS_MAX => {
                looks += 1;
                tokio::time::sleep(LOOK_DELAY).await;
            }
            Err(Fault::Busy(busy)) => {
                let why = format!("{}; stop every host that works on this store", busy.why);
                return Err(Fault::Unavailable(why));
            }
            found => return found,
        }
    }
}
