//! How large a world is walked through, and which rule of the protocol is broken.

/// The bounds of a run; each multiplies the states.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Processes that work at the same time.
    pub processes: usize,
    /// Messages; they share nothing but the processes.
    pub messages: usize,
    /// The revision at which a message is final and goes to the archive.
    pub last_rev: u8,
    /// Crashes, lost replies, ignored deletes and zombies, all together.
    pub faults: u8,
    /// Weeks that pass. SQS forgets a page at the end of its second one.
    pub weeks: u8,
    /// Times that a message is submitted: the first, and the client's retries.
    pub submissions: u8,
    /// Whether anybody sweeps.
    pub sweeper: bool,
}

impl Scope {
    /// Two processes, one message that is submitted once and takes one step.
    pub const SMALL: Self = Self {
        processes: 2,
        messages: 1,
        last_rev: 1,
        faults: 1,
        weeks: 0,
        submissions: 1,
        sweeper: true,
    };
}

/// One rule left out: a simplification that looks right and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The row is written without a condition; the highest revision in the queue wins.
    NoFence,
    /// Every page that is not of the row's version is garbage, newer ones too.
    EagerOrphans,
    /// Of equal pages the one that came first in a receive is kept.
    FirstCome,
    /// Version n is deleted before n + 1 is sent.
    DeleteBeforeSend,
    /// The row is moved to n + 1 before its pages are sent.
    CommitBeforeSend,
    /// A stale ticket is just acknowledged.
    NoRepush,
    /// A refused commit is taken for somebody else's without reading the row again,
    /// and the pages sent for it are deleted.
    RefusedIsForeign,
    /// The sweeper renews nothing.
    NoRenewal,
    /// A commit may come at any time after its first page was sent.
    NoDeadline,
    /// A half-made admission is removed by deleting its row, instead of marking it.
    RowDeleted,
    /// The row says ARCHIVED before the bundle is written.
    ArchiveLast,
    /// The client is told before the row is ACTIVE.
    EarlyAnswer,
}

/// The protocol within a scope: the model that is checked.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Its bounds.
    pub scope: Scope,
    /// The rule that is left out; none in the protocol itself.
    pub flaw: Option<Flaw>,
    /// The one property that is asked for, or all. Of one alone a shortest way to a state
    /// without it is found.
    pub property: Option<&'static str>,
}

impl Protocol {
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}
