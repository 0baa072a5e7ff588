//! Helvetica: which characters it has, how wide they are, where a line ends.

use crate::document::visible;

/// A face of the font.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Plain,
    Bold,
}

/// Widths of the characters from space to tilde, in thousandths of the size (Adobe's metrics of Helvetica).
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// Bytes of `WinAnsiEncoding`. What the font does not have stands as its number.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            ' '..='~' => bytes.push(u8::try_from(c).expect("it is ASCII")),
            '…' => bytes.push(0x85),
            '–' => bytes.push(0x96),
            '—' => bytes.push(0x97),
            '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => {
                bytes.push(u8::try_from(u32::from(c)).expect("it is Latin-1"))
            }
            c => bytes.extend_from_slice(format!("<U+{:04X}>", u32::from(c)).as_bytes()),
        }
    }
    bytes
}

/// How wide encoded text is, in points.
pub(super) fn width(bytes: &[u8], (size, face): (f32, Face)) -> f32 {
    let all: f32 = bytes.iter().map(|byte| f32::from(of(*byte))).sum();
    // Bold letters are up to a tenth wider: a line that is a little short is better than one that is cut.
    let factor = if face == Face::Bold { 1.1 } else { 1.0 };
    all * size * factor / 1000.0
}

/// Beyond ASCII the widest letter but Æ and W is taken.
fn of(byte: u8) -> u16 {
    byte.checked_sub(b' ').and_then(|index| WIDTHS.get(usize::from(index))).copied().unwrap_or(834)
}

/// Lines no wider than `limit`. They end between words; a word that is too long is cut where the line is full.
pub(super) fn wrap(text: &str, limit: f32, style: (f32, Face)) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&encode(&longer), style) <= limit {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if width(&encode(&line), style) > limit && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}
