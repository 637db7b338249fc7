//! Mermaid: a flowchart. States have no names of their own in it but numbers, so
//! that no name can be a word of the language.

use std::fmt::{self, Write as _};

use super::drawn::{Drawn, Edge};
use super::words::{self, cut};
use super::{Style, TooLarge};
use crate::text::Escaped;
use crate::workflow::{Kind, State, Workflow};

/// The most characters of a way out that are shown: it has no place to say more.
const WAY_CHARS_MAX: usize = 120;

/// What the classes of states look like.
const CLASSES: &str = "\
classDef start fill:#1b1f24,stroke:#1b1f24
classDef invoke fill:#eef4ff,stroke:#3b6fb6,color:#1b1f24
classDef choose fill:#fff6dc,stroke:#a67c00,color:#1b1f24
classDef wait fill:#f3eefc,stroke:#7a52b3,color:#1b1f24
classDef parked fill:#fdeceb,stroke:#c0392b,color:#1b1f24,stroke-dasharray:6 3
classDef final fill:#ebf7ed,stroke:#2f7d43,color:#1b1f24
";

/// Writes a workflow as a Mermaid flowchart.
///
/// # Errors
/// When there is too much to draw.
pub fn mermaid(workflow: &Workflow) -> Result<String, TooLarge> {
    let drawn = Drawn::new(workflow)?;
    let mut text = String::from("flowchart TD\n");
    let mut put = |line: fmt::Arguments<'_>| {
        text.write_fmt(line).expect("a String takes all that is written");
    };
    put(format_args!("s{}(( )):::start\n", drawn.start()));
    for (i, (name, state)) in drawn.states.iter().enumerate() {
        let (open, close) = brackets(state);
        let lines: Vec<String> = words::state(state)
            .into_iter()
            .map(|words| words.shown)
            .chain(Some(cut(&state.description, WAY_CHARS_MAX)).filter(|about| !about.is_empty()))
            .map(|line| Quoted(&line).to_string())
            .collect();
        let (name, lines) = (Quoted(name.as_str()), lines.join("<br/>"));
        let class = class(state);
        put(format_args!("s{i}{open}\"<b>{name}</b><br/>{lines}\"{close}:::{class}\n"));
    }
    for Edge { from, to, style, ways } in &drawn.edges {
        let arrow = if *style == Style::Flow { "-->" } else { "-.->" };
        let ways: Vec<String> = ways
            .iter()
            .map(|way| Quoted(&cut(&way.words.full, WAY_CHARS_MAX)).to_string())
            .collect();
        match ways.is_empty() {
            true => put(format_args!("s{from} {arrow} s{to}\n")),
            false => put(format_args!("s{from} {arrow}|\"{}\"| s{to}\n", ways.join("<br/>"))),
        }
    }
    put(format_args!("{CLASSES}"));
    for (style, look) in [
        (Style::Failure, "stroke:#c0392b,color:#a52a1e"),
        (Style::Operator, "stroke:#868e96,color:#6b737b"),
    ] {
        let of_style = drawn.edges.iter().enumerate().filter(|(_, edge)| edge.style == style);
        let numbers: Vec<String> = of_style.map(|(i, _)| i.to_string()).collect();
        if !numbers.is_empty() {
            put(format_args!("linkStyle {} {look}\n", numbers.join(",")));
        }
    }
    Ok(text)
}

/// The shape of a state.
fn brackets(state: &State) -> (&'static str, &'static str) {
    match state.kind {
        Kind::Invoke(_) => ("(", ")"),
        Kind::Choose(_) => ("{{", "}}"),
        Kind::Wait(_) => ("([", "])"),
        Kind::Parked(_) => ("[", "]"),
        Kind::Final => ("[[", "]]"),
    }
}

fn class(state: &State) -> &'static str {
    match state.kind {
        Kind::Invoke(_) => "invoke",
        Kind::Choose(_) => "choose",
        Kind::Wait(_) => "wait",
        Kind::Parked(_) => "parked",
        Kind::Final => "final",
    }
}

/// Text between quotes. What may mean something to Mermaid, to Markdown or to
/// HTML is written by its number.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.0).to_string().chars().try_for_each(|c| match c {
            ' ' | '.' | ',' | ':' | '(' | ')' | '@' | '^' | '/' | '\'' => f.write_char(c),
            c if c.is_ascii_alphanumeric() || !c.is_ascii() => f.write_char(c),
            c => write!(f, "#{};", u32::from(c)),
        })
    }
}
