//! Lines: straight through each layer, and over to the next in between.

use super::super::Style;
use super::items::{Items, What};
use super::place::{Placed, in_order};

/// What stays free of lines at a node's corners.
const CORNER: f64 = 26.0;

/// Between two lines at a node, if there is room.
const PORT_GAP: f64 = 16.0;

/// How far a line with a head goes straight before it ends.
const HEAD: f64 = 8.0;

/// How far a line goes on behind its label when it is cut.
const CUT: f64 = 12.0;

/// A line as it is drawn: vertical runs, joined by curves.
#[derive(Debug)]
pub(in crate::graph) struct Route {
    pub(in crate::graph) style: Style,
    /// Whether its end is below its beginning.
    pub(in crate::graph) down: bool,
    pub(in crate::graph) runs: Vec<Run>,
    /// Whether it has a head; one that joins another has none.
    pub(in crate::graph) arrow: bool,
}

/// A vertical run.
#[derive(Debug, Clone, Copy)]
pub(in crate::graph) struct Run {
    pub(in crate::graph) x: f64,
    pub(in crate::graph) from: f64,
    pub(in crate::graph) to: f64,
}

/// Draws all lines.
pub(super) fn routes(items: &Items, placed: &Placed) -> Vec<Route> {
    let ports = Ports::new(items, placed);
    let route = |stroke: &super::items::Stroke| {
        let runs = runs(items, placed, &ports, stroke);
        Route { style: stroke.style, down: stroke.down, runs, arrow: stroke.arrow }
    };
    items.strokes.iter().map(route).collect()
}

/// Where each link begins and ends.
struct Ports {
    upper: Vec<f64>,
    lower: Vec<f64>,
}

impl Ports {
    fn new(items: &Items, placed: &Placed) -> Self {
        let mut below = vec![Vec::new(); items.all.len()];
        let mut above = vec![Vec::new(); items.all.len()];
        for (i, link) in items.links.iter().enumerate() {
            below[link.upper].push((placed.x[link.lower], i));
            above[link.lower].push((placed.x[link.upper], i));
        }
        let mut ports = Self {
            upper: items.links.iter().map(|link| placed.x[link.upper]).collect(),
            lower: items.links.iter().map(|link| placed.x[link.lower]).collect(),
        };
        for (i, item) in items.all.iter().enumerate() {
            if let What::Node(_) = item.what {
                // The left half, because loops may lengthen the right one.
                let half = item.size.left;
                let room = 2.0 * (half - CORNER).max(half / 2.0);
                spread(&mut below[i], placed.x[i], room, &mut ports.upper);
                spread(&mut above[i], placed.x[i], room, &mut ports.lower);
            }
        }
        ports
    }
}

/// Gives the lines at one side of a node places side by side, in the order of
/// where they come from and as near to it as they can be.
fn spread(ends: &mut [(f64, usize)], middle: f64, room: f64, ports: &mut [f64]) {
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gaps = ends.len().saturating_sub(1) as f64;
    let gap = PORT_GAP.min(room / gaps.max(1.0));
    // Without their distances they need only be in order, in what room is left.
    let from = middle - room / 2.0;
    let to = from + room - gap * gaps;
    let wanted = ends.iter().enumerate().map(|(n, (x, _))| (x - n as f64 * gap, 1.0));
    let places = in_order(wanted);
    for (n, ((_, link), place)) in ends.iter().zip(places).enumerate() {
        ports[*link] = (place.clamp(from, to) + n as f64 * gap).round();
    }
}

fn runs(items: &Items, placed: &Placed, ports: &Ports, stroke: &super::items::Stroke) -> Vec<Run> {
    let down = stroke.down;
    // The run of the item at the beginning or at the end of a link.
    let run = |link: usize, begin: bool| {
        let is_upper = begin == down;
        let (item, x) = match is_upper {
            true => (items.links[link].upper, ports.upper[link]),
            false => (items.links[link].lower, ports.lower[link]),
        };
        let band = placed.bands[items.all[item].layer];
        let (enter, leave) = if down { (band.top, band.bottom) } else { (band.bottom, band.top) };
        match items.all[item].what {
            What::Node(_) => {
                let half = items.all[item].size.height / 2.0;
                let edge = band.middle() + if is_upper { half } else { -half };
                let (from, to) = if begin { (edge, leave) } else { (enter, edge) };
                Run { x, from, to }
            }
            What::Label(_) | What::Pass => Run { x, from: enter, to: leave },
        }
    };
    let mut runs: Vec<Run> =
        stroke.links.first().map(|&first| run(first, true)).into_iter().collect();
    runs.extend(stroke.links.iter().map(|&link| run(link, false)));
    let ends_at = stroke.links.last().map(|&last| {
        let link = &items.links[last];
        items.all[if down { link.lower } else { link.upper }].what
    });
    if let (Some(what), Some(last)) = (ends_at, runs.last_mut()) {
        match what {
            What::Node(_) => last.from += if down { -HEAD } else { HEAD },
            // It joins where the other line enters the layer.
            What::Pass => last.to = last.from,
            What::Label(_) => last.to += if down { CUT } else { -CUT },
        }
    }
    runs
}
