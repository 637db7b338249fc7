//! The ports in memory: the shortest statement of what each must do. It
//! outlives a simulated crash, not a process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use surety_core::bundle::Bundle;
use surety_core::canary::{Canary, Counts};
use surety_core::deployment::{self, Change, Deployed, NewDeployment, Revocation};
use surety_core::effect::Entry;
use surety_core::machine::{Loaded, Next, Step};
use surety_core::message::Message;
use surety_core::ports::{
    Admission, AdmitError, Admitted, Archive, Catalog, Client, Clients, Clock, CommitError,
    DeployError, Deployment, Fault, Feeder, Found, Guarantee, IdRefused, Issued, Lease, Moving,
    Page, PlaceError, Placed, Query, Reference, Reservation, ReserveError, Settled, Ticket, Use,
};
use surety_core::projection::Projection;
use surety_core::types::{ClientId, Digest, ModuleName, MsgId, MsgState, MsgType, Seq, Time};

use crate::queue::{Queue, Work, due};
use crate::{Stores, Upkeep};

/// What would be on disk.
#[derive(Default)]
struct State {
    ids: BTreeMap<MsgId, Issued>,
    open: BTreeMap<MsgId, Loaded>,
    /// Until they are acknowledged: those of revisions that are past, too.
    tickets: HashMap<(MsgId, Seq), Time>,
    archive: BTreeMap<MsgId, Vec<u8>>,
    reference: BTreeMap<MsgId, Projection>,
    clients: BTreeMap<ClientId, Arc<Client>>,
    components: HashMap<Digest, Vec<u8>>,
    /// In the order of their numbers.
    deployments: Vec<Deployed>,
    last_number: u64,
    canaries: BTreeMap<ModuleName, Canary>,
    revocations: BTreeMap<Digest, Revocation>,
    workflows: BTreeMap<(MsgType, u32), Arc<str>>,
    revision: u64,
}

impl State {
    /// Whether a client may use a Msg_ID at a time; what used it, if it may not
    /// any more.
    fn free(&self, id: MsgId, client: &ClientId, at: Time) -> Result<Option<Use>, IdRefused> {
        let issued = self.ids.get(&id).ok_or(IdRefused::Unknown)?;
        if issued.client_id != *client {
            return Err(IdRefused::Foreign);
        }
        if issued.used.is_none() && issued.expires_at < at {
            return Err(IdRefused::Expired(issued.expires_at));
        }
        Ok(issued.used)
    }

    fn use_up(&mut self, id: MsgId, by: Use) {
        if let Some(issued) = self.ids.get_mut(&id) {
            issued.used = Some(by);
        }
    }
}

/// What a memory backend keeps, apart from the ports on it.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl Memory {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The ports on it, as after a start: open messages are ready to be leased.
    #[must_use]
    pub fn stores(&self, clock: Arc<dyn Clock>) -> Stores {
        let queue = Arc::new(Queue::new(clock));
        for (&(msg_id, seq), &at) in &self.lock().tickets {
            queue.push(Ticket { msg_id, seq }, at, 0, None);
        }
        Stores::of(Arc::new(Backend { memory: self.clone(), queue }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Backend {
    memory: Memory,
    queue: Arc<Queue>,
}

impl Backend {
    fn state(&self) -> MutexGuard<'_, State> {
        self.memory.lock()
    }

    fn feed(&self, state: &mut State, ticket: Ticket, at: Time) {
        state.tickets.insert((ticket.msg_id, ticket.seq), at);
        self.queue.push(ticket, at, 0, None);
    }

    fn follow(&self, state: &mut State, loaded: &Loaded, next: Next) {
        if let Next::Feed(at) = next {
            let ticket = Ticket { msg_id: loaded.message.msg_id, seq: loaded.head.seq };
            self.feed(state, ticket, due(&loaded.head, at));
        }
    }
}

impl Upkeep for Backend {
    fn close(&self) {}
}

#[async_trait]
impl Guarantee for Backend {
    async fn reserve(&self, r: Reservation) -> Result<(), ReserveError> {
        let mut state = self.state();
        let unused = |id: &&Issued| {
            id.client_id == r.client_id && id.used.is_none() && id.expires_at >= r.now
        };
        let outstanding = state.ids.values().filter(unused).count() as u64;
        if outstanding + r.msg_ids.len() as u64 > u64::from(r.outstanding_max) {
            return Err(ReserveError::Cap { outstanding });
        }
        for msg_id in r.msg_ids {
            let (client_id, expires_at) = (r.client_id.clone(), r.expires_at);
            state.ids.insert(msg_id, Issued { msg_id, client_id, expires_at, used: None });
        }
        Ok(())
    }

    async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        let (loaded, next) = admission.into_parts();
        let Message { msg_id, client_id, content_hash, .. } = &*loaded.message;
        let msg_id = *msg_id;
        let mut state = self.state();
        match state.free(msg_id, client_id, loaded.receipt.accepted_at)? {
            None => {}
            Some(Use::Signal) => return Err(IdRefused::Used.into()),
            Some(Use::Message) => {
                let receipt = match (state.open.get(&msg_id), state.archive.get(&msg_id)) {
                    (Some(open), _) => Arc::clone(&open.receipt),
                    (None, Some(packed)) => Bundle::unpack(packed).map_err(Fault::from)?.receipt,
                    (None, None) => return Err(Fault::Corrupt(format!("{msg_id} is lost")).into()),
                };
                let same = receipt.content_hash == *content_hash;
                return if same {
                    Ok(Admitted::Before(receipt))
                } else {
                    Err(IdRefused::Used.into())
                };
            }
        }
        state.use_up(msg_id, Use::Message);
        self.follow(&mut state, &loaded, next);
        state.open.insert(msg_id, loaded);
        Ok(Admitted::Now(Settled::Truth))
    }

    async fn load(&self, msg_id: MsgId) -> Result<Found, Fault> {
        let state = self.state();
        Ok(match state.open.get(&msg_id) {
            Some(loaded) => Found::Open(Box::new(loaded.clone())),
            None if state.archive.contains_key(&msg_id) => Found::Archived,
            None => Found::Nothing,
        })
    }

    async fn commit(&self, step: Step) -> Result<Settled, CommitError> {
        let (msg_id, expect) = (step.msg_id(), step.expect);
        let mut state = self.state();
        if let Some(id) = &step.uses
            && state.free(id.msg_id, &id.client_id, id.at)?.is_some()
        {
            return Err(IdRefused::Used.into());
        }
        let current = state.open.get(&msg_id).map(|loaded| loaded.head.seq);
        if current != Some(expect) {
            return Err(CommitError::Conflict(expect));
        }
        if let Some(id) = &step.uses {
            state.use_up(id.msg_id, Use::Signal);
        }
        self.follow(&mut state, &step.loaded, step.next);
        state.open.insert(msg_id, step.loaded);
        Ok(Settled::Truth)
    }

    async fn journal(
        &self,
        msg_id: MsgId,
        seq: Seq,
        n: usize,
        entry: Entry,
    ) -> Result<(), CommitError> {
        // Kept with the message: a commit puts another one in its place.
        match self.state().open.get_mut(&msg_id) {
            Some(loaded) if loaded.head.seq == seq && loaded.journal.len() == n => {
                loaded.journal.push(entry);
                Ok(())
            }
            _ => Err(CommitError::Conflict(seq)),
        }
    }

    async fn retire(
        &self,
        msg_id: MsgId,
        seq: Seq,
        bundle: Vec<u8>,
    ) -> Result<Settled, CommitError> {
        let mut state = self.state();
        if state.open.get(&msg_id).map(|loaded| loaded.head.seq) != Some(seq) {
            return Err(CommitError::Conflict(seq));
        }
        state.open.remove(&msg_id);
        state.tickets.remove(&(msg_id, seq));
        state.archive.insert(msg_id, bundle);
        Ok(Settled::Truth)
    }

    async fn open(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        Ok(behind(&self.state().open, after, limit))
    }

    async fn pins(&self) -> Result<BTreeMap<Digest, u64>, Fault> {
        let mut pins = BTreeMap::new();
        for loaded in self.state().open.values() {
            *pins.entry(loaded.head.workflow).or_default() += 1;
        }
        Ok(pins)
    }
}

fn behind<T>(map: &BTreeMap<MsgId, T>, after: Option<MsgId>, limit: usize) -> Vec<MsgId> {
    let keys = map.keys().copied();
    keys.filter(|id| after.is_none_or(|after| *id > after)).take(limit).collect()
}

#[async_trait]
impl Feeder for Backend {
    async fn push(&self, ticket: Ticket, at: Time) -> Result<(), Fault> {
        self.feed(&mut self.state(), ticket, at);
        Ok(())
    }

    async fn lease(&self) -> Result<Lease, Fault> {
        loop {
            // No ticket rests elsewhere: nothing is ever to be fetched.
            if let Work::Lease(lease) = self.queue.work().await {
                return Ok(lease);
            }
        }
    }

    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault> {
        let Ticket { msg_id, seq } = lease.ticket;
        self.state().tickets.remove(&(msg_id, seq));
        Ok(())
    }

    async fn release(&self, lease: Lease, at: Time) -> Result<(), Fault> {
        self.queue.push(lease.ticket, at, lease.handle, None);
        Ok(())
    }
}

#[async_trait]
impl Reference for Backend {
    async fn put(&self, projection: &Projection) -> Result<(), Fault> {
        let mut state = self.state();
        let shown = state.reference.get(&projection.msg_id);
        if shown.is_none_or(|shown| shown.seq <= projection.seq) {
            state.reference.insert(projection.msg_id, projection.clone());
        }
        Ok(())
    }

    async fn get(&self, msg_id: MsgId) -> Result<Option<Projection>, Fault> {
        Ok(self.state().reference.get(&msg_id).cloned())
    }

    async fn list(&self, query: &Query) -> Result<Page, Fault> {
        let state = self.state();
        let place = |p: &Projection| (p.created(), p.msg_id);
        let wanted = |p: &&Projection| {
            query.client_id.as_ref().is_none_or(|c| *c == p.client_id)
                && query.msg_type.as_ref().is_none_or(|t| *t == p.msg_type)
                && query.msg_state.as_ref().is_none_or(|s| *s == p.msg_state)
                && query.parked.is_none_or(|parked| parked == p.parked)
                && query.created_from.is_none_or(|from| p.created() >= from)
                && query.created_to.is_none_or(|to| p.created() < to)
                && query.after.is_none_or(|after| place(p) < after)
        };
        let mut messages: Vec<_> = state.reference.values().filter(wanted).cloned().collect();
        messages.sort_by_key(|p| std::cmp::Reverse(place(p)));
        let more = messages.len() > query.limit;
        messages.truncate(query.limit);
        let cursor = messages.last().filter(|_| more).map(place);
        Ok(Page { messages, cursor })
    }

    async fn counts(&self) -> Result<BTreeMap<(MsgType, MsgState), u64>, Fault> {
        let mut counts = BTreeMap::new();
        for p in self.state().reference.values() {
            *counts.entry((p.msg_type.clone(), p.msg_state.clone())).or_default() += 1;
        }
        Ok(counts)
    }

    async fn remove(&self, msg_id: MsgId) -> Result<(), Fault> {
        self.state().reference.remove(&msg_id);
        Ok(())
    }
}

#[async_trait]
impl Archive for Backend {
    async fn get(&self, msg_id: MsgId) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.state().archive.get(&msg_id).cloned())
    }

    async fn list(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        Ok(behind(&self.state().archive, after, limit))
    }
}

#[async_trait]
impl Clients for Backend {
    async fn put(&self, client: Client) -> Result<(), Fault> {
        self.state().clients.insert(client.client_id.clone(), Arc::new(client));
        Ok(())
    }

    async fn get(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Fault> {
        Ok(self.state().clients.get(client_id).cloned())
    }

    async fn list(&self) -> Result<Vec<Arc<Client>>, Fault> {
        Ok(self.state().clients.values().cloned().collect())
    }
}

fn of_name<'a>(
    deployments: &'a [Deployed],
    name: &'a ModuleName,
) -> impl DoubleEndedIterator<Item = &'a Deployed> {
    deployments.iter().filter(move |d| d.deployment.name == *name)
}

/// The other content that a version has.
fn taken(deployments: &[Deployed], new: &Deployment) -> Option<Digest> {
    let mut same = of_name(deployments, &new.name).filter(|d| d.deployment.version == new.version);
    same.find(|d| d.deployment.digest != new.digest).map(|d| d.deployment.digest)
}

#[async_trait]
impl Catalog for Backend {
    async fn change_modules(&self, change: Change) -> Result<(), DeployError> {
        let mut state = self.state();
        let Change { at, end, put, canary } = change;
        let taken = put.as_ref().and_then(|new| taken(&state.deployments, &new.deployment));
        if let Some(digest) = taken {
            return Err(DeployError::AlreadyExists(digest));
        }
        state.deployments = deployment::without(&state.deployments, &end, at);
        if let Some(NewDeployment { deployment, endorsements, component }) = put {
            state.components.entry(deployment.digest).or_insert(component);
            state.last_number += 1;
            let (number, name) = (state.last_number, deployment.name.clone());
            let ended_at = None;
            state.deployments.push(Deployed { number, deployment, endorsements, ended_at });
            let history: Vec<_> = of_name(&state.deployments, &name).cloned().collect();
            let forgotten = deployment::forgettable(&history);
            state.deployments.retain(|d| !forgotten.contains(&d.number));
        }
        if let Some(canary) = canary {
            state.canaries.insert(canary.name.clone(), canary);
        }
        state.revision += 1;
        Ok(())
    }

    async fn count_canary(
        &self,
        name: &ModuleName,
        started_at: Time,
        counts: &Counts,
    ) -> Result<Option<Canary>, Fault> {
        let mut state = self.state();
        let canary = state.canaries.get_mut(name);
        let canary = canary.filter(|canary| canary.is_trial_of(started_at));
        Ok(canary.map(|canary| {
            canary.add(counts);
            canary.clone()
        }))
    }

    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.state().components.get(&digest).cloned())
    }

    async fn modules(&self) -> Result<Vec<Deployed>, Fault> {
        let state = self.state();
        Ok(deployment::in_effect(&state.deployments).into_iter().cloned().collect())
    }

    async fn history(&self, name: &ModuleName) -> Result<Vec<Deployed>, Fault> {
        Ok(of_name(&self.state().deployments, name).rev().cloned().collect())
    }

    async fn canaries(&self) -> Result<Vec<Canary>, Fault> {
        Ok(self.state().canaries.values().cloned().collect())
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), Fault> {
        let mut state = self.state();
        state.revocations.entry(revocation.digest).or_insert(revocation);
        state.revision += 1;
        Ok(())
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, Fault> {
        Ok(self.state().revocations.values().cloned().collect())
    }

    async fn put_workflow(
        &self,
        msg_type: MsgType,
        version: u32,
        text: Arc<str>,
    ) -> Result<(), DeployError> {
        let mut state = self.state();
        let deployed =
            state.workflows.entry((msg_type, version)).or_insert_with(|| Arc::clone(&text));
        if *deployed == text {
            state.revision += 1;
            return Ok(());
        }
        Err(DeployError::AlreadyExists(Digest::of(deployed.as_bytes())))
    }

    async fn remove_workflow(&self, msg_type: &MsgType, version: u32) -> Result<(), Fault> {
        let mut state = self.state();
        state.workflows.remove(&(msg_type.clone(), version));
        state.revision += 1;
        Ok(())
    }

    async fn workflows(&self) -> Result<Vec<Arc<str>>, Fault> {
        Ok(self.state().workflows.values().cloned().collect())
    }

    async fn revision(&self) -> Result<u64, Fault> {
        Ok(self.state().revision)
    }
}

/// What may be put where this is: nothing, or the same once more.
fn placed<T: PartialEq>(
    there: Option<&T>,
    put: &T,
    what: impl FnOnce() -> String,
) -> Result<Placed, PlaceError> {
    match there {
        None => Ok(Placed::Now),
        Some(there) if there == put => Ok(Placed::Before),
        Some(_) => Err(PlaceError::Taken(what())),
    }
}

#[async_trait]
impl Moving for Backend {
    async fn msg_ids(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<Issued>, Fault> {
        let state = self.state();
        let ids = behind(&state.ids, after, limit);
        Ok(ids.iter().map(|id| state.ids[id].clone()).collect())
    }

    async fn place_ids(&self, ids: Vec<Issued>) -> Result<u64, PlaceError> {
        let mut state = self.state();
        let mut new = 0;
        for id in ids {
            let what = || format!("the msg_id {}", id.msg_id);
            if placed(state.ids.get(&id.msg_id), &id, what)? == Placed::Now {
                state.ids.insert(id.msg_id, id);
                new += 1;
            }
        }
        Ok(new)
    }

    async fn place_open(&self, id: Issued, loaded: Loaded) -> Result<Placed, PlaceError> {
        let mut state = self.state();
        let what = || format!("the message {}", id.msg_id);
        if placed(state.ids.get(&id.msg_id), &id, what)? == Placed::Before {
            let there = state.open.get(&id.msg_id).map(Loaded::encode);
            let there = there.unwrap_or_default();
            return placed(Some(&there), &loaded.encode(), what);
        }
        let next = loaded.head.next();
        self.follow(&mut state, &loaded, next);
        state.open.insert(id.msg_id, loaded);
        state.ids.insert(id.msg_id, id);
        Ok(Placed::Now)
    }

    async fn place_archived(&self, id: Issued, bundle: Vec<u8>) -> Result<Placed, PlaceError> {
        let mut state = self.state();
        let what = || format!("the message {}", id.msg_id);
        if placed(state.ids.get(&id.msg_id), &id, what)? == Placed::Before {
            let there = state.archive.get(&id.msg_id).cloned().unwrap_or_default();
            return placed(Some(&there), &bundle, what);
        }
        state.archive.insert(id.msg_id, bundle);
        state.ids.insert(id.msg_id, id);
        Ok(Placed::Now)
    }

    async fn components(&self) -> Result<Vec<Digest>, Fault> {
        let mut all: Vec<_> = self.state().components.keys().copied().collect();
        all.sort_unstable();
        Ok(all)
    }

    async fn place_component(&self, component: Vec<u8>) -> Result<Placed, PlaceError> {
        let mut state = self.state();
        let before = state.components.insert(Digest::of(&component), component);
        Ok(if before.is_some() { Placed::Before } else { Placed::Now })
    }

    async fn deployments(&self) -> Result<Vec<Deployed>, Fault> {
        Ok(self.state().deployments.clone())
    }

    async fn place_history(&self, history: Vec<Deployed>) -> Result<Placed, PlaceError> {
        let Some(name) = history.first().map(|first| first.deployment.name.clone()) else {
            return Ok(Placed::Before);
        };
        let mut state = self.state();
        let there: Vec<_> = of_name(&state.deployments, &name).cloned().collect();
        if there == history {
            return Ok(Placed::Before);
        }
        let taken = |d: &Deployed| state.deployments.iter().any(|there| there.number == d.number);
        if !there.is_empty() || history.iter().any(taken) {
            return Err(PlaceError::Taken(format!("the deployments of the module {name}")));
        }
        state.last_number = history.iter().map(|d| d.number).fold(state.last_number, u64::max);
        state.deployments.extend(history);
        state.deployments.sort_by_key(|d| d.number);
        state.revision += 1;
        Ok(Placed::Now)
    }
}
