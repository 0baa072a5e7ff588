//! Credentials: a literal that every token of a kind holds, found by one automaton, then the structure
//! around it ([`rules`] for tokens that are a prefix and a body, [`shapes`] for the others).

mod rules;
mod shapes;

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::category::{Category, Found};
use rules::RULES;
use shapes::{SHAPES, Shape};

/// The compiled automaton over every rule's literal.
#[derive(Debug)]
pub struct Credentials {
    literals: AhoCorasick,
    words: AhoCorasick,
}

/// Where a literal was found.
#[derive(Clone, Copy, Debug)]
struct Hit<'a> {
    text: &'a [u8],
    start: usize,
    end: usize,
}

impl Credentials {
    /// Compiles the rules.
    #[must_use]
    pub fn new() -> Self {
        let literals = RULES.iter().map(|rule| rule.prefix).chain(SHAPES.iter().map(|shape| shape.literal));
        let literals = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(literals)
            .expect("a fixed list of short literals compiles");
        let words = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(shapes::SECRET_WORDS)
            .expect("a fixed list of short words compiles");
        Self { literals, words }
    }

    /// Reports the credentials in `text`.
    pub fn scan(&self, text: &[u8], found: &mut Found) {
        for hit in self.literals.find_overlapping_iter(text) {
            let index = hit.pattern().as_usize();
            let hit = Hit { text, start: hit.start(), end: hit.end() };
            if let Some((kind, token)) = check(index, hit) {
                found.add(Category::credential(kind), token.clone(), &text[token]);
            }
        }
        for hit in self.words.find_iter(text) {
            let hit = Hit { text, start: hit.start(), end: hit.end() };
            if let Some((kind, token)) = shapes::assignment(hit) {
                found.add(Category::credential(kind), token.clone(), &text[token]);
            }
        }
    }
}

impl Default for Credentials {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Hit<'a> {
    /// The byte before the literal.
    fn before(self) -> Option<u8> {
        self.start.checked_sub(1).map(|at| self.text[at])
    }

    /// Everything behind the literal.
    fn behind(self) -> &'a [u8] {
        &self.text[self.end..]
    }
}

fn check(index: usize, hit: Hit<'_>) -> Option<(&'static str, Range<usize>)> {
    match RULES.get(index) {
        Some(rule) => Some((rule.kind, rule.token(hit)?)),
        None => {
            let Shape { kind, read, .. } = &SHAPES[index - RULES.len()];
            Some((kind, read(hit)?))
        }
    }
}

/// Whether a token looks drawn at random: enough different characters. `xxxx…` and `0000…` are
/// placeholders.
fn is_varied(token: &[u8]) -> bool {
    let mut seen = [false; 256];
    token.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    distinct >= (token.len() / 3).clamp(4, 9)
}

fn mixes_letters_and_digits(token: &[u8]) -> bool {
    token.iter().any(u8::is_ascii_digit) && token.iter().any(u8::is_ascii_alphabetic)
}
