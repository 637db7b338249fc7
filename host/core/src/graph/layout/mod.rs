//! Where things go in a picture that is read from top to bottom, in layers.
//!
//! ```text
//!  rank    states in ranks; circles are cut
//!  items   what lies in the layers: states, labels between them, passing lines
//!  order   the order in each layer, with few crossings
//!  place   coordinates
//!  routes  lines, from top to bottom of each layer and over to the next
//! ```
//!
//! Lines of one style to one state join as soon as they pass another layer, so
//! that a picture has one line to `failed` and not one from every state. Labels
//! lie in layers of their own, so that nothing is drawn over them; and lines
//! cross layers only straight down, beside what else is there.

mod items;
mod order;
mod place;
mod rank;
mod routes;

use super::Style;
pub(super) use rank::Ranks;
pub(super) use routes::{Route, Run};

/// How far something reaches from its middle line, and how high it is, in pixels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) height: f64,
}

impl Size {
    /// As far to the left as to the right.
    pub(super) fn even(width: f64, height: f64) -> Self {
        Self { left: width / 2.0, right: width / 2.0, height }
    }
}

/// An edge without what is written on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) style: Style,
}

/// A place, in pixels from the top left.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where things are.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The middles of the nodes.
    pub(super) nodes: Vec<Point>,
    /// The middles of the lines' labels; none for a loop at a state.
    pub(super) labels: Vec<Option<Point>>,
    pub(super) routes: Vec<Route>,
}

/// Lays out. `labels` has a size for each line.
pub(super) fn layout(ranks: &Ranks, lines: &[Line], nodes: &[Size], labels: &[Size]) -> Layout {
    let mut items = items::Items::new(ranks, lines, nodes, labels);
    order::order(&mut items);
    let placed = place::place(&items);
    let routes = routes::routes(&items, &placed);
    let mut layout = Layout {
        width: placed.width,
        height: placed.height,
        nodes: vec![Point::default(); nodes.len()],
        labels: vec![None; lines.len()],
        routes,
    };
    for (i, item) in items.all.iter().enumerate() {
        let point = Point { x: placed.x[i], y: placed.bands[item.layer].middle() };
        match item.what {
            items::What::Node(node) => layout.nodes[node] = point,
            items::What::Label(line) => layout.labels[line] = Some(point),
            items::What::Pass => {}
        }
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left, top, right, bottom.
    type Rect = (f64, f64, f64, f64);

    fn rect(at: Point, size: Size) -> Rect {
        let half = size.height / 2.0;
        (at.x - size.left, at.y - half, at.x + size.right, at.y + half)
    }

    /// Whether they share more than an edge and what rounding adds to it.
    fn overlap(a: Rect, b: Rect) -> bool {
        a.0 + 1.0 < b.2 && b.0 + 1.0 < a.2 && a.1 + 1.0 < b.3 && b.1 + 1.0 < a.3
    }

    /// A graph with any lines, the same for the same seed.
    fn graph(nodes: usize, lines: usize, seed: u64) -> Vec<Line> {
        let mut state = seed;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let styles = [Style::Flow, Style::Flow, Style::Failure, Style::Operator];
        let mut all: Vec<Line> = (0..lines)
            .map(|_| Line { from: next(nodes), to: next(nodes), style: styles[next(4)] })
            .collect();
        all.sort_by_key(|line| (line.style, line.from, line.to));
        all.dedup_by_key(|line| (line.style, line.from, line.to));
        all
    }

    #[test]
    fn nothing_lies_on_anything_else() {
        for (nodes, count, seed) in [(1, 0, 1), (2, 5, 2), (8, 14, 3), (25, 60, 4), (60, 200, 5)] {
            let lines = graph(nodes, count, seed);
            let size = |i: usize| Size { left: 50.0, right: 60.0, height: [44.0, 60.0][i % 2] };
            let boxes: Vec<Size> = (0..nodes).map(size).collect();
            let labels: Vec<Size> =
                (0..lines.len()).map(|i| Size::even(40.0 + 30.0 * (i % 4) as f64, 28.0)).collect();
            let layout = layout(&Ranks::new(nodes, 0, &lines), &lines, &boxes, &labels);
            let boxes: Vec<Rect> =
                layout.nodes.iter().zip(&boxes).map(|(at, size)| rect(*at, *size)).collect();
            let labels = layout.labels.iter().zip(&labels);
            let labels = labels.filter_map(|(at, size)| at.map(|at| rect(at, *size)));
            let all: Vec<Rect> = boxes.iter().copied().chain(labels).collect();
            for (i, a) in all.iter().enumerate() {
                assert!(!all[..i].iter().any(|b| overlap(*a, *b)), "{seed}: {a:?}");
                assert!(a.0 >= 0.0 && a.1 >= 0.0 && a.2 <= layout.width && a.3 <= layout.height);
            }
            for route in &layout.routes {
                assert!(!pieces(route).iter().any(|a| boxes.iter().any(|b| overlap(*a, *b))));
            }
        }
    }

    /// The room of each run and of each curve to the next.
    fn pieces(route: &Route) -> Vec<Rect> {
        let thick = |x: f64, y: f64, other: f64, end: f64| {
            (x.min(other) - 1.0, y.min(end), x.max(other) + 1.0, y.max(end))
        };
        let runs = route.runs.iter().map(|run| thick(run.x, run.from, run.x, run.to));
        let curves = route.runs.windows(2).map(|w| thick(w[0].x, w[0].to, w[1].x, w[1].from));
        runs.chain(curves).collect()
    }
}
