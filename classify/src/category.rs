//! What can be found: categories with counts, never the data.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// The families that a directive speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Payment cards and bank accounts.
    Financial,
    /// Data that identifies a person.
    Personal,
    /// Keys, tokens, passwords.
    Credential,
    /// What a provider of care knows about a patient (PHI).
    Health,
    /// What belongs to the operator and is nobody else's: intellectual property.
    Property,
    /// No detector can look inside, so it counts as the worst.
    Unclassifiable,
    /// Marks of an injected instruction. It is not data: what it says is what somebody wants a model to do.
    Injection,
}

/// One kind of data, for example `financial/payment-card`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Category {
    class: Class,
    kind: &'static str,
}

/// The result: each category with the number of distinct values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(BTreeMap<Category, u32>);

/// The set under construction. Values are kept as keyed hashes only, to count each once however often
/// and in however many encodings it appears.
#[derive(Default)]
pub struct Found {
    hasher: RandomState,
    seen: HashSet<(Category, u64)>,
    findings: Findings,
    /// Where values stand in the text, if that is asked for.
    spans: Option<Vec<Span>>,
    traces: BTreeSet<Category>,
}

/// Where a value stands: bytes of the text that was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it is.
    pub category: Category,
    /// Its bytes.
    pub at: Range<usize>,
}

/// What was found in one text, to be put together with what was found in others that are counted by the same hasher.
#[derive(Debug)]
pub(crate) struct Remembered {
    spans: Vec<Span>,
    values: Vec<(Category, u64)>,
    /// What has no value to tell apart.
    anonymous: Vec<(Category, u32)>,
    traces: BTreeSet<Category>,
}

impl Remembered {
    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let Self { spans, values, anonymous, traces } = self;
        let listed = size_of_val(&spans[..]) + size_of_val(&values[..]) + size_of_val(&anonymous[..]);
        size_of::<Self>() + listed + traces.len() * size_of::<Category>()
    }
}

/// Distinct values that are told apart; more of them change counts, and no decision.
const MOST_DISTINCT: usize = 65_536;

impl Category {
    /// Any, by its class.
    pub(crate) const fn of(class: Class, kind: &'static str) -> Self {
        Self { class, kind }
    }

    /// `financial/…`
    #[must_use]
    pub const fn financial(kind: &'static str) -> Self {
        Self { class: Class::Financial, kind }
    }

    /// `personal/…`
    #[must_use]
    pub const fn personal(kind: &'static str) -> Self {
        Self { class: Class::Personal, kind }
    }

    /// `credential/…`
    #[must_use]
    pub const fn credential(kind: &'static str) -> Self {
        Self { class: Class::Credential, kind }
    }

    /// `health/…`
    #[must_use]
    pub const fn health(kind: &'static str) -> Self {
        Self { class: Class::Health, kind }
    }

    /// `property/…`
    #[must_use]
    pub const fn property(kind: &'static str) -> Self {
        Self { class: Class::Property, kind }
    }

    /// `unclassifiable/…`
    #[must_use]
    pub const fn unclassifiable(kind: &'static str) -> Self {
        Self { class: Class::Unclassifiable, kind }
    }

    /// `prompt-injection/…`
    #[must_use]
    pub const fn injection(kind: &'static str) -> Self {
        Self { class: Class::Injection, kind }
    }

    /// The family.
    #[must_use]
    pub fn class(self) -> Class {
        self.class
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Financial => "financial",
            Self::Personal => "personal",
            Self::Credential => "credential",
            Self::Health => "health",
            Self::Property => "property",
            Self::Unclassifiable => "unclassifiable",
            Self::Injection => "prompt-injection",
        })
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.class, self.kind)
    }
}

impl Findings {
    /// Whether nothing was found, not even marks of an injected instruction.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether data was found that is anybody's: marks of an injected instruction are not.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.0.keys().any(|category| category.class != Class::Injection)
    }

    /// What was found without one category.
    #[must_use]
    pub fn without(mut self, category: Category) -> Self {
        self.0.remove(&category);
        self
    }

    /// The categories, in a stable order, each with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Category, u32)> {
        self.0.iter().map(|(category, count)| (*category, *count))
    }

    /// The count of one category by its name.
    #[must_use]
    pub fn count(&self, name: &str) -> u32 {
        self.iter().find(|(category, _)| category.to_string() == name).map_or(0, |(_, count)| count)
    }

    /// As the audit record and a refusal show it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let entries = self.iter().map(|(category, count)| (category.to_string(), count.into()));
        serde_json::Value::Object(entries.collect())
    }
}

impl Found {
    /// One that keeps where the values stand, too.
    #[must_use]
    pub fn with_spans() -> Self {
        Self { spans: Some(Vec::new()), ..Self::default() }
    }

    /// One that keeps where the values stand, and tells them apart as others of the same hasher do.
    pub(crate) fn counting_by(hasher: RandomState) -> Self {
        Self { hasher, ..Self::with_spans() }
    }

    /// What was found, for [`Found::recall`].
    pub(crate) fn into_remembered(self) -> Remembered {
        let Self { seen, findings, spans, traces, .. } = self;
        let mut distinct: BTreeMap<Category, u32> = BTreeMap::new();
        seen.iter().for_each(|(category, _value)| *distinct.entry(*category).or_default() += 1);
        let anonymous = findings.iter().map(|(category, count)| {
            (category, count - distinct.get(&category).copied().unwrap_or_default())
        });
        let anonymous = anonymous.filter(|(_category, count)| *count > 0).collect();
        let mut spans = spans.unwrap_or_default();
        spans.shrink_to_fit();
        Remembered { spans, values: seen.into_iter().collect(), anonymous, traces }
    }

    /// Adds what was found in a text that stands at `at`, in one of the same hasher.
    pub(crate) fn recall(&mut self, known: &Remembered, at: usize) {
        if let Some(spans) = &mut self.spans {
            let placed = |span: &Span| Span { at: span.at.start + at..span.at.end + at, ..*span };
            spans.extend(known.spans.iter().map(placed));
        }
        known.values.iter().for_each(|(category, value)| self.count(*category, *value));
        self.traces.extend(&known.traces);
        for (category, more) in &known.anonymous {
            let count = self.findings.0.entry(*category).or_default();
            *count = count.saturating_add(*more);
        }
    }

    /// Whether it keeps where the values stand.
    pub(crate) fn keeps_spans(&self) -> bool {
        self.spans.is_some()
    }

    /// A value in canonical spelling, and where it stands in the text.
    pub fn add(&mut self, category: Category, at: Range<usize>, value: &[u8]) {
        if let Some(spans) = &mut self.spans {
            spans.push(Span { category, at });
        }
        self.count(category, self.hasher.hash_one(value));
    }

    fn count(&mut self, category: Category, value: u64) {
        let is_new = self.seen.len() < MOST_DISTINCT && self.seen.insert((category, value));
        let count = self.findings.0.entry(category).or_default();
        // A category is there however many values of others came before it.
        if is_new || *count == 0 {
            *count += 1;
        }
    }

    /// Too little to be a finding by itself, and more than chance: it counts where the rest of it was found.
    pub(crate) fn add_trace(&mut self, category: Category) {
        self.traces.insert(category);
    }

    /// Of what there are traces, be there findings or not.
    #[must_use]
    pub fn traces(&self) -> &BTreeSet<Category> {
        &self.traces
    }

    /// Something without a value to tell apart: it counts once for each mention.
    pub fn add_anonymous(&mut self, category: Category) {
        let count = self.findings.0.entry(category).or_default();
        *count = count.saturating_add(1);
    }

    /// Runs `find` and puts what it finds where `place` says that it stands; `None`: nowhere, because it is the value of
    /// another text than the one that was given.
    pub(crate) fn elsewhere(
        &mut self,
        find: impl FnOnce(&mut Self),
        place: impl Fn(&Range<usize>) -> Option<Range<usize>>,
    ) {
        let before = self.spans.as_ref().map(Vec::len);
        find(self);
        let Some((spans, before)) = self.spans.as_mut().zip(before) else { return };
        let found = spans.split_off(before);
        let placed = found.into_iter().filter_map(|span| Some(Span { at: place(&span.at)?, ..span }));
        spans.extend(placed);
    }

    /// Where the values stand, in the order in which they were found; they may overlap. What was inside an encoding is
    /// counted only: it has no bytes of its own in the text.
    #[must_use]
    pub fn into_spans(self) -> Vec<Span> {
        self.spans.unwrap_or_default()
    }

    /// The result, and where the values stand.
    #[must_use]
    pub fn into_parts(self) -> (Findings, Vec<Span>) {
        (self.findings, self.spans.unwrap_or_default())
    }

    /// The result.
    #[must_use]
    pub fn into_findings(self) -> Findings {
        self.findings
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is decided is decided by category: a flood of one must not hide another.
    #[test]
    fn a_category_is_found_behind_any_number_of_values_of_another() {
        let mut found = Found::default();
        for number in 0..=MOST_DISTINCT {
            found.add(Category::personal("email-address"), 0..1, &number.to_le_bytes());
        }
        found.add(Category::credential("token"), 0..1, b"secret");
        assert_eq!(found.into_findings().count("credential/token"), 1);
    }
}
