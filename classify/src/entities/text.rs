//! Words of running text and where they stand.

use std::ops::Range;

/// A word, a number or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Its bytes in the text.
    pub at: Range<usize>,
    /// What touches it before and behind without a space; spaces, where nothing does.
    pub touches: (char, char),
}

impl Token<'_> {
    /// Whether it begins with a capital letter.
    #[must_use]
    pub fn is_capitalised(&self) -> bool {
        self.text.chars().next().is_some_and(char::is_uppercase)
    }
}

/// The tokens of `text`.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let end = if c.is_alphanumeric() { word_end(text, at) } else { at + c.len_utf8() };
        if !c.is_whitespace() {
            tokens.push(Token {
                text: &text[at..end],
                at: at..end,
                touches: (before(text, at), behind(text, end)),
            });
        }
        at = end;
    }
    tokens
}

/// A word goes on over a hyphen or an apostrophe between two letters, but for the `'s` of a possessive.
fn word_end(text: &str, start: usize) -> usize {
    let mut end = start;
    loop {
        let part = text[end..].find(|c: char| !c.is_alphanumeric()).map_or(text.len(), |length| end + length);
        let mut rest = text[part..].chars();
        let joins =
            matches!(rest.next(), Some('-' | '\'' | '’')) && rest.next().is_some_and(char::is_alphabetic);
        if !joins || is_possessive(&text[part..]) {
            return part;
        }
        end = part + text[part..].chars().next().map_or(0, char::len_utf8);
    }
}

fn is_possessive(rest: &str) -> bool {
    let letters = rest.strip_prefix(['\'', '’']).unwrap_or_default();
    let mut letters = letters.chars();
    matches!(letters.next(), Some('s' | 'S')) && !letters.next().is_some_and(char::is_alphanumeric)
}

fn before(text: &str, at: usize) -> char {
    touching(text[..at].chars().next_back())
}

fn behind(text: &str, end: usize) -> char {
    touching(text[end..].chars().next())
}

fn touching(c: Option<char>) -> char {
    c.filter(|c| !c.is_whitespace() && !c.is_control()).unwrap_or(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_hold_together_and_signs_stand_apart() {
        assert_eq!(
            words("Dr. O'Brien's Jean-Luc, 12%"),
            ["Dr", ".", "O'Brien", "'", "s", "Jean-Luc", ",", "12", "%"]
        );
        assert_eq!(words("self.name(x) — é"), ["self", ".", "name", "(", "x", ")", "—", "é"]);
        assert!(words(" \n\t").is_empty());
        assert_eq!(tokens("a.b c")[2].touches, ('.', ' '));
    }
}
