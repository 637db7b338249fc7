//! A case: a workflow, what its actions answer, and what happens to one message.
//! All of it is JSON, so that it can be printed whole and made smaller.

use serde_json::{Value, json};
use surety_core::workflow::Workflow;
use surety_tests::random::{Chance, SIGNALS, SIGNERS, states};

use super::reference;

/// When the first thing happens; where a [`surety_tests::clock::VirtualClock`]
/// begins.
pub const START: u64 = 1_800_000_000_000;

/// Answers that are scripted; all behind them are permanent failures.
const ANSWERS: usize = 24;

/// How much happens to one message.
const EVENTS_MIN: usize = 4;
const EVENTS_MAX: usize = 20;

/// Calls of ports that a case makes, or some more: a crash comes at one of them.
const CALLS: usize = 90;

/// The case of a seed, always the same.
pub fn case(seed: u64) -> Value {
    let chance = &mut Chance::new(seed);
    let actions = 1 + chance.below(4);
    let states = states(chance, actions, &mut guard);
    let mut names: Vec<String> = states.keys().cloned().collect();
    names.retain(|name| ["s", "pick", "wait"].iter().any(|kind| is(kind, name)));
    let initial = if chance.one_in(3) { chance.of(&names).clone() } else { "s0".to_owned() };
    let modules = (0..actions).map(|i| {
        let kind = ["any", "needs_n", "missing"][[0, 0, 0, 0, 0, 0, 0, 1, 2][chance.below(9)]];
        (format!("m{i}"), json!(kind))
    });
    let modules = Value::Object(modules.collect());
    let crashes: Vec<_> = (0..chance.below(3)).map(|_| chance.below(CALLS)).collect();
    let answers: Vec<_> = (0..ANSWERS).map(|_| answer(chance)).collect();
    let mut case = json!({
        "amount": chance.of(&["0", "9999", "10000", "123456789012345678901234567890"]),
        "modules": modules, "answers": answers, "events": [], "crashes": crashes,
        "workflow": {
            "msg_type": "transfer", "version": 2, "initial": initial, "states": states,
            "schema": {"type": "object"},
        },
    });
    for _ in 0..EVENTS_MIN + chance.below(EVENTS_MAX - EVENTS_MIN) {
        // Where the message is by then says what is worth happening to it.
        let Some(seen) = reference::run(&case) else { break };
        let event = event(chance, seen[seen.len() - 2].message.phase, &names);
        case["events"].as_array_mut().expect("a list").push(event);
    }
    case
}

/// Whether a state's name is of a kind: `s0` of `s`, and `stuck` not.
fn is(kind: &str, name: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|n| n.parse::<usize>().is_ok())
}

/// The case's workflow, if it can be deployed and its attempts come when the
/// reference says: chance takes no part of a delay.
pub fn workflow(case: &Value) -> Option<Workflow> {
    let states = case["workflow"]["states"].as_object()?;
    let exact = |state: &Value| state["retry"].is_null() || state["retry"]["jitter"] == 0;
    if !states.values().all(exact) {
        return None;
    }
    Workflow::parse(&case["workflow"].to_string()).ok()
}

/// What the action answers that runs at this revision.
pub fn scripted(case: &Value, seq: u64) -> Value {
    let answers = case["answers"].as_array().expect("a list");
    let at = usize::try_from(seq).expect("a place");
    answers.get(at).cloned().unwrap_or_else(|| json!("permanent"))
}

fn answer(chance: &mut Chance) -> Value {
    let patches = [
        json!({}),
        json!({"n": 1}),
        json!({"n": 5}),
        json!({"n": 12}),
        json!({"n": null}),
        json!({"n": "many"}),
        json!({"tag": "x"}),
        json!({"tag": "y", "n": 3}),
        json!({"m": {"a": 1}}),
        json!({"m": {"a": null, "b": [1, 2]}}),
        json!({"m": null}),
    ];
    let failures = [
        "transient",
        "transient",
        "permanent",
        "trap",
        "timeout",
        "limit",
        "nowhere",
        "outside",
        "no json",
    ];
    match chance.below(4) {
        0 => json!(chance.of(&failures)),
        _ => json!({"target": chance.below(6), "patch": chance.of(&patches)}),
    }
}

/// What may happen to a message in this phase; now and then what does not fit.
fn event(chance: &mut Chance, phase: &str, states: &[String]) -> Value {
    let kinds: &[u8] = match phase {
        "waiting" => b"ssssssssssdddrcpw",
        "parked" => b"rrrrrrcsdw",
        "final" | "archived" => b"wsrcx",
        _ => b"wwwwwwwwwddddpcsrx",
    };
    match chance.of(kinds) {
        b'w' => json!("work"),
        b'd' => json!({"due": chance.of(&[-1, 0, 0, 1])}),
        b'p' => json!({"pass": chance.of(&[1, 200, 1_000, 59_999, 3_600_001, 90_000_000])}),
        b's' if chance.one_in(5) => json!({"resend": chance.below(3)}),
        b's' => {
            let name = if chance.one_in(16) { "other" } else { *chance.of(&SIGNALS) };
            // Mostly in the state in which the message is, and about what it waits for.
            let state = chance.one_in(8).then(|| chance.of(states).clone());
            let right = !chance.one_in(12);
            json!({"signal": name, "by": chance.below(3), "state": state, "right": right})
        }
        b'r' => json!({"redrive": chance.one_in(3).then(|| chance.of(states).clone())}),
        b'c' => json!("cancel"),
        _ => json!("submit again"),
    }
}

/// A guard of the few forms that the reference reads.
fn guard(chance: &mut Chance, of_signal: bool) -> String {
    let one = condition(chance, of_signal);
    match chance.below(6) {
        0 => format!("{one} && {}", condition(chance, of_signal)),
        1 => format!("{one} || {}", condition(chance, of_signal)),
        _ => one,
    }
}

fn condition(chance: &mut Chance, of_signal: bool) -> String {
    let [first, second, third] = SIGNERS;
    if of_signal && !chance.one_in(6) {
        return match chance.below(6) {
            0 => "signal.client_id == 'board'".to_owned(),
            1 => format!("signal.signer in ['{third}']"),
            2..=3 => format!("signal.signer in ['{first}', '{second}']"),
            _ => "true".to_owned(),
        };
    }
    let at_least = *chance.of(&[1, 3, 5, 10]);
    match chance.below(16) {
        0 => format!("ext.n >= {at_least}"),
        1..=4 => format!("has(ext.n) && ext.n >= {at_least}"),
        5 | 6 => "has(ext.m)".to_owned(),
        7 => "has(ext.m.a)".to_owned(),
        8 | 9 => "!has(ext.tag)".to_owned(),
        10 => "ext.tag == 'x'".to_owned(),
        11 | 12 => format!("now >= {}", START + 60_000 * at_least),
        _ => format!("dec(message.payload.amount) >= dec('{at_least}000')"),
    }
}
