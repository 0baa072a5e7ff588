//! Values by regular expressions, which take linear time by themselves (`regex` never backtracks).
//!
//! All expressions are first asked in one pass whether they hold anywhere; only those that do are run. Looking for every
//! match of one is not linear by itself: each search may read to the end before it settles for less. So a search sees a
//! window, which is as wide as a value is long; behind many matches that stand close together, it is short.
//!
//! *Invariant:* no match reaches across [`BOUNDARY`], and no word near it stands beyond one.

use std::ops::Range;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use wire::rules::{Check, DISTANCE, PatternRule};

use super::mistake::{List, RuleMistake, Wrong};
use super::names;
use crate::BOUNDARY;
use crate::category::{Category, Found};
use crate::detect::checksum::{luhn, mod_11_10, mod_97, verhoeff};
use crate::detect::words::{Words, spellings};

/// Longest expression as it is written.
const LONGEST_PATTERN: usize = 1024;

/// Bytes of a compiled expression, and of all of them together.
const SIZE: usize = 256 << 10;
const ALL_SIZE: usize = 4 << 20;

/// Bytes of the tables that one search may keep, and one pass over all.
const TABLE: usize = 512 << 10;
const ALL_TABLE: usize = 8 << 20;

/// Groups within groups.
const DEEPEST: u32 = 48;

/// Longest value that is surely found: one that is longer may be taken in pieces, or not be seen.
const LONGEST_VALUE: usize = 2048;

/// The window of a search: all that begins in its first half is seen whole. It grows where nothing matches.
const FULL: usize = 2 * LONGEST_VALUE;
const WIDEST: usize = 64 << 10;

/// The window where there is more than one match in so many bytes, once so many were read: then looking far beyond each
/// would be most of the work.
const NARROW: usize = 64;
const DENSE: usize = 64;
const FEW: usize = 16 << 10;

/// The farthest that a word may stand.
const FARTHEST: u16 = 256;

/// Nobody's data: a rule that takes half of one of these takes everything.
const ORDINARY: [&str; 3] = [
    "the quick brown fox jumps over the lazy dog, and nobody minds that it does so every day",
    "Please look at lines 12 to 480 of 2024 and add up 17, 3.5 and 1000000, then 42 and 7",
    "fn main() { let items = vec![1, 2, 3]; println!(\"{:?}\", items.iter().sum::<u32>()); }",
];

/// All patterns, compiled.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// `None`: there are none.
    any: Option<RegexSet>,
    each: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    category: Category,
    expression: Regex,
    /// `None`: it is a value wherever it stands.
    near: Option<Near>,
    check: Option<Check>,
}

/// Words of which one must stand near.
#[derive(Debug)]
struct Near {
    words: Words,
    distance: usize,
}

impl Patterns {
    pub(super) fn new(written: &[PatternRule]) -> Result<Self, RuleMistake> {
        let wrong = |index: usize| move |wrong: Wrong| RuleMistake::of(List::Patterns, index, wrong);
        names::count(List::Patterns, written.len())?;
        let each = written.iter().enumerate().map(|(index, rule)| Pattern::new(rule).map_err(wrong(index)));
        let each: Vec<Pattern> = each.collect::<Result<_, _>>()?;
        if each.is_empty() {
            return Ok(Self::default());
        }
        let mut any = RegexSetBuilder::new(written.iter().map(|rule| &rule.pattern));
        any.multi_line(true).nest_limit(DEEPEST).size_limit(ALL_SIZE).dfa_size_limit(ALL_TABLE);
        let any = any.build().map_err(|_too_large| {
            let cause = "all patterns together are too large".to_owned();
            let remedy = "write [0-9] for \\d and [A-Za-z] for \\w, and smaller counts".to_owned();
            RuleMistake::of(List::Patterns, written.len() - 1, (cause, remedy))
        })?;
        Ok(Self { any: Some(any), each })
    }

    pub(super) fn categories(&self) -> impl Iterator<Item = Category> {
        self.each.iter().map(|pattern| pattern.category)
    }

    pub(super) fn scan(&self, text: &str, found: &mut Found) {
        let Some(any) = &self.any else { return };
        // Where a text ends, a line does: anchors hold in each.
        let lines = text.contains(BOUNDARY).then(|| text.replace(BOUNDARY, "\n"));
        for index in &any.matches(lines.as_deref().unwrap_or(text)) {
            self.each[index].scan(text, found);
        }
    }
}

impl Pattern {
    fn new(rule: &PatternRule) -> Result<Self, Wrong> {
        let category = names::category(rule.class, &rule.name)?;
        names::words("words", &rule.words)?;
        let distance = rule.distance.unwrap_or(DISTANCE);
        if distance > FARTHEST || rule.distance.is_some() && rule.words.is_empty() {
            let remedy = format!("use at most {FARTHEST} bytes, beside 'words'");
            return Err((format!("distance {distance} cannot be kept"), remedy));
        }
        let near = (!rule.words.is_empty()).then(|| Near {
            words: Words::new(rule.words.iter().flat_map(|word| spellings(word))),
            distance: usize::from(distance),
        });
        let pattern = Self { category, expression: expression(&rule.pattern)?, near, check: rule.check };
        pattern.is_narrow()?;
        names::try_examples(&rule.examples, |text, found| pattern.scan(text, found))?;
        Ok(pattern)
    }

    /// Refuses what matches the empty text, and what takes ordinary text for data.
    fn is_narrow(&self) -> Result<(), Wrong> {
        let is_empty = |text: &str| self.expression.find_iter(text).any(|hit| hit.is_empty());
        if is_empty("") || ORDINARY.into_iter().any(is_empty) {
            let remedy = "say what must be there: 'x+' where it says 'x*'";
            return Err(("the pattern matches the empty text".to_owned(), remedy.to_owned()));
        }
        let taken = |text: &str| {
            let mut found = Found::with_spans();
            self.scan(text, &mut found);
            found.into_spans().iter().map(|span| span.at.len()).sum::<usize>()
        };
        if ORDINARY.into_iter().any(|text| taken(text) * 2 >= text.len()) {
            let remedy = "say more of how the value is written, or name 'words' that stand near it";
            return Err(("the pattern matches ordinary text".to_owned(), remedy.to_owned()));
        }
        Ok(())
    }

    fn scan(&self, text: &str, found: &mut Found) {
        let mut start = 0;
        for piece in text.split(BOUNDARY) {
            self.scan_piece((text, start..start + piece.len()), found);
            start += piece.len() + BOUNDARY.len_utf8();
        }
    }

    fn scan_piece(&self, (text, place): (&str, Range<usize>), found: &mut Found) {
        let piece = &text[place.clone()];
        let mut near = None;
        self.each(piece, |at| {
            let value = &piece[at.clone()];
            let is_near = self.near.as_ref().is_none_or(|words| {
                let hits = near.get_or_insert_with(|| words.hits(piece));
                words.is_near(hits, &at)
            });
            if is_near && self.check.is_none_or(|check| holds(check, value)) {
                found.add(self.category, place.start + at.start..place.start + at.end, value.as_bytes());
            }
        });
    }

    /// Calls `seen` with every value in `piece`.
    fn each(&self, piece: &str, mut seen: impl FnMut(Range<usize>)) {
        let (mut at, mut width, mut hits) = (0, FULL, 0_usize);
        while at <= piece.len() {
            let end = piece.ceil_char_boundary(at.saturating_add(width));
            let hit = self.find(&piece[..end], at);
            let is_last = end == piece.len();
            let is_seen_whole = |hit: &Hit| match width {
                NARROW => hit.whole.end < end,
                _wide => hit.whole.start + LONGEST_VALUE <= end,
            };
            let Some(hit) = hit.filter(|hit| is_last || is_seen_whole(hit)) else {
                if is_last {
                    return;
                }
                // What begins near the end of the window may go on, and is seen whole in the next one.
                at = piece.floor_char_boundary(at.max(end.saturating_sub(LONGEST_VALUE)));
                width = (width * 2).clamp(FULL, WIDEST);
                continue;
            };
            hits += 1;
            at = hit.whole.end.max(piece.ceil_char_boundary(hit.whole.start + 1)).max(hit.whole.start + 1);
            width = if hits * DENSE > at + FEW { NARROW } else { FULL };
            if !hit.value.is_empty() {
                seen(hit.value);
            }
        }
    }

    fn find(&self, text: &str, at: usize) -> Option<Hit> {
        if self.expression.captures_len() == 1 {
            let whole = self.expression.find_at(text, at)?.range();
            return Some(Hit { value: whole.clone(), whole });
        }
        let captures = self.expression.captures_at(text, at)?;
        let whole = captures.get(0)?.range();
        let value = captures.iter().skip(1).flatten().next().map_or(whole.clone(), |group| group.range());
        Some(Hit { whole, value })
    }
}

/// One match.
struct Hit {
    whole: Range<usize>,
    value: Range<usize>,
}

impl Near {
    /// Where the words stand.
    fn hits(&self, piece: &str) -> Vec<Range<usize>> {
        let mut hits = Vec::new();
        self.words.each(piece.as_bytes(), |_index, word| {
            if word.stands_alone() {
                hits.push(word.start..word.end);
            }
        });
        hits
    }

    /// Whether one of `hits`, in the order of their ends, stands near `at`, and is not the value itself.
    fn is_near(&self, hits: &[Range<usize>], at: &Range<usize>) -> bool {
        let from = hits.partition_point(|hit| hit.end + self.distance < at.start);
        let reach = hits[from..].iter().take_while(|hit| hit.end <= at.end + self.distance + MOST_OF_A_WORD);
        let outside = |hit: &&Range<usize>| hit.end <= at.start || hit.start >= at.end;
        reach.filter(outside).any(|hit| hit.start <= at.end + self.distance)
    }
}

/// Longer than any word that is looked for.
const MOST_OF_A_WORD: usize = 128;

fn expression(pattern: &str) -> Result<Regex, Wrong> {
    if pattern.len() > LONGEST_PATTERN {
        let cause = format!("the pattern has {} bytes, more than {LONGEST_PATTERN}", pattern.len());
        return Err((cause, "write several rules of the same name".to_owned()));
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.multi_line(true).nest_limit(DEEPEST).size_limit(SIZE).dfa_size_limit(TABLE);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_limit) => (
            "the pattern is too large when it is compiled".to_owned(),
            "use smaller counts, and [0-9] for \\d, [A-Za-z] for \\w".to_owned(),
        ),
        other => (
            syntax(&other.to_string()),
            "correct the pattern: the syntax is that of the crate regex".to_owned(),
        ),
    })
}

/// The one line of a message that says what is wrong.
fn syntax(message: &str) -> String {
    let line = message.lines().find_map(|line| line.strip_prefix("error: "));
    format!("the pattern is no regular expression: {}", line.unwrap_or("it cannot be read"))
}

fn holds(check: Check, value: &str) -> bool {
    let number = value.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase());
    let mut number: Vec<u8> = number.collect();
    let is_digits = || number.iter().all(u8::is_ascii_digit);
    if number.len() < 2 {
        return false;
    }
    match check {
        Check::Luhn => is_digits() && luhn(&number),
        Check::Mod97 => mod_97(&number) == 1,
        Check::Iban => {
            let head = number.len().min(4);
            number.rotate_left(head);
            mod_97(&number) == 1
        }
        Check::Mod11_10 => is_digits() && mod_11_10(&number),
        Check::Verhoeff => is_digits() && verhoeff(&number),
    }
}
