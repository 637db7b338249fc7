//! Chance from a seed: a sequential test repeats exactly.

use std::collections::BTreeMap;

/// How often something goes wrong, in which operations, and how many times at most.
/// Off unless said otherwise.
///
/// ```
/// use surety_cloud::Knob;
/// let every_third_or_so = Knob::chance(0.3);
/// let the_first_delete = Knob::always().of(&["DeleteMessage"]).times(1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Knob {
    chance: f64,
    /// Empty: all.
    operations: Vec<&'static str>,
    left: Option<u64>,
}

impl Knob {
    /// Never.
    pub fn off() -> Self {
        Self::default()
    }

    /// Every time.
    pub fn always() -> Self {
        Self::chance(1.0)
    }

    /// With this probability, 0 to 1.
    pub fn chance(probability: f64) -> Self {
        Self { chance: probability, ..Self::default() }
    }

    /// Only in these operations, by AWS's names.
    #[must_use]
    pub fn of(mut self, operations: &[&'static str]) -> Self {
        self.operations = operations.to_vec();
        self
    }

    /// Only the first so many times that it would happen.
    #[must_use]
    pub fn times(mut self, most: u64) -> Self {
        self.left = Some(most);
        self
    }
}

/// Numbers from a seed, and what came of them.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    pub(crate) seed: u64,
    state: u64,
    /// How often each knob hit, by the knob's name.
    pub(crate) hits: BTreeMap<&'static str, u64>,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, state: seed, hits: BTreeMap::new() }
    }

    /// SplitMix64, by Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators", 2014.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `end`, without it; 0 when it is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// The same for an index.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Whether the knob of this name hits in this operation. A knob that is off
    /// draws nothing, so that turning one on does not change what the others do
    /// before its first hit.
    pub(crate) fn hits(&mut self, name: &'static str, knob: &mut Knob, operation: &str) -> bool {
        let here = knob.operations.is_empty() || knob.operations.contains(&operation);
        if knob.chance <= 0.0 || knob.left == Some(0) || !here {
            return false;
        }
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let hit = drawn < knob.chance;
        if hit {
            knob.left = knob.left.map(|left| left - 1);
            *self.hits.entry(name).or_default() += 1;
        }
        hit
    }

    /// Any order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = self.index(end + 1);
            items.swap(end, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_splitmix64() {
        // The first three of seed 1234567, as in the reference implementation's tests.
        let mut dice = Dice::new(1_234_567);
        let drawn = [dice.next(), dice.next(), dice.next()];
        let known =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(drawn, known);
    }

    #[test]
    fn a_knob_hits_as_often_as_it_says_where_it_says() {
        let mut dice = Dice::new(1);
        let mut third = Knob::chance(0.3).of(&["A"]);
        let hits = (0..10_000).filter(|_| dice.hits("third", &mut third, "A")).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!(!dice.hits("third", &mut third, "B"));
        let mut twice = Knob::always().times(2);
        let hits = (0..10).filter(|_| dice.hits("twice", &mut twice, "A")).count();
        assert_eq!((hits, dice.hits["twice"]), (2, 2));
        let before = dice.state;
        assert!(!dice.hits("off", &mut Knob::off(), "A"));
        assert_eq!(dice.state, before);
    }

    #[test]
    fn shuffling_keeps_all_and_repeats() {
        let shuffled = |seed| {
            let mut items: Vec<_> = (0..10).collect();
            Dice::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(shuffled(7), shuffled(7));
        assert_ne!(shuffled(7), shuffled(8));
        let mut sorted = shuffled(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
    }
}
