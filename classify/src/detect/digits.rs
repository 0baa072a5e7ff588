//! Groups of digits: what payment cards and social security numbers are written in.

use crate::seek;

/// Most digits of a number that is looked for.
pub(super) const MOST_DIGITS: usize = 19;

/// Fewest digits of a number that is looked for.
const FEWEST_DIGITS: usize = 9;

/// Most separators between two groups: ` - `.
const LONGEST_GAP: usize = 3;

/// A place where a written number may begin: up to [`MOST_DIGITS`] digits from there on, in groups.
#[derive(Debug)]
pub(super) struct Window<'a> {
    /// The whole text.
    pub(super) text: &'a [u8],
    /// Where the first digit stands.
    pub(super) start: usize,
    /// Whether no digit group stands right before.
    pub(super) is_first: bool,
    /// The digits.
    pub(super) digits: Digits,
    /// The groups, in order.
    pub(super) groups: Vec<Group>,
}

/// Up to [`MOST_DIGITS`] digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    values: [u8; MOST_DIGITS],
    length: usize,
}

/// One group of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Number of digits up to the end of this group.
    pub(super) total: usize,
    /// Number of digits of this group.
    pub(super) size: usize,
    /// Offset behind the last digit.
    pub(super) end: usize,
    /// What stands between this group and the next one.
    pub(super) gap: Gap,
}

/// What stands behind a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// One separator, then another group.
    One(u8),
    /// Two or three separators, then another group.
    Several,
    /// No group follows.
    End,
}

impl Digits {
    /// The first `count` digits as ASCII.
    #[must_use]
    pub(super) fn first(&self, count: usize) -> &[u8] {
        &self.values[..count.min(self.length)]
    }
}

/// Every start of a digit group from which on [`FEWEST_DIGITS`] or more stand, with the groups that follow.
pub(super) fn windows(text: &[u8]) -> impl Iterator<Item = Window<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = seek::next(text, at, |byte| byte.is_ascii_digit())?;
            at = start + digits_at(text, start);
            if has_enough(text, start) {
                return Some(Window::read(text, start));
            }
        }
    })
}

impl<'a> Window<'a> {
    fn read(text: &'a [u8], start: usize) -> Self {
        let mut digits = Digits { values: [0; MOST_DIGITS], length: 0 };
        let mut groups = Vec::new();
        let mut at = start;
        loop {
            let size =
                text[at..].iter().take(MOST_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
            let total = digits.length + size;
            if total > MOST_DIGITS {
                break;
            }
            digits.values[digits.length..total].copy_from_slice(&text[at..at + size]);
            digits.length = total;
            let end = at + size;
            let (gap, length) = gap_at(text, end);
            groups.push(Group { total, size, end, gap });
            if gap == Gap::End {
                break;
            }
            at = end + length;
        }
        Self { text, start, is_first: !follows_group(text, start), digits, groups }
    }
}

/// Most digits in a text are counts and dates: they are passed over without more ado.
fn has_enough(text: &[u8], start: usize) -> bool {
    let mut digits = 0;
    let mut gap = 0;
    for byte in &text[start..] {
        if byte.is_ascii_digit() {
            (digits, gap) = (digits + 1, 0);
        } else if is_separator(*byte) {
            gap += 1;
        } else {
            return false;
        }
        if digits == FEWEST_DIGITS {
            return true;
        }
        if gap > LONGEST_GAP {
            return false;
        }
    }
    false
}

fn digits_at(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len() - at)
}

fn gap_at(text: &[u8], end: usize) -> (Gap, usize) {
    let length = text[end..].iter().take(LONGEST_GAP + 1).take_while(|byte| is_separator(**byte)).count();
    if !text.get(end + length).is_some_and(u8::is_ascii_digit) {
        return (Gap::End, length);
    }
    match length {
        1 => (Gap::One(text[end]), 1),
        2..=LONGEST_GAP => (Gap::Several, length),
        _ => (Gap::End, length),
    }
}

fn follows_group(text: &[u8], start: usize) -> bool {
    let gap =
        text[..start].iter().rev().take(LONGEST_GAP + 1).take_while(|byte| is_separator(**byte)).count();
    (1..=LONGEST_GAP).contains(&gap) && start > gap && text[start - gap - 1].is_ascii_digit()
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'_' | b'/' | b'\t' | b'\n' | b'\r' | b'+' | b'*' | b'|' | b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_groups() {
        let windows: Vec<Window<'_>> = windows(b"a 12-345 - 6789 x 123456789 7").collect();
        assert_eq!(windows.len(), 2);
        assert_eq!(windows[0].digits.first(19), b"123456789");
        assert_eq!(windows[0].groups.iter().map(|group| group.size).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(windows[0].groups[1].gap, Gap::Several);
        assert!(windows[0].is_first && windows[1].is_first);
        assert_eq!(windows[1].groups.last().map(|group| group.total), Some(10));
    }

    #[test]
    fn a_number_longer_than_any_is_no_window() {
        let text = [b'4'; 1000];
        let windows: Vec<Window<'_>> = windows(&text).collect();
        assert_eq!((windows.len(), windows[0].groups.len()), (1, 0));
    }
}
