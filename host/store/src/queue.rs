//! The tickets in hand of a process: those that are due, and those that will be.
//! What is durable about them the backends keep; this is rebuilt from that at
//! every start.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use surety_core::machine::Loaded;
use surety_core::ports::{Clock, Lease, Ticket};
use surety_core::types::Time;
use tokio::sync::Notify;

/// The most due messages that are kept at hand, whole. More of them wait as
/// tickets and are loaded when their turn comes: 4,096 of 10 KB are 40 MB.
const LOADED_MAX: usize = 4096;

/// Due and later tickets.
pub(crate) struct Queue {
    clock: Arc<dyn Clock>,
    tickets: Mutex<Tickets>,
    arrived: Notify,
}

#[derive(Default)]
struct Tickets {
    due: VecDeque<Lease>,
    due_loaded: usize,
    /// Ordered by time, then by handle and seq.
    later: BinaryHeap<Reverse<(Time, u64, u64, TicketKey)>>,
}

/// A ticket's id as an ordered value.
type TicketKey = surety_core::types::MsgId;

impl Queue {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tickets: Mutex::default(), arrived: Notify::new() }
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
            tickets.due.push_back(Lease { ticket, loaded, handle });
        }
        drop(tickets);
        self.arrived.notify_one();
    }

    /// Waits for a ticket that is due. Dropping the future loses none.
    pub(crate) async fn lease(&self) -> Lease {
        loop {
            let mut arrived = pin!(self.arrived.notified());
            // Registered before looking, so that no arrival falls in between.
            arrived.as_mut().enable();
            let next = match self.take() {
                Ok(lease) => return lease,
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

    /// A due ticket, or the time of the next one.
    fn take(&self) -> Result<Lease, Option<Time>> {
        let now = self.clock.now();
        let mut tickets = self.lock();
        while let Some(&Reverse((at, handle, seq, msg_id))) = tickets.later.peek() {
            if at > now {
                break;
            }
            tickets.later.pop();
            let ticket = Ticket { msg_id, seq };
            tickets.due.push_back(Lease { ticket, loaded: None, handle });
        }
        let Some(lease) = tickets.due.pop_front() else {
            return Err(tickets.later.peek().map(|Reverse((at, ..))| *at));
        };
        tickets.due_loaded -= usize::from(lease.loaded.is_some());
        if !tickets.due.is_empty() {
            // Several may have become due at once; each wakes the next worker.
            self.arrived.notify_one();
        }
        Ok(lease)
    }

    fn lock(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
