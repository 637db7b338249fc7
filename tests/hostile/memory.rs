//! What memory the host has, and had at most, and what the processes have that it starts.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// By how much the host's memory may have grown after a case: what the pool keeps
/// resident of the memories of a few instances, and the largest component, in base64
/// and without.
const GROWTH_BYTES_MAX: u64 = 160 << 20;

/// By how much it may have grown meanwhile. A component of 30 MB, which is nearly the
/// largest, takes 110 MiB: in base64 in its request, in JSON, decoded, and on its way to
/// the compiler. Compiled it is half as much again, and the store has a copy of each.
const PEAK_BYTES_MAX: u64 = 320 << 20;

/// Between two looks at who is there.
const LOOK_EACH: Duration = Duration::from_millis(20);

/// A figure of a process, in bytes; none when it is gone, or has no memory any more.
fn figure(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let (number, unit) = line.strip_prefix(':')?.trim().split_once(' ')?;
    assert_eq!(unit, "kB", "{line}");
    Some(number.parse::<u64>().ok()? * 1024)
}

/// The host's memory from a moment on.
pub(crate) struct Memory {
    pid: u32,
    before: u64,
}

impl Memory {
    /// From now on.
    pub(crate) fn of(pid: u32) -> Self {
        let file = format!("/proc/{pid}/clear_refs");
        // 5 forgets the most that there was; see proc(5).
        fs::write(&file, "5").unwrap_or_else(|e| {
            panic!("{file}: {e}: this kernel does not forget a peak (CONFIG_PROC_PAGE_MONITOR), so that none can be measured")
        });
        Self { pid, before: figure(pid, "VmRSS").expect("the host is there") }
    }

    /// Asserts that neither what there is nor the most that there was is too much.
    #[track_caller]
    pub(crate) fn assert_bounded(&self, name: &str) {
        let bounds = [("VmRSS", GROWTH_BYTES_MAX), ("VmHWM", PEAK_BYTES_MAX)];
        for (what, most) in bounds {
            let now = figure(self.pid, what).expect("the host is there");
            let grown = now.saturating_sub(self.before);
            assert!(grown < most, "{name}: {what} is {now}, grown by {grown}");
        }
    }
}

/// The most memory that a process had which this one started, seen until something is
/// so; 0 when none was seen. One that ends between two looks has had little.
pub(crate) fn children_peak(parent: u32, until: &AtomicBool) -> u64 {
    let mut most = 0;
    loop {
        let is_last = until.load(Ordering::SeqCst);
        for pid in children(parent) {
            most = most.max(figure(pid, "VmHWM").unwrap_or(0));
        }
        if is_last {
            return most;
        }
        std::thread::sleep(LOOK_EACH);
    }
}

fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        // The parent is the second behind the name, which is in brackets.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let of: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        (of == parent).then_some(pid)
    });
    all.collect()
}
