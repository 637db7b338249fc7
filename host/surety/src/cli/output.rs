//! What commands print on stdout: JSON for machines, text for people.

use std::io::{IsTerminal as _, Write as _};
use std::process;

use anyhow::Context as _;
use serde::Serialize;

/// Prints one way or the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A value: as a line of JSON, or as the text that `human` makes.
    pub(super) fn value<T: Serialize>(
        self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self.json {
            true => line(&serde_json::to_string(value)?),
            false => line(&human(value)),
        }
    }
}

/// A line; printed at once, so that who reads a pipe sees it when it happens.
fn line(text: &str) -> anyhow::Result<()> {
    let text = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    raw(text.as_bytes())
}

/// Bytes as they are.
pub(super) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // Nobody reads any more, as with `| head`: nothing is left to do.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => process::exit(0),
        written => written.context("standard output cannot be written"),
    }
}

/// A text that is a file's content: exactly as it is, but on a terminal the
/// prompt should not stand behind it.
pub(super) fn document(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().is_terminal() {
        true => line(text),
        false => raw(text.as_bytes()),
    }
}

/// Rows under headings, in columns.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut all = vec![headings.map(str::to_owned)];
    all.extend(rows);
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let show = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(show).collect::<Vec<_>>().join("\n")
}

/// Names and their values, in two columns.
pub(super) fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let show = |(name, value): &(&str, String)| format!("{name:width$}  {value}");
    fields.iter().map(show).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![["1".to_owned(), "long".to_owned()], ["22".to_owned(), String::new()]];
        assert_eq!(table(["a", "b"], rows), "a   b\n1   long\n22");
        assert_eq!(fields(&[("a", "1".to_owned()), ("bcd", "2".to_owned())]), "a    1\nbcd  2");
    }
}
