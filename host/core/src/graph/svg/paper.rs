//! What SVG is written with. Everything that comes from a workflow passes here,
//! and is escaped here.

use std::fmt::{self, Write as _};

use super::style::CSS;
use crate::text::Escaped;

/// Text of strangers in XML: in an element as in an attribute.
pub(super) struct Xml<'a>(pub(super) &'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.0).to_string().chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            // The two that XML 1.0 does not allow beside control characters.
            '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER),
            c => f.write_char(c),
        })
    }
}

/// How wide a text may be, in pixels. Readers' fonts differ; this is what the
/// widest of the usual ones takes.
pub(super) fn width(text: &str, font: f64, bold: bool) -> f64 {
    let ems: f64 = text.chars().map(ems).sum();
    (ems * font * if bold { 1.12 } else { 1.0 }).ceil()
}

fn ems(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.36,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '"' | '/' | '\\' | '-' => 0.46,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '→' => 1.0,
        'A'..='Z' | '<' | '>' | '=' | '+' | '&' | '≤' | '×' => 0.84,
        c if c.is_ascii() => 0.64,
        // Of other scripts many are as wide as high.
        _ => 1.1,
    }
}

/// A picture that is being written.
#[derive(Default)]
pub(super) struct Paper(String);

impl Paper {
    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes all that is written");
    }

    /// Begins a group. The attributes must be escaped already.
    pub(super) fn open(&mut self, attributes: &str) {
        self.put(format_args!("<g {attributes}>\n"));
    }

    /// Ends a group.
    pub(super) fn close(&mut self) {
        self.put(format_args!("</g>\n"));
    }

    /// What is said of the group when it is pointed at.
    pub(super) fn title(&mut self, text: &str) {
        self.put(format_args!("<title>{}</title>\n", Xml(text)));
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let text = Xml(text);
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>\n"));
    }

    pub(super) fn rect(&mut self, class: &str, x: f64, y: f64, w: f64, h: f64, r: f64) {
        let place = format_args!("x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{r}\"");
        self.0.push_str(&format!("<rect class=\"{class}\" {place}/>\n"));
    }

    pub(super) fn circle(&mut self, class: &str, x: f64, y: f64, r: f64) {
        self.put(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>\n"));
    }

    pub(super) fn path(&mut self, class: &str, path: &str) {
        self.put(format_args!("<path class=\"{class}\" d=\"{path}\"/>\n"));
    }

    /// The whole file, with a margin around what was drawn.
    pub(super) fn finish(self, title: &str, margin: f64, width: f64, height: f64) -> String {
        let (w, h) = (width + 2.0 * margin, height + 2.0 * margin);
        let (title, body) = (Xml(title), self.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"sg-graph\" role=\"img\" \
             width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n\
             <title>{title}</title>\n<style>\n{CSS}</style>\n\
             <rect class=\"sg-paper\" width=\"{w}\" height=\"{h}\"/>\n\
             <g transform=\"translate({margin} {margin})\">\n{body}</g>\n</svg>\n"
        )
    }
}
