//! Credentials: a word that every one of a kind holds, then the structure around it ([`rules`] for tokens that are a
//! prefix and a body, [`shapes`] for the others and [`webhook`] for those that are an address, [`vendors`] for keys that only
//! the name before them tells, [`named`] for what such a name tells in a path).

mod named;
mod rules;
mod shapes;
mod vendors;
mod webhook;

use std::ops::Range;

use super::words::Word;
use crate::category::{Category, Found};
use rules::RULES;
use shapes::{SECRET_WORDS, SHAPES, Shape};
use vendors::VENDORS;

/// Every word that a credential is looked for at, in the order that [`scan`] counts in.
pub(super) fn words() -> impl Iterator<Item = &'static str> {
    let written = RULES.iter().map(|rule| rule.prefix).chain(SHAPES.iter().map(|shape| shape.literal));
    written.chain(SECRET_WORDS).chain(VENDORS.iter().map(|vendor| vendor.word))
}

/// Names that a value is given to in a path only, in the order that [`scan_in_path`] counts in, behind [`words`].
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    named::NAMES.into_iter()
}

/// Every kind of credential.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    let written = RULES.iter().map(|rule| rule.kind).chain(SHAPES.iter().map(|shape| shape.kind));
    written.chain(shapes::ASSIGNED).chain(VENDORS.iter().map(|vendor| vendor.kind))
}

/// Reports the credential at `word`, the one of [`words`] with this index.
pub(super) fn scan(index: usize, word: Word<'_>, found: &mut Found) {
    if let Some((kind, token)) = check(index, word) {
        found.add(Category::credential(kind), token.clone(), &word.text[token]);
    }
}

/// Reports the credential at `word`, the one of [`words`] and [`names`] with this index, as a path may hold it too.
pub(super) fn scan_in_path(index: usize, word: Word<'_>, found: &mut Found) {
    let first = RULES.len() + SHAPES.len();
    let (secrets, names) = (first..first + SECRET_WORDS.len(), first + SECRET_WORDS.len() + VENDORS.len());
    if index < names {
        scan(index, word, found);
    }
    if (secrets.contains(&index) || index >= names)
        && let Some(value) = named::value(word)
    {
        let [_of_aws, any] = shapes::ASSIGNED;
        found.add(Category::credential(any), value.clone(), &word.text[value]);
    }
}

fn check(index: usize, word: Word<'_>) -> Option<(&'static str, Range<usize>)> {
    if let Some(rule) = RULES.get(index) {
        return Some((rule.kind, rule.token(word)?));
    }
    let index = index - RULES.len();
    if let Some(Shape { kind, literal, read }) = SHAPES.get(index) {
        return word.is_written(literal).then(|| read(word)).flatten().map(|token| (*kind, token));
    }
    match (index - SHAPES.len()).checked_sub(SECRET_WORDS.len()) {
        None => shapes::assignment(word),
        Some(index) => Some((VENDORS[index].kind, VENDORS[index].token(word)?)),
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

#[cfg(test)]
mod tests;
