//! Ranks: each state below those that lead to it.

use std::collections::BTreeMap;

use super::super::Style;
use super::Line;

/// The most places at which lines pass layers. It bounds the time that a layout
/// takes; the longest lines are cut until the rest is below it.
const PASSES_MAX: usize = 20_000;

/// Nodes in ranks.
#[derive(Debug)]
pub(in crate::graph) struct Ranks {
    /// Each node's, from the top.
    pub(super) of: Vec<usize>,
    /// Whether each line ends behind its label, because it would pass too much.
    cut: Vec<bool>,
}

impl Ranks {
    /// Ranks `count` nodes from `start` on.
    pub(in crate::graph) fn new(count: usize, start: usize, lines: &[Line]) -> Self {
        let downs = acyclic(count, start, lines);
        let of = longest_paths(&downs);
        let cut = too_long(&of, lines);
        Self { of, cut }
    }

    /// Whether this line ends behind its label, which then must say where it leads.
    pub(in crate::graph) fn is_cut(&self, line: usize) -> bool {
        self.cut[line]
    }
}

/// Lines that lead to the same node in the same style and direction.
pub(super) fn trunks(of: &[usize], lines: &[Line]) -> BTreeMap<(usize, Style, bool), Vec<usize>> {
    let mut trunks: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.from != line.to) {
        let down = of[line.from] < of[line.to];
        trunks.entry((line.to, line.style, down)).or_default().push(i);
    }
    trunks
}

/// For each node those that must be below it. Of a circle the line is turned
/// that closes it on the way from the start, flows before failures before
/// persons.
fn acyclic(count: usize, start: usize, lines: &[Line]) -> Vec<Vec<usize>> {
    let found = discover(count, start, lines);
    let mut sorted: Vec<&Line> = lines.iter().filter(|l| l.from != l.to).collect();
    sorted.sort_by_key(|line| {
        let (style, number) = found[line.from];
        (style.max(line.style), number)
    });
    let mut downs = vec![Vec::new(); count];
    for line in sorted {
        // Turned, it adds nothing: `to` is above `from` already.
        if !reaches(&downs, line.to, line.from) {
            downs[line.from].push(line.to);
        }
    }
    downs
}

/// For each node the style of the least usual line that must be taken to it from
/// the start, and its number in the order in which a walk in depth finds them.
fn discover(count: usize, start: usize, lines: &[Line]) -> Vec<(Style, usize)> {
    let mut nexts = vec![Vec::new(); count];
    lines.iter().for_each(|line| nexts[line.from].push((line.style, line.to)));
    let mut found: Vec<Option<(Style, usize)>> = vec![None; count];
    let mut number = 0;
    for root in [start].into_iter().chain(0..count) {
        // One stack a style: the usual lines are walked first.
        let mut open = BTreeMap::from([(Style::Flow, vec![root])]);
        while let Some((style, node)) =
            open.iter_mut().find_map(|(style, stack)| stack.pop().map(|node| (*style, node)))
        {
            if found[node].is_none() {
                found[node] = Some((style, number));
                number += 1;
                for &(by, next) in nexts[node].iter().rev() {
                    open.entry(by.max(style)).or_default().push(next);
                }
            }
        }
    }
    found.into_iter().flatten().collect()
}

/// Whether there is a way down; also from a node to itself.
fn reaches(downs: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; downs.len()];
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if node == to {
            return true;
        }
        if !std::mem::replace(&mut seen[node], true) {
            open.extend(&downs[node]);
        }
    }
    false
}

fn longest_paths(downs: &[Vec<usize>]) -> Vec<usize> {
    let mut above = vec![0; downs.len()];
    downs.iter().flatten().for_each(|&node| above[node] += 1);
    let mut ranks = vec![0; downs.len()];
    let mut ready: Vec<usize> = (0..downs.len()).filter(|&node| above[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &next in &downs[node] {
            ranks[next] = ranks[next].max(ranks[node] + 1);
            above[next] -= 1;
            if above[next] == 0 {
                ready.push(next);
            }
        }
    }
    ranks
}

fn too_long(of: &[usize], lines: &[Line]) -> Vec<bool> {
    let mut cut = vec![false; lines.len()];
    let far = |members: &[usize]| {
        members.iter().map(|&i| of[lines[i].from].abs_diff(of[lines[i].to])).max().unwrap_or(0)
    };
    let mut trunks: Vec<_> = trunks(of, lines).into_values().collect();
    trunks.sort_by_key(|members| far(members));
    let mut passes = 0;
    for members in trunks {
        // Two layers a rank; the first line's label and the node are no passes.
        passes += 2 * far(&members).saturating_sub(1);
        if passes > PASSES_MAX {
            members.iter().for_each(|&i| cut[i] = true);
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: usize, to: usize, style: Style) -> Line {
        Line { from, to, style }
    }

    #[test]
    fn a_state_is_below_those_that_lead_to_it() {
        let lines = [line(0, 1, Style::Flow), line(1, 2, Style::Flow), line(0, 2, Style::Flow)];
        assert_eq!(Ranks::new(3, 0, &lines).of, [0, 1, 2]);
    }

    #[test]
    fn what_closes_a_circle_is_turned() {
        let lines = [line(0, 1, Style::Flow), line(1, 2, Style::Flow), line(2, 1, Style::Flow)];
        assert_eq!(Ranks::new(3, 0, &lines).of, [0, 1, 2]);
        // A redrive is turned, whichever state comes first by name.
        let lines = [
            line(2, 0, Style::Flow),
            line(2, 1, Style::Failure),
            line(0, 1, Style::Failure),
            line(1, 0, Style::Operator),
        ];
        assert_eq!(Ranks::new(3, 2, &lines).of, [1, 2, 0]);
        // What only a failure leads to is not above the start for leading there.
        let lines = [line(1, 2, Style::Flow), line(0, 1, Style::Flow), line(2, 0, Style::Failure)];
        assert_eq!(Ranks::new(3, 1, &lines).of, [2, 0, 1]);
    }

    #[test]
    fn the_longest_lines_are_cut() {
        let chain = 1_000;
        let next = (0..chain - 1).map(|i| line(i, i + 1, Style::Flow));
        let far = (0..500).map(|i| line(i, i + 500, Style::Failure));
        let near = (0..chain - 2).map(|i| line(i, i + 2, Style::Operator));
        let lines: Vec<Line> = next.chain(far).chain(near).collect();
        let ranks = Ranks::new(chain, 0, &lines);
        let cut: Vec<usize> = (0..lines.len()).filter(|&i| ranks.is_cut(i)).collect();
        assert!(!cut.is_empty() && cut.iter().all(|&i| lines[i].style == Style::Failure));
    }
}
