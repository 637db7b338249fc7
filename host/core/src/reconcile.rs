//! Reconciling: does Reference show what Guarantee and the archive hold? And if
//! not, make it.

use serde::Serialize;

use crate::bundle::Bundle;
use crate::ports::{Archive, Fault, Found, Guarantee, Query, Reference};
use crate::projection::Projection;
use crate::types::MsgId;

/// Messages that are looked at in one go.
const BATCH: usize = 500;

/// The most differences that a report lists by name; all are counted.
const LISTED_MAX: usize = 100;

/// Whether differences are mended or only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Report.
    Check,
    /// Report and mend.
    Rebuild,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Messages in Guarantee.
    pub open: u64,
    /// Messages in the archive.
    pub archived: u64,
    /// Not shown, though they exist.
    pub missing: u64,
    /// Shown otherwise than they are.
    pub different: u64,
    /// Shown, though they do not exist.
    pub invented: u64,
    /// The first of those messages.
    pub msg_ids: Vec<MsgId>,
}

impl Report {
    /// Whether Reference shows exactly what there is.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missing + self.different + self.invented == 0
    }

    fn name(&mut self, id: MsgId) {
        if self.msg_ids.len() < LISTED_MAX {
            self.msg_ids.push(id);
        }
    }
}

/// Compares, and mends if told to. Messages that move meanwhile may be counted
/// as different; nothing is lost by mending them.
///
/// # Errors
/// When a backend fails.
pub async fn reconcile(
    guarantee: &dyn Guarantee,
    archive: &dyn Archive,
    reference: &dyn Reference,
    mode: Mode,
) -> Result<Report, Fault> {
    let mut work = Work { guarantee, archive, reference, mode, report: Report::default() };
    let mut after = None;
    loop {
        let ids = guarantee.open(after, BATCH).await?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        for id in ids {
            if let Some(truth) = work.truth(id).await? {
                work.report.open += 1;
                work.compare(truth).await?;
            }
        }
    }
    after = None;
    loop {
        let ids = archive.list(after, BATCH).await?;
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        for id in ids {
            if let Some(truth) = work.truth(id).await? {
                work.report.archived += 1;
                work.compare(truth).await?;
            }
        }
    }
    work.find_invented().await?;
    Ok(work.report)
}

struct Work<'a> {
    guarantee: &'a dyn Guarantee,
    archive: &'a dyn Archive,
    reference: &'a dyn Reference,
    mode: Mode,
    report: Report,
}

impl Work<'_> {
    /// The message as it is, from Guarantee or the archive.
    async fn truth(&self, id: MsgId) -> Result<Option<Projection>, Fault> {
        match self.guarantee.load(id).await? {
            Found::Open(loaded) => Ok(Some(Projection::of(&loaded))),
            Found::Nothing => Ok(None),
            Found::Archived => {
                let packed = self.archive.get(id).await?;
                let packed =
                    packed.ok_or_else(|| Fault::Corrupt(format!("message {id} has no bundle")))?;
                Ok(Some(Projection::of_bundle(&Bundle::unpack(&packed)?)?))
            }
        }
    }

    async fn compare(&mut self, truth: Projection) -> Result<(), Fault> {
        match self.reference.get(truth.msg_id).await? {
            Some(shown) if shown == truth => return Ok(()),
            Some(_) => self.report.different += 1,
            None => self.report.missing += 1,
        }
        self.report.name(truth.msg_id);
        if self.mode == Mode::Rebuild {
            // Removed first, because `put` keeps a later revision.
            self.reference.remove(truth.msg_id).await?;
            self.reference.put(&truth).await?;
        }
        Ok(())
    }

    async fn find_invented(&mut self) -> Result<(), Fault> {
        let mut query = Query { limit: BATCH, ..Query::default() };
        loop {
            let page = self.reference.list(&query).await?;
            for shown in &page.messages {
                if self.truth(shown.msg_id).await?.is_some() {
                    continue;
                }
                self.report.invented += 1;
                self.report.name(shown.msg_id);
                if self.mode == Mode::Rebuild {
                    self.reference.remove(shown.msg_id).await?;
                }
            }
            match page.cursor {
                Some(cursor) => query.after = Some(cursor),
                None => return Ok(()),
            }
        }
    }
}
