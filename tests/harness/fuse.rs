//! A fuse around the ports: at a chosen call, before or after it took effect,
//! the process "crashes": that call and all later ones never return.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use surety_core::canary::{Canary, Counts};
use surety_core::deployment::{Change, Deployed, Revocation};
use surety_core::effect::Entry;
use surety_core::machine::{Loaded, Step};
use surety_core::ports::{
    Admission, AdmitError, Admitted, Archive, Catalog, Client, Clients, CommitError, DeployError,
    Fault, Feeder, Found, Guarantee, Issued, Lease, Moving, Page, PlaceError, Placed, Query,
    Reference, Reservation, ReserveError, Settled, Ticket,
};
use surety_core::projection::Projection;
use surety_core::types::{ClientId, Digest, ModuleName, MsgId, MsgState, MsgType, Seq, Time};
use surety_store::Stores;
use tokio::sync::Notify;

/// Counts port calls and burns at one of them.
pub struct Fuse {
    calls: AtomicUsize,
    /// Twice the call's number, plus one for "after it took effect".
    burns_at: usize,
    burnt: Notify,
}

impl Fuse {
    /// A fuse that burns at this point: point 2n is before call n, 2n + 1 after.
    #[must_use]
    pub fn at(point: usize) -> Arc<Self> {
        Arc::new(Self { calls: AtomicUsize::new(0), burns_at: point, burnt: Notify::new() })
    }

    /// One that never burns.
    #[must_use]
    pub fn never() -> Arc<Self> {
        Self::at(usize::MAX)
    }

    /// How many points were passed.
    pub fn points(&self) -> usize {
        self.calls.load(Ordering::SeqCst) * 2
    }

    /// Returns when it has burnt.
    pub async fn burnt(&self) {
        self.burnt.notified().await;
    }

    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        let point = self.calls.fetch_add(1, Ordering::SeqCst) * 2;
        self.check(point).await;
        let result = call.await;
        self.check(point + 1).await;
        result
    }

    async fn check(&self, point: usize) {
        if point >= self.burns_at {
            self.burnt.notify_one();
            pending::<()>().await;
        }
    }
}

/// Stores whose calls pass a fuse.
struct Fused {
    fuse: Arc<Fuse>,
    inner: Stores,
    /// Whether calls pass it, too, that only read what is moved.
    reads: bool,
}

impl Fused {
    fn of(stores: &Stores, fuse: &Arc<Fuse>, reads: bool) -> Arc<Self> {
        Arc::new(Self { fuse: Arc::clone(fuse), inner: stores.clone(), reads })
    }

    async fn read<T>(&self, call: impl Future<Output = T>) -> T {
        if self.reads { self.fuse.around(call).await } else { call.await }
    }

    fn moves(self: Arc<Self>, stores: &Stores) -> Stores {
        let mut stores = stores.clone();
        stores.moving = Arc::clone(&self) as _;
        stores.catalog = Arc::clone(&self) as _;
        stores.clients = self as _;
        stores
    }
}

/// Puts a fuse around everything that an import puts.
#[must_use]
pub fn fused_import(stores: &Stores, fuse: &Arc<Fuse>) -> Stores {
    Fused::of(stores, fuse, false).moves(stores)
}

/// Puts a fuse around everything that an export reads.
#[must_use]
pub fn fused_export(stores: &Stores, fuse: &Arc<Fuse>) -> Stores {
    let fused = Fused::of(stores, fuse, true);
    let mut stores = Arc::clone(&fused).moves(stores);
    stores.guarantee = Arc::clone(&fused) as _;
    stores.archive = fused as _;
    stores
}

/// Puts a fuse around the ports that move messages.
#[must_use]
pub fn fused(stores: &Stores, fuse: &Arc<Fuse>) -> Stores {
    let fused = Fused::of(stores, fuse, true);
    let mut stores = stores.clone();
    stores.guarantee = Arc::clone(&fused) as _;
    stores.feeder = Arc::clone(&fused) as _;
    stores.reference = Arc::clone(&fused) as _;
    stores.archive = fused as _;
    stores
}

#[async_trait]
impl Guarantee for Fused {
    async fn reserve(&self, reservation: Reservation) -> Result<(), ReserveError> {
        self.fuse.around(self.inner.guarantee.reserve(reservation)).await
    }
    async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        self.fuse.around(self.inner.guarantee.admit(admission)).await
    }
    async fn load(&self, msg_id: MsgId) -> Result<Found, Fault> {
        self.fuse.around(self.inner.guarantee.load(msg_id)).await
    }
    async fn commit(&self, step: Step) -> Result<Settled, CommitError> {
        self.fuse.around(self.inner.guarantee.commit(step)).await
    }
    async fn journal(
        &self,
        msg_id: MsgId,
        seq: Seq,
        n: usize,
        entry: Entry,
    ) -> Result<(), CommitError> {
        self.fuse.around(self.inner.guarantee.journal(msg_id, seq, n, entry)).await
    }
    async fn retire(
        &self,
        msg_id: MsgId,
        seq: Seq,
        bundle: Vec<u8>,
    ) -> Result<Settled, CommitError> {
        self.fuse.around(self.inner.guarantee.retire(msg_id, seq, bundle)).await
    }
    async fn open(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        self.fuse.around(self.inner.guarantee.open(after, limit)).await
    }
    async fn pins(&self) -> Result<BTreeMap<Digest, u64>, Fault> {
        self.fuse.around(self.inner.guarantee.pins()).await
    }
}

#[async_trait]
impl Feeder for Fused {
    async fn push(&self, ticket: Ticket, at: Time) -> Result<(), Fault> {
        self.fuse.around(self.inner.feeder.push(ticket, at)).await
    }
    async fn lease(&self) -> Result<Lease, Fault> {
        self.fuse.around(self.inner.feeder.lease()).await
    }
    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault> {
        self.fuse.around(self.inner.feeder.acknowledge(lease)).await
    }
    async fn release(&self, lease: Lease, at: Time) -> Result<(), Fault> {
        self.fuse.around(self.inner.feeder.release(lease, at)).await
    }
}

#[async_trait]
impl Reference for Fused {
    async fn put(&self, projection: &Projection) -> Result<(), Fault> {
        self.fuse.around(self.inner.reference.put(projection)).await
    }
    async fn get(&self, msg_id: MsgId) -> Result<Option<Projection>, Fault> {
        self.fuse.around(self.inner.reference.get(msg_id)).await
    }
    async fn list(&self, query: &Query) -> Result<Page, Fault> {
        self.fuse.around(self.inner.reference.list(query)).await
    }
    async fn counts(&self) -> Result<BTreeMap<(MsgType, MsgState), u64>, Fault> {
        self.fuse.around(self.inner.reference.counts()).await
    }
    async fn remove(&self, msg_id: MsgId) -> Result<(), Fault> {
        self.fuse.around(self.inner.reference.remove(msg_id)).await
    }
}

#[async_trait]
impl Archive for Fused {
    async fn get(&self, msg_id: MsgId) -> Result<Option<Vec<u8>>, Fault> {
        self.fuse.around(self.inner.archive.get(msg_id)).await
    }
    async fn list(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault> {
        self.fuse.around(self.inner.archive.list(after, limit)).await
    }
}

#[async_trait]
impl Moving for Fused {
    async fn msg_ids(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<Issued>, Fault> {
        self.read(self.inner.moving.msg_ids(after, limit)).await
    }
    async fn place_ids(&self, ids: Vec<Issued>) -> Result<u64, PlaceError> {
        self.fuse.around(self.inner.moving.place_ids(ids)).await
    }
    async fn place_open(&self, id: Issued, loaded: Loaded) -> Result<Placed, PlaceError> {
        self.fuse.around(self.inner.moving.place_open(id, loaded)).await
    }
    async fn place_archived(&self, id: Issued, bundle: Vec<u8>) -> Result<Placed, PlaceError> {
        self.fuse.around(self.inner.moving.place_archived(id, bundle)).await
    }
    async fn components(&self) -> Result<Vec<Digest>, Fault> {
        self.read(self.inner.moving.components()).await
    }
    async fn place_component(&self, component: Vec<u8>) -> Result<Placed, PlaceError> {
        self.fuse.around(self.inner.moving.place_component(component)).await
    }
    async fn deployments(&self) -> Result<Vec<Deployed>, Fault> {
        self.read(self.inner.moving.deployments()).await
    }
    async fn place_history(&self, history: Vec<Deployed>) -> Result<Placed, PlaceError> {
        self.fuse.around(self.inner.moving.place_history(history)).await
    }
}

#[async_trait]
impl Catalog for Fused {
    async fn change_modules(&self, change: Change) -> Result<(), DeployError> {
        self.fuse.around(self.inner.catalog.change_modules(change)).await
    }
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Fault> {
        self.read(self.inner.catalog.component(digest)).await
    }
    async fn modules(&self) -> Result<Vec<Deployed>, Fault> {
        self.read(self.inner.catalog.modules()).await
    }
    async fn history(&self, name: &ModuleName) -> Result<Vec<Deployed>, Fault> {
        self.read(self.inner.catalog.history(name)).await
    }
    async fn canaries(&self) -> Result<Vec<Canary>, Fault> {
        self.read(self.inner.catalog.canaries()).await
    }
    async fn count_canary(
        &self,
        name: &ModuleName,
        started_at: Time,
        counts: &Counts,
    ) -> Result<Option<Canary>, Fault> {
        self.fuse.around(self.inner.catalog.count_canary(name, started_at, counts)).await
    }
    async fn revoke(&self, revocation: Revocation) -> Result<(), Fault> {
        self.fuse.around(self.inner.catalog.revoke(revocation)).await
    }
    async fn revocations(&self) -> Result<Vec<Revocation>, Fault> {
        self.read(self.inner.catalog.revocations()).await
    }
    async fn put_workflow(
        &self,
        msg_type: MsgType,
        version: u32,
        text: Arc<str>,
    ) -> Result<(), DeployError> {
        self.fuse.around(self.inner.catalog.put_workflow(msg_type, version, text)).await
    }
    async fn remove_workflow(&self, msg_type: &MsgType, version: u32) -> Result<(), Fault> {
        self.fuse.around(self.inner.catalog.remove_workflow(msg_type, version)).await
    }
    async fn workflows(&self) -> Result<Vec<Arc<str>>, Fault> {
        self.read(self.inner.catalog.workflows()).await
    }
    async fn revision(&self) -> Result<u64, Fault> {
        self.read(self.inner.catalog.revision()).await
    }
}

#[async_trait]
impl Clients for Fused {
    async fn put(&self, client: Client) -> Result<(), Fault> {
        self.fuse.around(self.inner.clients.put(client)).await
    }
    async fn get(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Fault> {
        self.read(self.inner.clients.get(client_id)).await
    }
    async fn list(&self) -> Result<Vec<Arc<Client>>, Fault> {
        self.read(self.inner.clients.list()).await
    }
}
