//! Undoes encodings of text in text: percent, JSON and HTML escapes, base64 (both alphabets, wrapped or
//! not, at any alignment) and hexadecimal, one layer at a time.
//!
//! A run of base64 characters rarely says where its encoded part begins (`/data/NDEx…`), so each run is
//! decoded at all four alignments and only the readable stretches of each are kept; what is not text
//! drops out by itself.

mod escapes;

use super::category::Category;
use crate::BOUNDARY;
use crate::unreadable::{EMBEDDED_FILE, ENCODED_BINARY};

/// Shortest encoded run that is looked at, and shortest readable stretch that is kept.
const SHORTEST_RUN: usize = 12;
const SHORTEST_STRETCH: usize = 6;

/// From this many characters on, a run that does not decode to text is content of its own.
const LONG_RUN: usize = 8 * 1024;

/// A readable stretch this long does not come out of noise.
const DELIBERATE_STRETCH: usize = 28;

/// First bytes of files that hold what no text detector sees.
const MAGIC: [&[u8]; 14] = [
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"%PDF",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"\xfd7zXZ",
    b"BZh",
    b"RIFF",
    b"OggS",
    b"ID3",
    b"7z\xbc\xaf",
    b"\x7fELF",
];

/// One layer undone.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Texts that were inside, joined by boundaries.
    pub texts: Vec<String>,
    /// What was inside and is no text.
    pub opaque: Vec<Category>,
    deliberate: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Alphabet {
    Base64,
    Hex,
}

impl Decoded {
    /// Whether somebody must have encoded text on purpose: a long readable stretch came out, or an
    /// escape of a character that needs none.
    #[must_use]
    pub fn is_deliberate(&self) -> bool {
        self.deliberate
    }
}

/// Undoes one layer of every encoding in `text`.
#[must_use]
pub fn decode(text: &str) -> Decoded {
    let mut decoded = Decoded::default();
    if let Some(escapes) = escapes::unescape(text) {
        decoded.deliberate |= escapes.needless;
        decoded.texts.push(escapes.text);
    }
    let mut inner = String::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut scratch = Vec::new();
    while let Some(run) = next_run(bytes, at) {
        at = run.end;
        decode_run(&bytes[run], &mut scratch, &mut decoded, &mut inner);
    }
    if !inner.is_empty() {
        decoded.texts.push(inner);
    }
    decoded
}

/// The bytes of one base64 text.
pub(super) fn text_of_base64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    unpack(text, Alphabet::Base64, &mut bytes);
    bytes
}

/// The next run of base64 characters from `from` on, line breaks of a wrapped run included.
fn next_run(bytes: &[u8], from: usize) -> Option<std::ops::Range<usize>> {
    let start = run_start(bytes, from)?;
    let mut end = start;
    loop {
        let line = bytes[end..].iter().position(|byte| sextet(*byte).is_none()).unwrap_or(bytes.len() - end);
        end += line;
        let gap = line_break(&bytes[end..]);
        if line < 32 || gap == 0 {
            return Some(start..end);
        }
        end += gap;
    }
}

/// Where the next run starts that is long enough. Looked at from behind: where a short word ends, the rest of it need
/// not be looked at.
fn run_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut start = from;
    loop {
        let run = bytes.get(start..start + SHORTEST_RUN)?;
        match run.iter().rposition(|byte| sextet(*byte).is_none()) {
            Some(last) => start += last + 1,
            None => return Some(start),
        }
    }
}

/// Length of a line break (escaped or not) that another base64 character follows.
fn line_break(bytes: &[u8]) -> usize {
    let breaks: [&[u8]; 5] = [b"\r\n", b"\n", b"\\r\\n", b"\\n", b"\n "];
    let gap = breaks.iter().find(|mark| bytes.starts_with(mark)).map_or(0, |mark| mark.len());
    if bytes.get(gap).is_some_and(|byte| sextet(*byte).is_some()) { gap } else { 0 }
}

fn decode_run(run: &[u8], scratch: &mut Vec<u8>, decoded: &mut Decoded, inner: &mut String) {
    for alignment in 0..4 {
        unpack(run.get(alignment..).unwrap_or_default(), Alphabet::Base64, scratch);
        if alignment == 0 {
            note_opaque(run, scratch, decoded);
        }
        decoded.deliberate |= readable(scratch, inner);
    }
    let is_hex = |byte: &u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace();
    if run.iter().all(is_hex) {
        for alignment in 0..2 {
            unpack(run.get(alignment..).unwrap_or_default(), Alphabet::Hex, scratch);
            decoded.deliberate |= readable(scratch, inner);
        }
    }
}

fn note_opaque(run: &[u8], bytes: &[u8], decoded: &mut Decoded) {
    if run.len() >= 64 && MAGIC.iter().any(|magic| bytes.starts_with(magic)) {
        decoded.opaque.push(EMBEDDED_FILE);
    } else if run.len() >= LONG_RUN && !is_mostly_text(bytes) && !is_monotonous(run) {
        decoded.opaque.push(ENCODED_BINARY);
    }
}

fn is_mostly_text(bytes: &[u8]) -> bool {
    let text = bytes.iter().filter(|byte| is_readable(**byte)).count();
    text.saturating_mul(10) >= bytes.len().saturating_mul(9)
}

/// A ruler of dashes or a page of slashes is no content.
fn is_monotonous(run: &[u8]) -> bool {
    let mut seen = [false; 256];
    run.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count() < 10
}

fn unpack(run: &[u8], alphabet: Alphabet, out: &mut Vec<u8>) {
    let width: u32 = if alphabet == Alphabet::Base64 { 6 } else { 4 };
    out.clear();
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in run {
        let value = match alphabet {
            Alphabet::Base64 => sextet(*byte),
            Alphabet::Hex => char::from(*byte).to_digit(16),
        };
        let Some(value) = value else { continue };
        held = held << width | value;
        bits += width;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(held >> bits).expect("eight bits are left"));
            held &= (1 << bits) - 1;
        }
    }
}

/// The value of a base64 character, of either alphabet.
fn sextet(byte: u8) -> Option<u32> {
    let value = SEXTETS[usize::from(byte)];
    (value < 64).then_some(u32::from(value))
}

/// The value of every byte; 64: none.
const SEXTETS: [u8; 256] = {
    let mut values = [64; 256];
    let mut value = 0;
    while value < 62 {
        let first = [b'A', b'a' - 26, b'0'.wrapping_sub(52)][(value >= 26) as usize + (value >= 52) as usize];
        values[first.wrapping_add(value) as usize] = value;
        value += 1;
    }
    (values[b'+' as usize], values[b'-' as usize]) = (62, 62);
    (values[b'/' as usize], values[b'_' as usize]) = (63, 63);
    values
};

/// Appends the readable stretches of `bytes`; tells whether one of them is long. NUL bytes are passed
/// over: UTF-16 text has one in every other place.
fn readable(bytes: &[u8], out: &mut String) -> bool {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.is_ascii()
        && text.chars().all(|c| !c.is_control() || c.is_whitespace())
    {
        out.push_str(text);
        out.push(BOUNDARY);
        return text.len() >= DELIBERATE_STRETCH;
    }
    let mut long = false;
    for stretch in bytes.split(|byte| *byte != 0 && !is_readable(*byte)) {
        let text: String = stretch.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte)).collect();
        if text.len() >= SHORTEST_STRETCH {
            out.push_str(&text);
            out.push(BOUNDARY);
            long |= text.len() >= DELIBERATE_STRETCH;
        }
    }
    long
}

fn is_readable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests;
