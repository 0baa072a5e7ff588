//! How identifiers are written: shapes over their characters without separators, and the groups that these come in.
//!
//! A shape is a row of classes (`d` digit, `a` letter, `x` either; capitals and signs stand for themselves), each with
//! an optional count: `a{1,2}d{6}`.

use std::ops::Range;

/// Longest identifier, without separators.
const LONGEST: usize = 40;

/// Letters and digits from one place on, upper case, without the separators between them.
#[derive(Debug)]
pub(super) struct Compact {
    bytes: Vec<u8>,
    /// Where groups end: characters up to there, and the offset in the text.
    ends: Vec<(usize, usize)>,
}

/// Which identifiers are looked for: how they are written and what checks them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) shapes: &'static [&'static str],
    pub(super) check: fn(&[u8]) -> bool,
}

impl Compact {
    /// Reads at `at`, where a group begins.
    pub(super) fn read(text: &[u8], at: usize) -> Self {
        let mut compact = Self { bytes: Vec::with_capacity(LONGEST), ends: Vec::new() };
        let mut at = at;
        while let Some(group) = text.get(at..) {
            let room = LONGEST - compact.bytes.len();
            let size = group.iter().take(room + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
            if size == 0 || size > room {
                break;
            }
            compact.bytes.extend(group[..size].iter().map(u8::to_ascii_uppercase));
            at += size;
            // A letter of another alphabet goes on with the word.
            if text.get(at).is_none_or(|byte| byte.is_ascii() && *byte != b'_') {
                compact.ends.push((compact.bytes.len(), at));
            }
            if !text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'-' | b'.' | b'/')) {
                break;
            }
            at += 1;
        }
        compact
    }

    /// The longest reading that `shape` fits and that passes its check: its value and where it ends in the text.
    pub(super) fn longest(&self, shape: Shape) -> Option<(&[u8], usize)> {
        self.ends.iter().rev().find_map(|(length, end)| {
            let value = &self.bytes[..*length];
            let fits = shape.shapes.iter().any(|shape| fits(shape, value)) && (shape.check)(value);
            fits.then_some((value, *end))
        })
    }
}

/// Whether all of `value` is written as `shape` says.
pub(super) fn fits(shape: &str, value: &[u8]) -> bool {
    let mut shape = shape.as_bytes();
    let mut rest = value;
    while let Some((class, behind)) = shape.split_first() {
        let (count, behind) = count(behind);
        let size = rest.iter().take(*count.end()).take_while(|byte| has(*class, **byte)).count();
        if size < *count.start() {
            return false;
        }
        rest = &rest[size..];
        shape = behind;
    }
    rest.is_empty()
}

/// Whether the text at `at` is written exactly as `written`, separators included, and touches nothing that goes on.
pub(super) fn is_written(text: &[u8], at: usize, written: &str) -> Option<Range<usize>> {
    let value = text.get(at..at + written.len())?;
    let fits = value.iter().zip(written.bytes()).all(|(byte, class)| has(class, *byte));
    let end = at + written.len();
    (fits && !goes_on(&text[end..])).then_some(at..end)
}

fn goes_on(behind: &[u8]) -> bool {
    match behind {
        [b'-' | b'.' | b'/' | b'@', next, ..] => next.is_ascii_alphanumeric(),
        [next, ..] => next.is_ascii_alphanumeric() || !next.is_ascii() || *next == b'_',
        [] => false,
    }
}

fn has(class: u8, byte: u8) -> bool {
    match class {
        b'd' => byte.is_ascii_digit(),
        b'a' => byte.is_ascii_uppercase(),
        b'x' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
        itself => byte == itself,
    }
}

/// The count in braces at the start of a shape, or one; and what follows.
fn count(shape: &[u8]) -> (std::ops::RangeInclusive<usize>, &[u8]) {
    let Some((b'{', inside)) = shape.split_first() else { return (1..=1, shape) };
    let close = inside.iter().position(|byte| *byte == b'}').unwrap_or(inside.len());
    let number =
        |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    let mut ends = inside[..close].splitn(2, |byte| *byte == b',').map(number);
    let least = ends.next().unwrap_or(1);
    let most = ends.next().unwrap_or(least);
    (least..=most, inside.get(close + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_fit_whole_values() {
        for (shape, value, expected) in [
            ("a{1,2}d{6}", "AB123456", true),
            ("a{1,2}d{6}", "ABC123456", false),
            ("a{0,2}d{6,9}", "123456", true),
            ("a{0,2}d{6,9}", "1234567890", false),
            ("756d{10}", "7561234567897", true),
            ("dx", "1", false),
        ] {
            assert_eq!(fits(shape, value.as_bytes()), expected, "{shape} {value}");
        }
    }

    #[test]
    fn the_longest_reading_that_fits_is_taken() {
        let any = Shape { shapes: &["d{4,8}"], check: |_value| true };
        for (text, expected) in [
            ("1234 5678 9012", Some((b"12345678".to_vec(), 9))),
            ("1234-5678", Some((b"12345678".to_vec(), 9))),
            ("12345 rooms", Some((b"12345".to_vec(), 5))),
            ("12345_x", None),
            ("123", None),
        ] {
            let compact = Compact::read(text.as_bytes(), 0);
            let found = compact.longest(any).map(|(value, end)| (value.to_vec(), end));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_goes_on_is_another_thing() {
        assert_eq!(is_written(b"12.34", 0, "dd.dd"), Some(0..5));
        for text in ["12.345", "12.34-5", "12.34a", "12.34\u{e9}", "12.3"] {
            assert_eq!(is_written(text.as_bytes(), 0, "dd.dd"), None, "{text}");
        }
    }
}
