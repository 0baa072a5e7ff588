//! Text that a model reads and a person does not see.

use std::ops::Range;

use super::clause::{self, Plain};
use super::{HIDDEN, Sign, View};
use crate::category::Found;

/// Invisible characters in a row that are no accident: emoji and scripts that join letters have fewer.
const MANY: usize = 4;

/// Characters without a width in a row that write something in ones and zeros.
const MANY_ZEROS: usize = 8;

/// Letters that an override of the direction must turn round to matter.
const MANY_TURNED: usize = 4;

/// How a character hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Veil {
    /// The tags that repeat ASCII, and the variation selectors that can stand for bytes.
    Letter,
    /// No width, no meaning between letters of Latin.
    Zero,
}

/// Reports runs of characters that show nothing.
pub(in super::super) fn scan(text: &[u8], found: &mut Found) {
    let mut at = 0;
    // Each of them begins with one of these bytes.
    while let Some(start) = memchr::memchr3(0xe2, 0xef, 0xf3, &text[at..]).map(|offset| at + offset) {
        at = start + 1;
        if text[start..].starts_with("\u{202e}".as_bytes())
            || text[start..].starts_with("\u{202d}".as_bytes())
        {
            turned(text, start, found);
            continue;
        }
        let Some((veil, end, count)) = run(text, start) else { continue };
        at = end;
        let enough = if veil == Veil::Letter { MANY } else { MANY_ZEROS };
        if count >= enough && !is_flag(text, start, end) {
            found.add(HIDDEN, start..end, &text[start..end]);
        }
    }
}

/// The run of characters of one veil from `start` on: its end, and their number.
fn run(text: &[u8], start: usize) -> Option<(Veil, usize, usize)> {
    let (veil, mut end) = veil(text, start)?;
    let mut count = 1;
    while let Some((next, after)) = self::veil(text, end) {
        if next != veil {
            break;
        }
        (end, count) = (after, count + 1);
    }
    Some((veil, end, count))
}

/// The veil of the character at `at`, and where it ends.
fn veil(text: &[u8], at: usize) -> Option<(Veil, usize)> {
    let (veil, length) = match text.get(at..)? {
        [0xf3, 0xa0, 0x80..=0x87, _, ..] => (Veil::Letter, 4),
        [0xef, 0xb8, 0x80..=0x8f, ..] => (Veil::Letter, 3),
        [0xe2, 0x80, 0x8b..=0x8d, ..] | [0xe2, 0x81, 0xa0..=0xa4, ..] | [0xef, 0xbb, 0xbf, ..] => {
            (Veil::Zero, 3)
        }
        _ => return None,
    };
    Some((veil, at + length))
}

/// The flag of a part of a country: a black flag, tags, and the tag that ends it.
fn is_flag(text: &[u8], start: usize, end: usize) -> bool {
    text[..start].ends_with("\u{1f3f4}".as_bytes())
        && text[start..end].ends_with("\u{e007f}".as_bytes())
        && end - start <= 8 * 4
}

/// Latin text behind an override of the direction: it is not read as it is shown.
fn turned(text: &[u8], start: usize, found: &mut Found) {
    let from = start + 3;
    let rest = &text[from..text.len().min(from + 64)];
    let end = memchr::memmem::find(rest, "\u{202c}".as_bytes()).unwrap_or(rest.len());
    let letters = rest[..end].iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    if letters >= MANY_TURNED {
        found.add(HIDDEN, start..from + end, &rest[..end]);
    }
}

/// Who reads what a person does not see.
const READERS: &[&str] = &[
    " ai ",
    " llm ",
    " llms ",
    " language model",
    " assistant ",
    " assistants ",
    " chatbot ",
    " agent ",
    " agents ",
    " gpt ",
    " chatgpt ",
    " claude ",
    " copilot ",
    " gemini ",
    " ki ",
    " ia ",
    " modell",
    " modele ",
    " modelo ",
    " modello ",
    " asistente ",
    " assistente ",
];

/// What it is told.
const ORDERS: &[&str] = &[
    " must ",
    " should ",
    " say ",
    " tell ",
    " ignore ",
    " recommend",
    " do not ",
    " mark ",
    " add ",
    " write ",
    " open ",
    " visit ",
    " approve ",
    " send ",
    " when you ",
    " when summar",
    " dis ",
    " dites ",
    " di ",
    " schreib",
    " sag ",
    " escribe ",
    " scrivi ",
    " rank ",
    " instruct",
    " include ",
    " respond ",
    " always ",
];

/// A comment, or what a style hides, that speaks to a model.
pub(super) fn container(view: &View<'_>, index: usize) -> Option<Sign> {
    let hit = &view.hits[index];
    let limit = clause::around(view.text, &hit.at, 400).end;
    let inside = &view.text[hit.at.end..limit];
    let begin = if inside.starts_with(b"--") || view.text[hit.at.clone()].starts_with(b"<!") {
        0
    } else {
        tag_end(inside)
    };
    let ends: [&[u8]; 4] = [b"-->", b"</", b"\n\n", b"<!--"];
    let end = ends
        .iter()
        .filter_map(|end| memchr::memmem::find(&inside[begin..], end))
        .min()
        .unwrap_or(inside.len() - begin);
    let at: Range<usize> = hit.at.end + begin..hit.at.end + begin + end;
    let plain = Plain::of(view.text, at.clone());
    let is_told = plain.has(READERS) && plain.has(ORDERS) && !plain.has(&[" generated ", " agents md "]);
    (is_told && !at.is_empty()).then_some(Sign::Mark(HIDDEN, at))
}

/// Where the tag ends in which a style stands.
fn tag_end(inside: &[u8]) -> usize {
    inside.iter().take(160).position(|byte| *byte == b'>').map_or(0, |at| at + 1)
}
