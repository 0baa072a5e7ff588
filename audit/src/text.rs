//! What a text of a record may do to whoever reads it, and how it is shown so that it does nothing.
//!
//! Names, paths and reasons come out of the guest. This is the only list of characters that are not shown as they are.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text with which nobody's terminal, line or right-to-left reading can be driven: each such character becomes
/// `\u{…}` in hexadecimal.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(drives) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if drives(c) {
            // Writing into a string cannot fail.
            let _written = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters, line and paragraph separators, what turns the direction of writing or joins and hides, and what is
/// shown as nothing or as a space without being one.
#[must_use]
pub fn drives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{061c}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || matches!(
            c,
            '\u{00ad}'
                | '\u{034f}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180e}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{ffa0}'
        )
}

/// One line of JSON with such characters as escapes of JSON's: where lines are split, more than `\n` may count as an end. They
/// stand in its texts only, so that its meaning stays.
pub fn ascii_controls(json: &str, out: &mut Vec<u8>) {
    let mut done = 0;
    for (at, c) in json.char_indices().filter(|(_at, c)| drives(*c)) {
        out.extend_from_slice(&json.as_bytes()[done..at]);
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
        done = at + c.len_utf8();
    }
    out.extend_from_slice(&json.as_bytes()[done..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_spelled_out() {
        assert_eq!(printable("a\u{1b}[2J\r\n\u{202e}b\u{9b}é"), "a\\u{1b}[2J\\u{d}\\u{a}\\u{202e}b\\u{9b}é");
        assert!(matches!(printable("/é/ü?"), Cow::Borrowed(_)));
        for c in "\u{61c}\u{ad}\u{180e}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}".chars() {
            assert_eq!(printable(&c.to_string()), format!("\\u{{{:x}}}", u32::from(c)));
        }
    }

    #[test]
    fn json_means_the_same_without_them() {
        let value = "a\u{9b}2J\u{e0041}\u{2028}\u{7f}é";
        let json = serde_json::to_string(value).unwrap();
        let mut out = Vec::new();
        ascii_controls(&json, &mut out);
        let shown = String::from_utf8(out).unwrap();
        assert!(json.chars().any(drives) && !shown.chars().any(drives), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), value);
    }
}
