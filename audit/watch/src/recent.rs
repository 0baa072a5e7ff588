//! What is remembered of things that the guest can make many of: a bounded number, the latest used ones.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A map of at least `most` and less than twice `most` keys. Two generations: when the young one is full it becomes the old
/// one, and what nobody used since is forgotten. Every step costs the same, however many keys a guest invents.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    most: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V: Default> Recent<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, young: HashMap::new(), old: HashMap::new() }
    }

    /// What is known of `key`; a new one, if nothing is.
    pub(crate) fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let known = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.most {
                self.old = std::mem::take(&mut self.young);
            }
            return self.young.entry(key).or_insert(known);
        }
        self.young.entry(key).or_default()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// Events of the last while, up to a number: enough to tell whether that many happened.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Moment, number of the record, and how many it stands for.
    events: VecDeque<(u64, u64, u64)>,
    sum: u64,
    quiet_until: u64,
}

impl Tally {
    /// Adds an event of record `sequence` at `now`; the numbers of the records, when there are `threshold` within `window`
    /// and that was not said within `window` before.
    pub(crate) fn add(
        &mut self,
        (now, sequence): (u64, u64),
        times: u64,
        threshold: u64,
        window: u64,
    ) -> Option<(u64, Vec<u64>)> {
        let times = times.clamp(1, threshold.max(1));
        self.events.push_back((now, sequence, times));
        self.sum += times;
        while let Some(&(then, _, weight)) = self.events.front()
            && (now.saturating_sub(then) > window || self.sum - weight >= threshold)
        {
            self.events.pop_front();
            self.sum -= weight;
        }
        if self.sum < threshold || now < self.quiet_until {
            return None;
        }
        self.quiet_until = now.saturating_add(window);
        Some((self.sum, self.events.iter().map(|(_, sequence, _)| *sequence).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_keys_takes_no_more_than_the_bound() {
        let mut recent: Recent<u64, u64> = Recent::new(100);
        for key in 0..1_000_000 {
            *recent.entry(key) += 1;
            *recent.entry(7) += 1;
        }
        assert!(recent.len() <= 200, "{}", recent.len());
        // What is used stays, whatever floods by.
        assert_eq!(*recent.entry(7), 1_000_001);
    }

    #[test]
    fn a_tally_counts_within_its_window_and_says_it_once() {
        let mut tally = Tally::default();
        assert_eq!(tally.add((0, 1), 1, 3, 10), None);
        assert_eq!(tally.add((11, 2), 1, 3, 10), None, "the first is too old");
        assert_eq!(tally.add((12, 3), 1, 3, 10), None);
        assert_eq!(tally.add((13, 4), 1, 3, 10), Some((3, vec![2, 3, 4])));
        assert_eq!(tally.add((14, 5), 1, 3, 10), None, "said already");
        assert_eq!(tally.add((40, 6), u64::MAX, 3, 10), Some((3, vec![6])));
        for moment in 0..10_000 {
            tally.add((50, moment), 1, 3, 10);
        }
        assert!(tally.events.len() <= 3);
    }
}
