//! A state's box.

use super::super::words::{self, SHOWN_CHARS_MAX, Words, cut};
use super::paper::{Paper, Xml, width};
use super::style::state_class;
use crate::types::MsgState;
use crate::workflow::{Kind, State};

const NAME_FONT: f64 = 13.0;
const NOTE_FONT: f64 = 11.0;
const LINE: f64 = 15.0;
const PADDING: f64 = 14.0;
const WIDTH_MIN: f64 = 96.0;

/// The room of a mark at the left, and as much at the right.
const MARK: f64 = 12.0;

/// A state as it is drawn.
pub(super) struct StateBox<'w> {
    pub(super) name: &'w MsgState,
    state: &'w State,
    notes: Vec<Words>,
    /// The description, cut.
    about: String,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl<'w> StateBox<'w> {
    pub(super) fn new(name: &'w MsgState, state: &'w State) -> Self {
        let notes = words::state(state);
        let about = cut(&state.description, SHOWN_CHARS_MAX);
        let mark = if mark(&state.kind).is_some() { MARK } else { 0.0 };
        let widest = notes
            .iter()
            .map(|note| width(&note.shown, NOTE_FONT, false))
            .chain([width(name.as_str(), NAME_FONT, true), width(&about, NOTE_FONT, false)])
            .fold(WIDTH_MIN, f64::max);
        let lines = 1 + notes.len() + usize::from(!about.is_empty());
        // Even, so that a middle is a whole pixel.
        let width = 2.0 * ((widest + 2.0 * (PADDING + mark)) / 2.0).ceil();
        let height = 2.0 * ((lines as f64 * LINE + 14.0) / 2.0).ceil();
        Self { name, state, notes, about, width, height }
    }

    /// Draws it around a place.
    pub(super) fn draw(&self, paper: &mut Paper, x: f64, y: f64, count: Option<u64>) {
        paper.open(&format!(r#"class="sg-state" data-state="{}""#, Xml(self.name.as_str())));
        paper.title(&self.title());
        let (left, top) = (x - self.width / 2.0, y - self.height / 2.0);
        shape(paper, &self.state.kind, (left, top), (self.width, self.height));
        let lines = 1 + self.notes.len() + usize::from(!self.about.is_empty());
        let mut baseline = y - lines as f64 * LINE / 2.0 + 11.5;
        paper.text("sg-name", x, baseline, self.name.as_str());
        for note in &self.notes {
            baseline += LINE;
            paper.text("sg-note", x, baseline, &note.shown);
        }
        if let Some(mark) = mark(&self.state.kind) {
            paper.path("sg-mark", &format!("M{} {}{mark}", left + PADDING, y - 5.0));
        }
        if !self.about.is_empty() {
            paper.text("sg-note sg-about", x, baseline + LINE, &self.about);
        }
        if let Some(count) = count {
            badge(paper, left + self.width, top, count);
        }
        paper.close();
    }

    /// All that may be cut in the box.
    fn title(&self) -> String {
        let notes = self.notes.iter().map(|note| note.full.as_str());
        let about = Some(self.state.description.as_str()).filter(|about| !about.is_empty());
        let all = [self.name.as_str()].into_iter().chain(notes).chain(about);
        all.collect::<Vec<_>>().join(" · ")
    }
}

/// The outline: what kind of state it is can be seen without colours.
pub(super) fn shape(
    paper: &mut Paper,
    kind: &Kind,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
) {
    let class = state_class(kind);
    match kind {
        Kind::Choose(_) => {
            // Pointed at both sides, as a decision is in flow charts.
            let point = (height / 2.0).min(12.0);
            let (right, bottom, middle) = (left + width, top + height, top + height / 2.0);
            let upper = format!("M{left} {middle}L{} {top}H{}", left + point, right - point);
            let lower = format!("L{right} {middle}L{} {bottom}H{}z", right - point, left + point);
            paper.path(&format!("sg-box {class}"), &(upper + &lower));
        }
        Kind::Wait(_) => {
            let round = (height / 2.0).min(24.0);
            paper.rect(&format!("sg-box {class}"), left, top, width, height, round);
        }
        Kind::Final => {
            paper.rect(&format!("sg-box {class}"), left, top, width, height, 8.0);
            let inner = (left + 3.0, top + 3.0, width - 6.0, height - 6.0);
            let (left, top, width, height) = inner;
            paper.rect(&format!("sg-box {class} sg-inner"), left, top, width, height, 6.0);
        }
        Kind::Invoke(_) | Kind::Parked(_) => {
            paper.rect(&format!("sg-box {class}"), left, top, width, height, 8.0);
        }
    }
}

/// A mark of ten pixels, as a path from its top left corner.
fn mark(kind: &Kind) -> Option<&'static str> {
    match kind {
        // One way that becomes two.
        Kind::Choose(_) => Some("m0 5h4l5 -4m-5 4l5 4"),
        // An hourglass.
        Kind::Wait(_) => Some("h8l-8 10h8l-8 -10z"),
        // Two bars.
        Kind::Parked(_) => Some("m2 1v8m4 -8v8"),
        Kind::Invoke(_) | Kind::Final => None,
    }
}

/// How many messages are in the state, over a corner of its box.
fn badge(paper: &mut Paper, right: f64, top: f64, count: u64) {
    let text = count.to_string();
    let wide = width(&text, NOTE_FONT, true) + 12.0;
    paper.rect("sg-badge", right - wide + 8.0, top - 9.0, wide, 18.0, 9.0);
    paper.text("sg-count", right + 8.0 - wide / 2.0, top + 4.0, &text);
}
