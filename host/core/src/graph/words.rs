//! What is written into a picture: for a state what it does, for a way out what
//! takes it. Cut to what a picture bears; the full text goes with it.

use std::time::Duration;

use super::Style;
use crate::text::Escaped;
use crate::workflow::{By, Exit, Kind, State};

/// The most characters of a guard, a description or a module that are shown: a
/// comparison of an amount fits.
pub(super) const SHOWN_CHARS_MAX: usize = 48;

/// A text as it is shown, and in full where more is to be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) shown: String,
    pub(super) full: String,
}

impl Words {
    fn new(text: &str) -> Self {
        Self { shown: cut(text, SHOWN_CHARS_MAX), full: Escaped(text).to_string() }
    }

    fn behind(mut self, before: &str) -> Self {
        self.shown.insert_str(0, before);
        self.full.insert_str(0, before);
        self
    }

    fn then(mut self, more: &Self) -> Self {
        self.shown.push_str(&more.shown);
        self.full.push_str(&more.full);
        self
    }
}

/// How a way out is drawn.
pub(super) fn style(by: By<'_>) -> Style {
    match by {
        By::Answer | By::Choice(_) | By::Signal(..) | By::Timer(_) => Style::Flow,
        By::Failure(_) => Style::Failure,
        By::Redrive | By::Cancel => Style::Operator,
    }
}

/// What takes each way out of a state, beside the way itself.
pub(super) fn exits(state: &State) -> Vec<(Exit<'_>, Words)> {
    let exits = state.exits();
    let some_failures = exits.iter().any(|exit| matches!(exit.by, By::Failure(Some(_))));
    let words = |number: usize, exit: &Exit<'_>| match exit.by {
        By::Answer => Words::new(exit.to.as_str()),
        By::Failure(None) if some_failures => Words::new("any other failure"),
        By::Failure(None) => Words::new("any failure"),
        By::Failure(Some(kind)) => Words::new(kind.as_str()),
        By::Choice(Some(guard)) => Words::new(guard.text()).behind(&format!("{}: ", number + 1)),
        By::Choice(None) => Words::new("otherwise"),
        By::Signal(name, on) => {
            let quorum = if on.quorum > 1 { format!(" ×{}", on.quorum) } else { String::new() };
            let signal = Words::new(&format!("signal {name}{quorum}"));
            match on.guard.text().trim() {
                "true" => signal,
                guard => signal.then(&Words::new(guard).behind(" if ")),
            }
        }
        By::Timer(after) => {
            let timer = Words::new(&format!("after {}", duration(after.delay)));
            match &after.guard {
                Some(guard) => timer.then(&Words::new(guard.text()).behind(" if ")),
                None => timer,
            }
        }
        By::Redrive => Words::new("redrive"),
        By::Cancel => Words::new("cancel"),
    };
    let words: Vec<Words> = exits.iter().enumerate().map(|(i, exit)| words(i, exit)).collect();
    exits.into_iter().zip(words).collect()
}

/// What a state does, in a line or two.
pub(super) fn state(state: &State) -> Vec<Words> {
    match &state.kind {
        Kind::Invoke(invoke) => {
            let mut lines = vec![Words::new(&invoke.module.to_string())];
            let retry = &invoke.retry;
            if retry.max_attempts > 1 {
                let (first, max) = (duration(retry.first_delay), duration(retry.delay_max));
                let (attempts, factor) = (retry.max_attempts, retry.factor);
                let text = format!("≤{attempts} attempts, {first} ×{factor} … {max}");
                lines.push(Words::new(&text));
            }
            lines
        }
        Kind::Choose(_) => vec![Words::new("the first that holds")],
        Kind::Wait(wait) => {
            let shortest = wait.after.first().map_or_else(String::new, |a| duration(a.delay));
            vec![Words::new(&format!("waits {shortest}"))]
        }
        Kind::Parked(_) => vec![Words::new("waits for a person")],
        Kind::Final => vec![Words::new("final")],
    }
}

/// At most so many characters of a text, in one line.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = Escaped(&line).to_string();
    match line.char_indices().nth(chars_max) {
        None => line,
        Some(_) => line.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

/// A text in lines of at most so many characters, broken at spaces if it can be.
pub(super) fn wrap(text: &str, chars_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let pieces = text.split(' ').flat_map(|word| pieces(word, chars_max));
    for piece in pieces {
        let line = lines.last_mut().expect("there is a line from the start");
        let length = line.chars().count();
        if length == 0 {
            *line = piece;
        } else if length + 1 + piece.chars().count() <= chars_max {
            line.push(' ');
            line.push_str(&piece);
        } else {
            lines.push(piece);
        }
    }
    lines
}

/// A word in pieces that fit a line, if it can be behind a dot or the like.
fn pieces(word: &str, chars_max: usize) -> Vec<String> {
    let mut rest: Vec<char> = word.chars().collect();
    let mut pieces = Vec::new();
    while rest.len() > chars_max {
        let good = rest[..chars_max].iter().rposition(|c| ".,(&|=/_-".contains(*c));
        let left = rest.split_off(good.map_or(chars_max, |at| at + 1));
        pieces.push(rest.into_iter().collect());
        rest = left;
    }
    pieces.push(rest.into_iter().collect());
    pieces
}

/// `200ms`, `1m`, `24h`, as a file would say it.
fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    // A day is said as 24h, as people say it of a deadline; more are days.
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = |&&(unit, _): &&(u128, &str)| millis >= unit && millis.is_multiple_of(unit);
    match units.iter().filter(|(unit, _)| millis != *unit || *unit < 86_400_000).find(fits) {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_a_line() {
        assert_eq!(cut("a \n b", 9), "a b");
        assert_eq!(cut("12345", 5), "12345");
        assert_eq!(cut("123456", 5), "1234…");
        assert_eq!(cut("\u{202e}", 9), "\\u{202e}");
    }

    #[test]
    fn lines_break_at_spaces_and_else_where_they_must() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrap("abcdefg h", 3), ["abc", "def", "g h"]);
        assert_eq!(wrap("abc.de.fgh", 8), ["abc.de.", "fgh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn a_duration_is_said_as_in_a_file() {
        let cases = [(0, "0ms"), (200, "200ms"), (1_500, "1500ms"), (60_000, "1m")];
        let cases = cases.into_iter().chain([(86_400_000, "24h"), (172_800_000, "2d")]);
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
