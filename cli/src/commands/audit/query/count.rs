//! `--count`: how many records there are, in all or of each value of a field.

use std::collections::BTreeMap;

use audit::{Decision, Record, Subject};
use audit_export::format::printable;
use audit_query::Found;

use crate::arguments::CountedBy;

/// Most values that are counted apart: a guest can invent any number of hosts.
const MOST: usize = 100_000;

/// Counts, and how many records had none of the values that are counted apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    of: BTreeMap<String, u64>,
    others: u64,
}

pub(super) fn print(found: impl Iterator<Item = Found>, by: Option<CountedBy>) {
    let (mut all, mut counts) = (0_u64, Counts::default());
    for found in found {
        all += 1;
        if let Some(by) = by {
            values(&found.record, by).into_iter().for_each(|value| counts.add(value));
        }
    }
    if by.is_none() {
        println!("{all}");
        return;
    }
    for (value, count) in counts.sorted() {
        println!("{count:>10}  {}", printable(&value));
    }
}

impl Counts {
    fn add(&mut self, value: &str) {
        if let Some(count) = self.of.get_mut(value) {
            *count += 1;
        } else if self.of.len() < MOST {
            self.of.insert(value.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    /// The most first; of equally many, by name.
    fn sorted(self) -> Vec<(String, u64)> {
        let mut sorted: Vec<_> = self.of.into_iter().collect();
        sorted.sort_by_key(|(_value, count)| std::cmp::Reverse(*count));
        if self.others > 0 {
            sorted.push((format!("(values beyond the first {MOST})"), self.others));
        }
        sorted
    }
}

/// The values of a record: several programs can own one connection, and many records have no host.
fn values(record: &Record, by: CountedBy) -> Vec<&str> {
    let event = &record.event;
    let object = event.object.as_ref();
    let one = match by {
        CountedBy::Binary => return binaries(event.subject.as_ref()),
        CountedBy::Action => Some(event.action.as_str()),
        CountedBy::Agent => Some(&*record.agent),
        CountedBy::Client => Some(&*record.client),
        CountedBy::Decision => event.decision.map(|decision| match decision {
            Decision::Allow => "allow",
            Decision::Deny => "deny",
        }),
        CountedBy::Host => object.and_then(|object| object.host.as_deref()),
        CountedBy::Level => event.level.as_deref(),
        CountedBy::Method => object.and_then(|object| object.method.as_deref()),
        CountedBy::Rule => event.rule.as_deref(),
        CountedBy::Sandbox => Some(record.sandbox.as_str()),
        CountedBy::Tenant => Some(record.tenant.as_str()),
    };
    vec![one.unwrap_or("(none)")]
}

fn binaries(subject: Option<&Subject>) -> Vec<&str> {
    match subject {
        Some(Subject::Owners(owners)) => owners.iter().map(|owner| &*owner.binary).collect(),
        Some(Subject::Unknown(_)) | None => vec!["(none)"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_counted_and_the_most_come_first() {
        let mut counts = Counts::default();
        let records = include_str!("../../../../../audit/export/tests/golden/records.jsonl");
        for line in records.lines() {
            let record: Record = serde_json::from_str(line).unwrap();
            values(&record, CountedBy::Client).into_iter().for_each(|value| counts.add(value));
        }
        let sorted = counts.sorted();
        assert_eq!(
            sorted.iter().map(|(_client, count)| count).sum::<u64>(),
            u64::try_from(records.lines().count()).unwrap()
        );
        assert!(sorted.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{sorted:?}");
    }

    #[test]
    fn values_beyond_the_bound_are_one_number() {
        let mut counts = Counts::default();
        (0..MOST + 7).for_each(|nth| counts.add(&nth.to_string()));
        counts.add("5");
        let sorted = counts.sorted();
        assert_eq!((&sorted[0], sorted.last().unwrap().1, sorted.len()), (&("5".to_owned(), 2), 7, MOST + 1));
    }
}
