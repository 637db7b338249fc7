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
