//! The ports: what the engine asks of the world. Each doc line says what must
//! hold when the call returns; the conformance suite in `tests/` asserts it for
//! every backend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use semver::Version;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::canary::{Canary, Counts};
use crate::deployment::{Change, Deployed, Revocation};
use crate::effect::{Budget, Entry, Outcome, Outside, Request};
use crate::machine::{Call, Loaded, Next, Ran, Step};
use crate::message::Message;
use crate::module::Module;
use crate::policy::Grant;
use crate::projection::Projection;
use crate::receipt::Receipt;
use crate::record::Failure;
use crate::refusal::Finding;
use crate::types::{Address, ClientId, Digest, ModuleName, MsgId, MsgState, MsgType, Seq, Time};
use crate::workflow::ModuleSpec;

/// A backend that did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Nothing was done, or it is not known; the same call may be made again.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing was done, because it is not its turn yet; to be asked again then.
    #[error("{}", .0.why)]
    Busy(Busy),
    /// What is stored cannot be read. Nobody should go on as if it could.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
}

/// When to ask again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// What there is too much of: the limit's name, or what is not ready.
    pub why: String,
    /// Not before this has passed.
    pub after: Duration,
}

impl From<crate::codec::DecodeError> for Fault {
    fn from(e: crate::codec::DecodeError) -> Self {
        Self::Corrupt(e.to_string())
    }
}

/// Msg_IDs to keep for a client.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// For whom.
    pub client_id: ClientId,
    /// Fresh ids.
    pub msg_ids: Vec<MsgId>,
    /// Now; what expired before does not count.
    pub now: Time,
    /// The last moment at which each may be used.
    pub expires_at: Time,
    /// The most that the client may hold, these included.
    pub outstanding_max: u32,
}

/// Why ids were not reserved.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReserveError {
    /// The client holds too many already.
    #[error("the client holds {outstanding} unused ids already")]
    Cap {
        /// How many it holds.
        outstanding: u64,
    },
    /// The backend failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A verified message that is to be kept, with its first ticket.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The message in its initial state. Only [`crate::intake`] makes one, from
    /// a `Verified<Message>`.
    pub(crate) loaded: Loaded,
    /// What follows.
    pub(crate) next: Next,
}

impl Admission {
    /// The message with all its records, in its initial state or where choices
    /// took it from there.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The same with what follows, by value.
    #[must_use]
    pub fn into_parts(self) -> (Loaded, Next) {
        (self.loaded, self.next)
    }
}

/// How much a backend did in the transaction of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// All: Reference shows the message, and the old ticket is acknowledged.
    All,
    /// The truth alone: the caller puts the projection, then acknowledges.
    Truth,
}

/// A message that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// By this call.
    Now(Settled),
    /// The same content was admitted before, with this receipt.
    Before(Arc<Receipt>),
}

/// Why a Msg_ID cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdRefused {
    /// The Msg_ID was never issued.
    #[error("the msg_id was never issued")]
    Unknown,
    /// The Msg_ID was issued to another client.
    #[error("the msg_id was issued to another client")]
    Foreign,
    /// The Msg_ID's time is over.
    #[error("the msg_id expired at {0}")]
    Expired(Time),
    /// The Msg_ID carries other content, or a signal.
    #[error("the msg_id was used before")]
    Used,
}

/// Why a message was not admitted. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdmitError {
    /// Its Msg_ID cannot be used.
    #[error(transparent)]
    Id(#[from] IdRefused),
    /// The backend failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Where a message is.
#[derive(Debug, Clone)]
pub enum Found {
    /// In Guarantee.
    Open(Box<Loaded>),
    /// In the archive.
    Archived,
    /// Nowhere: no message was ever admitted under this id.
    Nothing,
}

/// Why a transition was not committed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// The message is not at the expected revision: somebody else was first.
    #[error("the message is not at revision {0}")]
    Conflict(Seq),
    /// The Msg_ID that the step uses up cannot be used.
    #[error(transparent)]
    Id(#[from] IdRefused),
    /// The backend failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The system of record. It is the truth; everything else can be rebuilt.
#[async_trait]
pub trait Guarantee: Send + Sync {
    /// On return all ids are durable and bound to the client, or none is.
    async fn reserve(&self, reservation: Reservation) -> Result<(), ReserveError>;

    /// On return message, first state, record 0, receipt and first ticket are
    /// durable together and the Msg_ID is used for ever. Equal content under
    /// the same Msg_ID gives the first receipt, also after archiving.
    async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError>;

    /// The message as last committed, and never older.
    async fn load(&self, msg_id: MsgId) -> Result<Found, Fault>;

    /// If the message is at `step.expect`: on return state, ext, records, the
    /// next ticket, the end of its journal and the use of `step.uses` are durable together; where the
    /// backend can, Reference and the old ticket's acknowledgement too, and it
    /// says so. Else `Conflict`, and nothing changed. Of any number of calls that
    /// expect one revision, one succeeds. After `Unavailable` either may be the
    /// case.
    async fn commit(&self, step: Step) -> Result<Settled, CommitError>;

    /// If the message is at `seq` and its journal of that revision has `n` entries:
    /// on return the entry is durable, and `load` gives it with the message until
    /// the revision is done with. Else `Conflict`, and nothing changed.
    async fn journal(
        &self,
        msg_id: MsgId,
        seq: Seq,
        n: usize,
        entry: Entry,
    ) -> Result<(), CommitError>;

    /// If the message is at `seq`: on return the bundle is in the archive, never
    /// to be replaced, and the message is out of Guarantee with ticket and journal.
    /// Archived already: `Conflict`.
    async fn retire(
        &self,
        msg_id: MsgId,
        seq: Seq,
        bundle: Vec<u8>,
    ) -> Result<Settled, CommitError>;

    /// Open messages in the order of their ids, from behind `after`.
    async fn open(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault>;

    /// How many open messages are pinned to each workflow, by its digest.
    async fn pins(&self) -> Result<BTreeMap<Digest, u64>, Fault>;
}

/// A line of the feeder queue. A hint: whether there is work, the message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Which message.
    pub msg_id: MsgId,
    /// The revision that the ticket was made for.
    pub seq: Seq,
}

/// A ticket in hand.
#[derive(Debug)]
pub struct Lease {
    /// The ticket.
    pub ticket: Ticket,
    /// The message, when the backend has it at hand.
    pub loaded: Option<Loaded>,
    /// The backend's own name for the lease.
    pub handle: u64,
}

/// The feeder queue: at least once, in no order.
#[async_trait]
pub trait Feeder: Send + Sync {
    /// On return the ticket will be leased at `at` or later, at least once.
    async fn push(&self, ticket: Ticket, at: Time) -> Result<(), Fault>;

    /// Waits for a ticket that is due. Nobody else gets it until the lease ends.
    /// Dropping the future loses nothing.
    async fn lease(&self) -> Result<Lease, Fault>;

    /// The ticket will not come again. May be forgotten in a crash.
    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault>;

    /// The ticket comes again, not before `at`; or in a crash at once.
    async fn release(&self, lease: Lease, at: Time) -> Result<(), Fault>;
}

/// What messages are asked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of this client.
    pub client_id: Option<ClientId>,
    /// Of this type.
    pub msg_type: Option<MsgType>,
    /// In this state.
    pub msg_state: Option<MsgState>,
    /// Parked, or not.
    pub parked: Option<bool>,
    /// Created at or after.
    pub created_from: Option<Time>,
    /// Created before.
    pub created_to: Option<Time>,
    /// Behind this place; as [`Page::cursor`] gave it.
    pub after: Option<Cursor>,
    /// At most this many.
    pub limit: usize,
}

/// A place in the order of (creation_date, Msg_ID), newest first.
pub type Cursor = (Time, MsgId);

/// Some of the messages that were asked for, newest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The messages.
    pub messages: Vec<Projection>,
    /// Where the next page starts; none at the end.
    pub cursor: Option<Cursor>,
}

/// The read model. Derived; it may lag behind, and can be rebuilt.
#[async_trait]
pub trait Reference: Send + Sync {
    /// Unless it has a later revision of the message: it will show this one.
    /// May be lost in a crash, until the message's ticket comes again.
    async fn put(&self, projection: &Projection) -> Result<(), Fault>;

    /// A message as of the last `put` that was seen.
    async fn get(&self, msg_id: MsgId) -> Result<Option<Projection>, Fault>;

    /// Messages, newest first.
    async fn list(&self, query: &Query) -> Result<Page, Fault>;

    /// How many messages there are in each state of each type.
    async fn counts(&self) -> Result<BTreeMap<(MsgType, MsgState), u64>, Fault>;

    /// On return the message is not shown, until it is put again.
    async fn remove(&self, msg_id: MsgId) -> Result<(), Fault>;
}

/// Packed bundles of finished messages. Written by [`Guarantee::retire`].
#[async_trait]
pub trait Archive: Send + Sync {
    /// The packed bundle of a message.
    async fn get(&self, msg_id: MsgId) -> Result<Option<Vec<u8>>, Fault>;

    /// Archived messages in the order of their ids, from behind `after`.
    async fn list(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<MsgId>, Fault>;
}

/// Who may submit what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its name.
    pub client_id: ClientId,
    /// The addresses that may sign for it.
    pub signers: BTreeSet<Address>,
    /// The message types that it may submit.
    pub msg_types: BTreeSet<MsgType>,
    /// The most unused Msg_IDs that it may hold; the host's default if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg_ids_outstanding_max: Option<u32>,
}

/// The registered clients; part of Guarantee.
#[async_trait]
pub trait Clients: Send + Sync {
    /// On return the client is durable as given, in place of what was there.
    async fn put(&self, client: Client) -> Result<(), Fault>;

    /// The client as last put.
    async fn get(&self, client_id: &ClientId) -> Result<Option<Arc<Client>>, Fault>;

    /// All of them, by name.
    async fn list(&self) -> Result<Vec<Arc<Client>>, Fault>;
}

/// A version of a module under its name, with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// The module's name.
    pub name: ModuleName,
    /// Its version.
    pub version: Version,
    /// The digest of its component.
    pub digest: Digest,
    /// The settings: JSON text.
    pub settings: Arc<str>,
    /// When it was deployed, by the host's clock.
    pub deployed_at: Time,
}

/// Why something was not deployed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeployError {
    /// Its version is taken by other content.
    #[error("the version is deployed with the digest {0}")]
    AlreadyExists(Digest),
    /// The backend failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What is deployed: components by their content, names and versions, workflows.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// On return the whole change is durable, or nothing of it is. A deployment
    /// whose version the history has with another digest is refused. Behind it the
    /// history of its name is bounded; components stay for good, because proofs
    /// name them.
    async fn change_modules(&self, change: Change) -> Result<(), DeployError>;

    /// The component with this digest.
    async fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Fault>;

    /// The deployments that are in effect, by name and version.
    async fn modules(&self) -> Result<Vec<Deployed>, Fault>;

    /// All deployments of a name that are kept, the last one first.
    async fn history(&self, name: &ModuleName) -> Result<Vec<Deployed>, Fault>;

    /// The last canary of each module.
    async fn canaries(&self) -> Result<Vec<Canary>, Fault>;

    /// Adds to what was counted of the module's canary that runs since this time, and
    /// gives it as it is then, with what other processes counted; none when that one
    /// has ended. A call that failed may have added, and may be made again: counts are
    /// for comparing, and nothing else rests on them.
    async fn count_canary(
        &self,
        name: &ModuleName,
        started_at: Time,
        counts: &Counts,
    ) -> Result<Option<Canary>, Fault>;

    /// On return the revocation is durable. A second one of the same component
    /// changes nothing.
    async fn revoke(&self, revocation: Revocation) -> Result<(), Fault>;

    /// All revocations.
    async fn revocations(&self) -> Result<Vec<Revocation>, Fault>;

    /// On return the workflow's text is durable under its type and version. The
    /// same text again is no change; another one is refused.
    async fn put_workflow(
        &self,
        msg_type: MsgType,
        version: u32,
        text: Arc<str>,
    ) -> Result<(), DeployError>;

    /// On return the workflow of this type and version is not there.
    async fn remove_workflow(&self, msg_type: &MsgType, version: u32) -> Result<(), Fault>;

    /// The texts of all workflows.
    async fn workflows(&self) -> Result<Vec<Arc<str>>, Fault>;

    /// A number that grows with every change of modules, canaries, revocations or
    /// workflows, by this process or another: by two answers to one process, it knows
    /// whether what it read between them may be old. What changed nothing may leave
    /// it, and so may what is counted of a canary that goes on.
    async fn revision(&self) -> Result<u64, Fault>;
}

/// By what a Msg_ID was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// By a message, which is open or archived.
    Message,
    /// By a signal.
    Signal,
}

/// A Msg_ID that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The id.
    pub msg_id: MsgId,
    /// To whom.
    pub client_id: ClientId,
    /// The last moment at which it may be used.
    pub expires_at: Time,
    /// By what it was used, if it was.
    pub used: Option<Use>,
}

/// What was put where nothing was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// By this call.
    Now,
    /// The same was there already.
    Before,
}

/// Why something was not put.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// Something else is in its place, which stays as it is.
    #[error("the store holds {0} already, and otherwise")]
    Taken(String),
    /// The backend failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What moves a store into another one and no other port has: what is kept, as it
/// is. For stores that no host works on; whoever puts has checked what it puts.
///
/// Nothing is ever replaced. What is put again is compared, so that a move that was
/// interrupted is made once more.
#[async_trait]
pub trait Moving: Send + Sync {
    /// Msg_IDs that were issued, from behind `after`, which is the last one of an
    /// answer before; all of them, each once, in an order of the backend's own. Some
    /// of those that expired unused may be missing. Empty at the end.
    async fn msg_ids(&self, after: Option<MsgId>, limit: usize) -> Result<Vec<Issued>, Fault>;

    /// On return the Msg_IDs, none of which a message used, are durable. Gives how
    /// many were not there before.
    async fn place_ids(&self, ids: Vec<Issued>) -> Result<u64, PlaceError>;

    /// On return the message is durable as it is, with its records, its journal, its
    /// Msg_ID, and its ticket or timer, and is open.
    async fn place_open(&self, id: Issued, loaded: Loaded) -> Result<Placed, PlaceError>;

    /// On return the bundle is in the archive, never to be replaced, and its Msg_ID is
    /// used by it.
    async fn place_archived(&self, id: Issued, bundle: Vec<u8>) -> Result<Placed, PlaceError>;

    /// The digests of all components.
    async fn components(&self) -> Result<Vec<Digest>, Fault>;

    /// On return the component is durable.
    async fn place_component(&self, component: Vec<u8>) -> Result<Placed, PlaceError>;

    /// All deployments that are kept, of all names, in the order of their numbers.
    async fn deployments(&self) -> Result<Vec<Deployed>, Fault>;

    /// On return the history of this name is this one, which has one deployment at
    /// least, and later deployments have higher numbers. Its components are there.
    async fn place_history(&self, history: Vec<Deployed>) -> Result<Placed, PlaceError>;
}

/// The sandboxed modules: actions and validators.
#[async_trait]
pub trait Actions: Send + Sync {
    /// The best deployed module that fits and may run: the highest version.
    fn resolve(&self, spec: &ModuleSpec) -> Option<Arc<Module>>;

    /// The module that runs the attempts of a message's step, which may be a canary
    /// for some. The same, as long as what is deployed is.
    ///
    /// # Errors
    /// `missing`, when nothing fits or what fits may not run.
    fn assign(&self, spec: &ModuleSpec, id: MsgId, step: Seq) -> Result<Arc<Module>, Failure>;

    /// Runs one call of an action to its end. Whatever the module does, the host
    /// lives, and the end is in [`Ran`]; a `Fault` is the host's own failure, and
    /// [`Fault::Busy`] that the module's turn has not come. Waits for no other call
    /// of the same module.
    ///
    /// What the module does outside goes through `outside`; the end's `effects` are
    /// left to who gave it.
    async fn run(
        &self,
        module: &Module,
        call: Call,
        outside: Arc<dyn Outside>,
    ) -> Result<Ran, Fault>;

    /// Runs a validator on a message that would be accepted at `now`, within a
    /// time that a submission can bear. Gives what it found, or how it failed.
    async fn validate(
        &self,
        module: &Module,
        message: &Message,
        now: Time,
    ) -> Result<Result<Vec<Finding>, Failure>, Fault>;
}

/// A request on its way out, with all that it is judged by.
#[derive(Debug, Clone)]
pub struct Order {
    /// Who sends it.
    pub module: ModuleName,
    /// What the module may have.
    pub grant: Arc<Grant>,
    /// The header by which the remote tells a repetition from another request.
    pub idempotency_key: String,
    /// The request, with placeholders.
    pub request: Request,
    /// What may be used up.
    pub budget: Budget,
}

/// The way out.
#[async_trait]
pub trait Egress: Send + Sync {
    /// Sends a request if the grant covers it, its resolved address and every
    /// redirect; puts secrets in, and takes them out of the response again. Comes to
    /// its end within the budget.
    async fn send(&self, order: Order) -> Outcome;
}

/// Time and chance. Nothing else in the engine knows either.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Time;

    /// Returns at `time` or soon after, at once when it is past.
    async fn sleep_until(&self, time: Time);

    /// Ten bytes that nobody can foretell.
    fn random(&self) -> [u8; 10];
}
