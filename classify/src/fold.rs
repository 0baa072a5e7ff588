//! Undoes disguises of single characters: digits and letters of other scripts that look like ASCII,
//! zero-width and combining characters, exotic spaces and dashes.
//!
//! The folded text is a second view, never a replacement: folding may glue together what a detector
//! needs apart (a Cyrillic word right before a card number), so both views are scanned.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::seek;

/// What becomes of a character.
enum Fold {
    Keep,
    Drop,
    As(u8),
}

/// First characters of the decimal digit blocks, each ten long, zero first.
const DIGIT_ZEROS: [u32; 39] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0x2080, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x104A0, 0x11066,
    0x1FBF0,
];

/// First characters of blocks that hold the digits one to nine.
const DIGIT_ONES: [u32; 6] = [0x2460, 0x2474, 0x2488, 0x2776, 0x2780, 0x278A];

/// Letters that look like an ASCII letter: the ASCII letter, then its doubles.
const LOOKALIKES: [(u8, &str); 52] = [
    (b'A', "ΑАᎪᗅ"),
    (b'B', "ΒВᏴℬ"),
    (b'C', "СϹℂℭⅭ"),
    (b'D', "ᎠⅅⅮ"),
    (b'E', "ΕЕᎬℰ"),
    (b'F', "Ϝℱ"),
    (b'G', "Ԍ"),
    (b'H', "ΗНℋℌℍ"),
    (b'I', "ΙІӀℐℑⅠ"),
    (b'J', "ЈͿ"),
    (b'K', "ΚКK"),
    (b'L', "Ꮮℒ⅃Ⅼ"),
    (b'M', "ΜМℳⅯ"),
    (b'N', "Νℕ"),
    (b'O', "ΟОՕ"),
    (b'P', "ΡРℙ"),
    (b'Q', "ℚԚ"),
    (b'R', "ℛℜℝᎡ"),
    (b'S', "ЅՏ"),
    (b'T', "ΤТ"),
    (b'U', "Սሀ"),
    (b'V', "ѴᏙⅤ"),
    (b'W', "ԜᎳ"),
    (b'X', "ΧХⅩ"),
    (b'Y', "ΥҮ"),
    (b'Z', "ΖᏃℤℨ"),
    (b'a', "аɑα"),
    (b'b', "Ьƅ"),
    (b'c', "сϲⅽ"),
    (b'd', "ԁⅆⅾ"),
    (b'e', "еҽℯⅇ"),
    (b'f', "ƒ"),
    (b'g', "ɡցℊ"),
    (b'h', "һℎ"),
    (b'i', "іıιⅈⅰ"),
    (b'j', "јϳⅉ"),
    (b'k', "κк"),
    (b'l', "ӏℓⅼ"),
    (b'm', "мⅿ"),
    (b'n', "ո"),
    (b'o', "оοօℴ"),
    (b'p', "рρ"),
    (b'q', "ԛ"),
    (b'r', "г"),
    (b's', "ѕſ"),
    (b't', "т"),
    (b'u', "υս"),
    (b'v', "ѵνⅴ"),
    (b'w', "ԝѡ"),
    (b'x', "хⅹ"),
    (b'y', "уү"),
    (b'z', "ᴢ"),
];

/// The folded view, or `None` where it would equal the text.
#[must_use]
pub fn fold(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let mut out: Option<String> = None;
    let mut done = 0;
    let mut from = 0;
    while let Some(at) = seek::next(text.as_bytes(), from, |byte| !byte.is_ascii()) {
        let c = text[at..].chars().next().expect("a character starts where its first byte is found");
        from = at + c.len_utf8();
        let folded = match fold_char(c) {
            Fold::Keep => continue,
            Fold::Drop => None,
            Fold::As(byte) => Some(char::from(byte)),
        };
        let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
        out.push_str(&text[done..at]);
        out.extend(folded);
        done = from;
    }
    let mut out = out?;
    out.push_str(&text[done..]);
    Some(out)
}

/// Where in the text each byte of its folded view comes from, and where its end does.
pub(crate) fn origins(text: &str) -> Vec<usize> {
    let mut origins = Vec::with_capacity(text.len() + 1);
    for (at, c) in text.char_indices() {
        let length = folded(c).map_or(0, char::len_utf8);
        origins.resize(origins.len() + length, at);
    }
    origins.push(text.len());
    origins
}

/// What one character is folded to; `None`: nothing.
pub(crate) fn folded(c: char) -> Option<char> {
    match fold_char(c) {
        Fold::Keep => Some(c),
        Fold::Drop => None,
        Fold::As(byte) => Some(char::from(byte)),
    }
}

fn fold_char(c: char) -> Fold {
    let code = u32::from(c);
    // The letters of European languages stay as they are, and are nearly all that is met.
    if c.is_ascii() || matches!(code, 0x00C0..=0x0130 | 0x0132..=0x017E) {
        return Fold::Keep;
    }
    if is_invisible(code) {
        return Fold::Drop;
    }
    let number = || if c.is_numeric() { digit(code) } else { None };
    let plain = number().or_else(|| block(code)).or_else(|| punctuation(code)).or_else(|| lookalike(c));
    plain.map_or(Fold::Keep, Fold::As)
}

/// Zero-width, combining, directional and variation characters.
fn is_invisible(code: u32) -> bool {
    matches!(code,
        0x00AD | 0x0300..=0x036F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F
        | 0x20D0..=0x20FF | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F | 0xFEFF | 0xFFA0
        | 0xFFF9..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE001F | 0xE007F..=0xE0FFF)
}

fn digit(code: u32) -> Option<u8> {
    let from = |zero: u32, first: u8| u8::try_from(code.checked_sub(zero)?).ok().map(|offset| first + offset);
    match code {
        0x1D7CE..=0x1D7FF => return u8::try_from((code - 0x1D7CE) % 10).ok().map(|value| b'0' + value),
        0x00B2 | 0x00B3 => return from(0x00B2, b'2'),
        0x00B9 => return Some(b'1'),
        0x2070 | 0x24EA | 0x24FF | 0x3007 => return Some(b'0'),
        0x2074..=0x2079 => return from(0x2074, b'4'),
        _ => {}
    }
    if let Some(zero) = DIGIT_ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code)) {
        return from(*zero, b'0');
    }
    let one = DIGIT_ONES.iter().find(|one| (**one..**one + 9).contains(&code))?;
    from(*one, b'1')
}

/// Blocks that repeat ASCII, or the Latin alphabet, at an offset.
fn block(code: u32) -> Option<u8> {
    let letter = |index: u32| {
        let index = u8::try_from(index).ok()?;
        Some(if index < 26 { b'A' + index } else { b'a' + index - 26 })
    };
    match code {
        0xFF01..=0xFF5E => u8::try_from(code - 0xFF01 + 0x21).ok(),
        0xE0020..=0xE007E => u8::try_from(code - 0xE0000).ok(),
        0x1D400..=0x1D6A3 => letter((code - 0x1D400) % 52),
        0x24B6..=0x24E9 => letter(code - 0x24B6),
        0x1F130..=0x1F149 => letter(code - 0x1F130),
        0x1F150..=0x1F169 => letter(code - 0x1F150),
        0x1F170..=0x1F189 => letter(code - 0x1F170),
        0x249C..=0x24B5 => letter(code - 0x249C + 26),
        _ => None,
    }
}

fn punctuation(code: u32) -> Option<u8> {
    match code {
        0x00A0 | 0x0085 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029 | 0x202F | 0x205F | 0x3000 => Some(b' '),
        0x2010..=0x2015 | 0x2043 | 0x2212 | 0x2E3A | 0x2E3B | 0xFE58 | 0xFE63 | 0x30FC => Some(b'-'),
        0x00B7 | 0x2022 | 0x2024 | 0x2027 | 0x3002 | 0x30FB | 0xFE52 | 0xFF61 => Some(b'.'),
        0xFE6B => Some(b'@'),
        0xFE4D..=0xFE4F | 0x203F => Some(b'_'),
        0x2044 | 0x2215 => Some(b'/'),
        0x2236 | 0xA789 | 0xFE55 => Some(b':'),
        _ => None,
    }
}

fn lookalike(c: char) -> Option<u8> {
    static BY_DOUBLE: LazyLock<HashMap<char, u8>> = LazyLock::new(|| {
        let pairs =
            LOOKALIKES.iter().flat_map(|(ascii, doubles)| doubles.chars().map(|double| (double, *ascii)));
        pairs.collect()
    });
    BY_DOUBLE.get(&c).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_origin() {
        for text in ["４\u{200b}1é１", "a", "\u{200b}", "汉１"] {
            let (folded, origins) = (fold(text).unwrap_or_else(|| text.to_owned()), origins(text));
            assert_eq!(origins.len(), folded.len() + 1, "{text:?}");
            assert!(origins.is_sorted() && origins.iter().all(|at| text.is_char_boundary(*at)), "{text:?}");
        }
        assert_eq!(origins("４\u{200b}1"), [0, 6, 7]);
    }

    #[test]
    fn undoes_disguises() {
        for (disguised, plain) in [
            ("４１１１", "4111"),
            ("4\u{200b}1\u{2060}1\u{feff}1", "4111"),
            ("٤١١١", "4111"),
            ("𝟒𝟏𝟏𝟏 𝟜𝟙", "4111 41"),
            ("4\u{fe0f}\u{20e3}1\u{20e3}", "41"),
            ("④①", "41"),
            ("АКІА", "AKIA"),
            ("sѕо@ехаmрlе.соm", "sso@example.com"),
            ("078–05—1120", "078-05-1120"),
            ("1\u{a0}2\u{2009}3", "1 2 3"),
            ("\u{e0034}\u{e0031}", "41"),
            ("𝓪𝐛Ⓒⓓ", "abCd"),
            ("e\u{301}", "e"),
        ] {
            assert_eq!(fold(disguised).as_deref(), Some(plain), "{disguised:?}");
        }
        assert_eq!(fold("plain ascii"), None);
        assert_eq!(fold("汉字"), None);
    }
}
