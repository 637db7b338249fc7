//! SVG 1.1 that needs nothing from outside: no script, no font, no reference. It
//! turns dark where its reader prefers that.

mod header;
mod paper;
mod state;
mod style;

use std::collections::BTreeMap;

use super::TooLarge;
use super::drawn::{Drawn, Edge};
use super::layout::{Layout, Line, Point, Ranks, Route, Run, Size, layout};
use super::words::{cut, wrap};
use crate::types::MsgState;
use crate::workflow::Workflow;
use paper::{Paper, Xml};
use state::StateBox;

/// Around the picture.
const MARGIN: f64 = 24.0;

/// The size of a label's text, and from one of its lines to the next.
const LABEL_FONT: f64 = 11.0;
const LABEL_LINE: f64 = 14.0;

/// Between two ways on one edge.
const WAY_GAP: f64 = 4.0;

/// Characters in a line of a label.
const LABEL_CHARS_MAX: usize = 30;

/// How far a loop goes from its state.
const LOOP: f64 = 22.0;

/// Draws a workflow as SVG, with the number of messages in each state where
/// there is one. A state is a group with `data-state`, a way out one with
/// `data-way`, its JSON Pointer in the workflow.
///
/// # Errors
/// When there is too much to draw.
pub fn svg(workflow: &Workflow, counts: &BTreeMap<MsgState, u64>) -> Result<String, TooLarge> {
    let drawn = Drawn::new(workflow)?;
    let line = |edge: &Edge| Line { from: edge.from, to: edge.to, style: edge.style };
    let lines: Vec<Line> = drawn.edges.iter().map(line).collect();
    let ranks = Ranks::new(drawn.states.len() + 1, drawn.start(), &lines);
    let labels: Vec<Label> = drawn
        .edges
        .iter()
        .enumerate()
        .map(|(i, edge)| Label::new(&drawn, edge, ranks.is_cut(i)))
        .collect();
    let (boxes, sizes) = boxes(&drawn, &labels);
    let label_sizes: Vec<Size> = labels.iter().map(Label::size).collect();
    let layout = layout(&ranks, &lines, &sizes, &label_sizes);
    Ok(draw(workflow, counts, &drawn, &boxes, &labels, &layout))
}

/// The states' boxes, and the room that each needs with its loops; that of the
/// start is the last.
fn boxes<'w>(drawn: &Drawn<'w>, labels: &[Label]) -> (Vec<StateBox<'w>>, Vec<Size>) {
    let mut boxes: Vec<_> = drawn.states.iter().map(|(n, s)| StateBox::new(n, s)).collect();
    let mut loops = vec![Size::default(); boxes.len()];
    for (edge, label) in drawn.edges.iter().zip(labels).filter(|(e, _)| e.from == e.to) {
        let size = &mut loops[edge.from];
        size.right = size.right.max(LOOP + 4.0 + label.width);
        size.height += label.height + 6.0;
    }
    let mut sizes = Vec::with_capacity(boxes.len() + 1);
    for (state, extra) in boxes.iter_mut().zip(loops) {
        state.height = state.height.max(extra.height);
        let half = state.width / 2.0;
        sizes.push(Size { left: half, right: half + extra.right, height: state.height });
    }
    sizes.push(Size::even(2.0 * style::START_RADIUS, 2.0 * style::START_RADIUS));
    (boxes, sizes)
}

/// What stands on an edge: lines for each way.
struct Label {
    ways: Vec<Vec<String>>,
    /// Where it leads, for an edge that is cut.
    leads_to: Option<String>,
    width: f64,
    height: f64,
}

impl Label {
    fn new(drawn: &Drawn<'_>, edge: &Edge, is_cut: bool) -> Self {
        let wrapped = |way: &super::drawn::Way| wrap(&way.words.shown, LABEL_CHARS_MAX);
        let ways: Vec<Vec<String>> = edge.ways.iter().map(wrapped).collect();
        let leads_to = is_cut.then(|| format!("→ {}", drawn.states[edge.to].0));
        let lines = || ways.iter().flatten().chain(&leads_to);
        let width = lines().map(|l| paper::width(l, LABEL_FONT, false)).fold(0.0, f64::max);
        let gaps = ways.len().saturating_sub(1) as f64;
        let height = lines().count() as f64 * LABEL_LINE + gaps * WAY_GAP;
        Self { width: width + if width > 0.0 { 8.0 } else { 0.0 }, height, ways, leads_to }
    }

    fn size(&self) -> Size {
        Size::even(self.width.max(8.0), self.height)
    }

    /// Draws it; `x` is its middle.
    fn draw(&self, paper: &mut Paper, edge: &Edge, x: f64, middle: f64) {
        let (left, top) = (x - self.width / 2.0, middle - self.height / 2.0);
        if self.height > 0.0 {
            paper.rect("sg-paper", left, top, self.width, self.height, 3.0);
        }
        let mut y = top + LABEL_FONT;
        for (way, lines) in edge.ways.iter().zip(&self.ways) {
            let class = style::class(edge.style);
            paper.open(&format!(r#"class="sg-way {class}" data-way="{}""#, Xml(&way.pointer)));
            paper.title(&way.words.full);
            for line in lines {
                paper.text("sg-label", x, y, line);
                y += LABEL_LINE;
            }
            y += WAY_GAP;
            paper.close();
        }
        if let Some(leads_to) = &self.leads_to {
            paper.text("sg-label", x, y, leads_to);
        }
    }
}

fn draw(
    workflow: &Workflow,
    counts: &BTreeMap<MsgState, u64>,
    drawn: &Drawn<'_>,
    boxes: &[StateBox<'_>],
    labels: &[Label],
    layout: &Layout,
) -> String {
    let mut paper = Paper::default();
    let header = header::header(&mut paper, workflow);
    let width = layout.width.max(header.width).max(header::LEGEND_WIDTH);
    let left = ((width - layout.width) / 2.0).round();
    paper.open(&format!(r#"transform="translate({left} {})""#, header.height));
    // Lines below, labels on them, states above all.
    layout.routes.iter().for_each(|route| line(&mut paper, route));
    let (states, start) = layout.nodes.split_at(boxes.len());
    loops(&mut paper, drawn, states, boxes, labels);
    for ((edge, label), at) in drawn.edges.iter().zip(labels).zip(&layout.labels) {
        if let Some(at) = at {
            label.draw(&mut paper, edge, at.x, at.y);
        }
    }
    start.iter().for_each(|at| paper.circle("sg-start", at.x, at.y, style::START_RADIUS));
    for (state, at) in boxes.iter().zip(states) {
        state.draw(&mut paper, at.x, at.y, counts.get(state.name).copied());
    }
    paper.close();
    let legend_top = header.height + layout.height + 28.0;
    let height = legend_top + header::legend(&mut paper, legend_top);
    let title = format!("Workflow {} version {}", workflow.msg_type, workflow.version);
    paper.finish(&title, MARGIN, width, height)
}

/// A line: down or up through layers, over between them, with its head.
fn line(paper: &mut Paper, route: &Route) {
    let Some(first) = route.runs.first() else { return };
    let mut path = format!("M{} {}", first.x, first.from);
    let mut before: Option<&Run> = None;
    for run in &route.runs {
        match before {
            Some(b) if b.x != run.x => {
                let middle = f64::midpoint(b.to, run.from).round();
                let end = format!("{} {middle} {} {}", run.x, run.x, run.from);
                path.push_str(&format!("C{} {middle} {end}", b.x));
            }
            Some(_) => path.push_str(&format!("V{}", run.from)),
            None => {}
        }
        if run.from != run.to {
            path.push_str(&format!("V{}", run.to));
        }
        before = Some(run);
    }
    let class = style::class(route.style);
    paper.path(&format!("sg-line {class}"), &path);
    if let (true, Some(last)) = (route.arrow, before) {
        // Against the direction in which the line comes.
        let back = if route.down { -8 } else { 8 };
        paper.path(&format!("sg-head {class}"), &format!("M{} {}l-4 {back}h8z", last.x, last.to));
    }
}

/// Loops at states, one below the other at the right of the box.
fn loops(
    paper: &mut Paper,
    drawn: &Drawn<'_>,
    states: &[Point],
    boxes: &[StateBox<'_>],
    labels: &[Label],
) {
    let tops = boxes.iter().zip(states).map(|(state, at)| at.y - state.height / 2.0);
    let mut tops: Vec<f64> = tops.collect();
    for (edge, label) in drawn.edges.iter().zip(labels).filter(|(e, _)| e.from == e.to) {
        let right = states[edge.from].x + boxes[edge.from].width / 2.0;
        let slot = label.height + 6.0;
        let middle = tops[edge.from] + slot / 2.0;
        tops[edge.from] += slot;
        let class = style::class(edge.style);
        let (out, back) = (right + LOOP, middle + 6.0);
        let over = format!("C{out} {} {out} {back}", middle - 6.0);
        let path = format!("M{right} {}{over} {right} {back}", middle - 6.0);
        paper.path(&format!("sg-line {class}"), &path);
        paper.path(&format!("sg-head {class}"), &format!("M{right} {back}l8 -4v8z"));
        label.draw(paper, edge, out + label.width / 2.0, middle);
    }
}
