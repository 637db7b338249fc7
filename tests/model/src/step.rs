//! The protocol: what a process does next. One remote call a step; what follows
//! from its answer, the process decides without losing time.

use crate::calls::{Fate, sample};
use crate::scope::{Flaw, Protocol};
use crate::state::{At, Kind, Message, Page, Process, Row, State, Status, Version};

impl Protocol {
    /// Makes the remote call that process `p` is about to make.
    pub fn step(&self, s: &mut State, p: usize, fate: Fate) {
        let mut me = s.processes[p].clone();
        let m = &mut s.messages[usize::from(me.message)];
        me.at = match me.at {
            At::Idle => At::Idle,

            // Submit. The client hears of nothing before the row is ACTIVE.
            At::Put => match m.row.get_or_insert(CREATED).status {
                Status::Creating => At::CreateQueue,
                Status::Active | Status::Archived => At::Acknowledge,
                Status::Removed => At::Idle, // refused: a Msg_ID is never used again
            },
            At::CreateQueue => {
                m.queue = true;
                me.next = Version { rev: 0, cid: s.fresh_cid(me.message, 0) };
                At::SendFirst
            }
            At::SendFirst => {
                m.acknowledged |= self.has(Flaw::EarlyAnswer);
                s.send(me.message, me.page(), fate);
                At::Activate
            }
            // Refused: look what has become of the row, by the way that a retry takes.
            At::Activate => {
                if m.activate(me.next, fate) {
                    At::Acknowledge
                } else {
                    At::Put
                }
            }
            At::Acknowledge => {
                m.tickets |= 1;
                m.acknowledged = true;
                At::Idle
            }

            // A step.
            At::Receive => {
                me.pages = m.receive();
                At::Read
            }
            At::Read => self.read(s, &mut me, fate),
            At::Collect => {
                sample(&mut me.pages, fate);
                let garbage = self.garbage(me.base, &me.pages);
                m.delete(&garbage, fate);
                me.pages.retain(|page| !garbage.contains(page));
                self.work(s, &mut me)
            }
            At::SendExt => {
                s.send(me.message, me.page(), fate);
                self.after(&me)
            }
            At::SendMain => {
                s.send(me.message, me.page(), fate);
                self.after(&me)
            }
            At::Commit => match self.commit(m, &me, fate) {
                true => self.after(&me),
                false if self.has(Flaw::RefusedIsForeign) => At::DeleteSent,
                false => At::Unclear,
            },
            // The row bears my cid: the lost reply was mine. Else drop everything; the
            // ticket comes again.
            At::Unclear if m.is_at(me.next) => {
                self.after(&Process { at: At::Commit, ..me.clone() })
            }
            At::Unclear => At::Idle,
            At::DeleteSent => {
                m.delete(&m.pages_of(me.next), fate);
                At::Idle
            }
            At::Push => {
                m.tickets |= 1 << me.next.rev;
                self.after(&me)
            }
            At::DeleteOld => {
                m.delete(&me.pages, fate);
                self.after(&me)
            }
            At::Ack => {
                if let (Some(seq), Fate::Fine) = (me.seq, fate) {
                    m.tickets &= !(1 << seq);
                }
                At::Idle
            }

            // The end.
            At::Bundle => {
                m.bundle.get_or_insert(me.base);
                if self.has(Flaw::ArchiveLast) { At::DropQueue } else { At::Retire }
            }
            At::Retire => match m.retire(me.base, fate) {
                true if self.has(Flaw::ArchiveLast) => At::Bundle,
                true => At::DropQueue,
                false => At::Idle, // the ticket comes again, and finds what is so
            },
            At::DropQueue => {
                m.drop_queue();
                if me.seq.is_some() { At::Ack } else { At::Idle }
            }

            // A round of the sweeper.
            At::SweepReceive => {
                me.pages = m.receive();
                At::SweepRead
            }
            At::SweepRead => {
                sample(&mut me.pages, fate);
                self.sweep(s, &mut me)
            }
            At::Finish => {
                if m.activate(me.base, fate) {
                    At::Feed
                } else {
                    At::Idle
                }
            }
            At::Remove => {
                if m.remove(fate, self.has(Flaw::RowDeleted)) {
                    At::DropQueue
                } else {
                    At::Idle
                }
            }
            At::RenewExt => {
                s.send(me.message, me.page(), fate);
                At::RenewMain
            }
            At::RenewMain => {
                s.send(me.message, me.page(), fate);
                s.messages[usize::from(me.message)].due &= me.week != s.week;
                At::DeleteOlder
            }
            At::DeleteOlder => {
                m.delete(&me.pages, fate);
                At::Feed
            }
            At::Feed => {
                m.tickets |= 1 << me.base.rev;
                At::Idle
            }
        };
        me.forget();
        s.processes[p] = me;
    }

    /// L is read, after Q: what is to be done for the ticket?
    fn read(&self, s: &State, me: &mut Process, fate: Fate) -> At {
        let m = &s.messages[usize::from(me.message)];
        let Some(row) = m.row else { return At::Idle };
        match row.status {
            Status::Creating => return At::Idle,
            Status::Archived | Status::Removed => return At::DropQueue,
            Status::Active => {}
        }
        let seq = me.seq.expect("who reads for a step holds a ticket");
        if seq < row.version.rev {
            // Of the revision before the last commit: whoever committed may have died
            // before its push, and this ticket is the last that is known of it.
            let repush = seq + 1 == row.version.rev && !self.has(Flaw::NoRepush);
            me.next = row.version;
            me.pages.clear();
            return if repush { At::Push } else { At::Ack };
        }
        sample(&mut me.pages, fate);
        let Some(current) = self.current(row, &me.pages) else {
            // False empty, another's lease, a crash: all heal. Delete nothing.
            return At::Idle;
        };
        me.base = current;
        me.pages.retain(|page| page.version.rev <= current.rev || self.has(Flaw::EagerOrphans));
        if self.garbage(current, &me.pages).is_empty() { self.work(s, me) } else { At::Collect }
    }

    /// The pages of `me.base` are at hand: run the action, or close.
    fn work(&self, s: &State, me: &mut Process) -> At {
        if me.base.rev == self.scope.last_rev {
            return if self.has(Flaw::ArchiveLast) { At::Retire } else { At::Bundle };
        }
        me.pages.retain(|page| page.version == me.base);
        let rev = me.base.rev + 1;
        me.next = Version { rev, cid: s.fresh_cid(me.message, rev) };
        self.order()[0]
    }

    /// The order of a step's calls, once the action has run.
    fn order(&self) -> [At; 6] {
        use At::{Ack, Commit, DeleteOld, Push, SendExt, SendMain};
        match self.flaw {
            Some(Flaw::DeleteBeforeSend) => [DeleteOld, SendExt, SendMain, Commit, Push, Ack],
            Some(Flaw::CommitBeforeSend) => [Commit, SendExt, SendMain, Push, DeleteOld, Ack],
            _ => [SendExt, SendMain, Commit, Push, DeleteOld, Ack],
        }
    }

    fn after(&self, me: &Process) -> At {
        let mut rest = self.order().into_iter().skip_while(|&at| at != me.at).skip(1);
        let mut next = || rest.next().expect("Ack is last, and is not followed");
        match next() {
            At::DeleteOld if me.pages.is_empty() => next(),
            at => at,
        }
    }

    /// L is read, after Q: what has the sweeper to do?
    fn sweep(&self, s: &mut State, me: &mut Process) -> At {
        let week = s.week;
        let m = &mut s.messages[usize::from(me.message)];
        let Some(row) = m.row else { return At::Idle };
        me.base = row.version;
        match row.status {
            Status::Creating => match me.pages.first() {
                Some(page) => {
                    me.base = page.version;
                    At::Finish
                }
                None => At::Remove,
            },
            Status::Archived | Status::Removed if m.queue => At::DropQueue,
            Status::Archived | Status::Removed => At::Idle,
            Status::Active => {
                me.pages.retain(|page| page.version == row.version);
                if !is_complete(row.version, &me.pages) {
                    return At::Feed;
                }
                let newest = me.pages.iter().filter(|p| !is_superseded(p, &me.pages));
                if self.has(Flaw::NoRenewal) || newest.clone().all(|page| page.sent == week) {
                    m.due &= me.week != week;
                    return At::Feed;
                }
                if !m.due {
                    return At::Feed; // A bound of the model: one good round a week.
                }
                me.copy = 1 + newest.map(|page| page.copy).max().expect("it is complete");
                if row.version.rev == 0 { At::RenewMain } else { At::RenewExt }
            }
        }
    }

    /// The version that counts, if all of its pages were received.
    fn current(&self, row: Row, pages: &[Page]) -> Option<Version> {
        if self.has(Flaw::NoFence) {
            let versions = pages.iter().map(|page| page.version);
            return versions.filter(|&v| is_complete(v, pages)).max();
        }
        is_complete(row.version, pages).then_some(row.version)
    }

    /// What may be deleted, when L is at `current`: what is older, what was refused at
    /// the same revision, and all but the greatest of equal pages. Never what is newer:
    /// it may be about to be committed.
    fn garbage(&self, current: Version, pages: &[Page]) -> Vec<Page> {
        let is_garbage = |(i, page): (usize, &Page)| {
            let Version { rev, cid } = page.version;
            let mut earlier = pages[..i].iter();
            rev < current.rev
                || (rev == current.rev && cid != current.cid)
                || (rev > current.rev && self.has(Flaw::EagerOrphans))
                || (page.version == current
                    && match self.flaw {
                        Some(Flaw::FirstCome) => {
                            earlier.any(|other| other.kind == page.kind && other.version == current)
                        }
                        _ => is_superseded(page, pages),
                    })
        };
        let numbered = pages.iter().enumerate();
        numbered.filter(|&(i, page)| is_garbage((i, page))).map(|(_, page)| *page).collect()
    }

    /// One transaction: L from n to n + 1, and the record.
    fn commit(&self, m: &mut Message, me: &Process, fate: Fate) -> bool {
        let row = m.row.filter(|row| row.status == Status::Active);
        if row.is_none_or(|row| row.version.rev != me.base.rev) && !self.has(Flaw::NoFence) {
            return false;
        }
        m.row = Some(Row { status: Status::Active, version: me.next });
        m.records.push(me.next);
        fate != Fate::Lost
    }
}

const CREATED: Row = Row { status: Status::Creating, version: Version { rev: 0, cid: 0 } };

/// Whether all pages of a version are here.
pub(crate) fn is_complete(version: Version, pages: &[Page]) -> bool {
    let has = |&kind: &Kind| pages.iter().any(|p| p.version == version && p.kind == kind);
    version.kinds().iter().all(has)
}

fn is_superseded(page: &Page, pages: &[Page]) -> bool {
    pages.iter().any(|other| page.is_superseded_by(other))
}

// The conditional writes of L. Each says whether its answer is that it was made.
impl Message {
    fn is_at(&self, version: Version) -> bool {
        self.row.is_some_and(|row| row.version == version)
    }

    fn is(&self, status: Status) -> bool {
        self.row.is_some_and(|row| row.status == status)
    }

    /// L to ACTIVE, condition CREATING, and the first record.
    fn activate(&mut self, version: Version, fate: Fate) -> bool {
        if !self.is(Status::Creating) {
            return false;
        }
        self.row = Some(Row { status: Status::Active, version });
        self.records.push(version);
        fate != Fate::Lost
    }

    /// L to ARCHIVED, if it is at this revision.
    fn retire(&mut self, base: Version, fate: Fate) -> bool {
        let Some(row) = &mut self.row else { return false };
        if row.status != Status::Active || row.version.rev != base.rev {
            return false;
        }
        row.status = Status::Archived;
        fate != Fate::Lost
    }

    /// L to REMOVED, condition CREATING.
    fn remove(&mut self, fate: Fate, delete: bool) -> bool {
        if !self.is(Status::Creating) {
            return false;
        }
        let removed = Row { status: Status::Removed, ..CREATED };
        self.row = if delete { None } else { Some(removed) };
        fate != Fate::Lost
    }

    fn pages_of(&self, version: Version) -> Vec<Page> {
        self.pages.iter().filter(|page| page.version == version).copied().collect()
    }
}

impl Process {
    /// What is not needed any more is forgotten, so that equal states are equal.
    fn forget(&mut self) {
        let Self { at, message, seq, base, .. } = *self;
        let nothing = Self::default();
        *self = match at {
            At::Idle => nothing,
            At::Ack | At::DropQueue => Self { at, message, seq, ..nothing },
            At::Bundle | At::Retire => Self { at, message, seq, base, ..nothing },
            At::Remove => Self { at, message, ..nothing },
            At::Finish | At::Feed => Self { at, message, base, ..nothing },
            _ => return,
        };
    }
}
