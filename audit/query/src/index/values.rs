//! Several texts in one word: one a line, so that no text can pass for two, or for the beginning of another.
//!
//! A program of the guest may have a line feed in its name. Were it kept as it is, no pattern would fit the halves, and the
//! index would hide every record of that program.

use std::borrow::Cow;

/// The values as one word; `None` if there is none.
pub(super) fn joined<'a>(values: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut word: Option<String> = None;
    for value in values {
        match &mut word {
            Some(word) => {
                word.push('\n');
                word.push_str(&escaped(value));
            }
            None => word = Some(escaped(value).into_owned()),
        }
    }
    word
}

/// The values of a word.
pub(crate) fn split(word: &str) -> impl Iterator<Item = Cow<'_, str>> {
    word.split('\n').map(plain)
}

/// Whether the word is its only value, as it stands there.
pub(crate) fn is_one(word: &str) -> bool {
    !word.bytes().any(|byte| byte == b'\n' || byte == b'\\')
}

fn escaped(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '\n']) {
        value.replace('\\', "\\\\").replace('\n', "\\n").into()
    } else {
        value.into()
    }
}

fn plain(escaped: &str) -> Cow<'_, str> {
    if !escaped.contains('\\') {
        return escaped.into();
    }
    let mut value = String::with_capacity(escaped.len());
    let mut rest = escaped.chars();
    while let Some(c) = rest.next() {
        let is_escape = c == '\\';
        let c = if is_escape { rest.next().map(|c| if c == 'n' { '\n' } else { c }) } else { Some(c) };
        value.extend(c);
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_comes_apart_again() {
        for values in
            [&["a"][..], &["a", "b"], &["a\nb"], &["a\\", "nb"], &["a\\nb"], &["\\\n\\\\"], &[""], &["", ""]]
        {
            let word = joined(values.iter().copied()).unwrap();
            assert_eq!(split(&word).collect::<Vec<_>>(), values, "{word:?}");
            assert!(!is_one(&word) || values == [&*word], "{word:?}");
        }
        assert_eq!(joined([].into_iter()), None);
    }
}
