//! Text from the guest on its way into a format that is lines of text.

use std::borrow::Cow;

/// The first `limit` bytes, with `…` at the end if some were cut off.
pub(super) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(limit - '…'.len_utf8());
    Cow::Owned(format!("{}…", &text[..end]))
}

/// Puts a backslash before each of `special`.
pub(super) fn escaped(text: &str, special: &[char], out: &mut String) {
    for c in text.chars() {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_falls_within_a_character() {
        for limit in 3..20 {
            let text = "aé€𝄞".repeat(9);
            let short = cut(&text, limit);
            assert!(short.len() <= limit && short.ends_with('…'), "{limit}: {short}");
        }
        assert_eq!(cut("abc", 3), "abc");
    }
}
