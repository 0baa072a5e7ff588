//! Choices by chance that can be made again.

use std::hash::{BuildHasher as _, RandomState};

/// Yields the same choices for the same seed (SplitMix64).
pub(crate) struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// By `AUDIT_SEED`, or by chance.
    pub(crate) fn new() -> Self {
        let seed = std::env::var("AUDIT_SEED")
            .map_or_else(|_unset| RandomState::new().hash_one(0), |seed| seed.parse().unwrap());
        Self { seed, state: seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::try_from(self.below(u64::try_from(N).unwrap())).unwrap()]
    }
}
