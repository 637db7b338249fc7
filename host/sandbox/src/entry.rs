//! A call that is under way: let in at the gate, with its share of the processors.

use std::sync::Arc;
use std::time::Duration;

use surety_core::ports::Fault;

use crate::gate::{Gate, Pass, QUICK};
use crate::lane::{Crowded, Lane, Share};
use crate::limits::Limits;

/// What goes with a call until its end.
#[derive(Clone)]
pub(crate) struct Entry(Arc<Inner>);

struct Inner {
    pass: Pass,
    share: Share,
    lane: Arc<Lane>,
    limits: Limits,
}

impl Entry {
    /// Lets a call in, or says when to come again.
    pub(crate) fn new(gate: &Arc<Gate>, lane: &Arc<Lane>, limits: &Limits) -> Result<Self, Fault> {
        let pass = gate.enter(limits).map_err(Fault::Busy)?;
        let (share, lane) = (Share::new(), Arc::clone(lane));
        let entry = Self(Arc::new(Inner { pass, share, lane, limits: *limits }));
        if entry.0.pass.long {
            entry.0.lane.join(&entry.0.share).map_err(|Crowded| entry.put_off())?;
        }
        Ok(entry)
    }

    /// Runs the call: one of a module that is known for long ones when it is its turn.
    pub(crate) async fn run<T>(&self, call: impl Future<Output = T>) -> T {
        let Inner { pass, share, lane, .. } = &*self.0;
        let in_turn = async {
            if pass.long {
                Arc::clone(lane).turn(share.clone()).await;
            }
            call.await
        };
        share.metered(in_turn).await
    }

    /// How long it has had a processor.
    pub(crate) fn used(&self) -> Duration {
        self.0.share.used()
    }

    /// Gives others the thread. A call that turns out to be a long one goes on in the
    /// lane, if there is room.
    pub(crate) fn yield_thread(
        &self,
    ) -> Result<impl Future<Output = ()> + Send + 'static, Crowded> {
        let Inner { pass, share, lane, .. } = &*self.0;
        if share.used() > QUICK {
            pass.is_long();
            lane.join(share)?;
        }
        Ok(Arc::clone(lane).turn(share.clone()))
    }

    /// It is not its turn after all.
    pub(crate) fn put_off(&self) -> Fault {
        Fault::Busy(self.0.pass.put_off(&self.0.limits, Crowded.to_string()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pass.used(self.share.used());
    }
}
