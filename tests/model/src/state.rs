//! What is kept where.

/// One attempt at a revision. A cid is random in life; here it is the least that
/// nothing and nobody remembers for this revision, which cannot be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Revision; 0 is as submitted.
    pub rev: u8,
    /// The attempt.
    pub cid: u8,
}

impl Version {
    /// As submitted, a message has no ext; every later version has one.
    pub fn kinds(self) -> &'static [Kind] {
        if self.rev == 0 { &[Kind::Main] } else { &[Kind::Ext, Kind::Main] }
    }
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Msg_Ext.
    Ext,
    /// The signed bytes and the state; names its ext.
    Main,
}

/// One SQS message in Q.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Page {
    /// The version of which it is a part.
    pub version: Version,
    /// Which part.
    pub kind: Kind,
    /// How often the version was renewed.
    pub copy: u8,
    /// MessageId: tells apart what the SDK or two processes sent twice.
    pub id: u8,
    /// The week in which it was sent (SentTimestamp).
    pub sent: u8,
}

impl Page {
    /// Whether both hold the same, and the other has the greater (copy, MessageId).
    pub fn is_superseded_by(&self, other: &Self) -> bool {
        (self.version, self.kind) == (other.version, other.kind)
            && (self.copy, self.id) < (other.copy, other.id)
    }
}

/// The status of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Being admitted.
    Creating,
    /// In the system.
    Active,
    /// Final; its bundle is in the archive.
    Archived,
    /// A half-made admission that was given up. The row stays: see `Flaw::RowDeleted`.
    Removed,
}

/// L: the root pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// Where the message is in its life.
    pub status: Status,
    /// The current version.
    pub version: Version,
}

/// One message, in all places where something of it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// L.
    pub row: Option<Row>,
    /// H: the records, in order of their writing.
    pub records: Vec<Version>,
    /// Whether Q exists.
    pub queue: bool,
    /// The pages in Q, sorted.
    pub pages: Vec<Page>,
    /// Pages that were deleted and may yet be delivered, sorted.
    pub zombies: Vec<Page>,
    /// F: bit n is a ticket of revision n.
    pub tickets: u8,
    /// The archive: the version that the bundle is of.
    pub bundle: Option<Version>,
    /// Submissions that were begun.
    pub submissions: u8,
    /// Whether a client was told that the message is admitted.
    pub acknowledged: bool,
    /// Whether the sweeper has yet to look at it this week.
    pub due: bool,
}

/// What a process is about to do: the remote call that is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Nothing; all memory is gone.
    #[default]
    Idle,

    // Submit: until the acknowledgement.
    /// Put L(CREATING) if absent.
    Put,
    /// CreateQueue.
    CreateQueue,
    /// Send version 0.
    SendFirst,
    /// L to ACTIVE, condition CREATING.
    Activate,
    /// The first ticket; then the client is told.
    Acknowledge,

    // A step, on a ticket.
    /// Receive Q.
    Receive,
    /// Read L.
    Read,
    /// Delete garbage.
    Collect,
    /// Send ext of the next revision.
    SendExt,
    /// Send main of the next revision.
    SendMain,
    /// L to the next revision, if it is at this one; with its record.
    Commit,
    /// The commit was refused: read L again.
    Unclear,
    /// Delete what was sent for a refused commit. Only with `Flaw::RefusedIsForeign`.
    DeleteSent,
    /// The ticket of the next revision.
    Push,
    /// Delete the version before.
    DeleteOld,
    /// Acknowledge the ticket.
    Ack,

    // The end, on the ticket of the last revision.
    /// Put the bundle if absent.
    Bundle,
    /// L to ARCHIVED, if it is at this revision.
    Retire,
    /// DeleteQueue.
    DropQueue,

    // A round of the sweeper.
    /// Receive Q.
    SweepReceive,
    /// Read L.
    SweepRead,
    /// CREATING with a version 0: L to ACTIVE.
    Finish,
    /// CREATING without: L to REMOVED.
    Remove,
    /// ACTIVE and old: send ext again.
    RenewExt,
    /// Send main again.
    RenewMain,
    /// Delete the older copies.
    DeleteOlder,
    /// The ticket again.
    Feed,
}

/// A process of any host: what it is about to do, and all that it remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// The next remote call.
    pub at: At,
    /// The message that it works on.
    pub message: u8,
    /// The ticket that it holds.
    pub seq: Option<u8>,
    /// The version that it found.
    pub base: Version,
    /// The version that it makes.
    pub next: Version,
    /// The copy that it makes of `base`.
    pub copy: u8,
    /// The week in which its round began.
    pub week: u8,
    /// Pages that it received and will need, in the order in which they came.
    pub pages: Vec<Page>,
}

impl Process {
    /// The page that it is about to send.
    pub(crate) fn page(&self) -> Page {
        let (version, kind, copy) = match self.at {
            At::SendExt => (self.next, Kind::Ext, 0),
            At::RenewExt => (self.base, Kind::Ext, self.copy),
            At::RenewMain => (self.base, Kind::Main, self.copy),
            _ => (self.next, Kind::Main, 0),
        };
        Page { version, kind, copy, id: 0, sent: 0 }
    }
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The messages.
    pub messages: Vec<Message>,
    /// The processes, sorted: which is which does not matter.
    pub processes: Vec<Process>,
    /// Faults that may still happen.
    pub faults: u8,
    /// Weeks that have passed.
    pub week: u8,
}

impl State {
    /// Once a process has decided, it remembers pages only to delete them, and to delete
    /// what is gone does nothing.
    pub(crate) fn forget_dead_pages(&mut self) {
        for process in &mut self.processes {
            if !matches!(process.at, At::Read | At::Collect | At::SweepRead) {
                let there = &self.messages[usize::from(process.message)].pages;
                process.pages.retain(|page| there.contains(page));
            }
        }
    }

    /// The least cid that nothing and nobody remembers for this revision.
    pub(crate) fn fresh_cid(&self, message: u8, rev: u8) -> u8 {
        let m = &self.messages[usize::from(message)];
        let taken = |version: Version| {
            m.row.is_some_and(|row| row.version == version)
                || m.records.contains(&version)
                || m.pages.iter().chain(&m.zombies).any(|page| page.version == version)
                || self.processes.iter().filter(|p| p.message == message).any(|p| {
                    p.base == version
                        || p.next == version
                        || p.pages.iter().any(|page| page.version == version)
                })
        };
        // 0 is nobody's: the default of a version that is not there yet.
        (1..).find(|&cid| !taken(Version { rev, cid })).expect("few attempts are remembered")
    }

    /// The least and the greatest MessageId that anybody remembers among pages that
    /// differ in nothing else.
    pub(crate) fn ids(&self, message: u8, like: &Page) -> Option<(u8, u8)> {
        let m = &self.messages[usize::from(message)];
        let remembered = self.processes.iter().filter(|p| p.message == message);
        let same = m.pages.iter().chain(&m.zombies).chain(remembered.flat_map(|p| &p.pages));
        let ids = same
            .filter(|p| (p.version, p.kind, p.copy) == (like.version, like.kind, like.copy))
            .map(|p| p.id);
        ids.fold(None, |range, id| {
            let (least, greatest) = range.unwrap_or((id, id));
            Some((id.min(least), id.max(greatest)))
        })
    }
}
