//! Counting what a guest can make many kinds of.

use std::collections::BTreeMap;

/// Kinds that are counted each; what is beyond them is counted together.
const MOST: usize = 4096;

/// Longest name of a kind, in characters.
const LONGEST: usize = 200;

/// How often each of many things was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    each: BTreeMap<String, u64>,
    others: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, name: &str, times: u64) {
        let name: String = name.chars().take(LONGEST).collect();
        if self.each.len() >= MOST && !self.each.contains_key(&name) {
            self.others = self.others.saturating_add(times);
            return;
        }
        let count = self.each.entry(name).or_default();
        *count = count.saturating_add(times);
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        self.each.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> u64 {
        self.each.values().fold(self.others, |sum, count| sum.saturating_add(*count))
    }

    /// By name.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, u64)> {
        self.each.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// The most frequent first; the last row stands for all that are not shown.
    pub(crate) fn top(&self, most: usize) -> Vec<(String, u64)> {
        let mut all: Vec<_> = self.each.iter().map(|(name, count)| (name.clone(), *count)).collect();
        all.sort_by(|(left, many), (right, more)| more.cmp(many).then_with(|| left.cmp(right)));
        let rest = all.split_off(most.min(all.len()));
        let others = rest.iter().fold(self.others, |sum, (_, count)| sum.saturating_add(*count));
        if others > 0 {
            all.push((format!("others ({} or more)", rest.len().max(1)), others));
        }
        all
    }
}
