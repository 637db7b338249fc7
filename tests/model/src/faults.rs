//! The moves of the world: a process starts some work, a call of it has some fate,
//! it crashes, a week passes.

use stateright::{Model, Property};

use crate::calls::{Fate, sample};
use crate::properties;
use crate::scope::{Flaw, Protocol};
use crate::state::{At, Message, Page, Process, State, Status};
use crate::step::is_complete;

/// One move of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// An idle process takes a submission of this message from a client.
    Submit(usize, u8),
    /// An idle process takes the ticket of this message and revision.
    Take(usize, u8, u8),
    /// An idle process sweeps this message.
    Sweep(usize, u8),
    /// A process makes its next remote call.
    Call(usize, At, Fate),
    /// A process loses its memory. Fault.
    Crash(usize, At),
    /// A week passes.
    Week,
}

impl Model for Protocol {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            messages: vec![Message::default(); self.scope.messages],
            processes: vec![Process::default(); self.scope.processes],
            faults: self.scope.faults,
            week: 0,
        }]
    }

    fn actions(&self, s: &State, moves: &mut Vec<Move>) {
        let mut last = None;
        for (p, process) in s.processes.iter().enumerate() {
            // Of processes that are alike, one moves.
            if last.replace(process) == Some(process) {
                continue;
            }
            if process.at == At::Idle {
                self.starts(s, p, moves);
                continue;
            }
            let mut calls = |fate: Fate| {
                if !fate.is_fault() || s.faults > 0 {
                    moves.push(Move::Call(p, process.at, fate));
                }
            };
            self.fates(s, process, &mut calls);
            if s.faults > 0 {
                moves.push(Move::Crash(p, process.at));
            }
        }
        // The sweeper had its chance with each message that was there.
        if s.week < self.scope.weeks && !s.messages.iter().any(|m| m.due && m.is_open()) {
            moves.push(Move::Week);
        }
    }

    fn next_state(&self, s: &State, action: Move) -> Option<State> {
        let mut s = s.clone();
        self.make(&mut s, action);
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = properties::all();
        properties.retain(|property| self.property.is_none_or(|name| name == property.name));
        properties
    }
}

impl Protocol {
    pub(crate) fn make(&self, s: &mut State, action: Move) {
        match action {
            Move::Submit(p, message) => {
                s.messages[usize::from(message)].submissions += 1;
                s.processes[p] = Process { at: At::Put, message, ..Process::default() };
            }
            Move::Take(p, message, seq) => {
                let seq = Some(seq);
                s.processes[p] = Process { at: At::Receive, message, seq, ..Process::default() };
            }
            Move::Sweep(p, message) => {
                let week = s.week;
                let at = At::SweepReceive;
                s.processes[p] = Process { at, message, week, ..Process::default() };
            }
            Move::Call(p, _, fate) => {
                s.faults -= u8::from(fate.is_fault());
                self.step(s, p, fate);
            }
            Move::Crash(p, _) => {
                s.faults -= 1;
                s.processes[p] = Process::default();
            }
            Move::Week => self.pass_week(s),
        }
        s.forget_dead_pages();
        s.processes.sort_unstable();
    }

    fn starts(&self, s: &State, p: usize, moves: &mut Vec<Move>) {
        for (message, m) in (0..).zip(&s.messages) {
            if m.submissions < self.scope.submissions {
                moves.push(Move::Submit(p, message));
            }
            let tickets = (0..=self.scope.last_rev).filter(|seq| m.tickets >> seq & 1 == 1);
            moves.extend(tickets.map(|seq| Move::Take(p, message, seq)));
            if self.scope.sweeper && m.row.is_some() {
                moves.push(Move::Sweep(p, message));
            }
        }
    }

    /// What may befall the next call of a process.
    fn fates(&self, s: &State, process: &Process, call: &mut impl FnMut(Fate)) {
        call(Fate::Fine);
        match process.at {
            // Not enough of it; and once there is enough, which garbage was among it.
            At::Read => call(Fate::Sees(0)),
            // Any part of the current version that is whole, with all or nothing of the
            // rest: no rule ever looks at the rest again.
            At::Collect => {
                let is_current = |page: &Page| page.version == process.base;
                let rest = bits_of(&process.pages, |page| !is_current(page));
                for bits in parts(&process.pages, is_current) {
                    let mut pages = process.pages.clone();
                    sample(&mut pages, Fate::Sees(bits));
                    if is_complete(process.base, &pages) {
                        call(Fate::Sees(bits));
                        call(Fate::Sees(bits & !rest));
                    }
                }
                call(Fate::Zombies);
                if self.has(Flaw::FirstCome) {
                    call(Fate::Reversed);
                }
            }
            At::SweepRead => {
                let row = s.messages[usize::from(process.message)].row;
                // Of an ACTIVE message, a round looks at the current pages only.
                let current = row.filter(|row| row.status == Status::Active);
                let matters = |page: &Page| current.is_none_or(|row| row.version == page.version);
                parts(&process.pages, matters).for_each(|bits| call(Fate::Sees(bits)));
            }
            At::SendFirst | At::SendExt | At::SendMain | At::RenewExt | At::RenewMain => {
                call(Fate::Twice);
                if s.ids(process.message, &process.page()).is_some() {
                    call(Fate::Below);
                }
            }
            At::Activate | At::Commit | At::Retire | At::Finish | At::Remove => call(Fate::Lost),
            At::DeleteOld | At::DeleteOlder => {
                let all: u16 = (1 << process.pages.len()) - 1;
                (1..=all).for_each(|bits| call(Fate::Ignored(bits)));
                call(Fate::Zombies);
            }
            At::Ack => call(Fate::Ignored(1)),
            _ => {}
        }
    }

    /// SQS forgets the pages that are in their second week. No attempt outlives the week
    /// of its first page: a process compares the clock before it commits, and AWS
    /// refuses a request five minutes after it was signed.
    fn pass_week(&self, s: &mut State) {
        let this = s.week;
        s.week += 1;
        for m in &mut s.messages {
            let lives = |page: &Page| page.sent == this;
            m.pages.retain(lives);
            m.zombies.retain(lives);
            m.due = m.is_open();
        }
        if !self.has(Flaw::NoDeadline) {
            let begun = [At::SendMain, At::Commit, At::RenewMain];
            let late = s.processes.iter_mut().filter(|process| begun.contains(&process.at));
            late.for_each(|process| *process = Process::default());
        }
    }
}

impl Message {
    fn is_open(&self) -> bool {
        self.row.is_some_and(|row| matches!(row.status, Status::Creating | Status::Active))
    }
}

fn bits_of(pages: &[Page], is_in: impl Fn(&Page) -> bool) -> u16 {
    (0..).zip(pages).filter(|(_, page)| is_in(page)).map(|(i, _)| 1 << i).sum()
}

/// All choices of a part of the pages, as bits. What does not matter is always chosen.
fn parts(pages: &[Page], matters: impl Fn(&Page) -> bool) -> impl Iterator<Item = u16> {
    let fixed = bits_of(pages, |page| !matters(page));
    (0..1 << pages.len()).filter(move |bits| bits & fixed == fixed)
}
