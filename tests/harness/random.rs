//! Random workflows: chance that repeats, and states of every kind that lead to
//! each other. What the actions read and write, whoever asks says.

use serde_json::{Map, Value, json};

/// Who may give signals, as guards name them: the third to the fifth account of
/// the well-known test mnemonic.
pub const SIGNERS: [&str; 3] = [
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
];

/// The signals that waits may be for.
pub const SIGNALS: [&str; 2] = ["approve", "deny"];

/// The kinds of failure that may have a way of their own.
pub const FAILURES: [&str; 7] =
    ["transient", "permanent", "trap", "timeout", "undeclared", "unreadable", "missing"];

/// Delays, the shortest first.
const DELAYS: [&str; 6] = ["200ms", "1s", "7s", "1m", "2h", "3d"];

/// xorshift64*; the same numbers in every run.
pub struct Chance(u64);

impl Chance {
    /// Numbers that another seed does not share.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Small seeds differ in few bits, and zero is where the generator stays.
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from 0 to `n`, which is left out.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// The states of a workflow by kind. Those of one kind are in an order in which
/// messages mostly go forward.
struct Names {
    actions: Vec<String>,
    choices: Vec<String>,
    waits: Vec<String>,
    ends: Vec<String>,
}

impl Names {
    /// Where messages may go: to the actions and choices from these on, and to all
    /// waits and ends.
    fn from(&self, action: usize, choice: usize) -> Vec<&str> {
        let actions = self.actions.iter().skip(action);
        let all = actions.chain(self.choices.iter().skip(choice));
        all.chain(&self.waits).chain(&self.ends).map(String::as_str).collect()
    }
}

/// States `s0` and so on, each with the action `m0@*` and so on, with choices,
/// waits, two parked states and two final ones; `s0` is meant to be the initial
/// one. `guard` gives conditions, those of signals if it is told so.
pub fn states(
    chance: &mut Chance,
    actions: usize,
    guard: &mut dyn FnMut(&mut Chance, bool) -> String,
) -> Map<String, Value> {
    let named = |kind: &str, n: usize| (0..n).map(|i| format!("{kind}{i}")).collect::<Vec<_>>();
    let names = Names {
        actions: named("s", actions),
        choices: named("pick", 1 + chance.below(2)),
        waits: named("wait", 1 + chance.below(2)),
        ends: ["parked", "stuck", "end", "stopped"].map(str::to_owned).into(),
    };
    let mut states = Map::new();
    for (i, name) in names.actions.iter().enumerate() {
        states.insert(name.clone(), action(chance, &names, i));
    }
    for (i, name) in names.choices.iter().enumerate() {
        // Only onward to other choices, so that no circle turns by itself.
        let ways = names.from(0, i + 1);
        let mut branches: Vec<_> = (0..1 + chance.below(2))
            .map(|_| json!({"guard": guard(chance, false), "target": chance.of(&ways)}))
            .collect();
        branches.push(json!({"target": chance.of(&ways)}));
        states.insert(name.clone(), json!({"choose": branches}));
    }
    for name in &names.waits {
        states.insert(name.clone(), wait(chance, &names.from(0, 0), guard));
    }
    for name in ["parked", "stuck"] {
        let mut parked = json!({"parked": true});
        if chance.one_in(3) {
            parked["redrive"] = json!([chance.of(&names.from(0, 0))]);
        }
        cancellable(chance, &mut parked);
        states.insert(name.to_owned(), parked);
    }
    states.insert("end".to_owned(), json!({"final": true}));
    states.insert("stopped".to_owned(), json!({"final": true}));
    states
}

fn cancellable(chance: &mut Chance, state: &mut Value) {
    if chance.one_in(3) {
        state["cancel"] = json!(chance.of(&["stopped", "stuck"]));
    }
}

fn action(chance: &mut Chance, names: &Names, i: usize) -> Value {
    // The last two may go in circles.
    let onward = names.from((i + 1).min(names.actions.len() - 1), 0);
    let mut targets: Vec<_> = (0..1 + chance.below(3)).map(|_| *chance.of(&onward)).collect();
    targets.sort_unstable();
    targets.dedup();
    // Never back, so that failures alone make no circle.
    let failed = names.from(i + 1, 0);
    let failure = |chance: &mut Chance| match chance.one_in(3) {
        true => *chance.of(&failed),
        false => "parked",
    };
    let default = failure(chance);
    let mut state = json!({"invoke": format!("m{i}@*"), "targets": targets, "on_failure": default});
    if chance.one_in(2) {
        let mut by_kind = json!({"default": default});
        for _ in 0..1 + chance.below(2) {
            by_kind[*chance.of(&FAILURES)] = json!(failure(chance));
        }
        state["on_failure"] = by_kind;
    }
    if chance.one_in(2) {
        state["retry"] = json!({
            "max_attempts": 1 + chance.below(4), "first_delay": chance.of(&DELAYS),
            "factor": 1 + chance.below(3), "delay_max": chance.of(&DELAYS[2..]), "jitter": 0,
        });
    }
    cancellable(chance, &mut state);
    state
}

fn wait(
    chance: &mut Chance,
    ways: &[&str],
    guard: &mut dyn FnMut(&mut Chance, bool) -> String,
) -> Value {
    let mut on = Map::new();
    for name in SIGNALS {
        if !chance.one_in(4) {
            let mut signal = json!({"guard": guard(chance, true), "target": chance.of(ways)});
            if chance.one_in(2) {
                signal["quorum"] = json!(1 + chance.below(3));
            }
            on.insert(name.to_owned(), signal);
        }
    }
    let first = chance.below(DELAYS.len());
    let last = DELAYS.len().min(first + 1 + chance.below(2));
    let mut after: Vec<_> = DELAYS[first..last]
        .iter()
        .map(|delay| json!({"delay": delay, "target": chance.of(ways)}))
        .collect();
    let guarded = after.len() - 1;
    for timer in &mut after[..guarded] {
        timer["guard"] = json!(guard(chance, false));
    }
    let mut state = json!({"on": on, "after": after});
    cancellable(chance, &mut state);
    state
}
