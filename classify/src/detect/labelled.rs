//! Values that a word before them names: `MRN: 00123456`, `Steuer-ID 86 095 742 719`, `geboren am 3. Mai 1961`.
//!
//! A value with a check digit may stand a few words behind its label; one without must follow it at once, or after words
//! that only fill (`number`, `is`, `Nr.`). Lists go on: `Dx: E11.9, I10`.

mod address;
mod dates;
mod financial;
mod health;
mod markings;
mod medicine;
mod names;
mod national;
mod network;
mod personal;

use std::ops::Range;

use crate::category::{Category, Found};

use super::shape::{Compact, Shape};
use super::words::{Word, spellings};

/// One kind of value and the words that name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    category: Category,
    /// Parted by `|`; lower case.
    words: &'static str,
    value: Value,
}

/// How the value is read.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// Proves itself: a few words may stand between.
    Checked(Shape),
    /// Believed because of its label.
    Believed(Shape),
    /// Believed where words of medicine stand around it.
    InCare(Shape),
    /// Read by a function of its own, from the whole text around the word.
    Read(fn(Word<'_>) -> Option<Range<usize>>),
}

/// Bytes between a label and its value.
const REACH: usize = 48;

/// Words between a label and a value that proves itself.
const MOST_WORDS: usize = 6;

/// Values in one list.
const MOST_VALUES: usize = 16;

/// Words that say nothing between a label and its value.
const FILLERS: &[&str] = &[
    "number", "no", "nr", "num", "nummer", "numero", "número", "numéro", "id", "is", "code", "ist", "est",
    "es", "to", "e", "é", "of", "the", "for", "value", "was", "card", "der", "die", "das", "la", "le", "el",
    "il", "lautet", "my", "her", "his", "their", "patient", "equals", "numer", "to", "jest", "um", "von",
    "de", "del", "di", "van", "and", "us", "date", "am", "on", "mr", "mrs", "in", "at", "een", "en", "a",
    "w", "dnia", "dia", "día", "op", "il", "em", "codes", "as", "nº", "n°", "n.º", "née",
];

/// Words of medicine, and beginnings of such, in eight languages.
const CARE: &[&str] = &[
    "patient",
    "hospital",
    "clinic",
    "medical",
    "diagnos",
    "icu",
    "ward",
    "surg",
    "mrn",
    "doctor",
    "dr.",
    "nurse",
    "klinik",
    "krankenhaus",
    "hôpital",
    "hopital",
    "ospedale",
    "ziekenhuis",
    "szpital",
    "treatment",
    "therapy",
    "pneumonia",
    "health",
    "paciente",
    "paziente",
    "pacjent",
    "physician",
    "implant",
    "pacemaker",
    "insulin",
];

/// All labels, in a fixed order.
pub(super) fn labels() -> impl Iterator<Item = &'static Label> {
    let tables: [&[Label]; 10] = [
        health::LABELS,
        medicine::LABELS,
        dates::LABELS,
        personal::LABELS,
        national::LABELS,
        financial::LABELS,
        network::LABELS,
        address::LABELS,
        names::LABELS,
        markings::LABELS,
    ];
    tables.into_iter().flatten()
}

/// Those whose values are looked for in paths: a path is no text, and its words stand for many things.
pub(super) fn in_paths() -> impl Iterator<Item = &'static Label> {
    std::iter::once(&health::PATIENT_RECORD)
}

const fn checked(
    category: Category,
    words: &'static str,
    shapes: &'static [&'static str],
    check: fn(&[u8]) -> bool,
) -> Label {
    Label { category, words, value: Value::Checked(Shape { shapes, check }) }
}

const fn believed(category: Category, words: &'static str, shapes: &'static [&'static str]) -> Label {
    named(category, words, shapes, |_value| true)
}

/// Believed because of its label, unless `check` says no.
const fn named(
    category: Category,
    words: &'static str,
    shapes: &'static [&'static str],
    check: fn(&[u8]) -> bool,
) -> Label {
    Label { category, words, value: Value::Believed(Shape { shapes, check }) }
}

const fn in_care(category: Category, words: &'static str, shapes: &'static [&'static str]) -> Label {
    Label { category, words, value: Value::InCare(Shape { shapes, check: |_value| true }) }
}

const fn read(category: Category, words: &'static str, read: fn(Word<'_>) -> Option<Range<usize>>) -> Label {
    Label { category, words, value: Value::Read(read) }
}

impl Label {
    /// What its values are.
    pub(super) fn category(&self) -> Category {
        self.category
    }

    /// The words, each also in one piece, `medical record` and `medicalrecord`, and in capitals where those are not ASCII.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.words.split('|').flat_map(spellings)
    }

    /// Reports the values that `word` names.
    pub(super) fn scan(&self, word: Word<'_>, found: &mut Found) {
        let shape = match self.value {
            _ if !matches!(self.value, Value::Read(_)) && !word.stands_alone() => return,
            Value::Checked(shape) | Value::Believed(shape) => shape,
            Value::InCare(shape) if is_care(word) => shape,
            Value::InCare(_) => return,
            Value::Read(read) => {
                if let Some(at) = read(word) {
                    let value = String::from_utf8_lossy(&word.text[at.clone()]).to_lowercase();
                    found.add(self.category, at, value.as_bytes());
                }
                return;
            }
        };
        let mut next = match self.value {
            Value::Checked(_) => self.behind_words(word, shape),
            _ => behind_fillers(word).filter(|start| is_value(&word.text[*start..])),
        };
        for _value in 0..MOST_VALUES {
            let Some(start) = next else { return };
            let compact = Compact::read(word.text, start);
            let Some((value, end)) = compact.longest(shape) else { return };
            found.add(self.category, start..end, value);
            next = continued(word.text, end).filter(|start| is_value(&word.text[*start..]));
        }
    }

    /// The same in a path, where a value ends with its part.
    pub(super) fn scan_in_path(&self, word: Word<'_>, found: &mut Found) {
        let value = behind_fillers(word).unwrap_or(word.end);
        let rest = &word.text[value..word.text.len().min(value + REACH)];
        let end = memchr::memchr(b'/', rest).map_or(word.text.len(), |length| value + length);
        self.scan(Word { text: &word.text[..end], ..word }, found);
    }

    /// The first place behind `word` where a value that proves itself begins.
    fn behind_words(&self, word: Word<'_>, shape: Shape) -> Option<usize> {
        starts(word).take(MOST_WORDS).find(|start| Compact::read(word.text, *start).longest(shape).is_some())
    }
}

/// Whether words of medicine stand around `word`.
fn is_care(word: Word<'_>) -> bool {
    super::has_context(word.text, word.start..word.end, CARE)
}

/// The first place behind `word` that is no filler.
fn behind_fillers(word: Word<'_>) -> Option<usize> {
    starts(word).find(|start| !is_filler(&word.text[*start..]))
}

/// Every place within reach behind `word` where a group of letters and digits begins; a sentence's end is one.
pub(super) fn starts(word: Word<'_>) -> impl Iterator<Item = usize> {
    let text = word.text;
    let limit = text.len().min(word.end + REACH);
    let mut at = word.end;
    std::iter::from_fn(move || {
        while at < limit && !is_part(text[at]) {
            let ends = text[at] == b'\x1f' || (text[at..].starts_with(b". ") && !is_abbreviated(&text[..at]));
            // The value of this field ends, and another field begins.
            let closes = [&b"\n\n"[..], b"</", b"\","].iter().any(|mark| text[at..].starts_with(mark));
            if ends || closes {
                at = limit;
                return None;
            }
            at += 1;
        }
        let start = at;
        while at < limit && is_part(text[at]) {
            at += 1;
        }
        (start < limit).then_some(start)
    })
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// `No.`, `Nr.`, `geb.`: a full stop behind a short word ends no sentence.
fn is_abbreviated(before: &[u8]) -> bool {
    let letters = before.iter().rev().take(5).take_while(|byte| is_part(**byte)).count();
    (1..=4).contains(&letters)
}

fn is_filler(text: &[u8]) -> bool {
    let length = text.iter().take(12).take_while(|byte| is_part(**byte)).count();
    FILLERS.iter().any(|filler| filler.as_bytes().eq_ignore_ascii_case(&text[..length]))
}

/// Whether a value begins here that is believed for its label alone: with a digit in its first group, or a prefix in capitals.
fn is_value(text: &[u8]) -> bool {
    let length = text.iter().take(40).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let group = &text[..length];
    group.iter().any(u8::is_ascii_digit) || length <= 4 && group.iter().all(u8::is_ascii_uppercase)
}

/// Where the next value of a list begins.
fn continued(text: &[u8], end: usize) -> Option<usize> {
    let rest = &text[end..];
    [&b", "[..], b"; ", b",", b" and ", b" und ", b" / "]
        .iter()
        .find(|part| rest.starts_with(part))
        .map(|part| end + part.len())
}
