//! Reading an export into a store.
//!
//! First all of it is checked. Then it is put, in an order in which nothing refers to
//! what is not there; clients come last, so that before all is there nobody can submit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use surety_core::bundle::Bundle;
use surety_core::canary::Canary;
use surety_core::deployment::{Change, Deployed, Revocation};
use surety_core::machine::Loaded;
use surety_core::ports::{Client, DeployError, Fault, PlaceError, Placed};
use surety_core::reconcile::{Mode, reconcile};
use surety_core::types::{Digest, ModuleName};
use surety_core::workflow::Workflow;

use super::folder::{self, CLIENTS, Folder, MANIFEST, MODULES, Manifest, WORKFLOWS};
use super::lines::{IdLine, ModuleLine, UsedBy, WorkflowLine};
use super::{Exported, Imported, MoveError};
use crate::Stores;

/// Messages that are put at once: those of one transaction of SQLite, or queues that
/// are made at the same time.
const AT_ONCE: usize = 16;

/// How often what cannot be put at the moment is put again: queues may be made only so
/// fast, and DynamoDB may say that it is too much.
const ATTEMPTS_MAX: u32 = 60;

/// The longest wait between two attempts.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// The highest number of a deployment: what every backend can count on from.
const NUMBER_MAX: u64 = 1 << 62;

pub(super) async fn import(stores: &Stores, from: &Path) -> Result<Imported, MoveError> {
    let folder = Folder::at(from);
    let manifest = folder.manifest()?;
    let work = Import { stores, folder, manifest };
    let catalog = work.check()?;
    let mut done = Imported { export: work.manifest.counts, ..Imported::default() };
    work.put_catalog(&catalog).await?;
    work.put_messages(&mut done).await?;
    for client in &catalog.clients {
        work.put_client(client).await?;
    }
    let Stores { guarantee, archive, reference, .. } = stores;
    done.reference = reconcile(&**guarantee, &**archive, &**reference, Mode::Rebuild).await?;
    Ok(done)
}

struct Import<'a> {
    stores: &'a Stores,
    folder: Folder,
    manifest: Manifest,
}

/// What is not messages, checked.
#[derive(Default)]
struct Whole {
    components: Vec<Digest>,
    histories: BTreeMap<ModuleName, Vec<Deployed>>,
    canaries: Vec<Canary>,
    revocations: Vec<Revocation>,
    workflows: Vec<WorkflowLine>,
    clients: Vec<Client>,
}

/// A message as its file has it.
enum Message {
    Open(Box<Loaded>),
    Archived(Vec<u8>),
}

impl Import<'_> {
    /// Checks every file; gives what is not messages.
    fn check(&self) -> Result<Whole, MoveError> {
        let mut counts = Exported::default();
        let whole = self.check_catalog(&mut counts)?;
        let mut last_told = 0;
        for number in 0..self.manifest.id_lists {
            let name = folder::id_list(number);
            for line in self.folder.list::<IdLine>(&self.manifest, &name)? {
                counts.msg_ids += 1;
                match self.message(&line, true)? {
                    Some(Message::Open(_)) => counts.open += 1,
                    Some(Message::Archived(_)) => counts.archived += 1,
                    None => {}
                }
            }
            if counts.msg_ids - last_told >= 10_000 {
                last_told = counts.msg_ids;
                tracing::info!(msg_ids = counts.msg_ids, "checked so far");
            }
        }
        if counts != self.manifest.counts {
            return Err(self.folder.altered(MANIFEST, "its counts are not those of its files"));
        }
        Ok(whole)
    }

    fn check_catalog(&self, counts: &mut Exported) -> Result<Whole, MoveError> {
        let mut whole = Whole::default();
        let mut numbers = BTreeSet::new();
        for line in self.folder.list::<ModuleLine>(&self.manifest, MODULES)? {
            match line {
                ModuleLine::Component(digest) => {
                    self.folder.content(&folder::component(digest), digest)?;
                    whole.components.push(digest);
                }
                ModuleLine::Deployment(line) => {
                    let deployed = Deployed::from(*line);
                    let fresh = numbers.last().is_none_or(|last| *last < deployed.number);
                    if !fresh || !(1..=NUMBER_MAX).contains(&deployed.number) {
                        let why = "the numbers of its deployments do not grow";
                        return Err(self.folder.altered(MODULES, why));
                    }
                    numbers.insert(deployed.number);
                    if !whole.components.contains(&deployed.deployment.digest) {
                        let why = "a deployment has no component";
                        return Err(self.folder.altered(MODULES, why));
                    }
                    let name = deployed.deployment.name.clone();
                    whole.histories.entry(name).or_default().push(deployed);
                }
                ModuleLine::Canary(canary) => whole.canaries.push(*canary),
                ModuleLine::Revocation(line) => whole.revocations.push(line.into()),
            }
        }
        whole.workflows = self.folder.list(&self.manifest, WORKFLOWS)?;
        for line in &whole.workflows {
            let workflow = Workflow::parse(&line.text)
                .map_err(|e| self.folder.altered(WORKFLOWS, &e.to_string()))?;
            if (&workflow.msg_type, workflow.version) != (&line.msg_type, line.version) {
                return Err(self.folder.altered(WORKFLOWS, "a text is of another workflow"));
            }
        }
        whole.clients = self.folder.list(&self.manifest, CLIENTS)?;
        counts.components = whole.components.len() as u64;
        counts.deployments = numbers.len() as u64;
        counts.workflows = whole.workflows.len() as u64;
        counts.clients = whole.clients.len() as u64;
        Ok(whole)
    }

    /// The message of a line, if there is one, with its signatures checked or not.
    fn message(&self, line: &IdLine, check: bool) -> Result<Option<Message>, MoveError> {
        let id = line.msg_id;
        let (name, message) = match line.used_by {
            None | Some(UsedBy::Signal) => return Ok(None),
            Some(UsedBy::Open(digest)) => {
                let name = folder::open(id);
                let bytes = self.folder.content(&name, digest)?;
                let loaded = Loaded::decode(&bytes)
                    .map_err(|e| self.folder.altered(&name, &e.to_string()))?;
                (name, Message::Open(Box::new(loaded)))
            }
            Some(UsedBy::Archived(digest)) => {
                let name = folder::archive(id);
                let bytes = self.folder.content(&name, digest)?;
                (name, Message::Archived(bytes))
            }
        };
        if check {
            self.check_message(line, &name, &message)?;
        }
        Ok(Some(message))
    }

    fn check_message(&self, line: &IdLine, name: &str, message: &Message) -> Result<(), MoveError> {
        let bad = |why: &str| self.folder.altered(name, why);
        let signed = match message {
            Message::Open(loaded) => {
                loaded.verify().map_err(|e| bad(&e.to_string()))?;
                std::sync::Arc::clone(&loaded.message)
            }
            Message::Archived(packed) => {
                let bundle = Bundle::unpack(packed).map_err(|e| bad(&e.to_string()))?;
                bundle.verify().map_err(|e| bad(&e.to_string()))?;
                bundle.message
            }
        };
        match signed.msg_id == line.msg_id && signed.client_id == line.client_id {
            true => Ok(()),
            false => Err(bad("it is another message than its name and its list say")),
        }
    }

    async fn put_catalog(&self, whole: &Whole) -> Result<(), MoveError> {
        let Stores { moving, catalog, .. } = self.stores;
        for digest in &whole.components {
            let component = self.folder.content(&folder::component(*digest), *digest)?;
            patiently(|| moving.place_component(component.clone())).await?;
        }
        for history in whole.histories.values() {
            patiently(|| moving.place_history(history.clone())).await?;
        }
        let there = catalog.canaries().await?;
        for canary in &whole.canaries {
            match there.iter().find(|there| there.name == canary.name) {
                Some(there) if there == canary => {}
                Some(_) => return Err(taken(format!("a canary of the module {}", canary.name))),
                None => {
                    let change =
                        Change { canary: Some(canary.clone()), ..Change::new(canary.started_at) };
                    catalog.change_modules(change).await.map_err(not_deployed)?;
                }
            }
        }
        for revocation in &whole.revocations {
            catalog.revoke(revocation.clone()).await?;
        }
        for WorkflowLine { msg_type, version, text } in &whole.workflows {
            let put = catalog.put_workflow(msg_type.clone(), *version, text.clone()).await;
            put.map_err(|e| match e {
                DeployError::AlreadyExists(_) => {
                    taken(format!("the workflow {msg_type} version {version}"))
                }
                other @ DeployError::Fault(_) => not_deployed(other),
            })?;
        }
        Ok(())
    }

    async fn put_messages(&self, done: &mut Imported) -> Result<(), MoveError> {
        for number in 0..self.manifest.id_lists {
            let name = folder::id_list(number);
            let all = self.folder.list::<IdLine>(&self.manifest, &name)?;
            let is_message =
                |line: &IdLine| matches!(line.used_by, Some(UsedBy::Open(_) | UsedBy::Archived(_)));
            let (messages, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_message);
            let ids: Vec<_> = others.iter().map(IdLine::issued).collect();
            done.msg_ids_new += patiently(|| self.stores.moving.place_ids(ids.clone())).await?;
            let puts: Vec<_> = messages.iter().map(|line| self.put_message(line)).collect();
            let placed: Vec<_> = stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await?;
            done.messages_new +=
                placed.iter().filter(|placed| **placed == Placed::Now).count() as u64;
            tracing::info!(list = number + 1, of = self.manifest.id_lists, "imported so far");
        }
        Ok(())
    }

    async fn put_message(&self, line: &IdLine) -> Result<Placed, MoveError> {
        let moving = &self.stores.moving;
        Ok(match self.message(line, false)? {
            Some(Message::Open(loaded)) => {
                patiently(|| moving.place_open(line.issued(), (*loaded).clone())).await?
            }
            Some(Message::Archived(bundle)) => {
                patiently(|| moving.place_archived(line.issued(), bundle.clone())).await?
            }
            None => Placed::Before,
        })
    }

    async fn put_client(&self, client: &Client) -> Result<(), MoveError> {
        let there = self.stores.clients.get(&client.client_id).await?;
        match there {
            Some(there) if *there == *client => Ok(()),
            Some(_) => Err(taken(format!("the client {}", client.client_id))),
            None => Ok(self.stores.clients.put(client.clone()).await?),
        }
    }
}

fn taken(what: String) -> MoveError {
    PlaceError::Taken(what).into()
}

fn not_deployed(e: DeployError) -> MoveError {
    match e {
        DeployError::Fault(fault) => fault.into(),
        DeployError::AlreadyExists(_) => taken("a deployment".to_owned()),
    }
}

/// Puts something, again when it is said that it is not the time for it.
async fn patiently<T, F>(put: impl Fn() -> F) -> Result<T, PlaceError>
where
    F: Future<Output = Result<T, PlaceError>>,
{
    for _ in 1..ATTEMPTS_MAX {
        match put().await {
            Err(PlaceError::Fault(Fault::Busy(busy))) => {
                tokio::time::sleep(busy.after.min(DELAY_MAX)).await;
            }
            done => return done,
        }
    }
    put().await
}
