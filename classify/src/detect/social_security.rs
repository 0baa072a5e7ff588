//! United States social security numbers: area, group and serial rules of the issuing authority.

use super::digits::{Gap, Group, Window};
use crate::category::{Category, Found};

/// A social security number.
pub(super) const SOCIAL_SECURITY: Category = Category::personal("us-social-security-number");

/// Words that make nine bare digits a social security number.
const CONTEXT: [&str; 10] = [
    "ssn",
    "social security",
    "social-security",
    "social_security",
    "socialsecurity",
    "soc sec",
    "soc. sec",
    "ss#",
    "ss #",
    "seguro social",
];

/// Reports the number that begins at `window`.
pub(super) fn check(window: &Window<'_>, found: &mut Found) {
    let Some(end) = written_end(window) else { return };
    let number = window.digits.first(9);
    if number.len() == 9 && is_issued(number) && !touches_letters_and_digits(window, end) {
        found.add(SOCIAL_SECURITY, window.start..end, number);
    }
}

/// Where the number ends, if it is written as one: `123-45-6789` with one separator throughout, or nine
/// digits with a word nearby that says so.
fn written_end(window: &Window<'_>) -> Option<usize> {
    let context = |end: usize| super::has_context(window.text, window.start..end, &CONTEXT);
    match window.groups[..] {
        [Group { size: 9, end, .. }, ..] => context(end).then_some(end),
        [
            Group { size: 3, gap: Gap::One(first), .. },
            Group { size: 2, gap: Gap::One(second), .. },
            Group { size: 4, end, gap: last, .. },
            ..,
        ] => {
            let written = first == second && matches!(first, b'-' | b' ' | b'.' | b'/' | b'_');
            let alone = window.is_first && last != Gap::One(first);
            let dashed = first == b'-';
            (written && ((dashed && alone) || context(end) || (alone && last == Gap::End))).then_some(end)
        }
        _ => spelled_end(window, context),
    }
}

/// Digits in any other groups: only with a word nearby, and only if nothing numeric follows.
fn spelled_end(window: &Window<'_>, context: impl Fn(usize) -> bool) -> Option<usize> {
    let last = window.groups.last()?;
    let whole = window.is_first && last.total == 9 && last.gap == Gap::End;
    (whole && context(last.end)).then_some(last.end)
}

/// Areas 000, 666 and 9xx, group 00 and serial 0000 were never issued.
fn is_issued(number: &[u8]) -> bool {
    let (area, rest) = number.split_at(3);
    let (group, serial) = rest.split_at(2);
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000"
}

/// Part of an identifier such as `A123-45-6789B`.
fn touches_letters_and_digits(window: &Window<'_>, end: usize) -> bool {
    let before = window.start.checked_sub(1).and_then(|at| window.text.get(at));
    let touches = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    touches(before) && touches(window.text.get(end))
}
