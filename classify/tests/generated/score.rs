//! Precision, recall and F2 of each category over generated cases.

use std::collections::BTreeMap;

use classify::{Found, Scanner};

use super::corpus::Case;

/// Found and right, found and wrong, missed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Score {
    pub(super) right: u32,
    pub(super) wrong: u32,
    pub(super) missed: u32,
}

/// Scores by category, and what went wrong, case by case.
#[derive(Default)]
pub(super) struct Report {
    pub(super) scores: BTreeMap<String, Score>,
    pub(super) faults: Vec<String>,
}

impl Score {
    pub(super) fn precision(self) -> f64 {
        ratio(self.right, self.right + self.wrong)
    }

    pub(super) fn recall(self) -> f64 {
        ratio(self.right, self.right + self.missed)
    }

    /// The mean of precision and recall in which recall counts twice as much.
    pub(super) fn f2(self) -> f64 {
        let (precision, recall) = (self.precision(), self.recall());
        if precision + recall == 0.0 { 0.0 } else { 5.0 * precision * recall / (4.0 * precision + recall) }
    }
}

impl Report {
    /// Classifies every case.
    pub(super) fn of(scanner: &Scanner, cases: &[Case]) -> Self {
        let mut report = Self::default();
        for case in cases {
            let mut found = Found::default();
            scanner.scan(case.text.clone(), &mut found);
            let found: BTreeMap<String, u32> =
                found.into_findings().iter().map(|(category, count)| (category.to_string(), count)).collect();
            report.add(case, &found);
        }
        report
    }

    /// All categories together.
    pub(super) fn total(&self) -> Score {
        self.scores.values().fold(Score::default(), |total, score| Score {
            right: total.right + score.right,
            wrong: total.wrong + score.wrong,
            missed: total.missed + score.missed,
        })
    }

    fn add(&mut self, case: &Case, found: &BTreeMap<String, u32>) {
        let categories = case.expected.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>();
        for category in categories {
            let count = |counts: &BTreeMap<String, u32>| counts.get(category).copied().unwrap_or_default();
            let (expected, found) = (count(&case.expected), count(found));
            let score = self.scores.entry(category.clone()).or_default();
            score.right += expected.min(found);
            score.wrong += found.saturating_sub(expected);
            score.missed += expected.saturating_sub(found);
            if expected != found {
                let what = if found < expected { "missed" } else { "wrong" };
                self.faults.push(format!(
                    "{what} {category} ({}): {}",
                    case.sort,
                    case.text.replace('\n', " ⏎ ")
                ));
            }
        }
    }
}

fn ratio(part: u32, whole: u32) -> f64 {
    if whole == 0 { 1.0 } else { f64::from(part) / f64::from(whole) }
}
