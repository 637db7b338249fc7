//! What modules wrote lately, in memory: for who develops one and runs it here.
//! What is to be kept for longer is in the host's own log.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use surety_core::ports::Clock;
use surety_core::types::{MsgId, Time};
use surety_sandbox::{GuestLine, GuestLog};
use tokio::sync::watch;
use utoipa::ToSchema;

/// Lines that are kept: some minutes of a busy host, hours of one where somebody
/// tries a module.
const LINES_MAX: usize = 10_000;

/// Bytes of text that are kept. A call may write 16 KiB, so a few modules that
/// write all they may cannot take more of the host's memory than this.
const BYTES_MAX: usize = 8 << 20;

/// Lines that are given at once: an answer of some hundred KB.
pub const PAGE_MAX: usize = 1_000;

/// A line of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LogLine)]
pub struct LineView {
    /// Its number; it grows by one with each line of any module, and starts again
    /// with the host.
    pub number: u64,
    /// When it was written, by the host's clock.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The module's name and version.
    pub module: String,
    /// The message that it ran for.
    #[schema(value_type = String)]
    pub msg_id: MsgId,
    /// What it says: one printable line.
    pub text: String,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this module: its name, or its name and version.
    pub module: Option<String>,
    /// Of calls for this message.
    pub msg_id: Option<MsgId>,
}

impl Wanted {
    fn admits(&self, line: &LineView) -> bool {
        let module = |wanted: &String| {
            line.module
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
        };
        self.module.as_ref().is_none_or(module)
            && self.msg_id.is_none_or(|msg_id| msg_id == line.msg_id)
    }
}

/// Lines, and how to go on behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The lines that are wanted.
    pub lines: Vec<LineView>,
    /// The number behind which the next lines are.
    pub next: u64,
    /// Lines of any module that were gone before they were asked for.
    pub missed: u64,
}

/// The lines of all modules.
pub struct GuestLogs {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    /// The number of the last line.
    last: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<LineView>,
    bytes: usize,
    last: u64,
}

impl GuestLogs {
    /// Without lines.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, kept: Mutex::default(), last: watch::Sender::new(0) })
    }

    /// The lines behind the number `after`, in their order, at most [`PAGE_MAX`].
    /// A number that was not given yet is from before a restart, and stands for 0.
    #[must_use]
    pub fn after(&self, after: u64, wanted: &Wanted) -> Page {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let after = if after > kept.last { 0 } else { after };
        let first = kept.lines.front().map_or(kept.last + 1, |line| line.number);
        let skip = usize::try_from((after + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let mut page = Page {
            lines: Vec::new(),
            next: after.max(first - 1),
            missed: (first - 1).saturating_sub(after),
        };
        for line in kept.lines.iter().skip(skip) {
            if page.lines.len() == PAGE_MAX {
                break;
            }
            page.next = line.number;
            if wanted.admits(line) {
                page.lines.push(line.clone());
            }
        }
        page
    }

    /// Who is told when there are more lines.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

impl GuestLog for GuestLogs {
    fn line(&self, line: GuestLine<'_>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let number = kept.last;
        kept.bytes += line.text.len();
        kept.lines.push_back(LineView {
            number,
            at: self.clock.now(),
            level: line.level.as_str().to_lowercase(),
            module: line.module.to_owned(),
            msg_id: line.msg_id,
            text: line.text.to_owned(),
        });
        while kept.lines.len() > LINES_MAX || kept.bytes > BYTES_MAX {
            let Some(gone) = kept.lines.pop_front() else { break };
            kept.bytes -= gone.text.len();
        }
        drop(kept);
        self.last.send_replace(number);
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;
    use crate::clock::SystemClock;

    fn logs() -> Arc<GuestLogs> {
        GuestLogs::new(Arc::new(SystemClock))
    }

    fn write(logs: &GuestLogs, module: &str, message: u8, text: &str) {
        let msg_id = MsgId::from_bytes([message; 16]);
        logs.line(GuestLine { module, msg_id, level: Level::INFO, text });
    }

    fn texts(page: &Page) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_are_found_by_module_and_message_and_read_on_from_where_one_was() {
        let logs = logs();
        write(&logs, "a@1.0.0", 1, "one");
        write(&logs, "ab@1.0.0", 1, "two");
        write(&logs, "a@1.1.0", 2, "three");
        let of = |module: Option<&str>, message: Option<u8>| Wanted {
            module: module.map(str::to_owned),
            msg_id: message.map(|message| MsgId::from_bytes([message; 16])),
        };
        let table = [
            (of(None, None), vec!["one", "two", "three"]),
            (of(Some("a"), None), vec!["one", "three"]),
            (of(Some("a@1.0.0"), None), vec!["one"]),
            (of(None, Some(1)), vec!["one", "two"]),
            (of(Some("ab"), Some(2)), vec![]),
        ];
        for (wanted, expected) in table {
            let page = logs.after(0, &wanted);
            assert_eq!(texts(&page), expected, "{wanted:?}");
            assert_eq!((page.next, page.missed), (3, 0));
        }
        let page = logs.after(2, &Wanted::default());
        assert_eq!((texts(&page), page.next), (vec!["three"], 3));
        assert_eq!(logs.after(3, &Wanted::default()).lines, []);
        // Given by a host that has been restarted since.
        assert_eq!(logs.after(99, &Wanted::default()).lines.len(), 3);
    }

    #[test]
    fn what_is_kept_is_bounded_in_lines_and_bytes() {
        let logs = logs();
        for _ in 0..LINES_MAX + 7 {
            write(&logs, "a@1.0.0", 1, "x");
        }
        let page = logs.after(2, &Wanted::default());
        assert_eq!((page.missed, page.lines[0].number, page.lines.len()), (5, 8, PAGE_MAX));
        assert_eq!(page.next, 7 + PAGE_MAX as u64);

        let long = "x".repeat(BYTES_MAX / 4);
        for _ in 0..5 {
            write(&logs, "a@1.0.0", 1, &long);
        }
        let kept = logs.kept.lock().unwrap();
        assert_eq!((kept.lines.len(), kept.bytes), (4, BYTES_MAX));
        drop(kept);
        write(&logs, "a@1.0.0", 1, &"x".repeat(BYTES_MAX + 1));
        let page = logs.after(0, &Wanted::default());
        assert_eq!((page.lines.len(), page.missed), (0, page.next));
    }
}
