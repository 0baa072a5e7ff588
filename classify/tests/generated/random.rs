//! Numbers that look drawn at random and are the same every time.

/// A generator.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }

    /// A number, both ends included.
    pub(super) fn within(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// One of them.
    pub(super) fn pick(&mut self, from: &[&str]) -> String {
        from[self.below(from.len())].to_owned()
    }

    /// Decimal digits.
    pub(super) fn digits(&mut self, count: usize) -> String {
        self.from("0123456789", count)
    }

    /// Letters and digits.
    pub(super) fn token(&mut self, count: usize) -> String {
        self.from("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789", count)
    }

    /// Capitals and digits.
    pub(super) fn upper(&mut self, count: usize) -> String {
        self.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", count)
    }

    fn from(&mut self, alphabet: &str, count: usize) -> String {
        (0..count).map(|_| char::from(alphabet.as_bytes()[self.below(alphabet.len())])).collect()
    }
}
