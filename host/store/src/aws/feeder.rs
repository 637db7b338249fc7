//! The feeder queues F. A ticket is a hint: whether there is work, the row says.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use surety_core::ports::{Fault, Feeder, Lease, Ticket};
use surety_core::types::{MsgId, Seq, Time};
use tokio::sync::{Notify, OnceCell, Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::Aws;
use super::batcher::{BATCH_MAX, Batcher};
use super::fault::fault;
use super::guarantee::TICKET_GRACE;
use super::leases::{InHand, InQueue, OfMessage};
use super::names::Names;
use super::receives::Receives;
use super::sdk::Sdk;
use super::sweep::AT_ONCE;
use super::tables::VERSION;

/// The longest that SQS delays a message.
pub(super) const TICKET_DELAY_MAX: Duration = Duration::from_secs(900);

/// The longest that a ticket is given back for. SQS bounds the time from its first
/// receive by twelve hours; it comes back early then, and is given back again.
const RELEASE_MAX: Duration = Duration::from_secs(6 * 3_600);

/// Receives at once on each feeder queue: one is under way while another's tickets
/// are handed out.
const POLLS_EACH: usize = 2;

/// How long a close tries to give back what is in hand. It takes a few calls; where
/// nobody answers them, the leases end by themselves.
const GIVE_BACK_MAX: Duration = Duration::from_secs(5);

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
    closed: watch::Sender<bool>,
    polls: Arc<Semaphore>,
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
            closed: watch::Sender::new(false),
            polls: Arc::new(Semaphore::new(POLLS_EACH * usize::from(config.feeder_queues))),
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

    fn lock(&self) -> MutexGuard<'_, Vec<Arrived>> {
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
    async fn extend(&self, tickets: Vec<InQueue>) {
        self.hide(tickets, self.lease_s).await;
    }

    /// Lets others have tickets at once.
    async fn show(&self, tickets: Vec<InQueue>) {
        self.hide(tickets, 0).await;
    }

    async fn hide(&self, tickets: Vec<InQueue>, seconds: i32) {
        let mut all = BTreeMap::<String, Vec<String>>::new();
        for (queue, receipt) in tickets {
            all.entry(queue).or_default().push(receipt);
        }
        for (queue, receipts) in all {
            self.sdk.hide(&queue, &receipts, seconds).await;
        }
    }

    /// Waits for a ticket.
    async fn next(self: &Arc<Self>, receives: &Receives) -> Result<Arrived, Fault> {
        let _waiting = Waiting::new(&self.waiting);
        let mut mine: Option<oneshot::Receiver<Result<(), Fault>>> = None;
        loop {
            let mut notified = pin!(self.notify.notified());
            // Registered before looking, so that no arrival falls in between.
            notified.as_mut().enable();
            if *self.closed.borrow() {
                return Err(Fault::Unavailable("the store is closed".to_owned()));
            }
            if let Some(arrived) = self.lock().pop() {
                return Ok(arrived);
            }
            let Some(receiving) = &mut mine else {
                tokio::select! {
                    () = notified => {}
                    Ok(poll) = Arc::clone(&self.polls).acquire_owned() => {
                        mine = Some(receives.begin(self, poll));
                    }
                }
                continue;
            };
            // A ticket may also come by somebody else's receive.
            tokio::select! {
                () = notified => {}
                received = receiving => {
                    mine = None;
                    let given_up = || Fault::Unavailable("a receive was given up".to_owned());
                    received.unwrap_or_else(|_| Err(given_up()))?;
                }
            }
        }
    }

    /// Lets nobody wait for tickets any more.
    fn close(&self) {
        self.closed.send_replace(true);
        self.notify.notify_waiters();
    }

    /// Receives what is there, or waits for it, and hands it out.
    pub(super) async fn receive(&self) -> Result<(), Fault> {
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
        let mut received = Vec::new();
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
            received.push(Arrived { ticket, queue: queue.clone(), receipt });
        }
        self.hand_out(received).await;
        Ok(())
    }

    /// Gives tickets to those who wait. What nobody waits for any more is given back:
    /// another process may have nothing to do.
    async fn hand_out(&self, received: Vec<Arrived>) {
        let (new, surplus) = {
            let mut arrived = self.lock();
            let before = arrived.len();
            arrived.extend(received);
            let waiting = self.waiting.load(Ordering::SeqCst);
            let wanted = if *self.closed.borrow() { 0 } else { waiting.min(arrived.len()) };
            let surplus = arrived.split_off(wanted);
            (wanted.saturating_sub(before), surplus)
        };
        for _ in 0..new {
            self.notify.notify_one();
        }
        self.show(surplus.into_iter().map(Arrived::in_queue).collect()).await;
    }
}

impl Arrived {
    fn in_queue(self) -> InQueue {
        (self.queue, self.receipt)
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
    /// backend is closed or gone. Begun by the first lease, on the runtime of who leases.
    fn keep_leases(&self) {
        let mut keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if keeping.is_some() {
            return;
        }
        let (this, every) = (self.this.clone(), self.lease / 3);
        let mut closed = self.tickets.closed.subscribe();
        *keeping = Some(tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(every) => {}
                    _closed_or_gone = closed.wait_for(|closed| *closed) => return,
                }
                let Some(this) = this.upgrade() else { return };
                let (tickets, versions) = this.leases.to_extend();
                this.tickets.extend(tickets).await;
                for (id, handles) in versions {
                    this.queues.extend(id, &handles).await;
                }
            }
        }));
    }

    /// Takes nothing more into hand, and lets others have at once what is. A hint, as
    /// all leases are: who crashes gives back nothing, and all of it comes again.
    pub(super) async fn give_all_back(&self) {
        self.tickets.close();
        self.receives.end().await;
        let given_back = timeout(GIVE_BACK_MAX, async {
            let keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(keeping) = keeping {
                // A lease that it says again must not come behind what is said here.
                let _ended = keeping.await;
            }
            let arrived = std::mem::take(&mut *self.tickets.lock());
            let (mut tickets, versions) = self.leases.end_all();
            tickets.extend(arrived.into_iter().map(Arrived::in_queue));
            // The versions first, so that who gets a ticket sees its message.
            let show = |(id, handles): OfMessage| async move {
                self.queues.give_back(id, &handles).await;
            };
            stream::iter(versions).for_each_concurrent(AT_ONCE, show).await;
            self.tickets.show(tickets).await;
        });
        if given_back.await.is_err() {
            tracing::warn!("what is in hand was not given back; others get it when its leases end");
        }
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
        let Arrived { ticket, queue, receipt } = self.tickets.next(&self.receives).await?;
        let handle = self.leases.take(ticket, queue, receipt);
        Ok(Lease { ticket, loaded: None, handle })
    }

    async fn acknowledge(&self, lease: Lease) -> Result<(), Fault> {
        let Some(in_hand) = self.out_of_hand(&lease).await else {
            return Ok(());
        };
        let InHand { ticket, queue, receipt, follow, unmoved, .. } = in_hand;
        if let Some(seq) = follow {
            // Who committed on this ticket may have crashed before it pushed the next.
            self.push_ticket(Ticket { seq, ..ticket }, self.clock.now()).await?;
        }
        if unmoved {
            // It waits for a person, though whoever moved it there asked for a ticket. The
            // row first: with the ticket gone, the timers would make another each minute.
            self.settle(ticket).await?;
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
