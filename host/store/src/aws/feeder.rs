//! The feeder queues F. A ticket is a hint: whether there is work, the row says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use serde::{Deserialize, Serialize};
use surety_core::ports::{Fault, Feeder, Lease, Ticket};
use surety_core::types::{MsgId, Seq, Time};
use tokio::sync::{Notify, OnceCell, Semaphore};

use super::Aws;
use super::batcher::{BATCH_MAX, Batcher};
use super::fault::fault;
use super::guarantee::TICKET_GRACE;
use super::leases::InHand;
use super::names::Names;
use super::sdk::Sdk;
use super::tables::VERSION;

/// The longest that SQS delays a message.
pub(super) const TICKET_DELAY_MAX: Duration = Duration::from_secs(900);

/// The longest that a ticket is given back for. SQS bounds the time from its first
/// receive by twelve hours; it comes back early then, and is given back again.
const RELEASE_MAX: Duration = Duration::from_secs(6 * 3_600);

/// Receives at once on each feeder queue: one is under way while another's tickets
/// are handed out.
const POLLS_EACH: usize = 2;

/// A ticket as it is sent.
#[derive(Serialize, Deserialize)]
struct Body {
    v: u64,
    msg_id: MsgId,
    seq: Seq,
}

/// A ticket that was received and not handed out yet.
struct Arrived {
    ticket: Ticket,
    queue: String,
    receipt: String,
}

/// A ticket on its way.
struct Sending {
    queue: String,
    body: String,
    delay_s: i32,
}

/// What the feeder keeps in this process.
pub(super) struct Tickets {
    sdk: Sdk,
    names: Names,
    lease_s: i32,
    wait_s: i32,
    urls: OnceCell<Vec<String>>,
    arrived: Mutex<Vec<Arrived>>,
    notify: Notify,
    polls: Semaphore,
    /// Who waits for a ticket: no more are received than are wanted.
    waiting: AtomicUsize,
    next: AtomicUsize,
    sends: Batcher<Sending>,
    deletes: Batcher<(String, String)>,
}

/// One that waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tickets {
    pub(super) fn new(config: &super::AwsConfig, sdk: &Sdk, names: &Names) -> Self {
        Self {
            sdk: sdk.clone(),
            names: names.clone(),
            lease_s: config.lease_s.into(),
            wait_s: config.receive_wait_s.into(),
            urls: OnceCell::new(),
            arrived: Mutex::default(),
            notify: Notify::new(),
            polls: Semaphore::new(POLLS_EACH * usize::from(config.feeder_queues)),
            waiting: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            sends: Batcher::default(),
            deletes: Batcher::default(),
        }
    }

    async fn urls(&self) -> Result<&[String], Fault> {
        let ask = || async {
            let mut urls = Vec::new();
            for name in self.names.feeders() {
                let got = self.sdk.sqs.get_queue_url().queue_name(&name).send().await;
                let got = got.map_err(|e| fault(&format!("asking for the queue {name}"), e))?;
                urls.push(got.queue_url.unwrap_or_default());
            }
            Ok::<_, Fault>(urls)
        };
        self.urls.get_or_try_init(ask).await.map(Vec::as_slice)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arrived>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a ticket that is due in so long.
    async fn send(&self, ticket: Ticket, delay: Duration) -> Result<(), Fault> {
        let urls = self.urls().await?;
        let places = u16::try_from(urls.len()).unwrap_or(1);
        let queue = urls[usize::from(Names::place(ticket.msg_id, places))].clone();
        let Ticket { msg_id, seq } = ticket;
        let body = serde_json::to_string(&Body { v: VERSION, msg_id, seq }).unwrap_or_default();
        let sending = Sending { queue, body, delay_s: seconds(delay.min(TICKET_DELAY_MAX)) };
        self.sends.call(sending, |batch| self.send_batch(batch)).await
    }

    async fn send_batch(&self, batch: Vec<Sending>) -> Vec<Result<(), Fault>> {
        let entries = batch.iter().enumerate().map(|(i, sending)| {
            let entry = SendMessageBatchRequestEntry::builder().id(i.to_string());
            let entry = entry.message_body(&sending.body).delay_seconds(sending.delay_s).build();
            (sending.queue.clone(), entry.ok())
        });
        let mut outcomes = Outcomes::of(batch.len());
        for (queue, (places, entries)) in by_queue(entries) {
            let send = self.sdk.sqs.send_message_batch().queue_url(queue);
            let sent = send.set_entries(Some(entries)).send().await;
            let sent = sent.map_err(|e| fault("sending tickets", e));
            let done = sent.map(|sent| sent.successful.into_iter().map(|entry| entry.id).collect());
            outcomes.note(&places, done);
        }
        outcomes.0
    }

    async fn delete(&self, queue: String, receipt: String) -> Result<(), Fault> {
        self.deletes.call((queue, receipt), |batch| self.delete_batch(batch)).await
    }

    async fn delete_batch(&self, batch: Vec<(String, String)>) -> Vec<Result<(), Fault>> {
        let entries = batch.iter().enumerate().map(|(i, (queue, receipt))| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(i.to_string());
            (queue.clone(), entry.receipt_handle(receipt).build().ok())
        });
        let mut outcomes = Outcomes::of(batch.len());
        for (queue, (places, entries)) in by_queue(entries) {
            let delete = self.sdk.sqs.delete_message_batch().queue_url(queue);
            let gone = delete.set_entries(Some(entries)).send().await;
            // What SQS does not delete, because the lease was over, comes again and is
            // found to be stale.
            let done = gone.map(|_| places.iter().map(usize::to_string).collect());
            outcomes.note(&places, done.map_err(|e| fault("acknowledging tickets", e)));
        }
        outcomes.0
    }

    /// Keeps what is in hand from others for another lease.
    pub(super) async fn extend(&self, tickets: Vec<(String, String)>) {
        let mut all = BTreeMap::<String, Vec<String>>::new();
        for (queue, receipt) in tickets {
            all.entry(queue).or_default().push(receipt);
        }
        for (queue, receipts) in all {
            self.sdk.hide(&queue, &receipts, self.lease_s).await;
        }
    }

    /// Waits for a ticket.
    async fn next(&self) -> Result<Arrived, Fault> {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let notified = self.notify.notified();
            if let Some(arrived) = self.lock().pop() {
                return Ok(arrived);
            }
            tokio::select! {
                () = notified => {}
                poll = self.polls.acquire() => {
                    let _poll = poll;
                    self.receive().await?;
                }
            }
        }
    }

    async fn receive(&self) -> Result<(), Fault> {
        let urls = self.urls().await?;
        let queue = &urls[self.next.fetch_add(1, Ordering::SeqCst) % urls.len()];
        let wanted = self.waiting.load(Ordering::SeqCst).clamp(1, BATCH_MAX);
        let receive = self
            .sdk
            .sqs
            .receive_message()
            .queue_url(queue)
            .max_number_of_messages(i32::try_from(wanted).unwrap_or(1))
            .wait_time_seconds(self.wait_s)
            .visibility_timeout(self.lease_s)
            .customize()
            .config_override(self.sdk.receive());
        let got = receive.send().await.map_err(|e| fault("receiving tickets", e))?;
        for message in got.messages.unwrap_or_default() {
            let body: Option<Body> =
                message.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
            let Some(Body { v: VERSION, msg_id, seq }) = body else {
                // Of a newer host, or of nobody. SQS takes it aside in the end.
                tracing::error!(queue, message_id = message.message_id, "this is no ticket");
                continue;
            };
            let receipt = message.receipt_handle.unwrap_or_default();
            let ticket = Ticket { msg_id, seq };
            self.lock().push(Arrived { ticket, queue: queue.clone(), receipt });
            self.notify.notify_one();
        }
        Ok(())
    }
}

/// The entries of a batch apart for each queue, with their places in it.
fn by_queue<E>(
    entries: impl Iterator<Item = (String, Option<E>)>,
) -> BTreeMap<String, (Vec<usize>, Vec<E>)> {
    let mut by_queue = BTreeMap::<String, (Vec<usize>, Vec<E>)>::new();
    for (place, (queue, entry)) in entries.enumerate() {
        if let Some(entry) = entry {
            let (places, entries) = by_queue.entry(queue).or_default();
            places.push(place);
            entries.push(entry);
        }
    }
    by_queue
}

/// An outcome for each entry of a batch. What SQS does not say it did was not done.
struct Outcomes(Vec<Result<(), Fault>>);

impl Outcomes {
    fn of(size: usize) -> Self {
        let left = || Err(Fault::Unavailable("SQS did not take a ticket".to_owned()));
        Self((0..size).map(|_| left()).collect())
    }

    /// Notes the places of what was done, or that all of them failed.
    fn note(&mut self, places: &[usize], done: Result<Vec<String>, Fault>) {
        match done {
            Ok(done) => {
                for place in done.iter().filter_map(|id| id.parse::<usize>().ok()) {
                    if let Some(outcome) = self.0.get_mut(place) {
                        *outcome = Ok(());
                    }
                }
            }
            Err(fault) => {
                for place in places {
                    self.0[*place] = Err(fault.clone());
                }
            }
        }
    }
}

/// Whole seconds, none of them too few.
fn seconds(delay: Duration) -> i32 {
    i32::try_from(delay.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX)
}

impl Aws {
    /// Sends a ticket that is due at `at`.
    pub(super) async fn push_ticket(&self, ticket: Ticket, at: Time) -> Result<(), Fault> {
        let delay = at.as_millis().saturating_sub(self.clock.now().as_millis());
        self.tickets.send(ticket, Duration::from_millis(delay)).await
    }

    /// Says again what is in hand, a third of a lease after the other, until the
    /// backend is gone. Begun by the first lease, on the runtime of who leases.
    fn keep_leases(&self) {
        let this = self.this.clone();
        let every = self.lease / 3;
        self.keeping.get_or_init(|| {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(every).await;
                    let Some(this) = this.upgrade() else { return };
                    let (tickets, versions) = this.leases.to_extend();
                    this.tickets.extend(tickets).await;
                    for (id, handles) in versions {
                        this.queues.extend(id, &handles).await;
                    }
                }
            })
            .abort_handle()
        });
    }

    /// Takes a ticket out of hand, and lets others see its version.
    async fn out_of_hand(&self, lease: &Lease) -> Option<InHand> {
        let (in_hand, handles) = self.leases.end(lease.handle)?;
        if !handles.is_empty() {
            self.queues.give_back(in_hand.ticket.msg_id, &handles).await;
        }
        Some(in_hand)
    }
}

#[async_trait]
impl Feeder for Aws {
    async fn push(&self, ticket: Ticket, at: Time) -> Result<(), Fault> {
        self.push_ticket(ticket, at).await
    }

    async fn lease(&self) -> Result<Lease, Fault> {
        self.keep_leases();
        let Arrived { ticket, queue, receipt } = self.tickets.next().await?;
        let handle = self.leases.take(ticket, queue, receipt);
        Ok(Lease { ticket, loaded: None, handle })
    }

    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault> {
        let Some(InHand { ticket, queue, receipt, follow, .. }) = self.out_of_hand(&lease).await
        else {
            return Ok(());
        };
        if let Some(seq) = follow {
            // Who committed on this ticket may have crashed before it pushed the next.
            self.push_ticket(Ticket { seq, ..ticket }, self.clock.now()).await?;
        }
        self.tickets.delete(queue, receipt).await
    }

    async fn release(&self, lease: Lease, at: Time) -> Result<(), Fault> {
        let Some(InHand { ticket, queue, receipt, .. }) = self.out_of_hand(&lease).await else {
            return Ok(());
        };
        let delay = at.as_millis().saturating_sub(self.clock.now().as_millis());
        let delay = Duration::from_millis(delay);
        // A wait has no ticket until its time: the row says when that is.
        if delay > TICKET_GRACE && self.rest(ticket, at).await? {
            return self.tickets.delete(queue, receipt).await;
        }
        self.sdk.hide(&queue, &[receipt], seconds(delay.min(RELEASE_MAX))).await;
        Ok(())
    }
}
