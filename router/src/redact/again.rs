//! The same values once more: what was found in one place of a call is replaced in all of them, also where nothing around it
//! says what it is.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};

use super::spans::Part;

/// Values that are shorter stand for other things, too.
const SHORTEST: usize = 5;

/// Every value that was found in a call, and what it is.
#[derive(Debug, Default)]
pub(super) struct Values(HashMap<String, (String, bool)>);

/// How they are found again.
#[derive(Debug)]
pub(super) struct Seeker {
    automaton: AhoCorasick,
    kinds: Vec<(String, bool)>,
}

impl Values {
    /// Takes what was found in `text`.
    pub(super) fn add(&mut self, text: &str, parts: &[Part]) {
        for Part { at, kind, is_credential } in parts {
            let value = &text[at.clone()];
            if value.len() >= SHORTEST && !self.0.contains_key(value) {
                self.0.insert(value.to_owned(), (kind.clone(), *is_credential));
            }
        }
    }

    /// `None`: there is nothing to look for, or too much for one automaton; the second look decides then.
    pub(super) fn seeker(self) -> Option<Seeker> {
        let (values, kinds): (Vec<String>, Vec<_>) = self.0.into_iter().unzip();
        if values.is_empty() {
            return None;
        }
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values).ok()?;
        Some(Seeker { automaton, kinds })
    }
}

impl Seeker {
    /// Adds to the parts of `text`, which are in order, those that no detector saw.
    pub(super) fn complete(&self, text: &str, parts: &mut Vec<Part>) {
        let is_free = |at: &std::ops::Range<usize>, parts: &[Part]| {
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

/// Whether no word goes on beyond either end.
fn is_whole(text: &str, at: &std::ops::Range<usize>) -> bool {
    let goes_on = |one: Option<char>, other: Option<char>| {
        one.is_some_and(char::is_alphanumeric) && other.is_some_and(char::is_alphanumeric)
    };
    let (head, value, tail) = (&text[..at.start], &text[at.clone()], &text[at.end..]);
    !goes_on(head.chars().next_back(), value.chars().next())
        && !goes_on(value.chars().next_back(), tail.chars().next())
}
