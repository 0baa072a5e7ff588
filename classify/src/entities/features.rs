//! What the tagger knows of a token: hashed properties of it and of its neighbours.
//!
//! The trained weights stand for exactly these; a change here needs a new training.

use super::lexicon;
use super::text::Token;

/// Number of buckets that properties are hashed into, as a power of two.
pub const BUCKET_BITS: u32 = 18;

/// Number of properties of a token.
pub const COUNT: usize = 26;

/// What is asked of each token once, for all of its neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    exact: u32,
    lower: u32,
    name: u32,
    shape: u32,
    prefix: u32,
    suffixes: [u32; 3],
    touches: u32,
    ends_sentence: bool,
}

/// What stands before the first token and behind the last.
const EDGE: Word = Word {
    exact: 1,
    lower: 1,
    name: 0,
    shape: 1,
    prefix: 1,
    suffixes: [1; 3],
    touches: 1,
    ends_sentence: true,
};

impl Word {
    /// Looks at one token.
    #[must_use]
    pub fn of(token: &Token<'_>) -> Self {
        let (characters, count) = lower(token.text);
        let lower = &characters[..count];
        let suffix = |size: usize| hash(lower[count.saturating_sub(size)..].iter().copied());
        let (before, behind) = token.touches;
        Self {
            exact: hash(token.text.chars()),
            lower: hash(lower.iter().copied()),
            name: if token.is_capitalised() { lexicon::what(hash(lower.iter().copied())) } else { 0 },
            shape: shape(token.text),
            prefix: hash(lower[..count.min(3)].iter().copied()),
            suffixes: [suffix(2), suffix(3), suffix(4)],
            touches: hash([glue(before), glue(behind)].into_iter()),
            ends_sentence: matches!(
                token.text,
                "." | "!" | "?" | ":" | "\"" | "“" | "•" | "*" | "-" | "#" | "(" | "|" | ">"
            ),
        }
    }
}

/// The buckets of the properties of the token at `at`.
#[must_use]
pub fn buckets(words: &[Word], at: usize) -> [u32; COUNT] {
    let word = |offset: isize| at.checked_add_signed(offset).and_then(|at| words.get(at)).unwrap_or(&EDGE);
    let (here, last, next) = (word(0), word(-1), word(1));
    let (second_last, second_next) = (word(-2), word(2));
    let start = u32::from(last.ends_sentence);
    let properties: [(u32, u32); COUNT] = [
        (0, 0),
        (here.lower, 0),
        (here.exact, start),
        (last.lower, 0),
        (next.lower, 0),
        (second_last.lower, 0),
        (second_next.lower, 0),
        (here.shape, start),
        (last.shape, here.shape),
        (here.shape, next.shape),
        (here.prefix, 0),
        (here.suffixes[0], here.shape),
        (here.suffixes[1], 0),
        (here.suffixes[2], 0),
        (last.lower, here.shape),
        (next.lower, here.shape),
        (last.lower, here.lower),
        (here.lower, next.lower),
        (last.shape, next.shape.wrapping_mul(31) ^ here.shape),
        (here.touches, here.shape),
        (second_last.lower, last.lower),
        (last.suffixes[1], here.suffixes[1]),
        (here.name, here.shape),
        (last.name << 2 | here.name, 0),
        (here.name << 2 | next.name, next.shape),
        (here.name << 2 | next.name, last.lower),
    ];
    let mut buckets = [0; COUNT];
    for ((bucket, (first, second)), kind) in buckets.iter_mut().zip(properties).zip(1_u32..) {
        *bucket = mixed(first ^ second.rotate_left(13).wrapping_mul(0x85eb_ca6b), kind) >> (32 - BUCKET_BITS);
    }
    buckets
}

/// The first characters in lower case, and how many they are.
fn lower(text: &str) -> ([char; 24], usize) {
    let mut characters = ['\0'; 24];
    let mut count = 0;
    for (slot, c) in characters.iter_mut().zip(text.chars()) {
        *slot = if c.is_ascii() { c.to_ascii_lowercase() } else { c.to_lowercase().next().unwrap_or(c) };
        count += 1;
    }
    (characters, count)
}

/// The hash of a word's lower case.
pub(super) fn lower_hash(text: &str) -> u32 {
    let (characters, count) = lower(text);
    hash(characters[..count].iter().copied())
}

/// `Xx` for Jane, `XX` for NASA, `Xx-X` for Jean-Luc, `d` for numbers; repeats are one.
fn shape(text: &str) -> u32 {
    let class = |c: char| match c {
        _ if c.is_uppercase() => 'X',
        _ if c.is_alphabetic() => 'x',
        _ if c.is_numeric() => 'd',
        other => other,
    };
    let mut last = ('\0', 0);
    let pressed = text.chars().map(class).filter(|class| {
        last = if last.0 == *class { (*class, last.1 + 1) } else { (*class, 1) };
        last.1 <= 2
    });
    hash(pressed)
}

/// Signs that touch a token: each by itself, letters and digits as one.
fn glue(c: char) -> char {
    if c.is_alphanumeric() { 'a' } else { c }
}

fn hash(characters: impl Iterator<Item = char>) -> u32 {
    characters.fold(0x811c_9dc5, |hash, c| (hash ^ u32::from(c)).wrapping_mul(0x0100_0193))
}

/// Spreads a hash over all bits.
fn mixed(hash: u32, kind: u32) -> u32 {
    let hash = (hash ^ kind.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x7feb_352d);
    (hash ^ hash >> 15).wrapping_mul(0x846c_a68b)
}
