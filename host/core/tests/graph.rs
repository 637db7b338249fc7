//! Pictures: whole, the same every time, and of hostile workflows only words.
//! `SURETY_GOLDEN=write cargo test -p surety-core --test graph` rewrites the
//! golden files; look at them before they are committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};
use serde_json::{Value, json};
use surety_core::graph::{EXITS_MAX, Format, draw, mermaid, svg};
use surety_core::text::Escaped;
use surety_core::workflow::Workflow;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn examples() -> Vec<(&'static str, Workflow)> {
    let read = |name| {
        let text = std::fs::read_to_string(folder("graph").join(format!("{name}.json"))).unwrap();
        (name, Workflow::parse(&text).unwrap())
    };
    vec![read("payment"), read("transfer")]
}

fn workflow(states: &Value, initial: &str) -> Workflow {
    let file = json!({
        "msg_type": "t", "version": 1, "schema": {}, "initial": initial, "states": states,
    });
    Workflow::parse(&file.to_string()).unwrap()
}

/// A guard and a description that would be markup, would end a text, or would
/// turn its direction.
fn hostile() -> (Workflow, String, String) {
    let markup = r#"</title></svg><script>alert(1)</script><!-- ]]> &amp; %%{init: {}}%% `;|`"#;
    let guard = format!("'{markup}' == \"\\\"\u{202e}\u{ffff}\" || '{}' == ''", "w".repeat(1_800));
    let about = format!("{markup}\" onload='alert(1)'\n\u{202e}\u{0}#quot;{}", "é".repeat(3_900));
    let states = json!({
        "end": {"choose": [{"guard": guard, "target": "done"}, {"target": "click"}]},
        "click": {"description": about, "on": {"subgraph": {"guard": guard, "target": "done"}},
                  "after": [{"delay": "1h", "target": "done"}]},
        "done": {"final": true, "description": about},
    });
    (workflow(&states, "end"), guard, about)
}

fn attributes<'a>(document: &'a Document<'_>, name: &str) -> Vec<&'a str> {
    document.descendants().filter_map(|node| node.attribute(name)).collect()
}

#[test]
fn pictures_are_the_golden_ones() {
    for (name, workflow) in examples() {
        for (format, extension) in [(Format::Svg, "svg"), (Format::Mermaid, "mmd")] {
            let picture = draw(&workflow, format, &BTreeMap::new()).unwrap();
            let file = folder("golden").join(format!("{name}.{extension}"));
            if std::env::var_os("SURETY_GOLDEN").is_some_and(|what| what == "write") {
                std::fs::write(&file, &picture).unwrap();
            }
            let golden = std::fs::read_to_string(&file).unwrap();
            assert!(picture == golden, "{} is not what is drawn", file.display());
        }
    }
}

#[test]
fn every_state_and_every_way_is_drawn_once() {
    let (hostile, ..) = hostile();
    for workflow in examples().into_iter().map(|(_, workflow)| workflow).chain([hostile]) {
        let picture = svg(&workflow, &BTreeMap::new()).unwrap();
        let document = Document::parse(&picture).unwrap();
        let states: Vec<&str> = workflow.states().map(|(name, _)| name.as_str()).collect();
        assert_eq!(attributes(&document, "data-state"), states);
        let ways: Vec<String> = workflow
            .states()
            .flat_map(|(name, state)| {
                let pointer = |exit: surety_core::workflow::Exit<'_>| exit.pointer;
                let pointers: Vec<String> = state.exits().into_iter().map(pointer).collect();
                pointers.into_iter().map(move |pointer| format!("/states/{name}{pointer}"))
            })
            .collect();
        let drawn = attributes(&document, "data-way");
        assert_eq!(drawn.len(), ways.len());
        assert_eq!(BTreeSet::from_iter(drawn), ways.iter().map(String::as_str).collect());

        let chart = mermaid(&workflow).unwrap();
        let nodes = chart.lines().filter(|line| line.contains(":::")).count();
        assert_eq!(nodes, 1 + states.len());
        let labels = chart.lines().filter(|line| line.contains("->|"));
        assert_eq!(labels.map(|line| 1 + line.matches("<br/>").count()).sum::<usize>(), ways.len());
    }
}

#[test]
fn what_a_picture_must_show_is_in_it() {
    let (_, payment) = examples().remove(0);
    let picture = svg(&payment, &BTreeMap::new()).unwrap();
    let document = Document::parse(&picture).unwrap();
    let texts: Vec<&str> = document
        .descendants()
        .filter(|n| n.has_tag_name("text"))
        .filter_map(|n| n.text())
        .collect();
    for text in [
        "screen@^1",
        "≤5 attempts, 200ms ×2 … 1m",
        "1: dec(message.payload.amount)",
        "otherwise",
        "signal approve ×2 if",
        "signal deny",
        "after 24h",
        "waits 24h",
        "any failure",
        "permanent",
        "redrive",
        "cancel",
        "waits for a person",
    ] {
        assert!(texts.contains(&text), "{text:?} is not in {texts:?}");
    }
}

#[test]
fn hostile_words_stay_words_in_svg() {
    let (workflow, guard, about) = hostile();
    let picture = svg(&workflow, &BTreeMap::new()).unwrap();
    let document = Document::parse(&picture).unwrap();
    let known = ["svg", "title", "style", "rect", "g", "path", "circle", "text"];
    for node in document.descendants().filter(Node::is_element) {
        assert!(known.contains(&node.tag_name().name()), "{node:?}");
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(!name.starts_with("on") && !name.contains("href"), "{name}");
        }
    }
    assert!(!picture.contains(['\u{202e}', '\0', '\u{ffff}']));
    // In full, as it would be printed.
    let titles: Vec<&str> = document
        .descendants()
        .filter(|n| n.has_tag_name("title"))
        .filter_map(|n| n.text())
        .collect();
    let shown = |text: &str| Escaped(text).to_string().replace('\u{ffff}', "\u{fffd}");
    assert!(titles.contains(&format!("1: {}", shown(&guard)).as_str()));
    assert!(titles.iter().any(|title| title.ends_with(&shown(&about))));
}

#[test]
fn hostile_words_stay_words_in_mermaid() {
    let (workflow, ..) = hostile();
    let chart = mermaid(&workflow).unwrap();
    for line in chart.lines() {
        let parts: Vec<&str> = line.split('"').collect();
        assert!(matches!(parts.len(), 1 | 3), "{line}");
        if let [_, quoted, _] = parts[..] {
            let ours = ["<b>", "</b>", "<br/>"];
            let rest = ours.iter().fold(quoted.to_owned(), |rest, tag| rest.replace(tag, ""));
            let meant =
                |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !" .,:()@^/'#;".contains(c);
            assert!(!rest.contains(meant), "{rest}");
        }
    }
}

#[test]
fn counts_are_shown_at_their_states() {
    let (_, payment) = examples().remove(0);
    let counts = BTreeMap::from([("failed".parse().unwrap(), 7), ("lost".parse().unwrap(), 1)]);
    let picture = svg(&payment, &counts).unwrap();
    let document = Document::parse(&picture).unwrap();
    let shown: Vec<_> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("sg-count"))
        .map(|node| (node.parent().unwrap().attribute("data-state"), node.text()))
        .collect();
    assert_eq!(shown, [(Some("failed"), Some("7"))]);
}

/// So many states in a chain, each with a failure and with these ways beside.
fn chain(length: usize, more: impl Fn(usize) -> Vec<usize>) -> Workflow {
    let name = |i: usize| format!("s{i}");
    let mut states = json!({"done": {"final": true}, "failed": {"parked": true}});
    for i in 0..length {
        let next = if i + 1 < length { name(i + 1) } else { "done".to_owned() };
        let targets: BTreeSet<String> = more(i).into_iter().map(name).chain([next]).collect();
        states[name(i)] = json!({"invoke": "m@^1", "targets": targets, "on_failure": "failed"});
    }
    workflow(&states, "s0")
}

#[test]
fn a_thousand_states_are_drawn() {
    let far = chain(998, |i| vec![(i * 7 + 3) % 998]);
    let picture = svg(&far, &BTreeMap::new()).unwrap();
    let document = Document::parse(&picture).unwrap();
    assert_eq!(attributes(&document, "data-state").len(), 1_000);
    // Lines that would pass too much end early, and say where they lead.
    assert!(picture.contains("→ s"));
}

#[test]
fn more_ways_than_a_picture_bears_are_refused() {
    let too_many = chain(998, |i| (0..5).map(|n| (i + n * 100) % 998).collect());
    for format in [Format::Svg, Format::Mermaid] {
        let refused = draw(&too_many, format, &BTreeMap::new()).unwrap_err().to_string();
        assert!(refused.contains(&format!("`graph_exits_max` is {EXITS_MAX}")), "{refused}");
    }
}
