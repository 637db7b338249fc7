//! The queues Q(m): one for each open message, in which its versions lie.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::create_queue::CreateQueueError;
use aws_sdk_sqs::operation::delete_queue::DeleteQueueError;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, QueueAttributeName, SendMessageBatchRequestEntry,
};
use surety_core::ports::{Clock, Fault};
use surety_core::types::{Digest, MsgId};
use tokio::sync::OnceCell;

use super::batcher::BATCH_MAX;
use super::bucket::Bucket;
use super::config::AwsConfig;
use super::fault::{coded, fault};
use super::names::{Names, large};
use super::objects::Objects;
use super::sdk::Sdk;
use super::versions::{self, Current, Found, Part, Received, Version, judge};

/// How long SQS keeps a message: the most that it does.
pub(super) const RETENTION_S: u32 = 14 * 86_400;

/// A queue is not there for everybody at once after it was created. AWS says to
/// wait a second; twice that, tried this often.
const SEND_ATTEMPTS: u32 = 9;
const SEND_DELAY: Duration = Duration::from_millis(250);

/// How long a receive waits for a version that must be there. Any wait makes SQS
/// look on all of its servers.
const FIND_WAIT_S: i32 = 1;

/// Receives in one search: each takes ten, and garbage that was found is deleted
/// between them.
const FIND_ROUNDS: u32 = 20;

/// Receives that gave nothing, after which who only reads gives up: it waits a few
/// seconds for who has the message in hand. Who holds a ticket comes again.
const EMPTY_MAX: u32 = 5;

/// The largest message, and what a batch of sends may weigh, in bytes: the most that SQS
/// takes. Queues are made for it, because their default is not the same everywhere.
pub(super) const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Operations on the messages' queues.
pub(super) struct Queues {
    sdk: Sdk,
    names: Names,
    objects: Objects,
    lease_s: i32,
    created: Bucket,
    deleted: Bucket,
    /// What the URLs of queues begin with: they differ in the name alone.
    base: OnceCell<String>,
    clock: Arc<dyn Clock>,
}

/// What a search found and keeps from others.
pub(super) struct Held {
    pub(super) version: Version,
    pub(super) copy: u64,
    /// By which its parts are deleted or given back.
    pub(super) handles: Vec<String>,
}

/// How a search ended.
pub(super) enum Search {
    Found(Held),
    /// Something bears the name of the current version and is not what was
    /// committed.
    Tampered,
    /// Not seen, which says nothing: somebody may have it, or SQS gave too little.
    NotSeen,
    /// There is no queue.
    NoQueue,
}

impl Queues {
    pub(super) fn new(
        config: &AwsConfig,
        sdk: &Sdk,
        names: &Names,
        objects: &Objects,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            sdk: sdk.clone(),
            names: names.clone(),
            objects: objects.clone(),
            lease_s: config.lease_s.into(),
            created: Bucket::new(config.create_queue_per_s_max),
            deleted: Bucket::new(config.delete_queue_per_s_max),
            base: OnceCell::new(),
            clock: Arc::clone(clock),
        }
    }

    /// The URL of a queue. The account is learnt from a feeder queue, which is there
    /// as long as the deployment is; to ask for each queue would be a call a step.
    async fn url(&self, id: MsgId) -> Result<String, Fault> {
        let base = self.base.get_or_try_init(|| async {
            let feeder = self.names.feeders().remove(0);
            let what = format!("asking for the queue {feeder}");
            let got = self.sdk.sqs.get_queue_url().queue_name(&feeder).send().await;
            let url = got.map_err(|e| fault(&what, e))?.queue_url.unwrap_or_default();
            Ok::<_, Fault>(url.trim_end_matches(&*feeder).to_owned())
        });
        Ok(format!("{}{}", base.await?, self.names.queue(id)))
    }

    /// On return the message's queue exists.
    pub(super) async fn create(&self, id: MsgId) -> Result<(), Fault> {
        let name = self.names.queue(id);
        self.created.take(&format!("creating the queue {name}"))?;
        let mut create = self
            .sdk
            .sqs
            .create_queue()
            .queue_name(&name)
            .attributes(QueueAttributeName::MessageRetentionPeriod, RETENTION_S.to_string())
            .attributes(QueueAttributeName::VisibilityTimeout, self.lease_s.to_string())
            .attributes(QueueAttributeName::MaximumMessageSize, MESSAGE_BYTES_MAX.to_string())
            .tags("surety", self.names.messages());
        if self.names.is_fifo() {
            create = create.attributes(QueueAttributeName::FifoQueue, "true");
        }
        match create.send().await {
            Ok(_) => Ok(()),
            // An admission that did not come to its end made it under another `lease_s`.
            // It does as well: every receive says for how long it hides what it gets.
            Err(e) if e.as_service_error().is_some_and(CreateQueueError::is_queue_name_exists) => {
                Ok(())
            }
            Err(e) => Err(fault(&format!("creating the queue {name}"), e)),
        }
    }

    /// On return the version lies in the queue as this copy. Says whether a part of it
    /// became an object.
    pub(super) async fn send(
        &self,
        id: MsgId,
        version: &Version,
        copy: u64,
    ) -> Result<bool, Fault> {
        let url = self.url(id).await?;
        let (parts, original_apart) = Part::of(id, version, copy);
        if original_apart {
            let place = large(id, Digest::of(&version.original));
            self.objects.put(&place, version.original.clone()).await?;
        }
        // In which order they arrive does not matter: nothing names them yet.
        let mut left: Vec<_> = parts.iter().map(|part| (part, part.body())).collect();
        for attempt in 1.. {
            let why;
            (left, why) = self.send_parts(id, &url, left).await?;
            if left.is_empty() {
                break;
            }
            if attempt == SEND_ATTEMPTS {
                let queue = self.names.queue(id);
                let nothing = || Fault::Unavailable(format!("the queue {queue} takes nothing"));
                return Err(why.unwrap_or_else(nothing));
            }
            self.clock.sleep_until(self.clock.now().after(SEND_DELAY)).await;
        }
        Ok(original_apart)
    }

    /// Sends parts; gives those that were not taken and are to be sent again, with what
    /// was said of one.
    ///
    /// # Errors
    /// Also when a part is refused for what it is: it would be again.
    async fn send_parts<'a>(
        &self,
        id: MsgId,
        url: &str,
        parts: Vec<(&'a Part, String)>,
    ) -> Result<(Vec<(&'a Part, String)>, Option<Fault>), Fault> {
        let what = format!("sending to the queue {}", self.names.queue(id));
        let together = parts.iter().map(|(_, body)| body.len()).sum::<usize>() <= MESSAGE_BYTES_MAX;
        let (now, later) = parts.split_at(if together { parts.len() } else { 1 });
        let entries = now.iter().enumerate().filter_map(|(i, (part, body))| {
            let mut entry =
                SendMessageBatchRequestEntry::builder().id(i.to_string()).message_body(body);
            if self.names.is_fifo() {
                entry = entry.message_group_id(part.group()).message_deduplication_id(part.name());
            }
            entry.build().ok()
        });
        let entries = Some(entries.collect());
        let send = self.sdk.sqs.send_message_batch().queue_url(url).set_entries(entries);
        let sent = match send.send().await {
            Ok(sent) => sent,
            // Not there yet, or not any more; which of them, the row will say.
            Err(e) if e.as_service_error().is_some_and(|e| e.is_queue_does_not_exist()) => {
                return Ok((parts, None));
            }
            Err(e) => return Err(fault(&what, e)),
        };
        let mut why = None;
        for entry in &sent.failed {
            let refused = coded(&what, &entry.code, entry.message.as_deref());
            // A throttle is said to be the sender's, too, and passes.
            if entry.sender_fault && !matches!(refused, Fault::Busy(_)) {
                return Err(refused);
            }
            why = Some(refused);
        }
        let taken = |i: usize| sent.successful.iter().any(|entry| entry.id == i.to_string());
        let not_taken = now.iter().enumerate().filter(|(i, _)| !taken(*i));
        let left = not_taken.map(|(_, part)| part.clone()).chain(later.to_vec()).collect();
        Ok((left, why))
    }

    /// Looks for the current version, and deletes what is garbage for good. With `hold`
    /// the version is kept from others for the time of a lease; without, others see
    /// it as before.
    pub(super) async fn find(
        &self,
        id: MsgId,
        current: Current,
        hold: bool,
    ) -> Result<Search, Fault> {
        let url = self.url(id).await?;
        let mut received: Vec<Received> = Vec::new();
        let mut tampered = false;
        // Who only reads leaves everything visible, until it sees that something else
        // is in the way.
        let (mut hide, mut hidden) = (hold, false);
        let mut empty = 0;
        for _ in 0..FIND_ROUNDS {
            let Some(more) = self.receive(id, &url, hide).await? else {
                return Ok(Search::NoQueue);
            };
            let nothing = more.is_empty();
            hidden |= hide && !nothing;
            hide |= !nothing;
            versions::add(&mut received, more);
            let found = judge(&received, current);
            tampered |= found.tampered;
            if !found.garbage.is_empty() {
                let handles = found.garbage.iter().map(|&place| received[place].handle.clone());
                self.delete(&url, handles.collect()).await;
            }
            if found.version.is_some() {
                return self.held(id, &url, &received, hidden, found, hold).await;
            }
            // What was deleted is not looked at again.
            let places = std::mem::take(&mut received).into_iter().enumerate();
            received = places
                .filter(|(place, _)| !found.garbage.contains(place))
                .map(|(_, seen)| seen)
                .collect();
            empty += u32::from(nothing);
            if empty == if hold { 1 } else { EMPTY_MAX } {
                break;
            }
        }
        if hidden {
            // For whoever looks next.
            let handles = received.into_iter().map(|seen| seen.handle).collect();
            self.show(&url, handles).await;
        }
        Ok(if tampered { Search::Tampered } else { Search::NotSeen })
    }

    async fn held(
        &self,
        id: MsgId,
        url: &str,
        received: &[Received],
        hidden: bool,
        found: Found,
        hold: bool,
    ) -> Result<Search, Fault> {
        let Found { version: Some(mut version), original_at, copy, parts, garbage, .. } = found
        else {
            return Ok(Search::NotSeen);
        };
        if let Some(digest) = original_at {
            let place = large(id, digest);
            match self.objects.get(&place).await? {
                Some(bytes) if Digest::of(&bytes) == digest => version.original = bytes,
                Some(_) => return Ok(Search::Tampered),
                None => {
                    return Err(Fault::Corrupt(format!(
                        "the object {place} with the signed message {id} is gone; restore it"
                    )));
                }
            }
        }
        let handles: Vec<_> = parts.iter().map(|&place| received[place].handle.clone()).collect();
        // What is newer than the row, and what nobody can read, is not ours; and who
        // only reads keeps nothing.
        let others = received
            .iter()
            .enumerate()
            .filter(|(place, _)| !(garbage.contains(place) || hold && parts.contains(place)));
        if hidden {
            self.show(url, others.map(|(_, seen)| seen.handle.clone()).collect()).await;
        }
        Ok(Search::Found(Held { version, copy, handles }))
    }

    /// Some of what is visible; none when there is no queue.
    async fn receive(
        &self,
        id: MsgId,
        url: &str,
        hide: bool,
    ) -> Result<Option<Vec<Received>>, Fault> {
        let receive = self
            .sdk
            .sqs
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(BATCH_MAX as i32)
            .wait_time_seconds(FIND_WAIT_S)
            .visibility_timeout(if hide { self.lease_s } else { 0 })
            .customize()
            .config_override(self.sdk.receive());
        let got = match receive.send().await {
            Ok(got) => got,
            Err(SdkError::ServiceError(e)) if e.err().is_queue_does_not_exist() => return Ok(None),
            Err(e) => {
                return Err(fault(
                    &format!("receiving from the queue {}", self.names.queue(id)),
                    e,
                ));
            }
        };
        let received = got.messages.unwrap_or_default().into_iter().map(|message| {
            let body = message.body.unwrap_or_default();
            let (message_id, handle) = (
                message.message_id.unwrap_or_default(),
                message.receipt_handle.unwrap_or_default(),
            );
            Received::new(id, message_id, handle, &body)
        });
        Ok(Some(received.collect()))
    }

    /// Deletes what is not needed any more. An error is no harm: it is garbage, and
    /// is found again as such.
    async fn delete(&self, url: &str, handles: Vec<String>) {
        for batch in handles.chunks(BATCH_MAX) {
            let entries = batch.iter().enumerate().filter_map(|(i, handle)| {
                let entry = DeleteMessageBatchRequestEntry::builder();
                entry.id(i.to_string()).receipt_handle(handle).build().ok()
            });
            let entries = Some(entries.collect());
            let deleted = self
                .sdk
                .sqs
                .delete_message_batch()
                .queue_url(url)
                .set_entries(entries)
                .send()
                .await;
            if let Err(e) = deleted {
                tracing::debug!(url, error = %fault("deleting old versions", e), "garbage is left");
            }
        }
    }

    /// Deletes the parts of a version that another one has replaced.
    pub(super) async fn forget(&self, id: MsgId, handles: Vec<String>) {
        if let Ok(url) = self.url(id).await {
            self.delete(&url, handles).await;
        }
    }

    /// Gives messages back to whoever looks for them. A hint: they come back by
    /// themselves when the lease is over.
    async fn show(&self, url: &str, handles: Vec<String>) {
        self.sdk.hide(url, &handles, 0).await;
    }

    /// Gives a version back, so that others can read it.
    pub(super) async fn give_back(&self, id: MsgId, handles: &[String]) {
        if let Ok(url) = self.url(id).await {
            self.sdk.hide(&url, handles, 0).await;
        }
    }

    /// Keeps a version from others for another lease. A hint, too: SQS says yes to
    /// who has lost it already.
    pub(super) async fn extend(&self, id: MsgId, handles: &[String]) {
        if let Ok(url) = self.url(id).await {
            self.sdk.hide(&url, handles, self.lease_s).await;
        }
    }

    /// On return the message's queue is being deleted, or there was none.
    ///
    /// # Errors
    /// Also when this process has deleted as many in this second as it may.
    pub(super) async fn remove(&self, id: MsgId) -> Result<(), Fault> {
        self.deleted.take(&format!("deleting the queue {}", self.names.queue(id)))?;
        self.remove_now(id).await
    }

    /// The same as soon as this process may: for what nobody waits for.
    pub(super) async fn remove_in_turn(&self, id: MsgId) -> Result<(), Fault> {
        self.deleted.wait().await;
        self.remove_now(id).await
    }

    async fn remove_now(&self, id: MsgId) -> Result<(), Fault> {
        let url = self.url(id).await?;
        match self.sdk.sqs.delete_queue().queue_url(url).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(e))
                if matches!(e.err(), DeleteQueueError::QueueDoesNotExist(_)) =>
            {
                Ok(())
            }
            Err(e) => Err(fault(&format!("deleting the queue {}", self.names.queue(id)), e)),
        }
    }

    /// Whose queues there are, a page at a time.
    pub(super) async fn list(
        &self,
        page: Option<String>,
    ) -> Result<(Vec<MsgId>, Option<String>), Fault> {
        let prefix = self.names.queue_prefix();
        let list = self.sdk.sqs.list_queues().queue_name_prefix(prefix).max_results(1_000);
        let got = list.set_next_token(page).send().await;
        let got = got.map_err(|e| fault("listing the queues", e))?;
        let urls = got.queue_urls.unwrap_or_default();
        let names = urls.iter().filter_map(|url| url.rsplit('/').next());
        Ok((names.filter_map(|name| self.names.msg_id(name)).collect(), got.next_token))
    }
}
