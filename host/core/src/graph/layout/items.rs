//! What lies in the layers. States in the even ones, labels in the odd ones, and
//! in both lines that pass.

use super::super::Style;
use super::rank::{Ranks, trunks};
use super::{Line, Size};

/// The room that a passing line has.
const PASS: f64 = 8.0;

/// How straight lines are that pass.
const PASS_WEIGHT: f64 = 8.0;

/// Something in a layer.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) what: What,
    pub(super) layer: usize,
    pub(super) size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A node.
    Node(usize),
    /// A line's label.
    Label(usize),
    /// A line, or several in one.
    Pass,
}

/// A piece of a line from one layer to the next.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) upper: usize,
    pub(super) lower: usize,
    /// How much it wants to be straight.
    pub(super) weight: f64,
}

/// A line in one stroke: that of an edge from its state to where it joins
/// others, or what is common to several.
#[derive(Debug)]
pub(super) struct Stroke {
    pub(super) style: Style,
    /// From top to bottom or back.
    pub(super) down: bool,
    /// In the direction of the line.
    pub(super) links: Vec<usize>,
    /// Whether it ends at a state, or is cut short of it.
    pub(super) arrow: bool,
}

/// All that lies in the layers.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) all: Vec<Item>,
    pub(super) links: Vec<Link>,
    pub(super) strokes: Vec<Stroke>,
    /// Items by layer, from the top, each from the left.
    pub(super) layers: Vec<Vec<usize>>,
    /// What should lie in one vertical, from a label on to before its state.
    pub(super) columns: Vec<Vec<usize>>,
}

impl Items {
    pub(super) fn new(ranks: &Ranks, lines: &[Line], nodes: &[Size], labels: &[Size]) -> Self {
        let count = ranks.of.iter().max().map_or(0, |max| 2 * max + 1);
        let mut items = Self {
            all: Vec::new(),
            links: Vec::new(),
            strokes: Vec::new(),
            layers: vec![Vec::new(); count],
            columns: Vec::new(),
        };
        let mut ends = vec![true; nodes.len()];
        lines.iter().filter(|l| l.style == Style::Flow).for_each(|l| ends[l.from] = false);
        for (node, size) in nodes.iter().enumerate() {
            items.add(What::Node(node), 2 * ranks.of[node], *size);
        }
        for ((to, style, down), members) in trunks(&ranks.of, lines) {
            let weight = straight(style, ends[to] || !down);
            items.trunk(ranks, lines, labels, Trunk { to, style, down, weight, members });
        }
        items
    }

    /// The items above and below each item.
    pub(super) fn neighbours(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut above = vec![Vec::new(); self.all.len()];
        let mut below = vec![Vec::new(); self.all.len()];
        for Link { upper, lower, .. } in &self.links {
            above[*lower].push(*upper);
            below[*upper].push(*lower);
        }
        (above, below)
    }

    fn add(&mut self, what: What, layer: usize, size: Size) -> usize {
        self.all.push(Item { what, layer, size });
        self.layers[layer].push(self.all.len() - 1);
        self.all.len() - 1
    }

    fn link(&mut self, from: usize, to: usize, weight: f64, down: bool) -> usize {
        let (upper, lower) = if down { (from, to) } else { (to, from) };
        self.links.push(Link { upper, lower, weight });
        self.links.len() - 1
    }

    /// Adds lines to one node: their labels beside where they come from, and what
    /// they pass together.
    fn trunk(&mut self, ranks: &Ranks, lines: &[Line], labels: &[Size], trunk: Trunk) {
        let Trunk { to, style, down, weight, members } = trunk;
        let end = 2 * ranks.of[to];
        // Steps from the node's layer against the direction of the line.
        let back = |steps: usize| if down { end - steps } else { end + steps };
        let far = members.iter().map(|&i| (2 * ranks.of[lines[i].from]).abs_diff(end)).max();
        let is_cut = members.iter().any(|&i| ranks.is_cut(i));
        // passes[i] is i steps away; the node itself is at 0.
        let mut passes = vec![to];
        let mut common = Vec::new();
        if !is_cut {
            for steps in 1..far.unwrap_or(0).saturating_sub(1) {
                let pass = self.add(What::Pass, back(steps), Size::even(PASS, 0.0));
                let weight = if steps == 1 { weight } else { PASS_WEIGHT };
                common.push(self.link(pass, passes[steps - 1], weight, down));
                passes.push(pass);
            }
        }
        common.reverse();
        if !common.is_empty() {
            self.strokes.push(Stroke { style, down, links: common, arrow: true });
        }
        for &i in &members {
            let steps = (2 * ranks.of[lines[i].from]).abs_diff(end) - 1;
            let label = self.add(What::Label(i), back(steps), labels[i]);
            let mut links = vec![self.link(lines[i].from, label, weight, down)];
            if !is_cut {
                links.push(self.link(label, passes[steps - 1], weight, down));
            }
            self.strokes.push(Stroke { style, down, links, arrow: steps == 1 || is_cut });
            if Some(steps + 1) == far && !is_cut {
                let column = passes.iter().skip(1).copied().chain([label]).collect();
                self.columns.push(column);
            }
        }
    }
}

/// Lines of one style and direction to one node.
struct Trunk {
    to: usize,
    style: Style,
    down: bool,
    weight: f64,
    members: Vec<usize>,
}

/// How straight a line is to be; flows that lead on more than those that end.
fn straight(style: Style, ends: bool) -> f64 {
    match style {
        Style::Flow if ends => 2.0,
        Style::Flow => 6.0,
        Style::Failure => 1.0,
        Style::Operator => 0.5,
    }
}
