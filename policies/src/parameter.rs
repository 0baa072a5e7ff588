//! Parameters of a query, and how servers fold the names of parameters and fields.
//!
//! A query is taken apart at `&` and at `;`, because servers differ on the second: what one of them may take for a
//! parameter of its own is judged as one. Names and values are compared after decoding `%XX` and `+`.

use std::borrow::Cow;

/// The parameters of a query, decoded. One without `=` has an empty value.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split(['&', ';']).filter(|text| !text.is_empty()).map(|text| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (decoded(name), decoded(value))
    })
}

/// A name as the most generous server reads it: without white space around it, without an index (`token[]`), with
/// one mark for `-`, `.`, `_`, a space and a bracket that is not closed. PHP reads parameters so, and CGI and its heirs read header fields so.
/// Two names that fold to the same are one name to somebody.
pub(crate) fn folded(name: &[u8]) -> Vec<u8> {
    let name = name.trim_ascii();
    let index =
        name.iter().position(|byte| *byte == b'[').filter(|at| *at > 0 && name[*at..].contains(&b']'));
    let name = &name[..index.unwrap_or(name.len())];
    let fold = |byte: &u8| match byte {
        b'-' | b'.' | b' ' | b'[' => b'_',
        other => other.to_ascii_lowercase(),
    };
    name.iter().map(fold).collect()
}

/// `text` as a value of a query, with everything encoded that is not plain.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// `%XX` and `+` as what they stand for.
pub(crate) fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = after.first_chunk::<2>().filter(|_digits| *first == b'%').and_then(byte_of);
        rest = if escape.is_some() { &after[2..] } else { after };
        plain.push(escape.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    Cow::Owned(plain)
}

/// The byte that two hexadecimal digits stand for.
fn byte_of(digits: &[u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(digits[0])? << 4 | digit(digits[1])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_server_takes_for_one_fold_to_one() {
        for name in
            ["private_token", " Private.Token", "private-token", "private token[]", "private_token[a][b]"]
        {
            assert_eq!(folded(name.as_bytes()), b"private_token", "{name}");
        }
        assert_ne!(folded(b"privatetoken"), folded(b"private_token"));
        assert_eq!(folded(b"token[x"), b"token_x");
        assert_eq!(folded(b"[x]"), b"_x]");
        assert_eq!(folded(b" "), b"");
    }
}
