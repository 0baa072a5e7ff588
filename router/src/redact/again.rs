//! The same values once more: what was found in one place of a call is replaced in all of them, also where nothing around it
//! says what it is.

use std::collections::HashMap;
use std::ops::Range;

use ::classify::Category;
use ::classify::category::Class;
use aho_corasick::{AhoCorasick, MatchKind};

use super::RedactError;
use super::names::VaultError;
use super::spans::{Part, kind};

/// Values that are shorter stand for other things, too.
const SHORTEST: usize = 5;

/// Values that are looked for again, and their bytes. A call with more of them is not redacted.
const MOST: usize = 65_536;
const MOST_BYTES: usize = 2 << 20;

/// Every value that was found in a call, and what it is.
#[derive(Clone, Debug, Default)]
pub struct Values {
    known: HashMap<String, (String, bool)>,
    bytes: usize,
}

/// How they are found again.
#[derive(Debug)]
pub(super) struct Seeker {
    automaton: AhoCorasick,
    kinds: Vec<(String, bool)>,
}

impl Values {
    /// Those that were `seen`.
    ///
    /// # Errors
    /// There are too many.
    pub fn of<'a>(seen: impl Iterator<Item = (Category, &'a str)>) -> Result<Self, RedactError> {
        let mut values = Self::default();
        for (category, value) in seen {
            values.add(value, || kind(&category.to_string()), category.class() == Class::Credential);
            values.check()?;
        }
        Ok(values)
    }

    /// Takes what was found in `text`.
    pub(super) fn take(&mut self, text: &str, parts: &[Part]) {
        for Part { at, kind, is_credential } in parts {
            self.add(&text[at.clone()], || kind.clone(), *is_credential);
        }
    }

    /// Whether so many can be looked for.
    pub(super) fn check(&self) -> Result<(), RedactError> {
        let fits = self.known.len() <= MOST && self.bytes <= MOST_BYTES;
        if fits { Ok(()) } else { Err(VaultError::Full.into()) }
    }

    /// `None`: there is nothing to look for.
    pub(super) fn seeker(&self) -> Option<Seeker> {
        let (values, kinds): (Vec<&String>, Vec<_>) = self.known.iter().map(|(v, k)| (v, k.clone())).unzip();
        if values.is_empty() {
            return None;
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values);
        Some(Seeker { automaton: automaton.expect("so few bytes fit"), kinds })
    }

    /// Whether one of them stands in `text`.
    #[must_use]
    pub fn stand_in(&self, text: &str) -> bool {
        let mut parts = Vec::new();
        self.seeker().into_iter().for_each(|seeker| seeker.complete(text, &mut parts));
        !parts.is_empty()
    }

    fn add(&mut self, value: &str, kind: impl FnOnce() -> String, is_credential: bool) {
        if value.len() < SHORTEST || self.known.len() > MOST {
            return;
        }
        if let Some((_kind, is_known_credential)) = self.known.get_mut(value) {
            *is_known_credential |= is_credential;
            return;
        }
        self.bytes += value.len();
        self.known.insert(value.to_owned(), (kind(), is_credential));
    }
}

impl Seeker {
    /// Adds to the parts of `text`, which are in order, those that no detector saw.
    pub(super) fn complete(&self, text: &str, parts: &mut Vec<Part>) {
        let is_free = |at: &Range<usize>, parts: &[Part]| {
            let next = parts.partition_point(|part| part.at.end <= at.start);
            parts.get(next).is_none_or(|part| part.at.start >= at.end)
        };
        let mut added = Vec::new();
        for found in self.automaton.find_iter(text) {
            let at = found.range();
            if is_whole(text, &at) && is_free(&at, parts) {
                let (kind, is_credential) = &self.kinds[found.pattern().as_usize()];
                added.push(Part { at, kind: kind.clone(), is_credential: *is_credential });
            }
        }
        if !added.is_empty() {
            parts.append(&mut added);
            parts.sort_by_key(|part| part.at.start);
        }
    }
}

/// Whether no word goes on beyond either end. Names of tools and models (`slack_post`, `m-2024-05-13`) are one word.
fn is_whole(text: &str, at: &Range<usize>) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let goes_on = |one: Option<char>, other: Option<char>| {
        one.is_some_and(is_part) && other.is_some_and(char::is_alphanumeric)
    };
    let (head, value, tail) = (&text[..at.start], &text[at.clone()], &text[at.end..]);
    !goes_on(head.chars().next_back(), value.chars().next())
        && !goes_on(tail.chars().next(), value.chars().next_back())
}
