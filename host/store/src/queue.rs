//! The tickets in hand of a process: those that are due, and those that will be
//! soon. What is durable about them the backends keep; this is rebuilt from that
//! at every start. Of tickets that are due later than [`AHEAD`] only the time of
//! the first is known here, so that a wait of months costs no memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use surety_core::machine::{Head, Loaded, Phase};
use surety_core::ports::{Clock, Lease, Ticket};
use surety_core::types::Time;
use tokio::sync::Notify;

/// The most due messages that are kept at hand, whole. More of them wait as
/// tickets and are loaded when their turn comes: 4,096 of 10 KB are 40 MB.
const LOADED_MAX: usize = 4096;

/// Tickets that are due within this time are kept at hand; later ones rest in
/// the store. Long enough to fetch them seldom, and for every ordinary retry.
pub(crate) const AHEAD: Duration = Duration::from_secs(60);

/// Before all others: the message is final, and only its bundle is to be made. It
/// is shown as final already, so the bundle may be asked for, and after a crash
/// thousands may be due.
pub(crate) const CLOSING: Time = Time::from_millis(0);

/// At once. No clock is asked, now or after a restart: the time may have been set
/// back since, and what is due would rest until it is again what it was.
const AT_ONCE: Time = Time::from_millis(1);

/// When a ticket is due that follows a step with this head, as it is kept.
pub(crate) fn due(head: &Head, at: Time) -> Time {
    match head.phase {
        Phase::Final => CLOSING,
        // By the record's own time there is nothing to wait for.
        _ if at <= head.updated_at => AT_ONCE,
        _ => at,
    }
}

/// Due and later tickets.
pub(crate) struct Queue {
    clock: Arc<dyn Clock>,
    tickets: Mutex<Tickets>,
    arrived: Notify,
}

#[derive(Default)]
struct Tickets {
    /// Those that go before the others.
    closing: VecDeque<Lease>,
    due: VecDeque<Lease>,
    /// Of both, how many have their message with them.
    due_loaded: usize,
    /// Ordered by time, then by handle and seq.
    later: BinaryHeap<Reverse<(Time, u64, u64, TicketKey)>>,
    /// When the first of those that rest in the store is due.
    resting: Option<Time>,
}

/// A ticket's id as an ordered value.
type TicketKey = surety_core::types::MsgId;

/// What a worker is to do.
#[expect(clippy::large_enum_variant, reason = "almost all are leases, and each is moved once")]
pub(crate) enum Work {
    /// This ticket is due.
    Lease(Lease),
    /// Tickets that rest in the store are due soon: fetch them.
    Fetch(Fetch),
}

/// The turn to fetch tickets from the store. Dropped before it is done, it comes
/// again.
pub(crate) struct Fetch {
    queue: Arc<Queue>,
    at: Option<Time>,
}

impl Fetch {
    pub(crate) fn done(mut self) {
        self.at = None;
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.queue.rests(at);
        }
    }
}

impl Queue {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tickets: Mutex::default(), arrived: Notify::new() }
    }

    /// The last moment of which tickets are kept at hand now.
    pub(crate) fn horizon(&self) -> Time {
        self.clock.now().after(AHEAD)
    }

    /// Takes a ticket in, with its message if that is at hand.
    pub(crate) fn push(&self, ticket: Ticket, at: Time, handle: u64, loaded: Option<Loaded>) {
        let now = self.clock.now();
        let mut tickets = self.lock();
        if at > now {
            tickets.later.push(Reverse((at, handle, ticket.seq, ticket.msg_id)));
        } else {
            let loaded = loaded.filter(|_| tickets.due_loaded < LOADED_MAX);
            tickets.due_loaded += usize::from(loaded.is_some());
            let list = if at == CLOSING { &mut tickets.closing } else { &mut tickets.due };
            list.push_back(Lease { ticket, loaded, handle });
        }
        drop(tickets);
        self.arrived.notify_one();
    }

    /// Notes that a ticket which is due then rests in the store.
    pub(crate) fn rests(&self, at: Time) {
        let mut tickets = self.lock();
        tickets.resting = Some(tickets.resting.map_or(at, |first| first.min(at)));
        drop(tickets);
        self.arrived.notify_one();
    }

    /// Waits for something to do. Dropping the future loses nothing.
    pub(crate) async fn work(self: &Arc<Self>) -> Work {
        loop {
            let mut arrived = pin!(self.arrived.notified());
            // Registered before looking, so that no arrival falls in between.
            arrived.as_mut().enable();
            let next = match self.take() {
                Ok(work) => return work,
                Err(next) => next,
            };
            match next {
                None => arrived.await,
                Some(time) => {
                    tokio::select! {
                        () = arrived => {}
                        () = self.clock.sleep_until(time) => {}
                    }
                }
            }
        }
    }

    /// Something to do, or the time when there will be.
    fn take(self: &Arc<Self>) -> Result<Work, Option<Time>> {
        let now = self.clock.now();
        let mut tickets = self.lock();
        if let Some(at) = tickets.resting.take_if(|at| *at <= now.after(AHEAD)) {
            return Ok(Work::Fetch(Fetch { queue: Arc::clone(self), at: Some(at) }));
        }
        while let Some(&Reverse((at, handle, seq, msg_id))) = tickets.later.peek() {
            if at > now {
                break;
            }
            tickets.later.pop();
            let ticket = Ticket { msg_id, seq };
            tickets.due.push_back(Lease { ticket, loaded: None, handle });
        }
        let closing = tickets.closing.pop_front();
        let Some(lease) = closing.or_else(|| tickets.due.pop_front()) else {
            let first = tickets.later.peek().map(|Reverse((at, ..))| *at);
            let fetch = tickets.resting.map(|at| at.before(AHEAD));
            return Err([first, fetch].into_iter().flatten().min());
        };
        tickets.due_loaded -= usize::from(lease.loaded.is_some());
        if !tickets.closing.is_empty() || !tickets.due.is_empty() {
            // Several may have become due at once; each wakes the next worker.
            self.arrived.notify_one();
        }
        Ok(Work::Lease(lease))
    }

    fn lock(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
