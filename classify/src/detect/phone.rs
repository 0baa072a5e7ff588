//! Telephone numbers that say so themselves: with the sign and code of a country (E.164), or as North America writes them.
//! Others need a word before them: see [`labelled`](super::labelled).

use std::ops::Range;

use super::digits::{Gap, Group, Window};
use crate::category::{Category, Found};

/// A telephone number.
pub(super) const PHONE: Category = Category::personal("phone-number");

/// Codes of countries with the fewest and the most digits that follow them; two digits where the third is free.
const COUNTRIES: &[(&str, usize, usize)] = &[
    ("1", 10, 10),
    ("7", 10, 10),
    ("20", 8, 10),
    ("27", 9, 9),
    ("30", 10, 10),
    ("31", 9, 9),
    ("32", 8, 9),
    ("33", 9, 9),
    ("34", 9, 9),
    ("36", 8, 9),
    ("39", 8, 11),
    ("40", 9, 9),
    ("41", 9, 9),
    ("43", 7, 13),
    ("44", 9, 10),
    ("45", 8, 8),
    ("46", 7, 10),
    ("47", 8, 8),
    ("48", 9, 9),
    ("49", 7, 12),
    ("51", 8, 9),
    ("52", 10, 11),
    ("53", 6, 8),
    ("54", 10, 11),
    ("55", 10, 11),
    ("56", 9, 9),
    ("57", 10, 10),
    ("58", 10, 10),
    ("60", 8, 10),
    ("61", 9, 9),
    ("62", 8, 12),
    ("63", 8, 10),
    ("64", 8, 10),
    ("65", 8, 8),
    ("66", 8, 9),
    ("81", 9, 10),
    ("82", 8, 10),
    ("84", 9, 10),
    ("86", 10, 11),
    ("90", 10, 10),
    ("91", 10, 10),
    ("92", 9, 10),
    ("93", 9, 9),
    ("94", 9, 9),
    ("95", 7, 10),
    ("98", 10, 10),
    ("21", 8, 10),
    ("22", 7, 10),
    ("23", 7, 11),
    ("24", 6, 10),
    ("25", 7, 10),
    ("26", 7, 10),
    ("29", 5, 8),
    ("35", 5, 12),
    ("37", 7, 9),
    ("38", 7, 10),
    ("42", 7, 10),
    ("50", 7, 9),
    ("59", 6, 10),
    ("67", 5, 9),
    ("68", 4, 8),
    ("85", 8, 10),
    ("88", 8, 11),
    ("96", 7, 10),
    ("97", 7, 10),
    ("99", 8, 10),
];

/// Most digits of a number with its country (E.164).
const MOST_DIGITS: usize = 15;

/// Where a number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a text.
    Prose,
    /// In a path: a slash ends it, and what is glued to the sign is a version.
    Path,
}

impl Place {
    /// What people write between digits.
    fn between(self) -> &'static [u8] {
        match self {
            Self::Prose => b" -.()/",
            Self::Path => b" -.()",
        }
    }

    /// Whether a sign right behind this byte begins no number.
    fn touches(self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'+' || self == Self::Path && b"._-~)".contains(&byte)
    }
}

/// Reports the numbers of `text` that begin with the sign of a country code.
pub(super) fn scan(text: &[u8], place: Place, found: &mut Found) {
    for plus in memchr::memchr_iter(b'+', text) {
        let touches = plus.checked_sub(1).is_some_and(|at| place.touches(text[at]));
        let dials = text.get(plus + 1).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'(');
        if dials
            && !touches
            && let Some((at, digits)) = international(text, plus, place)
        {
            found.add(PHONE, at, &digits);
        }
    }
}

/// Reports the numbers of `text` that North America writes with the area in brackets.
pub(super) fn scan_bracketed(text: &[u8], found: &mut Found) {
    for bracket in memchr::memchr_iter(b'(', text) {
        if text.get(bracket + 4) == Some(&b')')
            && let Some(at) = american(text, bracket + 1)
        {
            let digits: Vec<u8> = text[at.clone()].iter().copied().filter(u8::is_ascii_digit).collect();
            found.add(PHONE, at, &digits);
        }
    }
}

/// Reports the number of North America that a part of a path is: `/415-555-2671`.
pub(super) fn check(window: &Window<'_>, found: &mut Found) {
    let [Group { size: 3, gap: one, .. }, Group { size: 3, gap: other, .. }, Group { size: 4, end, .. }, ..] =
        window.groups[..]
    else {
        return;
    };
    let parts = |byte: &u8| b"/=?&;,: \"'<>".contains(byte);
    let begins = window.text[..window.start].last().is_none_or(parts);
    let ends = window.text.get(end).is_none_or(parts);
    let written = one == other && matches!(one, Gap::One(b'-' | b'.' | b' '));
    let digits = window.digits.first(10);
    if written && begins && ends && is_american(digits) {
        found.add(PHONE, window.start..end, digits);
    }
}

fn international(text: &[u8], plus: usize, place: Place) -> Option<(Range<usize>, Vec<u8>)> {
    let (digits, end) = dialled(text, plus + 1, place.between());
    let fits = COUNTRIES.iter().any(|(code, fewest, most)| {
        digits.starts_with(code.as_bytes()) && (*fewest..=*most).contains(&(digits.len() - code.len()))
    });
    let american = digits.first() != Some(&b'1') || is_american(&digits[1..]);
    let varied = digits.iter().skip(3).any(|digit| *digit != digits[digits.len() - 1]);
    (fits && american && varied).then_some((plus..end, digits))
}

/// The digits from `start` on, with what people write between them, and where they end.
fn dialled(text: &[u8], start: usize, between: &[u8]) -> (Vec<u8>, usize) {
    let (mut digits, mut end, mut gap) = (Vec::with_capacity(MOST_DIGITS + 1), start, 0);
    for (at, byte) in text.iter().enumerate().skip(start).take(3 * MOST_DIGITS) {
        match byte {
            b'0'..=b'9' => {
                digits.push(*byte);
                (end, gap) = (at + 1, 0);
            }
            _ if between.contains(byte) && gap < 2 => gap += 1,
            _ => break,
        }
    }
    let goes_on = text.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if goes_on {
        digits.clear();
    }
    // `+44 (0)20 …`: the trunk prefix is not dialled from abroad.
    if let Some(trunk) = memchr::memmem::find(&text[start..end], b"(0)") {
        let before = text[start..start + trunk].iter().filter(|byte| byte.is_ascii_digit()).count();
        if before < digits.len() {
            digits.remove(before);
        }
    }
    (digits, end)
}

/// `(415) 555-0132`, `415-555-0132`: where the number ends whose area is the group of three digits at `start`.
pub(super) fn american(text: &[u8], start: usize) -> Option<Range<usize>> {
    let bracketed = start > 0 && text[start - 1] == b'(';
    let rest = text.get(start + 3..)?;
    let gap = match rest {
        [b')', b' ', ..] if bracketed => 2,
        [b')', ..] if bracketed => 1,
        [b'-', ..] if !bracketed => 1,
        _ => return None,
    };
    let number = rest.get(gap..gap + 8)?;
    let written = number[3] == b'-' || bracketed && matches!(number[3], b' ' | b'.');
    let digits = [&text[start..start + 3], &number[..3], &number[4..]].concat();
    let end = start + 3 + gap + 8;
    let ends = text.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_'));
    let first = if bracketed { start - 1 } else { start };
    let begins = first.checked_sub(1).is_none_or(|at| match text[at] {
        b'/' => bracketed,
        byte => !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_' | b'.'),
    });
    (written && ends && begins && digits.iter().all(u8::is_ascii_digit) && is_american(&digits))
        .then_some(first..end)
}

/// Area and exchange begin with two to nine, and neither is a service such as 911.
fn is_american(digits: &[u8]) -> bool {
    let group =
        |at: usize| matches!(digits.get(at), Some(b'2'..=b'9')) && digits.get(at + 1..at + 3) != Some(b"11");
    digits.len() == 10 && group(0) && group(3)
}
