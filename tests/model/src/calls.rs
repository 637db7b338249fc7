//! The remote calls that are not plain reads and writes of the row, each with what
//! may befall it.

use crate::state::{Message, Page, State};

/// What becomes of a remote call. Faults are bounded by the scope, the rest is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what was asked, once. A receive yielded all that was there, in order.
    Fine,
    /// The receive before had yielded only these of what was there, by position. That is
    /// decided when it is looked at, and not when it is received: nobody can tell, and
    /// there are far fewer states.
    Sees(u16),
    /// The receive before had yielded all, the last one first.
    Reversed,
    /// A send gets a MessageId below those of its equals, and not above them.
    Below,
    /// Fault: a send is made twice, because its first reply was lost.
    Twice,
    /// Fault: an update is made, and answered as refused, because its first reply
    /// was lost.
    Lost,
    /// Fault: a delete (or an acknowledgement) leaves these of its pages.
    Ignored(u16),
    /// Fault: a delete is made, and its pages may yet be delivered.
    Zombies,
}

impl Fate {
    /// Whether it is paid for from the scope's faults.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Twice | Self::Lost | Self::Ignored(_) | Self::Zombies)
    }
}

/// What of it was received.
pub(crate) fn sample(pages: &mut Vec<Page>, fate: Fate) {
    match fate {
        Fate::Sees(bits) => *pages = picked(pages, bits),
        Fate::Reversed => pages.reverse(),
        _ => {}
    }
}

fn picked(pages: &[Page], bits: u16) -> Vec<Page> {
    let numbered = pages.iter().enumerate();
    numbered.filter(|(i, _)| bits >> i & 1 == 1).map(|(_, page)| *page).collect()
}

impl Message {
    /// ReceiveMessage on Q.
    pub(crate) fn receive(&self) -> Vec<Page> {
        let mut pages = [&self.pages[..], &self.zombies].concat();
        pages.sort_unstable();
        pages
    }

    /// DeleteMessage on Q, for each of the pages.
    pub(crate) fn delete(&mut self, pages: &[Page], fate: Fate) {
        let kept = match fate {
            Fate::Ignored(bits) => picked(pages, bits),
            _ => Vec::new(),
        };
        let goes = |page: &Page| pages.contains(page) && !kept.contains(page);
        if fate == Fate::Zombies {
            self.zombies.extend(self.pages.iter().filter(|page| goes(page)));
            self.zombies.sort_unstable();
        }
        self.pages.retain(|page| !goes(page));
    }

    /// DeleteQueue. What is sent to it later vanishes.
    pub(crate) fn drop_queue(&mut self) {
        self.queue = false;
        self.pages.clear();
        self.zombies.clear();
    }
}

impl State {
    /// SendMessage to Q. The page's id and time are given by SQS.
    pub(crate) fn send(&mut self, message: u8, page: Page, fate: Fate) {
        /// Room for ids below the first.
        const FIRST_ID: u8 = 8;
        let id = match (self.ids(message, &page), fate) {
            (None, _) => FIRST_ID,
            (Some((least, _)), Fate::Below) => least - 1,
            (Some((_, greatest)), _) => greatest + 1,
        };
        let page = Page { id, sent: self.week, ..page };
        let m = &mut self.messages[usize::from(message)];
        if !m.queue {
            return;
        }
        m.pages.push(page);
        if fate == Fate::Twice {
            m.pages.push(Page { id: id + 1, ..page });
        }
        m.pages.sort_unstable();
    }
}
