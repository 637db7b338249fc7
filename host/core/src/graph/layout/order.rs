//! The order in each layer: by turns each layer is sorted by the middle of its
//! neighbours, then neighbours in a layer change places where that takes
//! crossings away. The best order that came up is kept.

use super::items::Items;

/// How often all layers are sorted. Pictures of tens of states settle within ten.
const SWEEPS_MAX: usize = 24;

/// The most items that are sorted in all sweeps together, so that the largest
/// picture takes well below a second.
const SORTED_MAX: usize = 100_000;

/// How often neighbours change places after a sweep.
const SWAPS_MAX: usize = 8;

/// Orders all layers.
pub(super) fn order(items: &mut Items) {
    let (above, below) = items.neighbours();
    let mut layers = first_order(items, &below);
    let mut position = vec![0; items.all.len()];
    positions(&layers, &mut position);
    let mut best = (crossings(&layers, &below, &position), layers.clone());
    let sweeps = (SORTED_MAX / items.all.len().max(1)).clamp(2, SWEEPS_MAX);
    for sweep in 0..sweeps {
        if best.0 == 0 {
            break;
        }
        let down = sweep % 2 == 0;
        let neighbours = if down { &above } else { &below };
        let count = layers.len();
        for i in 0..count {
            let layer = &mut layers[if down { i } else { count - 1 - i }];
            sort(layer, neighbours, &mut position);
        }
        swap(&mut layers, &above, &below, &mut position);
        let now = crossings(&layers, &below, &position);
        if now < best.0 {
            best = (now, layers.clone());
        }
    }
    items.layers = best.1;
}

/// As a walk down from the top meets them, so that what belongs together is
/// together.
fn first_order(items: &Items, below: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut layers = vec![Vec::new(); items.layers.len()];
    let mut seen = vec![false; items.all.len()];
    for &root in items.layers.iter().flatten() {
        let mut open = vec![root];
        while let Some(item) = open.pop() {
            if !std::mem::replace(&mut seen[item], true) {
                layers[items.all[item].layer].push(item);
                open.extend(below[item].iter().rev());
            }
        }
    }
    layers
}

fn positions(layers: &[Vec<usize>], position: &mut [usize]) {
    for layer in layers {
        layer.iter().enumerate().for_each(|(i, &item)| position[item] = i);
    }
}

fn sort(layer: &mut [usize], neighbours: &[Vec<usize>], position: &mut [usize]) {
    let mut keyed: Vec<(f64, usize)> = layer
        .iter()
        .map(|&item| (median(&neighbours[item], position, position[item]), item))
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (i, (_, item)) in keyed.into_iter().enumerate() {
        layer[i] = item;
        position[item] = i;
    }
}

/// The middle of the neighbours' positions; where it is, for an item without.
fn median(neighbours: &[usize], position: &[usize], own: usize) -> f64 {
    let mut at: Vec<usize> = neighbours.iter().map(|&n| position[n]).collect();
    at.sort_unstable();
    match at.len() {
        0 => own as f64,
        n if n % 2 == 1 => at[n / 2] as f64,
        n => (at[n / 2 - 1] + at[n / 2]) as f64 / 2.0,
    }
}

fn swap(
    layers: &mut [Vec<usize>],
    above: &[Vec<usize>],
    below: &[Vec<usize>],
    position: &mut [usize],
) {
    for _ in 0..SWAPS_MAX {
        let mut better = false;
        for layer in layers.iter_mut() {
            for i in 1..layer.len() {
                let (a, b) = (layer[i - 1], layer[i]);
                let cost = |a: usize, b: usize| {
                    pair(&above[a], &above[b], position) + pair(&below[a], &below[b], position)
                };
                if cost(b, a) < cost(a, b) {
                    layer.swap(i - 1, i);
                    (position[a], position[b]) = (i, i - 1);
                    better = true;
                }
            }
        }
        if !better {
            break;
        }
    }
}

/// How often lines of the left of two items cross lines of the right one.
fn pair(left: &[usize], right: &[usize], position: &[usize]) -> usize {
    let mut right: Vec<usize> = right.iter().map(|&n| position[n]).collect();
    right.sort_unstable();
    left.iter().map(|&n| right.partition_point(|&r| r < position[n])).sum()
}

/// All crossings of an order, by counting inversions layer by layer.
fn crossings(layers: &[Vec<usize>], below: &[Vec<usize>], position: &[usize]) -> usize {
    let mut count = 0;
    for pair in layers.windows(2) {
        // A Fenwick tree over the lower layer.
        let mut tree = vec![0; pair[1].len() + 1];
        let mut seen = 0;
        for &item in &pair[0] {
            let mut ends: Vec<usize> = below[item].iter().map(|&n| position[n]).collect();
            ends.sort_unstable();
            for &end in &ends {
                count += seen - sum(&tree, end + 1);
            }
            for &end in &ends {
                seen += 1;
                let mut i = end + 1;
                while i < tree.len() {
                    tree[i] += 1;
                    i += i & i.wrapping_neg();
                }
            }
        }
    }
    count
}

/// How many ends are among the first `n` of a layer.
fn sum(tree: &[usize], n: usize) -> usize {
    let mut i = n;
    let mut sum = 0;
    while i > 0 {
        sum += tree[i];
        i &= i - 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_are_counted() {
        // Items 0, 1 above 2, 3: 0 to 3 and 1 to 2 cross; 0 to 2 meets none.
        let below = vec![vec![3, 2], vec![2], vec![], vec![]];
        let layers = vec![vec![0, 1], vec![2, 3]];
        assert_eq!(crossings(&layers, &below, &[0, 1, 0, 1]), 1);
        assert_eq!(crossings(&[vec![0, 1], vec![3, 2]], &below, &[0, 1, 1, 0]), 0);
        assert_eq!(pair(&below[0], &below[1], &[0, 1, 0, 1]), 1);
    }
}
