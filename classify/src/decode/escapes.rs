//! Percent, JSON and HTML escapes, undone in one pass.

use crate::seek;

/// A text with its escapes undone.
#[derive(Debug)]
pub(super) struct Unescaped {
    /// The text.
    pub(super) text: String,
    /// An ASCII letter or digit was escaped: nothing but a disguise needs that.
    pub(super) needless: bool,
}

/// An escape at the start of a text: what it stands for and how long it is.
struct Escape {
    stands_for: char,
    length: usize,
}

/// HTML's names for characters that appear in what the detectors look for.
const ENTITIES: [(&str, char); 18] = [
    ("amp;", '&'),
    ("lt;", '<'),
    ("gt;", '>'),
    ("quot;", '"'),
    ("apos;", '\''),
    ("nbsp;", ' '),
    ("commat;", '@'),
    ("period;", '.'),
    ("sol;", '/'),
    ("lowbar;", '_'),
    ("hyphen;", '-'),
    ("dash;", '-'),
    ("ndash;", '-'),
    ("colon;", ':'),
    ("plus;", '+'),
    ("equals;", '='),
    ("shy;", '\u{ad}'),
    ("ZeroWidthSpace;", '\u{200b}'),
];

/// Undoes one layer of escapes; `None` where there is none.
pub(super) fn unescape(text: &str) -> Option<Unescaped> {
    let mut out = String::new();
    let mut needless = false;
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = seek::next(rest.as_bytes(), 0, |byte| matches!(byte, b'%' | b'\\' | b'&' | b'=')) {
        let (plain, marked) = rest.split_at(at);
        if let Some(byte) = percent(marked.as_bytes()) {
            if !plain.is_empty() {
                flush(&mut bytes, plain, &mut out);
            }
            needless |= byte.is_ascii_alphanumeric() && !marked.starts_with('=');
            bytes.push(byte);
            rest = &marked[3..];
            continue;
        }
        flush(&mut bytes, plain, &mut out);
        let escape = backslash(marked).or_else(|| entity(marked));
        let length = escape.as_ref().map_or(1, |escape| escape.length);
        match &escape {
            Some(escape) => {
                needless |= escape.stands_for.is_ascii_alphanumeric();
                out.push(escape.stands_for);
            }
            None => out.push_str(&marked[..1]),
        }
        rest = &marked[length..];
    }
    if out.is_empty() && bytes.is_empty() {
        return None;
    }
    flush(&mut bytes, rest, &mut out);
    (out != text).then_some(Unescaped { text: out, needless })
}

/// Escaped bytes wait here until they end, because several of them may make one character.
fn flush(bytes: &mut Vec<u8>, plain: &str, out: &mut String) {
    if !plain.is_empty() || !bytes.is_empty() {
        out.push_str(&String::from_utf8_lossy(bytes));
        bytes.clear();
        out.push_str(plain);
    }
}

/// `%41` of a URL, `=41` of quoted-printable.
fn percent(bytes: &[u8]) -> Option<u8> {
    let [b'%' | b'=', high, low, ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// `\u0041`, `\u{41}`, `\x41`, `\n`, `\"`.
fn backslash(text: &str) -> Option<Escape> {
    let rest = text.strip_prefix('\\')?;
    let one = |stands_for: char| Some(Escape { stands_for, length: 2 });
    match rest.as_bytes().first()? {
        b'u' if rest.starts_with("u{") => {
            let close = rest.bytes().take(9).position(|byte| byte == b'}')?;
            let digits = rest.get(2..close)?;
            let stands_for = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some(Escape { stands_for, length: digits.len() + 4 })
        }
        b'u' => utf16(rest),
        b'x' => {
            let stands_for = char::from(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            Some(Escape { stands_for, length: 4 })
        }
        b'n' => one('\n'),
        b't' => one('\t'),
        b'r' => one('\r'),
        b'"' => one('"'),
        b'\'' => one('\''),
        b'/' => one('/'),
        b'\\' => one('\\'),
        _ => None,
    }
}

/// `u0041`, or two of them that make one character.
fn utf16(text: &str) -> Option<Escape> {
    let unit = |at: usize| u16::from_str_radix(text.get(at..at + 4)?, 16).ok();
    let first = unit(1)?;
    if let Some(stands_for) = char::from_u32(u32::from(first)) {
        return Some(Escape { stands_for, length: 6 });
    }
    text.get(5..7).filter(|mark| *mark == "\\u")?;
    let stands_for = char::decode_utf16([first, unit(7)?]).next()?.ok()?;
    Some(Escape { stands_for, length: 12 })
}

/// `&amp;`, `&#64;`, `&#x40;`.
fn entity(text: &str) -> Option<Escape> {
    let rest = text.strip_prefix('&')?;
    if let Some(number) = rest.strip_prefix('#') {
        let (digits, radix, mark) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16, 3),
            None => (number, 10, 2),
        };
        let length = digits.bytes().take(9).position(|byte| !char::from(byte).is_digit(radix))?;
        let stands_for = char::from_u32(u32::from_str_radix(&digits[..length], radix).ok()?)?;
        let closed = usize::from(digits[length..].starts_with(';'));
        return Some(Escape { stands_for, length: mark + length + closed });
    }
    let (name, stands_for) = ENTITIES.iter().find(|(name, _)| rest.starts_with(name))?;
    Some(Escape { stands_for: *stands_for, length: 1 + name.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_one_layer() {
        for (escaped, plain, needless) in [
            ("%34%31%31%31", "4111", true),
            ("a%20b%40c", "a b@c", false),
            ("=34=31", "41", false),
            (r"\u0034\x31", "41", true),
            (r"\u{34}", "4", true),
            (r"\ud835\udfd2", "𝟒", false),
            (r#"{\"a\":\"b\"}\n"#, "{\"a\":\"b\"}\n", false),
            ("j&#64;x&period;org&#x2e;", "j@x.org.", false),
            ("&#52;1", "41", true),
            ("%EF%BC%94", "４", false),
            ("100%25", "100%", false),
        ] {
            let got = unescape(escaped).unwrap();
            assert_eq!((got.text.as_str(), got.needless), (plain, needless), "{escaped}");
        }
        for plain in [
            "", "nothing", "100%", "a & b", r"C:\dir", "a=b", "%zz", "&#;", r"\u12", r"\ud835", "%", "\\",
            "&",
        ] {
            assert!(unescape(plain).is_none(), "{plain}");
        }
    }
}
