//! Coordinates. In each layer the items keep their order and their distance, and
//! come as near as they can to where their neighbours want them.

use super::items::{Items, Link};

/// Between two items of a layer.
const ITEM_GAP: f64 = 18.0;

/// Between two layers, and how much more when lines go far sideways in it.
const LAYER_GAP: f64 = 14.0;
const LAYER_GAP_MAX: f64 = 44.0;
/// A line may go so many pixels sideways for each one down.
const SLOPE: f64 = 14.0;

/// How often all layers are placed, down and up.
const SWEEPS: usize = 16;

/// How often columns are made straight: one that gives way makes room for others.
const STRAIGHTENINGS: usize = 6;

/// The vertical room of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Band {
    pub(super) fn middle(self) -> f64 {
        f64::midpoint(self.top, self.bottom).round()
    }
}

/// Where items are.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Each item's middle line.
    pub(super) x: Vec<f64>,
    /// Each layer's room.
    pub(super) bands: Vec<Band>,
}

/// Places all items.
pub(super) fn place(items: &Items) -> Placed {
    let (above, below) = pulls(items);
    let mut x = vec![0.0; items.all.len()];
    for layer in &items.layers {
        settle(items, layer, &mut x, &vec![(0.0, 1.0); layer.len()]);
    }
    for sweep in 0..SWEEPS {
        // In the end both sides have their say.
        let both = sweep >= SWEEPS / 2;
        for layer in &items.layers {
            pull(items, layer, &mut x, &above, both.then_some(&below));
        }
        for layer in items.layers.iter().rev() {
            pull(items, layer, &mut x, &below, both.then_some(&above));
        }
    }
    straighten(items, &mut x);
    let left = |i: usize| x[i] - items.all[i].size.left;
    let least = (0..x.len()).map(left).fold(f64::INFINITY, f64::min);
    let x: Vec<f64> = x.iter().map(|x| (x - least).round()).collect();
    let right = |i: usize| x[i] + items.all[i].size.right;
    let width = (0..x.len()).map(right).fold(0.0, f64::max).ceil();
    let bands = bands(items, &x);
    let height = bands.last().map_or(0.0, |band| band.bottom);
    Placed { width, height, x, bands }
}

type Pulls = Vec<Vec<(usize, f64)>>;

/// What pulls at each item from above and from below, and how much.
fn pulls(items: &Items) -> (Pulls, Pulls) {
    let mut above = vec![Vec::new(); items.all.len()];
    let mut below = vec![Vec::new(); items.all.len()];
    for Link { upper, lower, weight } in &items.links {
        above[*lower].push((*upper, *weight));
        below[*upper].push((*lower, *weight));
    }
    (above, below)
}

fn pull(items: &Items, layer: &[usize], x: &mut [f64], one: &Pulls, other: Option<&Pulls>) {
    let wanted = |&item: &usize| {
        let other = other.map_or(&[][..], |other| &other[item]);
        let pulls = one[item].iter().chain(other);
        let (sum, weight) = pulls.fold((0.0, 0.0), |(sum, weight), &(neighbour, w)| {
            (sum + w * x[neighbour], weight + w)
        });
        // What nothing pulls at stays, as long as nothing pushes.
        if weight > 0.0 { (sum / weight, weight) } else { (x[item], 0.01) }
    };
    let wanted: Vec<(f64, f64)> = layer.iter().map(wanted).collect();
    settle(items, layer, x, &wanted);
}

/// Places a layer: each item as near to where it wants to be as order and
/// distances allow. `wanted` has for each item where, and how much.
fn settle(items: &Items, layer: &[usize], x: &mut [f64], wanted: &[(f64, f64)]) {
    let mut offsets = vec![0.0; layer.len()];
    for (i, pair) in layer.windows(2).enumerate() {
        let (left, right) = (items.all[pair[0]].size, items.all[pair[1]].size);
        offsets[i + 1] = offsets[i] + left.right + ITEM_GAP + right.left;
    }
    // Without their distances they need only be in order.
    let places = in_order(wanted.iter().zip(&offsets).map(|((at, w), offset)| (at - offset, *w)));
    for ((&item, offset), place) in layer.iter().zip(&offsets).zip(places) {
        x[item] = place + offset;
    }
}

/// Of all places that are in order those with the least weighted squares of the
/// distances to the wanted: isotonic regression, by pooling adjacent violators.
pub(super) fn in_order(wanted: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    // How many are at one place, the place, their weight.
    let mut pools: Vec<(usize, f64, f64)> = Vec::new();
    for (at, weight) in wanted {
        let mut pool = (1, at, weight);
        while let Some((count, at, weight)) = pools.pop_if(|(_, at, _)| *at > pool.1) {
            let sum = weight + pool.2;
            pool = (count + pool.0, (at * weight + pool.1 * pool.2) / sum, sum);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(count, at, _)| std::iter::repeat_n(at, count)).collect()
}

/// Puts what passes layers into as few verticals as there is room for, and leaves
/// all else where it is.
fn straighten(items: &Items, x: &mut [f64]) {
    let mut sides = vec![(None, None); items.all.len()];
    for pair in items.layers.iter().flat_map(|layer| layer.windows(2)) {
        sides[pair[0]].1 = Some(pair[1]);
        sides[pair[1]].0 = Some(pair[0]);
    }
    let room = |item: usize, x: &[f64]| {
        let size = |i: usize| items.all[i].size;
        let (left, right) = sides[item];
        let from = left.map(|l: usize| x[l] + size(l).right + ITEM_GAP + size(item).left);
        let to = right.map(|r: usize| x[r] - size(r).left - ITEM_GAP - size(item).right);
        (from.unwrap_or(f64::NEG_INFINITY), to.unwrap_or(f64::INFINITY))
    };
    for column in std::iter::repeat_n(&items.columns, STRAIGHTENINGS).flatten() {
        let mut rest = &column[..];
        while let Some(&first) = rest.first() {
            let (mut from, mut to) = room(first, x);
            let mut count = 1;
            for &item in &rest[1..] {
                let (item_from, item_to) = room(item, x);
                if from.max(item_from) > to.min(item_to) {
                    break;
                }
                (from, to) = (from.max(item_from), to.min(item_to));
                count += 1;
            }
            let (these, others) = rest.split_at(count);
            let mean = these.iter().map(|&i| x[i]).sum::<f64>() / count as f64;
            these.iter().for_each(|&i| x[i] = mean.max(from).min(to));
            rest = others;
        }
    }
}

fn bands(items: &Items, x: &[f64]) -> Vec<Band> {
    let mut sideways: Vec<f64> = vec![0.0; items.layers.len()];
    for Link { upper, lower, .. } in &items.links {
        let gap = &mut sideways[items.all[*upper].layer];
        *gap = gap.max((x[*upper] - x[*lower]).abs());
    }
    let mut y = 0.0;
    let mut bands = Vec::with_capacity(items.layers.len());
    for (layer, sideways) in items.layers.iter().zip(sideways) {
        let height = layer.iter().map(|&i| items.all[i].size.height).fold(0.0, f64::max).ceil();
        bands.push(Band { top: y, bottom: y + height });
        y += height + (LAYER_GAP + sideways / SLOPE).min(LAYER_GAP_MAX).round();
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wants_to_be_out_of_order_meets_in_the_middle() {
        let places = |wanted: &[(f64, f64)]| in_order(wanted.iter().copied());
        assert_eq!(places(&[(1.0, 1.0), (2.0, 1.0)]), [1.0, 2.0]);
        assert_eq!(places(&[(4.0, 1.0), (0.0, 3.0), (9.0, 1.0)]), [1.0, 1.0, 9.0]);
        assert_eq!(places(&[(6.0, 1.0), (5.0, 1.0), (1.0, 1.0)]), [4.0; 3]);
    }
}
