//! Means harm, in the ways that come easily to Rust: one component, whose settings say
//! which prank it plays. `../calls.rs` says what becomes of each.

use std::alloc::{Layout, alloc};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};
use surety_sdk::{Advance, Call, Failure, Unused, log};

/// Which prank.
#[derive(Debug, Deserialize)]
pub struct Settings {
    prank: String,
}

/// What clears a terminal, names its window, ends a line, and turns the next one round.
const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{202e}\0\u{9b}31mERROR all is lost";

/// What one instance leaves for the next, and looks for.
const MARK: u64 = 0x005e_c4e7_5ec4_e75e;

/// The action.
pub fn run(call: Call<Unused, Unused, Settings>) -> Result<Advance, Failure> {
    match call.settings.prank.as_str() {
        "ext-depth" => ext_depth(),
        "ext-width" => ext_width(),
        "ext-numbers" => Ok(patch(&json!({"x": f64::MAX, "y": -0.0, "z": u64::MAX}))),
        "log-flood" => Ok(log_flood()),
        "long-note" => Ok(Advance::to("done").note(ESCAPES.repeat(5_000))),
        "long-reason" => Err(Failure::permanent(ESCAPES.repeat(5_000))),
        "garbage-state" => Ok(Advance::to(garbage())),
        "garbage-patch" => Ok(Advance { ext_patch: garbage(), ..Advance::to("done") }),
        "garbage-log" => {
            log::error(&garbage());
            Ok(Advance::to("done"))
        }
        "recursion" => Ok(Advance::to("done").note(deep(1).to_string())),
        "recursion-in-drop" => Ok(dropped(chain(black_box(200_000)))),
        "doubling" => Ok(Advance::to("done").note(doubling().to_string())),
        "small-boxes" => Ok(small_boxes()),
        "asks-nicely" => Ok(asks_nicely()),
        "panic" => panic!("{}", ESCAPES.repeat(1_000)),
        "panic-in-panic" => panic_in_panic(),
        "leftovers" => Ok(leftovers()),
        other => Err(Failure::permanent(format!("there is no prank {other:?}"))),
    }
}

surety_sdk::action!(run);

fn patch(value: &Value) -> Advance {
    Advance { ext_patch: value.to_string(), ..Advance::to("done") }
}

/// As deep as a guest's own stack lets it write.
fn ext_depth() -> Result<Advance, Failure> {
    let deep = (0..1_000).fold(json!("x"), |inner, _| {
        Value::Object([("x".to_owned(), inner)].into_iter().collect()) // `json!` would copy it
    });
    Advance::to("done").patch(&deep)
}

/// As many members that nobody declared as an answer has room for.
fn ext_width() -> Result<Advance, Failure> {
    let wide: BTreeMap<String, u8> = (0..30_000).map(|n| (format!("m{n}"), 1)).collect();
    Advance::to("done").patch(&wide)
}

/// Fewer calls than the limit on them, with more text than a log takes.
fn log_flood() -> Advance {
    for n in 0..900 {
        log::warn(&format!("{n} {}", ESCAPES.repeat(n % 10)));
    }
    Advance::to("done")
}

/// A text of Rust's that is none: a surrogate, an overlong slash, a cut sequence.
#[allow(unsafe_code, reason = "the prank itself")]
fn garbage() -> String {
    let bytes = vec![b'd', b'o', 0xed, 0xa0, 0x80, 0xc0, 0xaf, 0xff, 0xf0, 0x9f];
    // SAFETY: it is not sound, which is what a host has to bear.
    unsafe { String::from_utf8_unchecked(bytes) }
}

/// Frames with something in them, twice as many each time.
fn deep(n: u64) -> u64 {
    if black_box(n) == u64::MAX {
        return n;
    }
    let frame = black_box([n; 256]);
    let below = deep(n + 1).wrapping_add(deep(n + 2));
    below.wrapping_add(black_box(frame)[255])
}

/// A list whose parts drop each other.
struct Link(Option<Box<Link>>);

fn chain(length: usize) -> Link {
    (0..length).fold(Link(None), |rest, _| Link(Some(Box::new(rest))))
}

fn dropped(chain: Link) -> Advance {
    let ends = chain.0.is_none();
    drop(black_box(chain));
    Advance::to("done").note(format!("{ends}"))
}

/// A vector that doubles until there is no room.
fn doubling() -> usize {
    let mut all = vec![MARK];
    loop {
        let more = all.clone();
        all.extend(black_box(more));
    }
}

/// Boxes that nobody frees.
fn small_boxes() -> Advance {
    loop {
        Box::leak(black_box(Box::new(MARK)));
    }
}

/// Takes a no for an answer, and all that there is.
fn asks_nicely() -> Advance {
    let (mut held, mut bytes) = (Vec::new(), 1 << 30);
    while bytes > 0 {
        let mut more: Vec<u8> = Vec::new();
        match more.try_reserve_exact(bytes) {
            Ok(()) if held.len() < 10_000 => held.push(black_box(more)),
            _ => bytes /= 2,
        }
    }
    drop(held); // or there is no room for the answer
    Advance::to("done")
}

/// Panics while it panics.
fn panic_in_panic() -> ! {
    struct Worse;
    impl Drop for Worse {
        fn drop(&mut self) {
            panic!("once more");
        }
    }
    impl std::fmt::Display for Worse {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("while it is shown")
        }
    }
    panic!("{}", Worse)
}

static COUNT: AtomicU32 = AtomicU32::new(0);
static ONCE: OnceLock<String> = OnceLock::new();
static mut PLAIN: [u64; 512] = [0; 512];

thread_local! {
    static LOCAL: Cell<u64> = const { Cell::new(0) };
}

/// How much fresh memory is looked at: most of what the limit leaves.
const LOOKED_AT_BYTES: usize = 4 << 20;

/// Looks for what an earlier instance left wherever Rust keeps something from one call
/// to the next, and in memory that nobody has written; and leaves something there.
#[allow(unsafe_code, reason = "the prank itself")]
fn leftovers() -> Advance {
    assert_eq!(COUNT.fetch_add(1, Ordering::SeqCst), 0, "a static is left");
    assert!(ONCE.get().is_none(), "a lock is left");
    ONCE.get_or_init(|| "mine".to_owned());
    assert_eq!(LOCAL.replace(MARK), 0, "a local of the thread is left");
    let plain = &raw mut PLAIN;
    // SAFETY: an instance has one thread, and this runs once in it.
    unsafe {
        let words = &mut *plain;
        assert!(words.iter().all(|&word| word == 0), "a static mut is left");
        words.fill(MARK);
    }
    let words = LOOKED_AT_BYTES / size_of::<u64>();
    let layout = Layout::array::<u64>(words).expect("a small one");
    // SAFETY: it has this layout. What is read before it is written is whatever the
    // host left there, which is the question.
    unsafe {
        let fresh = alloc(layout).cast::<u64>();
        assert!(!fresh.is_null(), "there is no room");
        for n in 0..words {
            assert_eq!(fresh.add(n).read_volatile(), 0, "memory is left");
            fresh.add(n).write_volatile(MARK);
        }
    }
    Advance::to("done")
}
