//! Text of strangers, for people's eyes.

use std::fmt::{self, Write as _};

/// Text in which nothing moves a terminal's cursor, starts a line or turns the
/// direction of what follows.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", c.escape_unicode())
            }
            c if c.is_control() => write!(f, "{}", c.escape_default()),
            c => f.write_char(c),
        })
    }
}

/// A line of at most so many bytes from what a stranger wrote; the rest is cut.
#[must_use]
pub fn line(text: &str, bytes_max: usize) -> String {
    // Escapes only lengthen, so no more than this is ever kept.
    let mut line = Escaped(&text[..text.floor_char_boundary(bytes_max)]).to_string();
    line.truncate(line.floor_char_boundary(bytes_max));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_escaped() {
        let text = Escaped("a\"b\\ü\n\u{1b}[31m\u{202e}\u{2028}\u{9b}").to_string();
        assert_eq!(text, "a\"b\\ü\\n\\u{1b}[31m\\u{202e}\\u{2028}\\u{9b}");
    }

    #[test]
    fn a_line_is_short_and_one() {
        assert_eq!(line("a\nb", 10), "a\\nb");
        assert_eq!(line("ääää", 5), "ää");
        assert_eq!(line(&"\n".repeat(100), 9).len(), 9);
    }
}
